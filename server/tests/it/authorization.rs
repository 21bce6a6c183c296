//! The authorization matrix: every server function and every route that the framework knows, with everybody who could
//! call it. An endpoint without a case here fails the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use kubewise_app::App;
use kubewise_backend::{
    NewToken, World as Clockwork, agree_plan,
    database::Part,
    permission::{AddClusters, MakeTokens},
    set_administrator,
};
use kubewise_contract::{ClusterName, OrgId, Permission, Permissions, Role, TokenName};
use kubewise_sample_stripe as sample;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::common::{Browser, PASSWORD, Tenant, TestServer, shop::billing_server, uid};

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Anybody, with the reason.
    Nothing(&'static str),
    /// Somebody who is signed in: it is about their own account.
    SignedIn,
    /// A member whose role has the permission.
    May(Permission),
    /// The same, who is not limited to chosen clusters.
    Whole(Permission),
    /// Whoever administers the installation.
    Installation,
}

/// How the arguments are sent.
#[derive(Clone, Copy)]
enum Input {
    Json,
    Form,
}

type Case = (&'static str, Needs, Input, Value);

fn server_functions(t: &Tenant, cluster: &str) -> Vec<Case> {
    let mut cases = of_accounts();
    cases.extend(of_organisations(t, cluster));
    cases.extend(of_audits(t, cluster));
    cases.extend(of_notifications(t));
    cases
}

/// About who asks.
fn of_accounts() -> Vec<Case> {
    use Input::{Form, Json};
    use Needs::{Nothing, SignedIn};
    vec![
        ("/api/home", Nothing("says who is signed in, if anybody"), Json, json!({})),
        (
            "/api/sign_up",
            Nothing("makes the account"),
            Form,
            json!({"name": "", "email": "", "organisation": "", "password": ""}),
        ),
        (
            "/api/password_strength",
            Nothing("for who makes an account or has a link"),
            Json,
            json!({"password": PASSWORD, "about": ""}),
        ),
        ("/api/log_in", Nothing("makes the session"), Form, json!({"email": "", "password": ""})),
        ("/api/log_out", Nothing("ends the session, if any"), Form, json!({})),
        ("/api/verify_address", Nothing("the link is the proof"), Form, json!({"token": ""})),
        ("/api/request_reset", Nothing("for who cannot sign in"), Form, json!({"email": ""})),
        ("/api/reset_password", Nothing("the link is the proof"), Form, json!({"token": "", "password": ""})),
        (
            "/api/pending",
            Nothing("answers who gave the first proof, in the session that it was given in"),
            Json,
            json!({}),
        ),
        (
            "/api/enter_code",
            Nothing("answers who gave the first proof, in the session that it was given in"),
            Form,
            json!({"code": "123456"}),
        ),
        ("/api/confirm_identity", SignedIn, Form, json!({"current_password": PASSWORD})),
        ("/api/ask_passkey", Nothing("asks who it is"), Json, json!({"purpose": "sign_in"})),
        (
            "/api/answer_passkey",
            Nothing("says who it is"),
            Json,
            json!({"purpose": "sign_in", "answer": "", "next": ""}),
        ),
        ("/api/begin_passkey", SignedIn, Json, json!({"name": "Laptop"})),
        ("/api/add_passkey", SignedIn, Json, json!({"name": "Laptop", "answer": ""})),
        ("/api/remove_passkey", SignedIn, Form, json!({"id": ""})),
        ("/api/second_factors", SignedIn, Json, json!({})),
        ("/api/begin_authenticator", SignedIn, Form, json!({})),
        ("/api/authenticator_setup", SignedIn, Json, json!({})),
        ("/api/confirm_authenticator", SignedIn, Form, json!({"code": "123456"})),
        ("/api/remove_authenticator", SignedIn, Form, json!({})),
        ("/api/new_recovery_codes", SignedIn, Form, json!({})),
        ("/api/recovery_codes", SignedIn, Json, json!({})),
        ("/api/ways", Nothing("says how people sign in"), Json, json!({})),
        ("/api/unlink_google", SignedIn, Form, json!({})),
        ("/api/set_password", SignedIn, Form, json!({"password": PASSWORD})),
        ("/api/account", SignedIn, Json, json!({})),
        ("/api/change_name", SignedIn, Form, json!({"name": "Maya"})),
        ("/api/resend_verification", SignedIn, Form, json!({})),
        ("/api/change_address", SignedIn, Form, json!({"email": "new@example.com", "current_password": PASSWORD})),
        ("/api/change_password", SignedIn, Form, json!({"current_password": PASSWORD, "password": PASSWORD})),
        ("/api/sessions", SignedIn, Json, json!({})),
        ("/api/end_session", SignedIn, Form, json!({"id": ""})),
        ("/api/end_other_sessions", SignedIn, Form, json!({})),
        ("/api/privacy", SignedIn, Json, json!({})),
        ("/api/request_export", SignedIn, Form, json!({})),
        ("/api/set_policy_mails", SignedIn, Form, json!({})),
        ("/api/delete_account", SignedIn, Form, json!({"email": ""})),
    ]
}

/// About an organisation, a cluster, or the installation.
fn of_organisations(t: &Tenant, cluster: &str) -> Vec<Case> {
    use Input::{Form, Json};
    use Needs::{Installation, May, Nothing, SignedIn, Whole};
    use Permission::{
        AddClusters, MakeTokens, ManageClusters, ManageOrganisation, ManageOwnership, ManageTeam, ViewActivity,
        ViewInventory, ViewOrganisation, ViewTeam,
    };
    let org = t.slug.as_str();
    let query = json!({"kind": null, "namespace": null, "q": null, "app": null, "image": null, "after": null});
    let in_org = || json!({"org": org, "query": query});
    let in_cluster = || json!({"org": org, "cluster": cluster, "query": query});
    vec![
        ("/api/organisation_settings", May(ManageOrganisation), Json, json!({"org": org})),
        ("/api/require_second_factor", May(ManageOrganisation), Form, json!({"org": org})),
        ("/api/rename_organisation", May(ManageOrganisation), Form, json!({"org": org, "organisation": "Acme"})),
        ("/api/set_join_rule", May(ManageOrganisation), Form, json!({"org": org})),
        ("/api/organisation_data", May(ManageOrganisation), Json, json!({"org": org})),
        ("/api/set_history", May(ManageOrganisation), Form, json!({"org": org, "days": "30"})),
        ("/api/delete_organisation", May(ManageOwnership), Form, json!({"org": org, "organisation": ""})),
        ("/api/keep_organisation", May(ManageOwnership), Form, json!({"org": org})),
        ("/api/billing", May(Permission::ManageBilling), Json, json!({"org": org})),
        (
            "/api/set_billing_details",
            May(Permission::ManageBilling),
            Form,
            json!({
                "org": org, "email": "pay@example.com", "line1": "", "line2": "", "city": "", "postal_code": "",
                "state": "", "country": "",
            }),
        ),
        ("/api/ask_stripe", May(Permission::ManageBilling), Form, json!({"org": org})),
        ("/api/team", May(ViewTeam), Json, in_org()),
        ("/api/invitations", May(ManageTeam), Json, json!({"org": org})),
        ("/api/member", May(ManageTeam), Json, json!({"org": org, "member": t.user})),
        ("/api/invite", May(ManageTeam), Form, json!({"org": org, "email": "new@example.com", "role": "viewer"})),
        ("/api/resend_invitation", May(ManageTeam), Form, json!({"org": org, "invitation": uid(9)})),
        ("/api/revoke_invitation", May(ManageTeam), Form, json!({"org": org, "invitation": uid(9)})),
        ("/api/change_member", May(ManageTeam), Form, json!({"org": org, "member": uid(9), "role": "viewer"})),
        ("/api/remove_member", May(ManageTeam), Form, json!({"org": org, "member": uid(9)})),
        ("/api/transfer_ownership", May(ManageOwnership), Form, json!({"org": org, "member": uid(9)})),
        ("/api/leave_organisation", May(ViewOrganisation), Form, json!({"org": org})),
        ("/api/invitation", Nothing("the link is the proof"), Json, json!({"token": ""})),
        ("/api/accept_invitation", SignedIn, Form, json!({"token": ""})),
        (
            "/api/sign_up_invited",
            Nothing("the link is the proof"),
            Form,
            json!({"token": "", "name": "Maya", "password": PASSWORD}),
        ),
        ("/api/joinable", SignedIn, Json, json!({})),
        ("/api/join_organisation", SignedIn, Form, json!({"org": org})),
        ("/api/create_organisation", SignedIn, Form, json!({"organisation": "Another"})),
        ("/api/api_tokens", May(MakeTokens), Json, json!({"org": org, "made": null})),
        ("/api/token_choices", May(MakeTokens), Json, json!({"org": org})),
        (
            "/api/make_api_token",
            May(MakeTokens),
            Form,
            json!({"org": org, "name": "ci", "permissions[0]": "view_inventory", "days": "7"}),
        ),
        ("/api/revoke_api_token", May(MakeTokens), Form, json!({"org": org, "token": uid(9)})),
        ("/api/activity", May(ViewActivity), Json, json!({"org": org, "query": {}})),
        ("/api/verify_activity", Whole(ViewActivity), Json, json!({"org": org})),
        ("/api/installation_organisations", Installation, Json, json!({"query": query})),
        ("/api/installation_accounts", Installation, Json, json!({"query": query})),
        ("/api/disable_account", Installation, Form, json!({"account": uid(9)})),
        ("/api/job_health", Installation, Json, json!({})),
        ("/api/retry_job", Installation, Form, json!({"id": "x"})),
        ("/api/installation_billing", Installation, Json, json!({})),
        ("/api/replay_stripe_event", Installation, Form, json!({"id": "evt_x"})),
        ("/api/frame", May(ViewOrganisation), Json, json!({"org": org})),
        ("/api/overview", May(ViewInventory), Json, json!({"org": org})),
        ("/api/clusters", May(ViewInventory), Json, in_org()),
        ("/api/search", May(ViewInventory), Json, in_org()),
        ("/api/cluster", May(ViewInventory), Json, in_cluster()),
        ("/api/applications", May(ViewInventory), Json, in_cluster()),
        ("/api/workloads", May(ViewInventory), Json, in_cluster()),
        ("/api/images", May(ViewInventory), Json, in_cluster()),
        ("/api/vulnerabilities", May(ViewInventory), Json, json!({"org": org, "cluster": cluster, "query": {}})),
        ("/api/vulnerable", May(ViewInventory), Json, in_org()),
        ("/api/nodes", May(ViewInventory), Json, in_cluster()),
        ("/api/namespaces", May(ViewInventory), Json, in_cluster()),
        ("/api/resources", May(ViewInventory), Json, in_cluster()),
        ("/api/resource", May(ViewInventory), Json, json!({"org": org, "cluster": cluster, "uid": uid(1)})),
        ("/api/may_manage", May(AddClusters), Json, json!({"org": org})),
        ("/api/may_manage_cluster", May(ManageClusters), Json, in_cluster()),
        ("/api/install", May(ManageClusters), Json, in_cluster()),
        ("/api/install_status", May(ManageClusters), Json, in_cluster()),
        ("/api/add_cluster", May(AddClusters), Form, json!({"org": org, "name": "fresh"})),
        ("/api/rename_cluster", May(ManageClusters), Form, json!({"org": org, "cluster": cluster, "name": "renamed"})),
        ("/api/rotate_token", May(ManageClusters), Form, json!({"org": org, "cluster": cluster})),
        ("/api/revoke_token", May(ManageClusters), Form, json!({"org": org, "cluster": cluster})),
        (
            "/api/delete_cluster",
            May(ManageClusters),
            Form,
            json!({"org": org, "cluster": cluster, "confirmation": "renamed"}),
        ),
    ]
}

/// About what is told to whom: everybody who sees clusters has themselves told; what is more is decided by what is asked for.
fn of_notifications(t: &Tenant) -> Vec<Case> {
    use Input::{Form, Json};
    use Needs::May;
    use Permission::ViewInventory;
    let org = t.slug.as_str();
    let query = json!({"kind": null, "namespace": null, "q": null, "app": null, "image": null, "after": null});
    vec![
        ("/api/notifications", May(ViewInventory), Json, json!({"org": org})),
        ("/api/notification", May(ViewInventory), Json, json!({"org": org, "notification": uid(9), "query": query})),
        (
            "/api/make_notification",
            May(ViewInventory),
            Form,
            json!({"org": org, "wanted[name]": "mine", "wanted[channel]": "mail", "wanted[findings]": "1"}),
        ),
        ("/api/remove_notification", May(ViewInventory), Form, json!({"org": org, "notification": uid(9)})),
        ("/api/resume_notification", May(ViewInventory), Form, json!({"org": org, "notification": uid(9)})),
        ("/api/test_notification", May(ViewInventory), Form, json!({"org": org, "notification": uid(9)})),
    ]
}

/// About audits, and what is decided about them.
fn of_audits(t: &Tenant, cluster: &str) -> Vec<Case> {
    use Input::{Form, Json};
    use Needs::May;
    use Permission::{ManagePolicies, RunAudits, ViewInventory, WaiveFindings};
    let org = t.slug.as_str();
    let in_org = || json!({"org": org, "query": {"kind": null, "namespace": null, "q": null, "app": null, "image": null, "after": null}});
    vec![
        ("/api/audits", May(ViewInventory), Json, in_org()),
        ("/api/findings", May(ViewInventory), Json, json!({"org": org, "cluster": cluster, "query": {}})),
        ("/api/finding", May(ViewInventory), Json, json!({"org": org, "cluster": cluster, "finding": "00"})),
        ("/api/run_audits", May(RunAudits), Form, json!({"org": org})),
        ("/api/audit_schedules", May(ViewInventory), Json, in_org()),
        (
            "/api/set_audit_schedule",
            May(RunAudits),
            Form,
            json!({"org": org, "cluster": cluster, "every": "day", "at": "06:00", "time_zone": "UTC"}),
        ),
        ("/api/end_audit_schedule", May(RunAudits), Form, json!({"org": org, "cluster": cluster})),
        (
            "/api/compare_audits",
            May(ViewInventory),
            Json,
            json!({"org": org, "query": {"a": cluster, "ra": null, "b": cluster, "rb": null}}),
        ),
        ("/api/waivers", May(ViewInventory), Json, json!({"org": org, "query": {"shown": "current", "after": null}})),
        ("/api/waiver_choices", May(WaiveFindings), Json, json!({"org": org})),
        (
            "/api/add_waiver",
            May(WaiveFindings),
            Form,
            json!({"org": org, "waiver[rule]": "pss-host-ports", "waiver[reason]": "x", "waiver[owner]": "x"}),
        ),
        ("/api/allow_waiver", May(ManagePolicies), Form, json!({"org": org, "waiver": uid(9)})),
        ("/api/end_waiver", May(WaiveFindings), Form, json!({"org": org, "waiver": uid(9)})),
        ("/api/policies", May(ViewInventory), Json, in_org()),
        (
            "/api/decide_rule",
            May(ManagePolicies),
            Form,
            json!({"org": org, "rule": "pss-host-ports", "decided": "off"}),
        ),
        (
            "/api/set_audit_parameters",
            May(ManagePolicies),
            Form,
            json!({
                "org": org, "parameters[minimum_replicas]": "2", "parameters[maximum_limit_ratio_percent]": "1000",
                "parameters[maximum_grace_seconds]": "600",
            }),
        ),
        ("/api/set_waiver_policy", May(ManagePolicies), Form, json!({"org": org, "asked": "1"})),
        (
            "/api/set_cluster_policy",
            May(ManagePolicies),
            Form,
            json!({"org": org, "cluster": cluster, "profile": "cis", "version": "1.36"}),
        ),
        ("/api/run_audit", May(RunAudits), Form, json!({"org": org, "cluster": cluster})),
    ]
}

fn routes() -> Vec<(&'static str, Needs)> {
    use Needs::{Installation, May, Nothing, SignedIn};
    use Permission::{
        AddClusters, MakeTokens, ManageClusters, ManageOrganisation, ManageTeam, ViewActivity, ViewInventory, ViewTeam,
        WaiveFindings,
    };
    vec![
        ("/", Nothing("the landing page")),
        ("/signup", Nothing("the form to make an account")),
        ("/login", Nothing("the form to sign in")),
        ("/mfa", Nothing("for who gave the first proof; others are led to sign in")),
        ("/reset", Nothing("for who cannot sign in")),
        ("/verify", Nothing("the link is the proof")),
        ("/invite", Nothing("the link is the proof")),
        ("/account", SignedIn),
        ("/account/organisations", SignedIn),
        ("/account/security", SignedIn),
        ("/account/security/authenticator", SignedIn),
        ("/account/security/codes", SignedIn),
        ("/account/confirm", SignedIn),
        ("/account/sessions", SignedIn),
        ("/account/privacy", SignedIn),
        ("/admin", Installation),
        ("/admin/accounts", Installation),
        ("/admin/jobs", Installation),
        ("/admin/billing", Installation),
        ("/o/:org", May(ViewInventory)),
        ("/o/:org/clusters", May(ViewInventory)),
        ("/o/:org/settings", May(ManageOrganisation)),
        ("/o/:org/settings/tokens", May(MakeTokens)),
        ("/o/:org/settings/tokens/new", May(MakeTokens)),
        ("/o/:org/settings/notifications", May(ViewInventory)),
        ("/o/:org/settings/notifications/new", May(ViewInventory)),
        ("/o/:org/settings/notifications/:notification", May(ViewInventory)),
        ("/o/:org/settings/activity", May(ViewActivity)),
        ("/o/:org/settings/data", May(ManageOrganisation)),
        ("/o/:org/billing", May(Permission::ManageBilling)),
        ("/o/:org/team", May(ViewTeam)),
        ("/o/:org/team/invitations", May(ManageTeam)),
        ("/o/:org/team/invite", May(ManageTeam)),
        ("/o/:org/team/members/:member", May(ManageTeam)),
        ("/o/:org/search", May(ViewInventory)),
        ("/o/:org/audits", May(ViewInventory)),
        ("/o/:org/audits/schedules", May(ViewInventory)),
        ("/o/:org/audits/waivers", May(ViewInventory)),
        ("/o/:org/audits/waivers/new", May(WaiveFindings)),
        ("/o/:org/audits/policy", May(ViewInventory)),
        ("/o/:org/audits/compare", May(ViewInventory)),
        ("/o/:org/clusters/new", May(AddClusters)),
        ("/o/:org/clusters/:cluster/install", May(ManageClusters)),
        ("/o/:org/clusters/:cluster", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/applications", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/workloads", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/findings", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/findings/:finding", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/images", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/vulnerabilities", May(ViewInventory)),
        ("/o/:org/vulnerabilities", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/nodes", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/namespaces", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/resources", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/resources/:uid", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/settings", May(ManageClusters)),
    ]
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Nobody,
    /// With an API token, which is for the API alone.
    PersonalToken,
    OrganisationToken,
    /// Somebody of another organisation.
    Stranger,
    /// Somebody who administers the installation, and is no member.
    Administrator,
    Member(Role),
    /// Limited to the cluster that the case is about.
    LimitedHere(Role),
    /// Limited to another cluster.
    LimitedElsewhere(Role),
}

impl Caller {
    const ALL: [Self; 14] = [
        Self::Nobody,
        Self::PersonalToken,
        Self::OrganisationToken,
        Self::Stranger,
        Self::Administrator,
        Self::Member(Role::Owner),
        Self::Member(Role::Admin),
        Self::Member(Role::Operator),
        Self::Member(Role::Viewer),
        Self::Member(Role::Billing),
        Self::LimitedHere(Role::Operator),
        Self::LimitedHere(Role::Viewer),
        Self::LimitedElsewhere(Role::Operator),
        Self::LimitedElsewhere(Role::Viewer),
    ];

    /// The role, and whether it is limited to chosen clusters.
    const fn role(self) -> Option<(Role, bool)> {
        match self {
            Self::Nobody | Self::PersonalToken | Self::OrganisationToken | Self::Stranger | Self::Administrator => None,
            Self::Member(role) => Some((role, false)),
            Self::LimitedHere(role) | Self::LimitedElsewhere(role) => Some((role, true)),
        }
    }

    const fn is_signed_in(self) -> bool {
        !matches!(self, Self::Nobody | Self::PersonalToken | Self::OrganisationToken)
    }
}

/// The status that says so; none: any that is not a refusal. `about_cluster`: whether one cluster is meant.
fn expected(needs: Needs, caller: Caller, about_cluster: bool) -> Option<u16> {
    let (permission, whole) = match needs {
        Needs::Nothing(_) => return None,
        Needs::SignedIn => return (!caller.is_signed_in()).then_some(401),
        Needs::Installation if !caller.is_signed_in() => return Some(401),
        Needs::Installation => return (caller != Caller::Administrator).then_some(404),
        Needs::May(permission) => (permission, false),
        Needs::Whole(permission) => (permission, true),
    };
    if !caller.is_signed_in() {
        return Some(401);
    }
    let Some((role, limited)) = caller.role() else { return Some(404) };
    // Who sees no cluster at all is told so; who does not see this one is not told that it exists.
    if about_cluster && role.may(Permission::ViewInventory) && matches!(caller, Caller::LimitedElsewhere(_)) {
        return Some(404);
    }
    let may = Permissions::of(role, limited).contain(permission) && !(whole && limited);
    (!may).then_some(403)
}

/// The name of a cluster that limited members must never see.
const HIDDEN: &str = "hidden-harbour";

struct World {
    stripe: sample::Stripe,
    server: TestServer,
    tenant: Tenant,
    org: uuid::Uuid,
    hidden: uuid::Uuid,
    callers: BTreeMap<String, (Browser, Option<uuid::Uuid>)>,
    clusters: u32,
}

impl World {
    /// `walls`: whether row-level security is in force; without it, the types alone decide.
    async fn new(walls: bool) -> Self {
        // One that bills has ways that another has not.
        let stripe = sample::Stripe::start(sample::Options::default()).await.unwrap();
        let server = billing_server(&Clockwork::system(), stripe.url()).await;
        let tenant = server.tenant("acme").await;
        let behind = server.database.superuser();
        if !walls {
            let tables: Vec<String> = sqlx::query_scalar("SELECT relname::text FROM pg_class WHERE relrowsecurity")
                .fetch_all(&behind)
                .await
                .unwrap();
            assert!(tables.len() >= 15, "the tables with row-level security are seen");
            for table in tables {
                let off = format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY");
                sqlx::query(sqlx::AssertSqlSafe(off)).execute(&behind).await.unwrap();
            }
        }
        let org: uuid::Uuid = sqlx::query_scalar("SELECT id FROM organisations WHERE slug = $1")
            .bind(tenant.slug.as_str())
            .fetch_one(&behind)
            .await
            .unwrap();
        // Of nothing less than the cases make.
        let owner = server.database.pool(Part::Owner);
        agree_plan(&owner, &Clockwork::system(), OrgId(org), true).await.unwrap();
        let mut world = Self { stripe, server, tenant, org, hidden: uid(0), callers: BTreeMap::new(), clusters: 0 };
        world.hidden = world.cluster_named(HIDDEN).await.parse().unwrap();
        // Somebody whose limits name the cluster: others' limits are shown as far as one sees the clusters.
        let other = world.server.tenant("other").await;
        sqlx::query(
            "INSERT INTO memberships (org_id, user_id, role, clusters, created_at) VALUES ($1, $2, 'viewer', $3, now())",
        )
        .bind(org)
        .bind(other.user.0)
        .bind(vec![world.hidden])
        .execute(&behind)
        .await
        .unwrap();
        for caller in Caller::ALL {
            let mut browser = world.server.browser();
            let mut user = None;
            if caller.is_signed_in() {
                let name: String =
                    format!("{caller:?}").to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
                let person = world.server.tenant(&name).await;
                user = Some(person.user.0);
                if caller == Caller::Administrator {
                    let owner = world.server.database.pool(Part::Owner);
                    set_administrator(&owner, person.user, true).await.unwrap();
                }
                let response = browser.post("/api/log_in", &[("email", &person.email), ("password", PASSWORD)]).await;
                assert_eq!(response.status(), StatusCode::FOUND);
            } else if caller != Caller::Nobody {
                browser.bearer = Some(world.api_token(caller == Caller::OrganisationToken).await);
            }
            world.callers.insert(format!("{caller:?}"), (browser, user));
        }
        world
    }

    async fn api_token(&self, of_organisation: bool) -> String {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<MakeTokens>(&actor, &self.tenant.slug).await.unwrap();
        let wanted = NewToken {
            name: TokenName::parse("matrix").unwrap(),
            permissions: Permission::FOR_TOKENS.iter().copied().collect(),
            clusters: None,
            days: 7,
            of_organisation,
        };
        self.server.web.make_api_token(&org, &wanted).await.unwrap().1.expose_secret().to_owned()
    }

    /// What the caller is in the organisation before each case: the one before may have ended it.
    async fn enrol(&self, caller: Caller, cluster: &str) {
        let (Some((role, limited)), Some(user)) = (caller.role(), self.callers[&format!("{caller:?}")].1) else {
            return;
        };
        let only =
            if matches!(caller, Caller::LimitedHere(_)) { cluster.parse().unwrap() } else { self.tenant.cluster.0 };
        sqlx::query(
            "INSERT INTO memberships (org_id, user_id, role, clusters, created_at) VALUES ($1, $2, $3, $4, now())
             ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role, clusters = excluded.clusters",
        )
        .bind(self.org)
        .bind(user)
        .bind(role.as_str())
        .bind(limited.then(|| vec![only]))
        .execute(&self.server.database.superuser())
        .await
        .unwrap();
    }

    /// A cluster with one object, which a case may do anything to.
    async fn cluster(&mut self) -> String {
        self.clusters += 1;
        self.cluster_named(&format!("c{}", self.clusters)).await
    }

    async fn cluster_named(&self, name: &str) -> String {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<AddClusters>(&actor, &self.tenant.slug).await.unwrap();
        let (cluster, _) = self.server.web.add_cluster(&org, &ClusterName::parse(name).unwrap()).await.unwrap();
        sqlx::query(
            "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
               images, hash, manifest) VALUES ($1, $2, $3, 'Pod', 'v1', 'shop', $5, now(), true, 'healthy', '{}', '', $4)",
        )
        .bind(org.id.0)
        .bind(cluster.0)
        .bind(uid(1))
        .bind(zstd::bulk::compress(b"{}", 1).unwrap())
        .bind(if name == HIDDEN { HIDDEN } else { "web" })
        .execute(&self.server.database.superuser())
        .await
        .unwrap();
        cluster.to_string()
    }
}

/// What is not refused, and answered otherwise than by a success, since what it is about is not there.
fn is_accounted_for(path: &str, status: u16) -> bool {
    match path {
        // Nobody has given a first proof, or was asked for a passkey; and these are no credentials.
        "/api/pending" | "/api/enter_code" | "/api/answer_passkey" | "/api/add_passkey" => status == 401,
        "/api/log_in" | "/api/sign_up" => matches!(status, 401 | 422),
        // Links that never were any.
        "/api/verify_address"
        | "/api/reset_password"
        | "/api/invitation"
        | "/api/accept_invitation"
        | "/api/sign_up_invited" => status == 410,
        // Things that are not there, or not theirs. There is no issuer, a password is set already, and nothing is about to be
        // deleted.
        "/api/end_session"
        | "/api/remove_passkey"
        | "/api/unlink_google"
        | "/api/set_password"
        | "/api/resend_invitation"
        | "/api/revoke_invitation"
        | "/api/change_member"
        | "/api/remove_member"
        | "/api/transfer_ownership"
        | "/api/keep_organisation"
        | "/api/join_organisation"
        | "/api/revoke_api_token"
        | "/api/disable_account"
        | "/api/allow_waiver"
        | "/api/end_waiver"
        | "/api/retry_job"
        | "/api/replay_stripe_event" => status == 404,
        "/api/finding"
        | "/o/:org/clusters/:cluster/findings/:finding"
        | "/api/notification"
        | "/api/remove_notification"
        | "/api/resume_notification"
        | "/api/test_notification"
        | "/o/:org/settings/notifications/:notification" => status == 404,
        // There is no app to remove, and there are no codes to make anew, unless the case before made some.
        "/api/remove_authenticator" | "/api/new_recovery_codes" => matches!(status, 404 | 200),
        // Nothing is being set up; a link without a token.
        "/account/security/authenticator" => status == 404,
        "/invite" => status == 410,
        _ => (200..400).contains(&status) || status == 422,
    }
}

/// One line for each endpoint: who is refused how, and `+` for who is not.
fn line(path: &str, needs: Needs, statuses: &[Option<u16>]) -> String {
    let needs = match needs {
        Needs::Nothing(why) => format!("anybody: {why}"),
        Needs::SignedIn => "signed in".to_owned(),
        Needs::Installation => "administers the installation".to_owned(),
        Needs::May(permission) => permission.as_str().to_owned(),
        Needs::Whole(permission) => format!("{}, of all clusters", permission.as_str()),
    };
    let cells: Vec<String> =
        statuses.iter().map(|status| status.map_or_else(|| "+".to_owned(), |status| status.to_string())).collect();
    format!("| `{path}` | {needs} | {} |\n", cells.join(" | "))
}

fn heading(title: &str) -> String {
    let callers: Vec<String> = Caller::ALL.iter().map(|caller| format!("{caller:?}")).collect();
    let rule = "|---".repeat(callers.len() + 2);
    format!("\n## {title}\n\n| endpoint | needs | {} |\n{rule}|\n", callers.join(" | "))
}

/// Calls every server function as everybody; answers what came of it, as a table.
async fn server_functions_as_everybody(world: &mut World) -> String {
    let cases = server_functions(&world.tenant, "x");
    let known: BTreeSet<&str> = cases.iter().map(|(path, ..)| *path).collect();
    let registered: BTreeSet<&str> = leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path).collect();
    assert_eq!(registered, known, "server functions without a case, or cases without one");

    let any = world.cluster().await;
    let mut table = heading("Server functions");
    for (at, (path, needs, ..)) in cases.iter().enumerate() {
        let mut statuses = Vec::new();
        for caller in Caller::ALL {
            // A fresh one where it is changed; any other time one is enough.
            let cluster = if cases[at].3.get("cluster").is_some() { world.cluster().await } else { any.clone() };
            world.enrol(caller, &cluster).await;
            let (path, needs, input, arguments) = server_functions(&world.tenant, &cluster).swap_remove(at);
            // A comparison names its clusters as an address does.
            let about_cluster = arguments.get("cluster").is_some() || arguments.pointer("/query/a").is_some();
            let refused = expected(needs, caller, about_cluster);
            statuses.push(refused);
            let (browser, _) = world.callers.get_mut(&format!("{caller:?}")).unwrap();
            if matches!(path, "/api/log_out" | "/api/log_in" | "/api/sign_up") && caller.is_signed_in() {
                continue;
            }
            let response = match input {
                Input::Form => {
                    let pairs: Vec<(String, String)> = arguments
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                        .collect();
                    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                    let url = browser.url.clone();
                    browser.post_from(path, &pairs, Some(&url), "application/json").await
                }
                Input::Json => browser.ask(path, &arguments).await,
            };
            let status = response.status().as_u16();
            let body = response.text().await.unwrap();
            match refused {
                Some(refused) => assert_eq!(status, refused, "{caller:?} calls {path}: {body}"),
                None => assert!(is_accounted_for(path, status), "{caller:?} calls {path}: {status} {body}"),
            }
            if caller.role().is_some_and(|(_, limited)| limited) {
                assert!(
                    !body.contains(HIDDEN),
                    "{caller:?} calls {path} and is told of a cluster they do not see: {body}"
                );
            }
        }
        table.push_str(&line(path, *needs, &statuses));
    }
    table
}

/// Opens every page as everybody.
async fn pages_as_everybody(world: &mut World) -> String {
    let cluster = world.cluster().await;
    let known: BTreeSet<String> = routes().iter().map(|(path, _)| (*path).to_owned()).collect();
    let registered: BTreeSet<String> = leptos_axum::generate_route_list(App)
        .iter()
        .map(|route| {
            let path = route.path().replace('{', ":").replace('}', "");
            if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }
        })
        // What no page matches is the page that says so.
        .filter(|path| !path.contains('*'))
        .collect();
    assert_eq!(registered, known, "pages without a case, or cases without a page");

    let mut table = heading("Pages");
    for (route, needs) in routes() {
        let path = route
            .replace(":org", world.tenant.slug.as_str())
            .replace(":cluster", &cluster)
            .replace(":member", &world.tenant.user.to_string())
            .replace(":uid", &uid(1).to_string())
            .replace(":finding", "00")
            .replace(":notification", &uid(9).to_string());
        let mut statuses = Vec::new();
        for caller in Caller::ALL {
            world.enrol(caller, &cluster).await;
            let refused = expected(needs, caller, route.contains(":cluster"));
            statuses.push(refused);
            let response = world.callers[&format!("{caller:?}")].0.get(&path).await;
            let status = response.status().as_u16();
            let body = response.text().await.unwrap();
            match refused {
                // Who is not signed in is sent to do so.
                Some(401) => assert_eq!(status, 302, "{caller:?} opens {route}"),
                Some(refused) => assert_eq!(status, refused, "{caller:?} opens {route}"),
                None => assert!(is_accounted_for(route, status), "{caller:?} opens {route}: {status}"),
            }
            if caller.role().is_some_and(|(_, limited)| limited) {
                assert!(!body.contains(HIDDEN), "{caller:?} opens {route} and is told of a cluster they do not see");
            }
        }
        table.push_str(&line(route, needs, &statuses));
    }
    table
}

/// The table is kept, so that whoever reviews a change sees who may do what from then on.
#[tokio::test]
async fn everything_answers_as_the_table_of_roles_says() {
    let mut world = World::new(true).await;
    let mut table = "# Who may call what\n\nWritten by `server/tests/it/authorization.rs` from what the server answered: the status of a refusal, `+` for none.\n\
                     `UPDATE_EXPECT=1 cargo xtask test --only unit -- -E 'test(table_of_roles)'` writes it anew.\n"
        .to_owned();
    table += &pages_as_everybody(&mut world).await;
    table += &server_functions_as_everybody(&mut world).await;
    expect_test::expect_file!["authorization.md"].assert_eq(&table);
}

/// The types hold without the second wall.
#[tokio::test]
async fn without_row_level_security_the_types_alone_say_the_same() {
    let mut world = World::new(false).await;
    pages_as_everybody(&mut world).await;
    server_functions_as_everybody(&mut world).await;
}

/// Methods that may change something (RFC 9110 §9.2.1).
const UNSAFE: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

#[tokio::test]
async fn what_changes_something_must_come_from_our_own_pages() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&t.email, PASSWORD).await;
    let cookie = browser.cookie.clone().unwrap();
    let ask = async |method: &Method, path: &str, origin: Option<&str>| {
        let mut request = browser.client.request(method.clone(), format!("{}{path}", server.url));
        request = request.header("cookie", &cookie).header("accept", "application/json");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let functions: Vec<String> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, method)| {
            assert_eq!(method, Method::POST, "{path} changes nothing if it can be opened by a link");
            path.to_owned()
        })
        .collect();
    assert!(functions.len() >= 30, "the server functions are seen");
    let pages =
        leptos_axum::generate_route_list(App).into_iter().map(|route| route.path().replace(['{', '}', '*'], ""));
    let others = [
        "/o/acme/events",
        "/o/acme/activity/export",
        "/o/acme/export",
        "/o/acme/settings/data/certificates/x",
        "/o/acme/billing/checkout",
        "/o/acme/billing/portal",
        "/account/privacy/download",
        "/erasure",
        "/nowhere",
    ]
    .map(str::to_owned);
    let foreign = format!("{}.evil.example", server.url);
    for path in functions.iter().cloned().chain(pages).chain(others) {
        for method in &UNSAFE {
            for origin in
                [None, Some("https://evil.example"), Some("null"), Some(""), Some("http://127.0.0.1:1"), Some(&foreign)]
            {
                assert_eq!(ask(method, &path, origin).await, 403, "{method} {path} from {origin:?}");
            }
        }
    }
    for path in &functions {
        assert_eq!(ask(&Method::GET, path, Some(&server.url)).await, 405, "{path} by a link");
    }
    assert_eq!(browser.get("/account").await.status(), StatusCode::OK, "nothing was done, not even signing out");
}

/// The routes that are not the framework's are read from the source: a new one that may change something needs a case.
/// Those of the public API are all made by one macro in one file, and have their cases in `api.rs`, whose list of routes
/// comes from the same macro.
#[tokio::test]
async fn the_only_other_routes_that_change_something_are_those_of_agents_of_mails_and_of_stripe() {
    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let lines = text.lines().filter(|line| makes_a_route(line));
                found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
            }
        }
    }
    fn makes_a_route(line: &str) -> bool {
        ["post(", "put(", "patch(", "delete(", "any(", "on(", "post_service(", "any_service(", "routes!("].iter().any(
            |call| {
                line.match_indices(call).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let is_method = matches!(*call, "any(" | "on(") && before == Some('.');
                    !is_method && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
            },
        )
    }
    let mut found = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    let in_the_api = |line: &String| line.starts_with("routes.rs: .routes(") && line.contains("routes!(");
    let of_the_api = found.iter().filter(|line| in_the_api(line)).count();
    assert!(of_the_api >= 12, "{found:#?}");
    found.retain(|line| !in_the_api(line));
    found.sort();
    // The first three are behind the same layer as pages.
    let [data, log, export, ended, mails, stripe, agents, nothing] = <[String; 8]>::try_from(found).unwrap();
    // See `who_has_no_link_to_their_data_is_told_so`.
    assert!(data.starts_with("router.rs: ") && data.contains("post(my_data::take)"), "{data}");
    // See `the_log_is_taken_out_by_who_may_read_it`.
    assert!(log.starts_with("router.rs: ") && log.contains("post(activity_export::export)"), "{log}");
    // See `an_organisation_is_taken_out_by_its_owners`.
    assert!(export.starts_with("router.rs: ") && export.contains("post(organisation_export::export)"), "{export}");
    // By what a mail carries; see `one_post_ends_the_mails_that_a_mail_is_one_of`.
    assert!(ended.starts_with("router.rs: ") && ended.contains("post(unsubscribe::end)"), "{ended}");
    // The same; see `a_mail_of_a_real_conversation_ends_such_mails_by_one_post`.
    assert!(mails.starts_with("router.rs: ") && mails.contains("post(unsubscribe::end_policies)"), "{mails}");
    // By what Stripe signs; see `only_what_stripe_signed_and_just_now_is_taken`.
    assert!(stripe.starts_with("router.rs: ") && stripe.contains("post(billing::receive)"), "{stripe}");
    assert!(agents.starts_with("router.rs: ") && agents.contains("post(ingest::sync)"), "{agents}");
    // What the API has no route for.
    assert!(nothing.starts_with("routes.rs: ") && nothing.contains("any(StatusCode::NOT_FOUND)"), "{nothing}");

    // No browser keeps what an agent proves itself with, so no page of others can make one send it.
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&t.email, PASSWORD).await;
    let response = browser.post_from(kubewise_protocol::SYNC_PATH, &[], Some("https://evil.example"), "*/*").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn live_events_are_for_members_alone() {
    let server = TestServer::start().await;
    let one = server.tenant("one").await;
    let two = server.tenant("two").await;
    let mut browser = server.browser();
    assert_eq!(browser.get("/o/one/events").await.status(), StatusCode::NOT_FOUND);
    browser.post("/api/log_in", &[("email", &one.email), ("password", PASSWORD)]).await;
    assert_eq!(browser.get("/o/two/events").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/o/../events").await.status(), StatusCode::NOT_FOUND);
    let mut stream = browser.get("/o/one/events").await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    server.accepted(&one.token, crate::common::full(1, &[crate::common::pod(1, "a", "nginx")])).await;
    let chunk =
        tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap().unwrap();
    let text = String::from_utf8(chunk.to_vec()).unwrap();
    assert!(text.contains("event: change") && text.contains(&one.cluster.to_string()), "{text}");
    // Another organisation's change is not told; being removed ends the stream.
    // An organisation has an Owner: somebody else is one then.
    let behind = server.database.superuser();
    sqlx::query("UPDATE memberships SET user_id = $1 WHERE user_id = $2 AND org_id = (SELECT id FROM organisations WHERE slug = 'one')")
        .bind(two.user.0)
        .bind(one.user.0)
        .execute(&behind)
        .await
        .unwrap();
    server.accepted(&one.token, crate::common::delta(1, 1, &[crate::common::pod(2, "b", "nginx")], &[])).await;
    let end = tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap();
    assert!(end.is_none(), "{end:?}");
}

/// Routes besides the framework's and the API's, which has a table of its own: with whom they are for.
const OTHERS: [(&str, &str); 27] = [
    ("/healthz", "anybody: says that the process runs"),
    ("SYNC_PATH", "agents, by their cluster's token (server/tests/it/ingest.rs)"),
    ("/install/agent.yaml", "anybody: the agent's manifest, the same for all"),
    ("oidc::START", "anybody: leads to the issuer; to link or confirm, who is signed in (server/tests/it/oidc.rs)"),
    ("oidc::CALLBACK", "the browser that was led there, by the state in its session (server/tests/it/oidc.rs)"),
    ("/docs", "anybody: the documentation"),
    ("/docs/{page}", "anybody: the documentation"),
    ("/docs/rules/{rule}", "anybody: the documentation"),
    ("/policies", "anybody: the policies"),
    ("/policies/{policy}", "anybody: the policies"),
    ("/policies/{policy}/history", "anybody: the policies"),
    ("/policies/{policy}/{date}", "anybody: the policies"),
    ("/policies/{policy}/{date}/changes", "anybody: the policies"),
    ("/erasure", "whoever has its address, which carries the proof (server/tests/it/privacy.rs)"),
    ("/erasure/certificate", "whoever has its address, which carries the proof (server/tests/it/privacy.rs)"),
    ("certificate::KEYS", "anybody: the public keys of certificates"),
    ("/account/privacy/download", "whose data it is, signed in, by the link of a mail (server/tests/it/privacy.rs)"),
    ("/unsubscribe", "whoever has the mail, by what its header carries (server/tests/it/notifications.rs)"),
    ("/unsubscribe/policies", "whoever has the mail, by what its header carries (server/tests/it/policies.rs)"),
    ("billing::WEBHOOK", "Stripe, by what it signs (server/tests/it/stripe.rs)"),
    ("/o/{org}/billing/checkout", "manage_billing (the_ways_to_stripe_are_for_who_pays)"),
    ("/o/{org}/billing/portal", "manage_billing (the_ways_to_stripe_are_for_who_pays)"),
    ("/o/{org}/events", "members, of the clusters they see (live_events_are_for_members_alone)"),
    ("/o/{org}/activity/export", "view_activity (the_log_is_taken_out_by_who_may_read_it)"),
    (
        "/o/{org}/export",
        "manage_ownership, who proved lately who they are (an_organisation_is_taken_out_by_its_owners)",
    ),
    (
        "/o/{org}/settings/data/certificates/{id}",
        "manage_organisation (certificates_of_clusters_are_for_who_manages_the_organisation)",
    ),
    ("/o/{org}/clusters/{cluster}/findings/export", "view_inventory (findings_are_taken_out_by_who_sees_the_cluster)"),
];

/// They are read from the source: one that is not in the list above fails.
#[test]
fn every_other_route_has_somebody_it_is_for() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            for (at, call) in text.match_indices(".route(") {
                let rest = text[at + call.len()..].trim_start();
                let end = rest.find([',', ')']).unwrap();
                found.insert(rest[..end].trim_matches('"').to_owned());
            }
        }
    }
    let known: BTreeSet<String> = OTHERS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(found, known, "routes without a word, or words without a route");
    for (path, reason) in OTHERS {
        println!("{path}: {reason}");
    }
}

#[tokio::test]
async fn the_log_is_taken_out_by_who_may_read_it() {
    let mut world = World::new(true).await;
    let cluster = world.cluster().await;
    for caller in Caller::ALL {
        world.enrol(caller, &cluster).await;
        // Also who is signed out is told nothing of whether the organisation exists: this is no page.
        let expected = expected(Needs::May(Permission::ViewActivity), caller, false)
            .map(|status| if status == 401 { 404 } else { status });
        for format in ["csv", "json"] {
            let (browser, _) = world.callers.get_mut(&format!("{caller:?}")).unwrap();
            let url = browser.url.clone();
            let path = format!("/o/{}/activity/export", world.tenant.slug);
            let form = [("format", format), ("action", "cluster"), ("person", ""), ("from", ""), ("to", "")];
            let response = browser.post_from(&path, &form, Some(&url), "*/*").await;
            assert_eq!(response.status().as_u16(), expected.unwrap_or(200), "{caller:?} takes the log out");
            let text = response.text().await.unwrap();
            if expected.is_some() {
                assert_eq!(text, "", "{caller:?}");
                continue;
            }
            let limited = caller.role().is_some_and(|(_, limited)| limited);
            assert_eq!(text.contains(HIDDEN), !limited, "{caller:?}: {text}");
            if format == "json" {
                let lines: Vec<Value> = serde_json::from_str(&text).unwrap();
                assert!(lines.iter().all(|line| line["action"].as_str().unwrap().starts_with("cluster.")), "{text}");
            } else {
                assert!(text.starts_with("line,at,person,token,from,action,subject,cluster,before,after\n"), "{text}");
            }
        }
    }
}

/// Of routes that people come to by a link or a button, who is signed out is led to sign in.
fn led_to_sign_in(refused: Option<u16>) -> Option<u16> {
    refused.map(|status| if status == 401 { 303 } else { status })
}

#[tokio::test]
async fn an_organisation_is_taken_out_by_its_owners() {
    let mut world = World::new(true).await;
    let cluster = world.cluster().await;
    for caller in Caller::ALL {
        world.enrol(caller, &cluster).await;
        let refused = led_to_sign_in(expected(Needs::May(Permission::ManageOwnership), caller, false));
        let path = format!("/o/{}/export", world.tenant.slug);
        let (browser, _) = world.callers.get_mut(&format!("{caller:?}")).unwrap();
        let response = browser.post(&path, &[]).await;
        assert_eq!(response.status().as_u16(), refused.unwrap_or(200), "{caller:?} takes all out");
        let text = response.text().await.unwrap();
        assert_eq!(text.contains(HIDDEN), refused.is_none(), "{caller:?}: {text}");
    }
}

#[tokio::test]
async fn certificates_of_clusters_are_for_who_manages_the_organisation() {
    let mut world = World::new(true).await;
    let cluster = world.cluster().await;
    let id = uid(7);
    sqlx::query(
        "INSERT INTO erasures (id, kind, hash, org_id, requested_at, due_at, next_try_at, ended_at, certificate)
         VALUES ($1, 'cluster', sha256('x'), $2, now(), now(), now(), now(), 'signed')",
    )
    .bind(id)
    .bind(world.org)
    .execute(&world.server.database.superuser())
    .await
    .unwrap();
    for caller in Caller::ALL {
        world.enrol(caller, &cluster).await;
        let refused = led_to_sign_in(expected(Needs::May(Permission::ManageOrganisation), caller, false));
        let (browser, _) = &world.callers[&format!("{caller:?}")];
        let path = format!("/o/{}/settings/data/certificates/{id}?download=1", world.tenant.slug);
        let response = browser.get(&path).await;
        assert_eq!(response.status().as_u16(), refused.unwrap_or(200), "{caller:?}");
        assert_eq!(response.text().await.unwrap() == "signed", refused.is_none(), "{caller:?}");
    }
}

#[tokio::test]
async fn findings_are_taken_out_by_who_sees_the_cluster() {
    let mut world = World::new(true).await;
    let here = world.cluster().await;
    for caller in Caller::ALL {
        world.enrol(caller, &here).await;
        for cluster in [here.clone(), world.hidden.to_string()] {
            let limited = caller.role().is_some_and(|(_, limited)| limited);
            let refused = expected(Needs::May(Permission::ViewInventory), caller, cluster == here)
                .map(|status| if status == 401 { 404 } else { status })
                .or_else(|| (limited && cluster != here).then_some(404));
            let (browser, _) = &world.callers[&format!("{caller:?}")];
            let path = format!("/o/{}/clusters/{cluster}/findings/export?format=json", world.tenant.slug);
            let response = browser.get(&path).await;
            // Who sees the cluster is told that it was not audited; anybody else nothing.
            assert_eq!(response.status().as_u16(), refused.unwrap_or(404), "{caller:?}");
            let text = response.text().await.unwrap();
            assert_eq!(text.contains("has not been audited"), refused.is_none(), "{caller:?}, {refused:?}: {text}");
        }
    }
}

#[tokio::test]
async fn the_ways_to_stripe_are_for_who_pays() {
    let mut world = World::new(true).await;
    let cluster = world.cluster().await;
    for caller in Caller::ALL {
        world.enrol(caller, &cluster).await;
        let refused = expected(Needs::May(Permission::ManageBilling), caller, false)
            .map(|status| if status == 401 { 404 } else { status });
        let (browser, _) = &world.callers[&format!("{caller:?}")];
        for way in ["checkout", "portal"] {
            let path = format!("/o/{}/billing/{way}", world.tenant.slug);
            let response = browser.led(&path, "same-origin").await;
            assert_eq!(response.status().as_u16(), refused.unwrap_or(303), "{caller:?} goes to {way}");
            let to = response.headers().get("location").map_or("", |to| to.to_str().unwrap());
            let is_there = to.starts_with(&format!("{}/{way}/", world.stripe.url()));
            assert_eq!(is_there, refused.is_none(), "{caller:?} is led to {to:?}");
        }
    }
    assert_eq!(world.stripe.customers().len(), 1);
}

#[tokio::test]
async fn of_the_clusters_that_are_chosen_those_are_audited_that_one_sees() {
    let mut world = World::new(true).await;
    let (here, other) = (world.cluster().await, world.cluster().await);
    let caller = Caller::LimitedHere(Role::Operator);
    world.enrol(caller, &here).await;
    let foreign = world.server.tenant("foreign").await.cluster.to_string();
    let behind = world.server.database.superuser();
    sqlx::query("UPDATE clusters SET synced_at = now()").execute(&behind).await.unwrap();
    let audited = async || -> Vec<String> {
        sqlx::query_scalar("SELECT cluster_id::text FROM audit_runs").fetch_all(&behind).await.unwrap()
    };
    let (browser, _) = world.callers.get_mut(&format!("{caller:?}")).unwrap();
    let (org, hidden) = (world.tenant.slug.as_str(), world.hidden.to_string());
    // Chosen, and cut off before any was named: none, not all.
    assert_eq!(browser.call("/api/run_audits", &[("org", org), ("which", "chosen")]).await, 200);
    assert_eq!(audited().await, [""; 0]);
    let mut form = vec![("org", org), ("which", "chosen")];
    form.extend([&foreign, &hidden, &other, &here, &here].map(|id| ("clusters[]", id.as_str())));
    form.push(("clusters[]", "no id"));
    assert_eq!(browser.call("/api/run_audits", &form).await, 200);
    assert_eq!(audited().await, [here.as_str()]);
    // Sent once more while it waits: the same audit.
    assert_eq!(browser.call("/api/run_audits", &form).await, 200);
    assert_eq!(audited().await, [here.as_str()]);
}
