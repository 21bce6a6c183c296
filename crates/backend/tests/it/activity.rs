//! The activity log: that all is in it, and that nobody takes anything out of it or changes it unseen, not even whoever
//! owns the schema.

use std::collections::BTreeSet;

use kubewise_backend::{
    Actor, Authorized, Cluster, Error, NewNotification, NewToken, Organisation, Receiver, SignUpPolicy, Stripe,
    database::Part,
    permission::{
        AddClusters, Grant, MakeTokens, ManageBilling, ManageClusters, ManageOrganisation, ManageOwnership,
        ManagePolicies, ManageTeam, ViewActivity, ViewInventory, ViewOrganisation, WaiveFindings,
    },
    testing::{Installation, PLACE, Tenant},
};
use kubewise_contract::{
    Access, Action, ActivityQuery, BillingDetails, ClusterId, ClusterName, Decided, EmailAddress, Field, ListQuery,
    LogFault, NotificationName, Occasions, OrganisationName, ParametersInput, Permission, PersonName, Problem, Role,
    Schedule, Timestamp, TokenId, TokenName, Verdict, WaiverId, WaiverInput, WaiversQuery,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

/// Reads the log's new lines, one after each mutation.
struct Log<'a> {
    at: &'a Installation,
    tenant: &'a Tenant,
    pool: PgPool,
    read: i64,
    seen: BTreeSet<String>,
}

impl<'a> Log<'a> {
    fn new(at: &'a Installation, tenant: &'a Tenant) -> Self {
        Self { at, tenant, pool: at.database.superuser(), read: 0, seen: BTreeSet::new() }
    }

    async fn look<P: Grant>(&self, actor: &Actor) -> Authorized<Organisation, P> {
        self.at.look(actor, &self.tenant.slug).await.unwrap()
    }

    /// Exactly one line was written since the last time: by whom, what, to what, before and after.
    async fn wrote(
        &mut self,
        who: &Actor,
        action: Action,
        subject: Option<Uuid>,
        before: Option<Value>,
        after: Option<Value>,
    ) {
        self.wrote_by(who, None, action, subject, before, after).await;
    }

    async fn wrote_by(
        &mut self,
        who: &Actor,
        token: Option<Uuid>,
        action: Action,
        subject: Option<Uuid>,
        before: Option<Value>,
        after: Option<Value>,
    ) {
        let rows = sqlx::query(
            "SELECT seq, at, person_id, token_id, place, action, subject_id, before::text, after::text
             FROM activity WHERE org_id = $1 AND seq > $2 ORDER BY seq",
        )
        .bind(self.tenant.org.0)
        .bind(self.read)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert_eq!(rows.len(), 1, "lines of {}", action.as_str());
        let row = &rows[0];
        let value = |column| row.get::<Option<String>, _>(column).map(|text| serde_json::from_str(&text).unwrap());
        assert_eq!(row.get::<String, _>("action"), action.as_str());
        let known = self.known(who).await;
        assert_ne!(known, who.user_id().0, "an id is no pseudonym");
        assert_eq!(row.get::<Option<Uuid>, _>("person_id"), Some(known), "{}", action.as_str());
        assert_eq!(row.get::<Option<Uuid>, _>("token_id"), token, "{}", action.as_str());
        assert_eq!(row.get::<String, _>("place"), PLACE, "{}", action.as_str());
        assert_eq!(row.get::<Option<Uuid>, _>("subject_id"), subject, "{}", action.as_str());
        assert_eq!(value("before"), before, "{}", action.as_str());
        assert_eq!(value("after"), after, "{}", action.as_str());
        assert_eq!(row.get::<time::OffsetDateTime, _>("at"), self.at.world.now());
        self.read = row.get("seq");
        self.seen.insert(action.as_str().to_owned());
    }

    /// As whom the log knows somebody.
    async fn known(&self, who: &Actor) -> Uuid {
        self.at.pseudonym(self.tenant, who).await
    }

    /// Nothing was written.
    async fn wrote_nothing(&self) {
        let last: i64 = sqlx::query_scalar("SELECT max(seq) FROM activity WHERE org_id = $1")
            .bind(self.tenant.org.0)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        assert_eq!(last, self.read);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of all that is done")]
async fn all_that_is_done_in_an_organisation_is_one_line_with_who_from_where_before_and_after() {
    let at = Installation::new().await;
    let web = &at.web;
    let tenant = at.tenant("one").await;
    let owner = &tenant.owner;
    let mut log = Log::new(&at, &tenant);
    log.wrote(owner, Action::OrganisationCreate, None, None, Some(json!({ "name": "one" }))).await;

    // The organisation.
    let settings = log.look::<ManageOrganisation>(owner).await;
    for (before, after) in [("one", "uno"), ("uno", "eins")] {
        // The second time by what was looked up before the first.
        web.rename_organisation(&settings, &OrganisationName::parse(after).unwrap()).await.unwrap();
        let (before, after) = (json!({ "name": before }), json!({ "name": after }));
        log.wrote(owner, Action::OrganisationRename, None, Some(before), Some(after)).await;
    }
    let refused = web.require_second_factor(&settings, owner, true).await;
    assert!(matches!(refused, Err(Error::SecondFactorNeeded)));
    log.wrote_nothing().await;
    web.require_second_factor(&settings, owner, false).await.unwrap();
    let (before, after) = (json!({ "required": false }), json!({ "required": false }));
    log.wrote(owner, Action::SecondFactorRequire, None, Some(before), Some(after)).await;
    for (before, after) in [(None, Some(90)), (Some(90), None)] {
        web.set_history(&settings, after).await.unwrap();
        let [before, after] = [before, after].map(|days: Option<u32>| Some(json!({ "days": days })));
        log.wrote(owner, Action::HistorySet, None, before, after).await;
    }
    let rule = json!({ "domain": "example.com", "role": "viewer" });
    for (role, before, after) in [(Some(Role::Viewer), Value::Null, rule.clone()), (None, rule.clone(), Value::Null)] {
        web.set_join_rule(&settings, owner, role).await.unwrap();
        log.wrote(owner, Action::JoinByDomain, None, Some(before), Some(after)).await;
    }
    web.set_join_rule(&settings, owner, Some(Role::Viewer)).await.unwrap();
    log.wrote(owner, Action::JoinByDomain, None, Some(Value::Null), Some(rule)).await;

    // Clusters.
    let name = |name: &str| ClusterName::parse(name).unwrap();
    let adding = log.look::<AddClusters>(owner).await;
    let (id, _) = web.add_cluster(&adding, &name("prod")).await.unwrap();
    log.wrote(owner, Action::ClusterAdd, Some(id.0), None, None).await;
    let refused = web.add_cluster(&adding, &name("prod")).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    log.wrote_nothing().await;
    let cluster = web.cluster::<ManageClusters>(owner, &tenant.slug, id).await.unwrap();
    for (before, after) in [("prod", "live"), ("live", "shop")] {
        web.rename_cluster(&cluster, &name(after)).await.unwrap();
        let (before, after) = (json!({ "name": before }), json!({ "name": after }));
        log.wrote(owner, Action::ClusterRename, Some(id.0), Some(before), Some(after)).await;
    }
    web.rotate_token(&cluster).await.unwrap();
    log.wrote(owner, Action::ClusterTokenRotate, Some(id.0), None, None).await;
    web.revoke_token(&cluster).await.unwrap();
    log.wrote(owner, Action::ClusterTokenRevoke, Some(id.0), None, None).await;

    // Invitations.
    let team = log.look::<ManageTeam>(owner).await;
    let guest = at.person("guest@example.org").await;
    let limited = Access { role: Role::Operator, clusters: Some(vec![id]) };
    let address = EmailAddress::parse("guest@example.org").unwrap();
    let given = json!({ "role": "operator", "clusters": [id] });
    let waiting = async || -> Uuid {
        let waits = "SELECT id FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL";
        sqlx::query_scalar(waits).fetch_one(&at.database.superuser()).await.unwrap()
    };
    web.invite(&team, owner, &address, &limited, false).await.unwrap();
    let first = waiting().await;
    log.wrote(owner, Action::MemberInvite, Some(first), None, Some(given.clone())).await;
    assert!(web.invite(&team, owner, &address, &limited, false).await.is_err());
    log.wrote_nothing().await;
    web.resend_invitation(&team, owner, kubewise_contract::InvitationId(first)).await.unwrap();
    log.wrote(owner, Action::InvitationResend, Some(first), None, None).await;
    web.revoke_invitation(&team, kubewise_contract::InvitationId(first)).await.unwrap();
    log.wrote(owner, Action::InvitationRevoke, Some(first), None, None).await;
    web.invite(&team, owner, &address, &limited, false).await.unwrap();
    log.wrote(owner, Action::MemberInvite, Some(waiting().await), None, Some(given.clone())).await;
    sqlx::query("UPDATE invitations SET hash = sha256('link') WHERE accepted_at IS NULL AND revoked_at IS NULL")
        .execute(&log.pool)
        .await
        .unwrap();
    web.accept_invitation(&guest, &"link".to_owned().into()).await.unwrap();
    log.wrote(&guest, Action::MemberJoin, Some(log.known(&guest).await), None, Some(given.clone())).await;
    let neighbour = at.person("neighbour@example.com").await;
    web.join_by_domain(&neighbour, &tenant.slug).await.unwrap();
    let viewer = json!({ "role": "viewer" });
    log.wrote(&neighbour, Action::MemberJoin, Some(log.known(&neighbour).await), None, Some(viewer.clone())).await;
    web.join_by_domain(&neighbour, &tenant.slug).await.unwrap();
    log.wrote_nothing().await;

    // Members.
    let admin = Access { role: Role::Admin, clusters: None };
    web.change_member(&team, guest.user_id(), &admin, false).await.unwrap();
    let became = json!({ "role": "admin" });
    log.wrote(owner, Action::MemberChange, Some(log.known(&guest).await), Some(given), Some(became.clone())).await;
    web.remove_member(&team, neighbour.user_id(), false).await.unwrap();
    log.wrote(owner, Action::MemberRemove, Some(log.known(&neighbour).await), Some(viewer), None).await;
    let leaver = at.member(&tenant, "leaver", Role::Billing, None).await;
    web.leave(&log.look::<ViewOrganisation>(&leaver).await, &leaver).await.unwrap();
    let billing = json!({ "role": "billing" });
    log.wrote(&leaver, Action::MemberLeave, Some(log.known(&leaver).await), Some(billing), None).await;
    let ownership = log.look::<ManageOwnership>(owner).await;
    web.transfer_ownership(&ownership, owner, guest.user_id()).await.unwrap();
    let now = json!({ "role": "owner" });
    log.wrote(owner, Action::OwnershipTransfer, Some(log.known(&guest).await), Some(became), Some(now)).await;

    // Tokens, and what is done by them.
    let tokens = log.look::<MakeTokens>(owner).await;
    for of_organisation in [false, true] {
        let wanted = NewToken {
            name: TokenName::parse("script").unwrap(),
            permissions: [Permission::ViewInventory, Permission::ManageClusters].into_iter().collect(),
            clusters: Some(vec![id]),
            days: 30,
            of_organisation,
        };
        let (token, secret) = web.make_api_token(&tokens, &wanted).await.unwrap();
        let after = json!({
            "of": if of_organisation { "organisation" } else { "person" },
            "permissions": ["view_inventory", "manage_clusters"],
            "clusters": [id],
            "days": 30,
        });
        log.wrote(owner, Action::TokenCreate, Some(token.0), None, Some(after)).await;
        if !of_organisation {
            let bearer = web.bearer(&secret, PLACE.to_owned()).await.unwrap().unwrap();
            let org = web.organisation_of(&bearer).unwrap();
            let cluster = web.cluster_of::<ManageClusters>(&org, id).await.unwrap();
            web.rename_cluster(&cluster, &name("scripted")).await.unwrap();
            let (before, after) = (json!({ "name": "shop" }), json!({ "name": "scripted" }));
            let (action, token) = (Action::ClusterRename, Some(token.0));
            log.wrote_by(owner, token, action, Some(id.0), Some(before), Some(after)).await;
        }
        web.revoke_api_token(&tokens, token).await.unwrap();
        log.wrote(owner, Action::TokenRevoke, Some(token.0), None, None).await;
    }
    web.record_export(&log.look::<ViewActivity>(owner).await, "csv").await.unwrap();
    log.wrote(owner, Action::ActivityExport, None, None, Some(json!({ "format": "csv" }))).await;
    ended(&mut log, &guest).await;
    let audited = web.cluster(owner, &log.tenant.slug, id).await.unwrap();
    web.run_audit(&audited).await.unwrap();
    log.wrote(owner, Action::AuditRun, Some(id.0), None, Some(json!({ "audit": 1 }))).await;
    let (schedule, earlier) =
        (|hour: u8| Schedule { cron: format!("0 {hour} * * *"), time_zone: "Europe/Paris".to_owned() }, 6);
    let said = |hour: u8| json!({ "cron": format!("0 {hour} * * *"), "time_zone": "Europe/Paris" });
    web.set_schedule(&audited, &schedule(earlier)).await.unwrap();
    log.wrote(owner, Action::ScheduleSet, Some(id.0), None, Some(said(earlier))).await;
    web.set_schedule(&audited, &schedule(7)).await.unwrap();
    log.wrote(owner, Action::ScheduleSet, Some(id.0), Some(said(earlier)), Some(said(7))).await;
    web.end_schedule(&audited).await.unwrap();
    log.wrote(owner, Action::ScheduleEnd, Some(id.0), Some(said(7)), None).await;
    let judged = web.cluster(owner, &log.tenant.slug, id).await.unwrap();
    decided(&mut log, owner, &judged).await;
    told(&mut log, owner).await;
    web.delete_cluster(&cluster).await.unwrap();
    log.wrote(owner, Action::ClusterDelete, Some(id.0), None, None).await;

    paid(&mut log, owner).await;

    let all: BTreeSet<String> = Action::ALL.iter().map(|action| action.as_str().to_owned()).collect();
    assert_eq!(log.seen, all, "each action there is was done");
    let verdict = web.verify_activity(&log.look(&guest).await).await.unwrap();
    assert!(matches!(verdict, Verdict::Intact { lines, .. } if lines == log.read), "{verdict:?}");
}

/// What only Owners do with all of it.
async fn ended(log: &mut Log<'_>, owner: &Actor) {
    let org = log.look::<ManageOwnership>(owner).await;
    log.at.web.record_organisation_export(&org).await.unwrap();
    log.wrote(owner, Action::OrganisationExport, None, None, None).await;
    log.at.web.delete_organisation(&org, &org.name, false).await.unwrap();
    let at = Timestamp((log.at.world.now() + time::Duration::days(7)).unix_timestamp() * 1000);
    log.wrote(owner, Action::OrganisationDelete, None, None, Some(json!({ "at": at.to_string() }))).await;
    log.at.web.keep_organisation(&org).await.unwrap();
    log.wrote(owner, Action::OrganisationKeep, None, None, None).await;
}

/// What is paid. Nothing listens where Stripe would be: that somebody went is written before.
async fn paid(log: &mut Log<'_>, owner: &Actor) {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (key, secret) = ("sk_test_1".to_owned().into(), "whsec_test".to_owned().into());
    let stripe = Stripe::new(&key, secret, "price_team", Some("http://127.0.0.1:9"), "http://localhost").unwrap();
    let web = log.at.web.clone().with_stripe(Some(stripe));
    let org = web.organisation::<ManageBilling>(owner, &log.tenant.slug).await.unwrap();
    let details = BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() };
    web.set_billing_details(&org, details).await.unwrap();
    log.wrote(owner, Action::BillingDetails, None, None, None).await;
    assert!(matches!(web.checkout(&org, owner).await, Err(Error::Stripe(_))));
    log.wrote(owner, Action::BillingSubscribe, None, None, None).await;
}

/// What is decided about audits.
async fn decided(log: &mut Log<'_>, owner: &Actor, cluster: &Authorized<Cluster, ManagePolicies>) {
    let web = &log.at.web;
    let policies = log.look::<ManagePolicies>(owner).await;
    web.decide_rule(&policies, "pss-host-ports", Some(Decided::Off)).await.unwrap();
    log.wrote(owner, Action::PolicyRule, None, None, Some(json!({ "decided": "off" }))).await;
    web.decide_rule(&policies, "pss-host-ports", None).await.unwrap();
    log.wrote(owner, Action::PolicyRule, None, Some(json!({ "decided": "off" })), None).await;
    let said = |asked: bool| json!({ "asked": asked, "annotations": false });
    web.set_waiver_policy(&policies, true, false).await.unwrap();
    log.wrote(owner, Action::PolicySet, None, Some(said(false)), Some(said(true))).await;
    // What is so already is no change.
    web.set_waiver_policy(&policies, true, false).await.unwrap();
    log.wrote_nothing().await;
    let view = log.look::<ViewInventory>(owner).await;
    let input = web.policies(&view, &ListQuery::default()).await.unwrap().parameters;
    web.set_parameters(&policies, &input).await.unwrap();
    let parameters =
        |replicas: u32| json!(kubewise_audit::Parameters { minimum_replicas: replicas, ..Default::default() });
    log.wrote(owner, Action::PolicySet, None, Some(json!({})), Some(parameters(2))).await;
    let input = ParametersInput { minimum_replicas: "3".to_owned(), ..input };
    web.set_parameters(&policies, &input).await.unwrap();
    log.wrote(owner, Action::PolicySet, None, Some(parameters(2)), Some(parameters(3))).await;
    web.set_cluster_policy(cluster, "cis", Some("1.35")).await.unwrap();
    let (before, after) =
        (json!({ "profile": "all", "version": null }), json!({ "profile": "cis", "version": "1.35" }));
    log.wrote(owner, Action::PolicyCluster, Some(cluster.id.0), Some(before), Some(after)).await;

    let operator = log.at.member(log.tenant, "operator", Role::Operator, None).await;
    let waiver = |name: &str| WaiverInput {
        rule: "pss-host-ports".to_owned(),
        cluster: cluster.id.to_string(),
        name: name.to_owned(),
        reason: "Listens on the node.".to_owned(),
        owner: "a team".to_owned(),
        ..WaiverInput::default()
    };
    let after = |name: &str| Some(json!({ "name": name, "expires": null }));
    let asking = log.look::<WaiveFindings>(&operator).await;
    web.add_waiver(&asking, &waiver("web")).await.unwrap();
    let id = last_waiver(log, &view).await;
    log.wrote(&operator, Action::WaiverAsk, Some(id.0), None, after("web")).await;
    web.allow_waiver(&policies, id).await.unwrap();
    log.wrote(owner, Action::WaiverAllow, Some(id.0), None, None).await;
    web.end_waiver(&asking, id).await.unwrap();
    log.wrote(&operator, Action::WaiverEnd, Some(id.0), None, None).await;
    web.end_waiver(&asking, id).await.unwrap();
    log.wrote_nothing().await;
    web.add_waiver(&log.look::<WaiveFindings>(owner).await, &waiver("api")).await.unwrap();
    let id = last_waiver(log, &view).await;
    log.wrote(owner, Action::WaiverAdd, Some(id.0), None, after("api")).await;
}

/// The one waiver that is made and has not ended, besides what each cluster is given.
async fn last_waiver(log: &Log<'_>, view: &Authorized<Organisation, ViewInventory>) -> WaiverId {
    let rows = log.at.web.waivers(view, &WaiversQuery::default()).await.unwrap().rows;
    rows.iter().find(|row| row.reason == "Listens on the node.").unwrap().id
}

/// Who is told.
async fn told(log: &mut Log<'_>, owner: &Actor) {
    let web = &log.at.web;
    let org = log.look::<ViewInventory>(owner).await;
    let wanted = NewNotification {
        name: NotificationName::parse("mine").unwrap(),
        to: Receiver::Member(None),
        occasions: Occasions { new_findings: None, failed_runs: true, silent_clusters: false },
        cluster: None,
        namespaces: Vec::new(),
        digest: None,
    };
    let (id, _) = web.make_notification(&org, &wanted).await.unwrap();
    let after = json!({
        "channel": "mail", "person": log.known(owner).await, "host": null, "new_findings": null, "failed_runs": true,
        "silent_clusters": false, "cluster": null, "namespaces": [], "digest": null,
    });
    log.wrote(owner, Action::NotificationCreate, Some(id.0), None, Some(after)).await;
    web.test_notification(&org, id).await.unwrap();
    log.wrote(owner, Action::NotificationTest, Some(id.0), None, None).await;
    sqlx::query("UPDATE notifications SET ended = 'gone', ended_at = now() WHERE id = $1")
        .bind(id.0)
        .execute(&log.pool)
        .await
        .unwrap();
    web.resume_notification(&org, id).await.unwrap();
    log.wrote(owner, Action::NotificationResume, Some(id.0), None, None).await;
    web.remove_notification(&org, id).await.unwrap();
    log.wrote(owner, Action::NotificationRemove, Some(id.0), None, None).await;
}

/// An organisation with a log of several lines, in which each column is used, and what the database held of it.
struct Sealed {
    at: Installation,
    tenant: Tenant,
    /// Lines.
    last: i64,
    /// The hash of the last one, as somebody may have noted it.
    hash: String,
}

impl Sealed {
    async fn new() -> Self {
        let at = Installation::new().await;
        let tenant = at.tenant("one").await;
        let id = at.cluster(&tenant, "shop").await;
        at.tenant("two").await;
        let cluster = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, id).await.unwrap();
        for name in ["one", "two", "three", "four"] {
            at.web.rename_cluster(&cluster, &ClusterName::parse(name).unwrap()).await.unwrap();
        }
        for statement in ["CREATE TABLE kept AS TABLE activity", "CREATE TABLE kept_heads AS TABLE activity_heads"] {
            sqlx::query(statement).execute(&at.database.superuser()).await.unwrap();
        }
        let mut sealed = Self { at, tenant, last: 0, hash: String::new() };
        match sealed.verdict().await {
            Verdict::Intact { lines, forgotten: 0, hash } => (sealed.last, sealed.hash) = (lines, hash),
            intact @ Verdict::Intact { .. } => panic!("{intact:?}"),
            broken @ Verdict::Broken { .. } => panic!("{broken:?}"),
        }
        assert_eq!(sealed.last, 6);
        sealed
    }

    fn intact(&self, forgotten: i64) -> Verdict {
        Verdict::Intact { lines: self.last, forgotten, hash: self.hash.clone() }
    }

    async fn verdict(&self) -> Verdict {
        let org = self.at.look::<ViewActivity>(&self.tenant.owner, &self.tenant.slug).await.unwrap();
        self.at.web.verify_activity(&org).await.unwrap()
    }

    /// Does this as the login that owns the schema, which states the tenant as row-level security wants it.
    async fn as_owner(&self, statements: &[&str]) {
        let mut tx = self.at.database.pool(Part::Owner).begin().await.unwrap();
        sqlx::query("SELECT set_config('kubewise.org_id', $1, true)")
            .bind(self.tenant.org.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        let mut changed = 0;
        for statement in statements {
            let done = sqlx::query(AssertSqlSafe((*statement).to_owned())).execute(&mut *tx).await;
            changed += done.unwrap_or_else(|e| panic!("{statement}: {e}")).rows_affected();
        }
        assert!(changed > 0, "{statements:?} change something");
        tx.commit().await.unwrap();
    }

    /// Does this as the owner, asks for the verdict, and puts all back.
    async fn after(&self, statements: &[&str]) -> Verdict {
        self.as_owner(statements).await;
        let verdict = self.verdict().await;
        // The page that shows the log still does.
        let org = self.at.look::<ViewActivity>(&self.tenant.owner, &self.tenant.slug).await.unwrap();
        self.at.web.activity(&org, &ActivityQuery::default()).await.unwrap();
        let behind = self.at.database.superuser();
        for statement in [
            "DELETE FROM activity",
            "DELETE FROM activity_heads",
            "INSERT INTO activity SELECT * FROM kept",
            "INSERT INTO activity_heads SELECT * FROM kept_heads",
        ] {
            sqlx::query(statement).execute(&behind).await.unwrap();
        }
        let restored = self.intact(0);
        assert_eq!(self.verdict().await, restored, "after all was put back");
        verdict
    }
}

fn broken(seq: i64, fault: LogFault) -> Verdict {
    Verdict::Broken { seq, fault }
}

#[tokio::test]
async fn a_line_that_the_owner_of_the_schema_removes_is_missed() {
    let sealed = Sealed::new().await;
    for seq in 1..=sealed.last {
        let verdict = sealed.after(&[&format!("DELETE FROM activity WHERE seq = {seq}")]).await;
        assert_eq!(verdict, broken(seq, LogFault::Missing));
    }
    // A tail of each length, up to all of it.
    for seq in 1..=sealed.last {
        let verdict = sealed.after(&[&format!("DELETE FROM activity WHERE seq >= {seq}")]).await;
        assert_eq!(verdict, broken(seq, LogFault::Missing));
    }
    // A hole that is closed.
    let closed = ["DELETE FROM activity WHERE seq = 3", "UPDATE activity SET seq = seq - 1 WHERE seq > 3"];
    assert_eq!(sealed.after(&closed).await, broken(3, LogFault::Changed));
    // What says which line is the last goes with the tail, or alone.
    for statements in [
        &["DELETE FROM activity WHERE seq > 4", "DELETE FROM activity_heads"][..],
        &["DELETE FROM activity", "DELETE FROM activity_heads"],
        &["DELETE FROM activity_heads"],
        &["UPDATE activity_heads SET sealed = ''"],
        &["UPDATE activity_heads SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)"],
    ] {
        assert_eq!(sealed.after(statements).await, broken(0, LogFault::Unsealed), "{statements:?}");
    }
}

#[tokio::test]
async fn a_column_that_the_owner_of_the_schema_changes_is_found_whichever_it_is() {
    let sealed = Sealed::new().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'activity'::regclass AND attnum > 0 AND NOT attisdropped",
    )
    .fetch_all(&sealed.at.database.superuser())
    .await
    .unwrap();
    assert!(columns.len() >= 16, "{columns:?}");
    // Of this line all but the token is set, and of the next one, too.
    let seq = 4;
    for column in &columns {
        let changes: &[&str] = match column.as_str() {
            "org_id" => &["(SELECT id FROM organisations WHERE name = 'two')"],
            "seq" => &["1000", "0", "-4"],
            "at" => &["at + interval '1 microsecond'", "at - interval '1 day'", "'infinity'"],
            "person_id" | "subject_id" | "cluster_id" => &["gen_random_uuid()", "NULL"],
            "token_id" => &["gen_random_uuid()", "person_id"],
            "place" | "action" => &["'x'", "''"],
            "subject" => &["'x'", "''", "NULL", "subject || ' '"],
            // To the byte: what is the same value is not the same text.
            "before" | "after" => &["'{}'", "NULL", "'null'", "(before::text || ' ')::json", "after", "before"],
            "salt" => &["substr(sha256('x'), 1, 16)", "NULL"],
            // With a mark, a line has to be empty.
            "erased_at" => &["now()"],
            "hash" | "commitment" => &["sha256('x')", "(SELECT hash FROM activity WHERE seq = 3)"],
            other => panic!("a new column: is {other} part of the hash? Then say here how it is changed"),
        };
        // What is set to itself stays.
        for change in changes.iter().filter(|change| *change != column) {
            let statement = format!("UPDATE activity SET {column} = {change} WHERE seq = {seq}");
            let expected =
                if matches!(column.as_str(), "org_id" | "seq") { LogFault::Missing } else { LogFault::Changed };
            // Line numbers below 1 are none.
            let verdict = if column == "org_id" {
                // To hand a line to another organisation, row-level security has to be taken off first.
                let off = "ALTER TABLE activity NO FORCE ROW LEVEL SECURITY";
                let on = "ALTER TABLE activity FORCE ROW LEVEL SECURITY";
                sealed.after(&[off, &statement, on]).await
            } else {
                sealed.after(&[&statement]).await
            };
            assert_eq!(verdict, broken(seq, expected), "{statement}");
        }
    }
}

#[tokio::test]
async fn two_lines_that_the_owner_of_the_schema_swaps_are_found() {
    let sealed = Sealed::new().await;
    for (one, two) in [(2, 3), (1, 6), (5, 6)] {
        let statements = [
            format!("UPDATE activity SET seq = -1 WHERE seq = {one}"),
            format!("UPDATE activity SET seq = {one} WHERE seq = {two}"),
            format!("UPDATE activity SET seq = {two} WHERE seq = -1"),
        ];
        let verdict = sealed.after(&statements.each_ref().map(String::as_str)).await;
        // The first line of each log says that the organisation was made.
        let fault = if one == 1 { LogFault::Missing } else { LogFault::Changed };
        assert_eq!(verdict, broken(one, fault), "{one} and {two}");
    }
}

/// The hash of a line as the server makes it (crates/backend/src/activity.rs): whoever owns the schema can compute it.
async fn hash_of(pool: &PgPool, org: Uuid, seq: i64, before: &[u8]) -> Vec<u8> {
    let row = sqlx::query(
        "SELECT at, person_id, token_id, place, action, commitment FROM activity WHERE org_id = $1 AND seq = $2",
    )
    .bind(org)
    .bind(seq)
    .fetch_one(pool)
    .await
    .unwrap();
    let micros = row.get::<time::OffsetDateTime, _>("at").unix_timestamp_nanos() / 1_000;
    let id = |name| row.get::<Option<Uuid>, _>(name).map(|id| id.as_bytes().to_vec());
    let text = |name| row.get::<Option<String>, _>(name).map(String::into_bytes);
    let mut hash = Sha256::new_with_prefix(b"kubewise activity 2");
    for column in [
        Some(before.to_vec()),
        Some(org.as_bytes().to_vec()),
        Some(seq.to_be_bytes().to_vec()),
        Some(micros.to_be_bytes().to_vec()),
        id("person_id"),
        id("token_id"),
        text("place"),
        text("action"),
        row.get("commitment"),
    ] {
        hash.update([u8::from(column.is_some())]);
        if let Some(bytes) = column {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
    hash.finalize().to_vec()
}

/// Gives the lines from here on the hashes that they should have, as the owner.
async fn chain_anew(sealed: &Sealed, from: i64) {
    let (pool, org) = (sealed.at.database.superuser(), sealed.tenant.org.0);
    let mut before: Vec<u8> = sqlx::query_scalar("SELECT hash FROM activity WHERE org_id = $1 AND seq = $2")
        .bind(org)
        .bind(from - 1)
        .fetch_one(&pool)
        .await
        .unwrap();
    let last: i64 =
        sqlx::query_scalar("SELECT max(seq) FROM activity WHERE org_id = $1").bind(org).fetch_one(&pool).await.unwrap();
    for seq in from..=last {
        before = hash_of(&pool, org, seq, &before).await;
        let hash = hex::encode(&before);
        sealed.as_owner(&[&format!("UPDATE activity SET hash = '\\x{hash}' WHERE seq = {seq}")]).await;
    }
}

#[tokio::test]
async fn a_line_that_the_owner_of_the_schema_forges_is_found_though_its_hash_is_right() {
    const APPEND: &str = "INSERT INTO activity
        SELECT org_id, seq + 1, at, person_id, token_id, place, 'cluster.delete', subject_id, subject, cluster_id, before,
               after, hash, salt, commitment
        FROM activity WHERE seq = 6";
    let sealed = Sealed::new().await;
    // Hashes made anew without a change are the server's own: what follows is as good as it can be forged.
    chain_anew(&sealed, 2).await;
    assert_eq!(sealed.verdict().await, sealed.intact(0));

    // Appended, with the hash that the next line should have.
    sealed.as_owner(&[APPEND]).await;
    chain_anew(&sealed, 7).await;
    assert_eq!(sealed.verdict().await, broken(7, LogFault::Added));
    sealed.as_owner(&["DELETE FROM activity WHERE seq = 7"]).await;
    assert_eq!(sealed.verdict().await, sealed.intact(0));

    // In the middle, with all hashes after it made anew: the last one is not the sealed one.
    sealed.as_owner(&["UPDATE activity SET place = '192.0.2.0/24' WHERE seq = 3"]).await;
    chain_anew(&sealed, 3).await;
    assert_eq!(sealed.verdict().await, broken(6, LogFault::Changed));
}

#[tokio::test]
async fn what_says_which_line_is_the_last_is_of_its_own_organisation_and_its_own_server() {
    let sealed = Sealed::new().await;
    let behind = sealed.at.database.superuser();
    let two = "SELECT sealed FROM activity_heads h JOIN organisations o ON o.id = h.org_id WHERE o.name = 'two'";
    let of_another: Vec<u8> = sqlx::query_scalar(two).fetch_one(&behind).await.unwrap();
    let hex = hex::encode(&of_another);
    let put = format!("UPDATE activity_heads SET sealed = '\\x{hex}'");
    assert_eq!(sealed.after(&[&put]).await, broken(0, LogFault::Unsealed));
    // Another's line, which is that one's last, does not help.
    let verdict = sealed.after(&["DELETE FROM activity WHERE seq > 1", &put]).await;
    assert_eq!(verdict, broken(0, LogFault::Unsealed));
    // A server with another master key.
    let elsewhere = sealed.at.database.clone().with_another_key().web(&sealed.at.world);
    let org = elsewhere.organisation::<ViewActivity>(&sealed.tenant.owner, &sealed.tenant.slug).await.unwrap();
    assert_eq!(elsewhere.verify_activity(&org).await.unwrap(), broken(0, LogFault::Unsealed));
}

/// The limit of what a seal in the same database can do: whoever can put all of it back to an earlier moment makes a log
/// that was intact then intact again. What tells is the hash that verification answered and somebody noted elsewhere: it
/// is of more lines, and not among those that are left (docs/adr/0019).
#[tokio::test]
async fn a_log_that_is_put_back_to_an_earlier_moment_is_told_by_the_hash_that_was_noted_only() {
    let sealed = Sealed::new().await;
    let earlier: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM activity_heads WHERE org_id = $1")
        .bind(sealed.tenant.org.0)
        .fetch_one(&sealed.at.database.superuser())
        .await
        .unwrap();
    let team = sealed.at.look::<ManageOrganisation>(&sealed.tenant.owner, &sealed.tenant.slug).await.unwrap();
    sealed.at.web.rename_organisation(&team, &OrganisationName::parse("later").unwrap()).await.unwrap();
    let Verdict::Intact { lines: 7, hash: noted, .. } = sealed.verdict().await else { panic!("seven lines") };
    let hex = hex::encode(&earlier);
    let put = format!("UPDATE activity_heads SET sealed = '\\x{hex}'");
    sealed.as_owner(&["DELETE FROM activity WHERE seq > 6", &put]).await;
    let Verdict::Intact { lines, hash, .. } = sealed.verdict().await else { panic!("as it was then") };
    assert_eq!((lines, &hash), (6, &sealed.hash));
    assert_ne!(hash, noted);
    // The older seal alone, with the lines left where they are, is found.
    sealed.at.web.rename_organisation(&team, &OrganisationName::parse("once more").unwrap()).await.unwrap();
    sealed.as_owner(&[&put]).await;
    assert_eq!(sealed.verdict().await, broken(7, LogFault::Added));
}

#[tokio::test]
async fn a_log_that_was_emptied_and_gone_on_with_does_not_begin_as_a_log_begins() {
    let sealed = Sealed::new().await;
    sealed.as_owner(&["DELETE FROM activity", "DELETE FROM activity_heads"]).await;
    let team = sealed.at.look::<ManageOrganisation>(&sealed.tenant.owner, &sealed.tenant.slug).await.unwrap();
    sealed.at.web.rename_organisation(&team, &OrganisationName::parse("later").unwrap()).await.unwrap();
    assert_eq!(sealed.verdict().await, broken(1, LogFault::Missing));
}

#[tokio::test]
async fn a_log_whose_end_was_cut_off_does_not_heal_when_it_is_gone_on_with() {
    let sealed = Sealed::new().await;
    sealed.as_owner(&["DELETE FROM activity WHERE seq > 4"]).await;
    let team = sealed.at.look::<ManageOrganisation>(&sealed.tenant.owner, &sealed.tenant.slug).await.unwrap();
    sealed.at.web.rename_organisation(&team, &OrganisationName::parse("later").unwrap()).await.unwrap();
    assert_eq!(sealed.verdict().await, broken(5, LogFault::Missing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_many_write_at_once_is_intact_and_is_never_said_to_be_broken_meanwhile() {
    const WRITERS: i64 = 8;
    const WRITES: i64 = 30;
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&tenant, "shop").await, at.cluster(&tenant, "bank").await);
    let processes = [at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open)];
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let web = processes[usize::try_from(writer % 2).unwrap()].clone();
        let cluster = if writer % 3 == 0 { bank } else { shop };
        let cluster = web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
        let settings = at.look::<ManageOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
        writers.push(tokio::spawn(async move {
            for write in 0..WRITES {
                let name = format!("n{writer}-{write}");
                if write % 5 == 0 {
                    web.rename_organisation(&settings, &OrganisationName::parse(&name).unwrap()).await.unwrap();
                } else {
                    web.rename_cluster(&cluster, &ClusterName::parse(&name).unwrap()).await.unwrap();
                }
            }
        }));
    }
    let org = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    let (mut verified, mut grew) = (0, BTreeSet::new());
    while writers.iter().any(|writer| !writer.is_finished()) {
        let verdict = at.web.verify_activity(&org).await.unwrap();
        let Verdict::Intact { lines, .. } = verdict else { panic!("{verdict:?}") };
        verified += 1;
        grew.insert(lines);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(verified > 1 && grew.len() > 1, "verified {verified} times, of {grew:?} lines");
    let verdict = at.web.verify_activity(&org).await.unwrap();
    assert!(matches!(verdict, Verdict::Intact { lines, .. } if lines == 3 + WRITERS * WRITES), "{verdict:?}");
    // Each line's `before` is the `after` of the one before it, of the same thing: they have one order.
    let breaks: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
           SELECT before::text AS before, lag(after::text) OVER (PARTITION BY action, subject_id ORDER BY seq) AS after
           FROM activity WHERE action LIKE '%.rename') pairs
         WHERE after IS NOT NULL AND before <> after",
    )
    .fetch_one(&at.database.superuser())
    .await
    .unwrap();
    assert_eq!(breaks, 0);
}

#[tokio::test]
async fn who_is_limited_reads_of_their_clusters_and_verifies_nothing() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&tenant, "shop").await, at.cluster(&tenant, "bank").await);
    for held in [Role::Operator, Role::Viewer] {
        let actor = at.member(&tenant, held.as_str(), held, Some(&[shop])).await;
        let org = at.look::<ViewActivity>(&actor, &tenant.slug).await.unwrap();
        assert!(matches!(at.web.verify_activity(&org).await, Err(Error::Forbidden)));
        let lines = at.web.activity(&org, &ActivityQuery::default()).await.unwrap().rows;
        assert_eq!(lines.iter().map(|line| line.cluster).collect::<Vec<_>>(), [Some(shop)]);
    }
    let all = at.member(&tenant, "all", Role::Viewer, None).await;
    let org = at.look::<ViewActivity>(&all, &tenant.slug).await.unwrap();
    assert!(matches!(at.web.verify_activity(&org).await.unwrap(), Verdict::Intact { lines: 3, .. }));
    let lines = at.web.activity(&org, &ActivityQuery::default()).await.unwrap().rows;
    assert_eq!(lines.iter().map(|line| line.cluster).collect::<Vec<_>>(), [Some(bank), Some(shop), None]);
    // Who sees no cluster sees nothing of the log.
    let none = at.member(&tenant, "none", Role::Viewer, Some(&[])).await;
    let org = at.look::<ViewActivity>(&none, &tenant.slug).await.unwrap();
    assert_eq!(at.web.activity(&org, &ActivityQuery::default()).await.unwrap().rows, []);
}

#[tokio::test]
async fn the_log_is_filtered_by_action_person_and_day_and_what_is_no_day_is_refused() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    at.cluster(&tenant, "shop").await;
    let operator = at.member(&tenant, "operator", Role::Operator, None).await;
    at.pass(time::Duration::days(2));
    let adding = at.look::<AddClusters>(&operator, &tenant.slug).await.unwrap();
    at.web.add_cluster(&adding, &ClusterName::parse("bank").unwrap()).await.unwrap();
    let org = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    let today = at.world.now().date().to_string();
    let seqs = async |query: ActivityQuery| -> Result<Vec<i64>, Error> {
        let page = at.web.activity(&org, &query).await?.rows;
        assert_eq!(at.web.activity_export(&org, &mut query.clone()).await?, page);
        Ok(page.into_iter().map(|line| line.seq).collect())
    };
    let query = ActivityQuery::default;
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(seqs(query()).await.unwrap(), [3, 2, 1]);
    assert_eq!(seqs(ActivityQuery { action: of("cluster"), ..query() }).await.unwrap(), [3, 2]);
    assert_eq!(seqs(ActivityQuery { action: of("cluster.add"), ..query() }).await.unwrap(), [3, 2]);
    assert_eq!(seqs(ActivityQuery { action: of("cluster.a"), ..query() }).await.unwrap(), [0_i64; 0]);
    // As the log knows them, or as the rest of Kubewise does.
    for id in [operator.user_id().0, at.pseudonym(&tenant, &operator).await] {
        let person = of(&id.to_string());
        assert_eq!(seqs(ActivityQuery { person, ..query() }).await.unwrap(), [3]);
    }
    assert_eq!(seqs(ActivityQuery { from: of(&today), ..query() }).await.unwrap(), [3]);
    assert_eq!(seqs(ActivityQuery { to: of(&today), ..query() }).await.unwrap(), [3, 2, 1]);
    assert_eq!(seqs(ActivityQuery { from: of("0000-01-01"), ..query() }).await.unwrap(), [3, 2, 1]);
    assert_eq!(seqs(ActivityQuery { to: of("0000-01-01"), ..query() }).await.unwrap(), [0_i64; 0]);
    assert_eq!(seqs(ActivityQuery { from: of("9999-12-31"), ..query() }).await.unwrap(), [0_i64; 0]);
    assert_eq!(seqs(ActivityQuery { to: of("9999-12-31"), ..query() }).await.unwrap(), [3, 2, 1]);
    for wrong in [
        ActivityQuery { from: of("-9999-01-01"), ..query() },
        ActivityQuery { from: of("-0001-01-01"), ..query() },
        ActivityQuery { to: of("2026-02-30"), ..query() },
        ActivityQuery { to: of("tomorrow"), ..query() },
        ActivityQuery { person: of("maya"), ..query() },
    ] {
        let refused = seqs(wrong.clone()).await;
        let understood = !matches!(
            &refused,
            Err(Error::Invalid(error)) if error.field == Field::Query && error.problem == Problem::NotUnderstood
        );
        assert!(!understood, "{wrong:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_line_says_by_what_it_was_done_also_when_that_is_gone() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let id = at.cluster(&tenant, "shop").await;
    let operator = at.member(&tenant, "operator", Role::Operator, None).await;
    let wanted = NewToken {
        name: TokenName::parse("script").unwrap(),
        permissions: [Permission::ViewInventory, Permission::ManageClusters].into_iter().collect(),
        clusters: None,
        days: 30,
        of_organisation: false,
    };
    let tokens = at.look::<MakeTokens>(&operator, &tenant.slug).await.unwrap();
    let (_, secret) = at.web.make_api_token(&tokens, &wanted).await.unwrap();
    let bearer = at.web.bearer(&secret, PLACE.to_owned()).await.unwrap().unwrap();
    let org = at.web.organisation_of(&bearer).unwrap();
    let cluster = at.web.cluster_of::<ManageClusters>(&org, id).await.unwrap();
    at.web.rename_cluster(&cluster, &ClusterName::parse("scripted").unwrap()).await.unwrap();
    let log = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    let query = ActivityQuery { action: Some("cluster.rename".to_owned()), ..ActivityQuery::default() };
    let line = async || at.web.activity(&log, &query).await.unwrap().rows.remove(0);
    assert_eq!(line().await.token.as_deref(), Some("script"));
    // The token ends with the membership, and the account may go as well.
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.remove_member(&team, operator.user_id(), false).await.unwrap();
    assert!(line().await.token.unwrap().starts_with("former token "));
    sqlx::query("DELETE FROM users WHERE id = $1")
        .bind(operator.user_id().0)
        .execute(&at.database.superuser())
        .await
        .unwrap();
    assert!(line().await.person.unwrap().starts_with("former account "));
    assert!(matches!(at.web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
}

/// What is said to be about, before and after: of the lines that are shown, latest first.
async fn subjects(at: &Installation, tenant: &Tenant, who: &Actor) -> Vec<(String, Option<String>)> {
    let org = at.look::<ViewActivity>(who, &tenant.slug).await.unwrap();
    let page = at.web.activity(&org, &ActivityQuery::default()).await.unwrap().rows;
    assert_eq!(at.web.activity_export(&org, &mut ActivityQuery::default()).await.unwrap(), page, "in exports, too");
    for line in page.iter().filter(|line| line.subject.as_deref() == Some("(forgotten)")) {
        assert_eq!((&line.cluster, &line.before, &line.after), (&None, &None, &None), "{line:?}");
        assert!(line.person.is_some() && !line.place.is_empty(), "{line:?}");
    }
    page.into_iter().map(|line| (line.action, line.subject)).collect()
}

/// The tables in which a text stands, in any column.
async fn tables_with(at: &Installation, text: &str) -> Vec<String> {
    let behind = at.database.superuser();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1",
    )
    .fetch_all(&behind)
    .await
    .unwrap();
    let mut with = Vec::new();
    for table in tables {
        let count = format!("SELECT count(*) FROM {table} t WHERE strpos(lower(t::text), lower($1)) > 0");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).bind(text).fetch_one(&behind).await.unwrap();
        if rows > 0 {
            with.push(table);
        }
    }
    with
}

#[tokio::test]
async fn what_the_log_holds_of_a_cluster_is_forgotten_and_what_was_done_by_whom_and_when_is_not() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let owner = &tenant.owner;
    let (shop, bank) = (at.cluster(&tenant, "shop").await, at.cluster(&tenant, "bank").await);
    let limited = at.member(&tenant, "limited", Role::Operator, Some(&[shop, bank])).await;
    let cluster = at.web.cluster::<ManageClusters>(owner, &tenant.slug, shop).await.unwrap();
    at.web.rename_cluster(&cluster, &ClusterName::parse("checkout").unwrap()).await.unwrap();
    // Named by its id in a line that is not about it. That its organisation was called the same says nothing about it.
    let team = at.look::<ManageTeam>(owner, &tenant.slug).await.unwrap();
    let access = Access { role: Role::Viewer, clusters: Some(vec![shop]) };
    at.web.change_member(&team, limited.user_id(), &access, false).await.unwrap();
    let settings = at.look::<ManageOrganisation>(owner, &tenant.slug).await.unwrap();
    at.web.rename_organisation(&settings, &OrganisationName::parse("checkout").unwrap()).await.unwrap();

    let org = at.look::<ViewActivity>(owner, &tenant.slug).await.unwrap();
    let Verdict::Intact { lines: 6, forgotten: 0, hash } = at.web.verify_activity(&org).await.unwrap() else {
        panic!("six lines")
    };
    assert_eq!(at.forget_cluster(&tenant, shop).await, 3);
    let intact = Verdict::Intact { lines: 6, forgotten: 3, hash };
    assert_eq!(at.web.verify_activity(&org).await.unwrap(), intact);
    let line = |action: &str, subject: Option<&str>| (action.to_owned(), subject.map(str::to_owned));
    let expected = [
        line("organisation.rename", None),
        line("member.change", Some("(forgotten)")),
        line("cluster.rename", Some("(forgotten)")),
        line("cluster.add", Some("bank")),
        line("cluster.add", Some("(forgotten)")),
        line("organisation.create", None),
    ];
    assert_eq!(subjects(&at, &tenant, owner).await, expected);
    // Whose clusters are chosen sees none of what is left.
    let viewer = at.member(&tenant, "viewer", Role::Viewer, Some(&[shop, bank])).await;
    assert_eq!(subjects(&at, &tenant, &viewer).await, [line("cluster.add", Some("bank"))]);
    for left in [shop.to_string(), "\"shop\"".to_owned()] {
        let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM activity a WHERE strpos(a::text, $1) > 0")
            .bind(&left)
            .fetch_one(&at.database.superuser())
            .await
            .unwrap();
        assert_eq!(lines, 0, "{left}");
    }
    // Once more, it is done already; and the log is gone on with.
    assert_eq!(at.forget_cluster(&tenant, shop).await, 0);
    at.web.rename_organisation(&settings, &OrganisationName::parse("on").unwrap()).await.unwrap();
    let verdict = at.web.verify_activity(&org).await.unwrap();
    assert!(matches!(verdict, Verdict::Intact { lines: 7, forgotten: 3, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_log_longer_than_what_is_looked_at_at_once_is_emptied_to_its_end() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let shop = at.cluster(&tenant, "shop").await;
    sqlx::query(
        "INSERT INTO activity (org_id, seq, at, place, action, subject, cluster_id, hash)
         SELECT $1, n, now(), 'x', 'cluster.rename', 'other', CASE WHEN n % 2 = 0 THEN $2 END, sha256('x')
         FROM generate_series(10, 5009) n",
    )
    .bind(tenant.org.0)
    .bind(shop.0)
    .execute(&at.database.superuser())
    .await
    .unwrap();
    assert_eq!(at.forget_cluster(&tenant, shop).await, 2_501);
    assert_eq!(at.forget_cluster(&tenant, shop).await, 0);
}

/// Somebody makes and decides all that stays when they leave, and types their own name into it. Answers the token they made.
async fn makes_and_decides(at: &Installation, tenant: &Tenant, maya: &Actor, shop: ClusterId) -> TokenId {
    let (name, viewer) = ("Maya Olsen", Access { role: Role::Viewer, clusters: None });
    let team = at.look::<ManageTeam>(maya, &tenant.slug).await.unwrap();
    at.web.invite(&team, maya, &EmailAddress::parse("guest@example.org").unwrap(), &viewer, false).await.unwrap();
    let wanted = NewToken {
        name: TokenName::parse(&format!("script of {name}")).unwrap(),
        permissions: [Permission::ViewInventory].into_iter().collect(),
        clusters: None,
        days: 30,
        of_organisation: true,
    };
    let tokens = at.look::<MakeTokens>(maya, &tenant.slug).await.unwrap();
    let (token, _) = at.web.make_api_token(&tokens, &wanted).await.unwrap();
    let view = at.look::<ViewInventory>(maya, &tenant.slug).await.unwrap();
    let wanted = NewNotification {
        name: NotificationName::parse(&format!("{name}'s")).unwrap(),
        to: Receiver::Member(Some(tenant.owner.user_id())),
        occasions: Occasions { new_findings: None, failed_runs: true, silent_clusters: false },
        cluster: None,
        namespaces: Vec::new(),
        digest: None,
    };
    at.web.make_notification(&view, &wanted).await.unwrap();
    let waiver = WaiverInput {
        rule: "pss-host-ports".to_owned(),
        name: "web".to_owned(),
        reason: format!("{name} says so: ask <MAYA-of-one@example.com>."),
        owner: name.to_owned(),
        ..WaiverInput::default()
    };
    at.web.add_waiver(&at.look::<WaiveFindings>(maya, &tenant.slug).await.unwrap(), &waiver).await.unwrap();
    let audited = at.web.cluster(maya, &tenant.slug, shop).await.unwrap();
    at.web.run_audit(&audited).await.unwrap();
    token
}

#[tokio::test]
async fn a_person_whose_account_is_deleted_stands_in_no_table_and_what_they_did_stays() {
    let at = Installation::new().await;
    let (tenant, other) = (at.tenant("one").await, at.tenant("two").await);
    let owner = &tenant.owner;
    let shop = at.cluster(&tenant, "shop").await;
    let maya = at.member(&tenant, "maya", Role::Admin, None).await;
    at.join(&other, &maya, Role::Viewer, None).await;
    at.web.change_name(&maya, &PersonName::parse("Maya Olsen").unwrap()).await.unwrap();
    let maya = at.actor(maya.user_id()).await;
    let (id, known) = (maya.user_id(), at.pseudonym(&tenant, &maya).await);
    let (name, address) = ("Maya Olsen", "maya-of-one@example.com");
    assert_ne!(known, at.pseudonym(&other, &maya).await, "in each organisation another");

    let token = makes_and_decides(&at, &tenant, &maya, shop).await;
    // What others make about them.
    let viewer = Access { role: Role::Viewer, clusters: None };
    let theirs = at.look::<ManageTeam>(owner, &tenant.slug).await.unwrap();
    at.web.change_member(&theirs, id, &viewer, false).await.unwrap();
    let elsewhere = at.look::<ManageTeam>(&other.owner, &other.slug).await.unwrap();
    at.web.remove_member(&elsewhere, id, false).await.unwrap();
    at.web.invite(&elsewhere, &other.owner, &EmailAddress::parse(address).unwrap(), &viewer, false).await.unwrap();

    // Whoever left is known as long as they have an account.
    let log = at.look::<ViewActivity>(&other.owner, &other.slug).await.unwrap();
    let lines = at.web.activity(&log, &ActivityQuery::default()).await.unwrap().rows;
    assert_eq!(lines[1].subject.as_deref(), Some(name));
    assert_eq!(lines[0].subject.as_deref(), Some(address));
    let left: Vec<Uuid> = sqlx::query_scalar("SELECT org_id FROM organisations_inviting($1)")
        .bind(address)
        .fetch_all(&at.database.pool(Part::Worker))
        .await
        .unwrap();
    assert_eq!(left, [other.org.0]);

    for tenant in [&tenant, &other] {
        at.detach(tenant, &maya).await;
        // Safe to be done twice.
        at.detach(tenant, &maya).await;
    }
    let behind = at.database.superuser();
    sqlx::query("DELETE FROM users WHERE id = $1").bind(id.0).execute(&behind).await.unwrap();
    for text in [id.to_string().as_str(), name, address] {
        assert_eq!(tables_with(&at, text).await, [""; 0], "{text}");
    }

    let org = at.look::<ViewActivity>(owner, &tenant.slug).await.unwrap();
    let verdict = at.web.verify_activity(&org).await.unwrap();
    assert!(matches!(verdict, Verdict::Intact { forgotten: 2, .. }), "{verdict:?}");
    let former = format!("former account {}", &known.simple().to_string()[..8]);
    let lines = at.web.activity(&org, &ActivityQuery::default()).await.unwrap().rows;
    let shown = |action: &str| {
        let line = lines.iter().find(|line| line.action == action).unwrap();
        (line.person.clone().unwrap(), line.subject.clone())
    };
    let by_them = |subject: &str| (former.clone(), Some(subject.to_owned()));
    assert_eq!(shown("audit.run"), by_them("shop"));
    assert_eq!(shown("member.invite"), by_them("guest@example.org"));
    assert_eq!(shown("token.create"), by_them("(forgotten)"));
    assert_eq!(shown("member.change"), ("Owner-Of-One".to_owned(), Some(former.clone())));
    let query = ActivityQuery { person: Some(known.to_string()), ..ActivityQuery::default() };
    assert_eq!(at.web.activity(&org, &query).await.unwrap().rows.len(), 5);
    let lines = at.web.activity(&log, &ActivityQuery::default()).await.unwrap().rows;
    assert!(lines[1].subject.as_deref().is_some_and(|subject| subject.starts_with("former account ")), "{lines:?}");
    assert!(lines[0].subject.as_deref().is_some_and(|subject| subject.starts_with("former invitation ")), "{lines:?}");

    // Pages still show what they made.
    let view = at.look::<ViewInventory>(owner, &tenant.slug).await.unwrap();
    let waivers = at.web.waivers(&view, &WaiversQuery::default()).await.unwrap().rows;
    let theirs = waivers.iter().find(|waiver| waiver.rule == "pss-host-ports").unwrap();
    assert_eq!(theirs.reason, "a former account says so: ask <a former account>.");
    assert_eq!((theirs.owner.as_str(), &theirs.requested_by, &theirs.approved_by), ("a former account", &None, &None));
    let team = at.web.team(&at.look(owner, &tenant.slug).await.unwrap(), &ListQuery::default()).await.unwrap();
    assert_eq!(team.invitations.iter().map(|row| &row.invited_by).collect::<Vec<_>>(), [&None]);
    let tokens = at.look::<MakeTokens>(owner, &tenant.slug).await.unwrap();
    assert!(
        at.web
            .api_tokens(&tokens)
            .await
            .unwrap()
            .iter()
            .any(|row| row.id == token && row.name == "script of a former account")
    );
    let notifications = at.web.notifications(&view).await.unwrap();
    assert!(notifications.rows.iter().any(|row| row.name == "a former account's"));
}

/// Somebody takes a name that stands in many lines, and deletes their account.
#[tokio::test]
async fn a_name_that_somebody_takes_does_not_take_a_cluster_or_a_role_out_of_the_log() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    at.cluster(&tenant, "shop").await;
    for (address, name) in [("one", "shop"), ("two", "viewer")] {
        let somebody = at.member(&tenant, address, Role::Viewer, None).await;
        let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        at.web.remove_member(&team, somebody.user_id(), false).await.unwrap();
        sqlx::query("UPDATE users SET name = $2 WHERE id = $1")
            .bind(somebody.user_id().0)
            .bind(name)
            .execute(&at.database.superuser())
            .await
            .unwrap();
        at.detach(&tenant, &at.actor(somebody.user_id()).await).await;
    }
    let org = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    let verdict = at.web.verify_activity(&org).await.unwrap();
    assert!(matches!(verdict, Verdict::Intact { lines: 4, forgotten: 0, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_line_that_was_emptied_is_not_filled_again_unseen() {
    let sealed = Sealed::new().await;
    let shop: Uuid = sqlx::query_scalar("SELECT id FROM clusters WHERE name = 'four'")
        .fetch_one(&sealed.at.database.superuser())
        .await
        .unwrap();
    assert_eq!(sealed.at.forget_cluster(&sealed.tenant, ClusterId(shop)).await, 5);
    assert_eq!(sealed.verdict().await, sealed.intact(5));
    // As it was, from an old copy: what was written then is what was written.
    sqlx::query("GRANT SELECT ON kept TO kubewise_owner").execute(&sealed.at.database.superuser()).await.unwrap();
    let whole = sealed.after(&[
        "UPDATE activity a SET erased_at = NULL, salt = k.salt, subject_id = k.subject_id, subject = k.subject,
                                  cluster_id = k.cluster_id, before = k.before, after = k.after
                                FROM kept k WHERE k.org_id = a.org_id AND k.seq = a.seq AND a.seq = 4",
    ]);
    assert_eq!(whole.await, sealed.intact(4));
    let empty = "UPDATE activity SET salt = NULL, subject_id = NULL, subject = NULL, cluster_id = NULL, before = NULL, after = NULL";
    let marked = "UPDATE activity SET erased_at = now() WHERE seq = 4";
    // All was put back: the lines are whole from here on.
    for statements in [
        // Emptied and not said so; said so and not emptied.
        &[&*format!("{empty} WHERE seq = 4")][..],
        &[marked],
        // Filled with something else, with the mark and without.
        &[&format!("{empty} WHERE seq = 4"), marked, "UPDATE activity SET subject = 'x' WHERE seq = 4"],
        &["UPDATE activity SET subject = 'x' WHERE seq = 4"],
        // What is left is as it was.
        &[&format!("{empty} WHERE seq = 4"), marked, "UPDATE activity SET action = 'cluster.delete' WHERE seq = 4"],
        // One that was written before there were commitments can be believed alone; there was none of those here.
        &[&format!("{empty}, commitment = NULL, erased_at = now(), person_id = NULL WHERE seq = 4")],
    ] {
        assert_eq!(sealed.after(statements).await, broken(4, LogFault::Changed), "{statements:?}");
    }
    let all = [&*format!("{empty}, commitment = NULL, erased_at = now(), person_id = NULL")];
    assert_eq!(sealed.after(&all).await, broken(1, LogFault::Changed));
    // Emptied as the worker does it is not told from emptied by the worker: the verdict says how many are.
    let emptied = [&*format!("{empty}, erased_at = now()")];
    assert_eq!(sealed.after(&emptied).await, sealed.intact(6));
}

/// The part of the migration that looks at what there is: lines that were written before name people by their accounts' ids.
#[tokio::test]
async fn lines_from_before_there_were_pseudonyms_keep_their_people() {
    let migration = include_str!("../../../../migrations/0021_forgetting.sql");
    let begin = migration.find("INSERT INTO pseudonyms (org_id, pseudonym, user_id) SELECT org_id").unwrap();
    let end = begin + migration[begin..].find("END\n$$;").unwrap() + "END\n$$;".len();
    let at = Installation::new().await;
    let (tenant, other) = (at.tenant("one").await, at.tenant("two").await);
    let member = at.member(&tenant, "member", Role::Viewer, None).await;
    let left = at.member(&tenant, "left", Role::Viewer, None).await;
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.remove_member(&team, left.user_id(), false).await.unwrap();
    let behind = at.database.superuser();
    for statement in [
        "UPDATE activity a SET person_id = p.user_id FROM pseudonyms p WHERE p.org_id = a.org_id AND p.pseudonym = a.person_id",
        "UPDATE activity a SET subject_id = p.user_id FROM pseudonyms p WHERE p.org_id = a.org_id AND p.pseudonym = a.subject_id",
        "DELETE FROM pseudonyms",
    ] {
        sqlx::query(statement).execute(&behind).await.unwrap();
    }
    let owner = at.database.pool(Part::Owner);
    sqlx::raw_sql(AssertSqlSafe(migration[begin..end].to_owned())).execute(&owner).await.unwrap();
    for (tenant, who) in [(&tenant, &tenant.owner), (&tenant, &member), (&tenant, &left), (&other, &other.owner)] {
        assert_eq!(at.pseudonym(tenant, who).await, who.user_id().0);
    }
    let pseudonyms: i64 = sqlx::query_scalar("SELECT count(*) FROM pseudonyms").fetch_one(&behind).await.unwrap();
    assert_eq!(pseudonyms, 4);
    let removed = (String::from("member.remove"), Some(String::from("Left-Of-One")));
    assert_eq!(subjects(&at, &tenant, &tenant.owner).await[0], removed);
}
