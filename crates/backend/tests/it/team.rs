//! Who gets into an organisation, in which role, and what their tokens may do.

use std::{collections::BTreeSet, path::PathBuf, time::Duration as Wait};

use kubewise_backend::{
    Actor, Authorized, Bearer, Error, NewToken, Organisation, REQUESTS_PER_MINUTE, SignUpInvited, SignUpPolicy, Web,
    permission::{
        AddClusters, Grant, MakeTokens, ManageClusters, ManageOrganisation, ManageOwnership, ManageTeam, ManageTokens,
        ViewActivity, ViewInventory, ViewOrganisation, ViewTeam,
    },
    testing::{Installation, PLACE, Tenant},
};
use kubewise_contract::{
    Access, ClusterId, EmailAddress, Field, InvitationId, ListQuery, OrgSlug, Permission, Permissions, PersonName,
    Problem, Role, TokenId, TokenName,
};
use secrecy::{ExposeSecret, SecretString};
use time::Duration;
use uuid::Uuid;

const fn access(role: Role) -> Access {
    Access { role, clusters: None }
}

fn limited(role: Role, clusters: &[ClusterId]) -> Access {
    Access { role, clusters: Some(clusters.to_vec()) }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// Refused for what was put into this field.
fn is_invalid<T>(result: &Result<T, Error>, field: Field, problem: Problem) -> bool {
    matches!(result, Err(Error::Invalid(error)) if error.field == field && error.problem == problem)
}

/// Invites somebody, as an Owner who proved lately that it is them.
async fn invite(at: &Installation, tenant: &Tenant, email: &str, access: &Access) -> InvitationId {
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.invite(&team, &tenant.owner, &address(email), access, true).await.unwrap();
    let id = sqlx::query_scalar(
        "SELECT id FROM invitations WHERE email = $1 AND accepted_at IS NULL AND revoked_at IS NULL",
    )
    .bind(email)
    .fetch_one(&at.database.superuser())
    .await
    .unwrap();
    InvitationId(id)
}

/// What the link of an invitation carries, made as the worker makes it when it writes the mail.
async fn link(at: &Installation, id: InvitationId) -> SecretString {
    let link = format!("link {}", at.world.uuid());
    let done = sqlx::query("UPDATE invitations SET hash = sha256($1::bytea) WHERE id = $2")
        .bind(link.as_bytes())
        .bind(id.0)
        .execute(&at.database.superuser())
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    link.into()
}

async fn accepted(web: &Web, who: &Actor, link: &SecretString) -> Result<OrgSlug, Error> {
    web.accept_invitation(who, link).await
}

/// What somebody holds.
async fn held(at: &Installation, tenant: &Tenant, who: &Actor) -> Option<(String, Option<Vec<Uuid>>)> {
    sqlx::query_as("SELECT role, clusters FROM memberships WHERE org_id = $1 AND user_id = $2")
        .bind(tenant.org.0)
        .bind(who.user_id().0)
        .fetch_optional(&at.database.superuser())
        .await
        .unwrap()
}

/// A worker that runs until it is dropped, and what it mails.
struct Works {
    outbox: PathBuf,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Works {
    fn new(at: &Installation) -> Self {
        let outbox = std::env::temp_dir().join(format!("kubewise-outbox-{}", at.world.uuid()));
        std::fs::create_dir(&outbox).unwrap();
        let worker = at.database.worker(&at.world, &outbox);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            worker.run("test".to_owned(), async move { drop(stopped.await) }).await.unwrap();
        });
        Self { outbox, stop: Some(stop), task }
    }

    /// What the links of invitations carry that were mailed, at least so many.
    async fn links(&self, count: usize) -> BTreeSet<String> {
        loop {
            let files = std::fs::read_dir(&self.outbox).unwrap();
            let mails = files.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok());
            let links: BTreeSet<String> = mails
                .filter_map(|mail| {
                    // Quoted-printable (RFC 2045 §6.7).
                    let mail = mail.replace("=\r\n", "").replace("=3D", "=");
                    let (_, rest) = mail.split_once("/invite?token=")?;
                    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
                    Some(rest.split_once(ends)?.0.to_owned())
                })
                .collect();
            if links.len() >= count {
                return links;
            }
            tokio::time::sleep(Wait::from_millis(20)).await;
        }
    }

    async fn end(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
        std::fs::remove_dir_all(&self.outbox).unwrap();
    }
}

#[tokio::test]
async fn an_invitation_is_for_the_address_that_was_invited_whatever_its_case() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let shop = at.cluster(&tenant, "shop").await;
    at.cluster(&tenant, "bank").await;
    let id = invite(&at, &tenant, "Guest@Example.ORG", &limited(Role::Operator, &[shop])).await;
    let link = link(&at, id).await;
    let stranger = at.person("stranger@example.org").await;
    assert!(matches!(accepted(&at.web, &stranger, &link).await, Err(Error::InvitedAnother)));
    assert_eq!(held(&at, &tenant, &stranger).await, None);
    let shown = at.web.invitation(&link, Some(&stranger)).await.unwrap();
    assert_eq!((shown.email.as_str(), shown.has_account, shown.is_limited), ("Guest@Example.ORG", false, true));
    assert_eq!(shown.signed_in.as_deref(), Some("stranger@example.org"));
    // It waits for the one whom it is for, who thereby shows that they read the address.
    let guest = at.person("gUEST@example.org").await;
    let unproven = "UPDATE users SET email_verified_at = NULL WHERE id = $1";
    sqlx::query(unproven).bind(guest.user_id().0).execute(&at.database.superuser()).await.unwrap();
    assert_eq!(accepted(&at.web, &guest, &link).await.unwrap(), tenant.slug);
    assert_eq!(held(&at, &tenant, &guest).await, Some(("operator".to_owned(), Some(vec![shop.0]))));
    let proven: bool = sqlx::query_scalar("SELECT email_verified_at IS NOT NULL FROM users WHERE id = $1")
        .bind(guest.user_id().0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    assert!(proven);
    let org = at.look::<ViewInventory>(&guest, &tenant.slug).await.unwrap();
    let seen = at.web.clusters(&org, &ListQuery::default()).await.unwrap().rows;
    assert_eq!(seen.iter().map(|row| row.id).collect::<Vec<_>>(), [shop]);
}

#[tokio::test]
async fn an_invitation_ends_when_it_is_used_revoked_sent_again_or_a_week_old() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let ended = async |who: &Actor, link: &SecretString| {
        assert!(matches!(at.web.invitation(link, Some(who)).await, Err(Error::LinkEnded)));
        assert!(matches!(accepted(&at.web, who, link).await, Err(Error::LinkEnded)));
        let request = SignUpInvited {
            name: PersonName::parse("Guest").unwrap(),
            password: "correct horse battery staple".to_owned().into(),
            link: link.clone(),
            place: PLACE.to_owned(),
        };
        assert!(matches!(at.web.sign_up_invited(request).await.map(drop), Err(Error::LinkEnded)));
    };
    let guest = at.person("guest@example.org").await;
    for wrong in ["", "x", "link", "%", "' OR true --", "\u{0}"] {
        ended(&guest, &wrong.to_owned().into()).await;
    }
    let id = invite(&at, &tenant, "guest@example.org", &access(Role::Viewer)).await;
    let first = link(&at, id).await;
    at.pass(Duration::days(6));
    at.web.invitation(&first, None).await.unwrap();
    // Too old; and sent again, which makes another link work, for another week, and not this one.
    at.pass(Duration::days(1));
    ended(&guest, &first).await;
    at.web.resend_invitation(&team, &tenant.owner, id).await.unwrap();
    ended(&guest, &first).await;
    let second = link(&at, id).await;
    at.pass(Duration::days(6));
    at.web.invitation(&second, None).await.unwrap();
    at.web.resend_invitation(&team, &tenant.owner, id).await.unwrap();
    ended(&guest, &second).await;
    let third = link(&at, id).await;
    at.web.revoke_invitation(&team, id).await.unwrap();
    ended(&guest, &third).await;
    assert!(matches!(at.web.resend_invitation(&team, &tenant.owner, id).await, Err(Error::NotFound)));
    assert!(matches!(at.web.revoke_invitation(&team, id).await, Err(Error::NotFound)));
    let id = invite(&at, &tenant, "guest@example.org", &access(Role::Viewer)).await;
    let used = link(&at, id).await;
    accepted(&at.web, &guest, &used).await.unwrap();
    ended(&guest, &used).await;
    assert!(matches!(at.web.resend_invitation(&team, &tenant.owner, id).await, Err(Error::NotFound)));
    assert!(matches!(at.web.revoke_invitation(&team, id).await, Err(Error::NotFound)));
    // Whoever was removed is not let in again by it.
    at.web.remove_member(&team, guest.user_id(), false).await.unwrap();
    ended(&guest, &used).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_is_in_the_last_mail_alone() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let guest = at.person("guest@example.org").await;
    let id = invite(&at, &tenant, "guest@example.org", &access(Role::Viewer)).await;
    let works = Works::new(&at);
    let first = works.links(1).await;
    let old: SecretString = first.first().unwrap().clone().into();
    at.web.invitation(&old, None).await.unwrap();
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.resend_invitation(&team, &tenant.owner, id).await.unwrap();
    assert!(matches!(at.web.invitation(&old, None).await, Err(Error::LinkEnded)));
    let both = works.links(2).await;
    let new: SecretString = both.difference(&first).next().unwrap().clone().into();
    assert!(matches!(accepted(&at.web, &guest, &old).await, Err(Error::LinkEnded)));
    accepted(&at.web, &guest, &new).await.unwrap();
    // Only its hash was ever kept.
    let kept: String = sqlx::query_scalar("SELECT string_agg(i::text, ' ') FROM invitations i")
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    assert!(!kept.contains(new.expose_secret()) && !kept.contains(old.expose_secret()));
    works.end().await;
}

#[tokio::test]
async fn who_was_invited_makes_an_account_unless_nobody_is_let_in() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let request = |link: &SecretString| SignUpInvited {
        name: PersonName::parse("Guest").unwrap(),
        password: "correct horse battery staple".to_owned().into(),
        link: link.clone(),
        place: PLACE.to_owned(),
    };
    let [closed, invite_only, open] =
        [SignUpPolicy::Closed, SignUpPolicy::Invite, SignUpPolicy::Open].map(|policy| at.another(policy));
    let id = invite(&at, &tenant, "first@example.org", &access(Role::Viewer)).await;
    let first = link(&at, id).await;
    assert!(matches!(closed.sign_up_invited(request(&first)).await.map(drop), Err(Error::SignUpClosed)));
    let weak = SignUpInvited { password: "first@example.org".to_owned().into(), ..request(&first) };
    let refused = invite_only.sign_up_invited(weak).await.map(drop);
    assert!(matches!(refused, Err(Error::Invalid(error)) if error.field == Field::Password), "{refused:?}");
    let made = invite_only.sign_up_invited(request(&first)).await.unwrap();
    assert_eq!(made.slug.as_ref(), Some(&tenant.slug));
    let actor = at.actor(made.user).await;
    assert_eq!(held(&at, &tenant, &actor).await, Some(("viewer".to_owned(), None)));
    let viewer = at.web.viewer(&actor).await.unwrap();
    assert_eq!((viewer.email.as_str(), viewer.organisations.len()), ("first@example.org", 1));
    assert!(matches!(invite_only.sign_up_invited(request(&first)).await.map(drop), Err(Error::LinkEnded)));
    let id = invite(&at, &tenant, "second@example.org", &access(Role::Billing)).await;
    open.sign_up_invited(request(&link(&at, id).await)).await.unwrap();
    // Who has an account is not made another, and nobody gets into it by the link.
    at.person("third@example.org").await;
    let id = invite(&at, &tenant, "Third@example.org", &access(Role::Viewer)).await;
    let third = link(&at, id).await;
    let refused = open.sign_up_invited(request(&third)).await.map(drop);
    assert!(is_invalid(&refused, Field::Email, Problem::Taken), "{refused:?}");
    at.web.invitation(&third, None).await.unwrap();
}

#[tokio::test]
async fn ownership_is_given_and_taken_by_owners_who_proved_lately_that_it_is_them() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let admin = at.member(&tenant, "admin", Role::Admin, None).await;
    let other = at.member(&tenant, "other", Role::Owner, None).await.user_id();
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await.user_id();
    let by_owner = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let by_admin = at.look::<ManageTeam>(&admin, &tenant.slug).await.unwrap();
    let guest = address("guest@example.org");
    for lately in [false, true] {
        for result in [
            at.web.invite(&by_admin, &admin, &guest, &access(Role::Owner), lately).await,
            at.web.change_member(&by_admin, other, &access(Role::Viewer), lately).await,
            at.web.change_member(&by_admin, other, &access(Role::Owner), lately).await,
            at.web.change_member(&by_admin, viewer, &access(Role::Owner), lately).await,
            at.web.change_member(&by_admin, admin.user_id(), &access(Role::Owner), lately).await,
            at.web.remove_member(&by_admin, other, lately).await,
        ] {
            assert!(matches!(result, Err(Error::Forbidden)), "{result:?}");
        }
    }
    assert!(matches!(at.look::<ManageOwnership>(&admin, &tenant.slug).await, Err(Error::Forbidden)));
    for result in [
        at.web.invite(&by_owner, &tenant.owner, &guest, &access(Role::Owner), false).await,
        at.web.change_member(&by_owner, other, &access(Role::Viewer), false).await,
        at.web.change_member(&by_owner, viewer, &access(Role::Owner), false).await,
        at.web.remove_member(&by_owner, other, false).await,
    ] {
        assert!(matches!(result, Err(Error::ProofNeeded)), "{result:?}");
    }
    let id = invite(&at, &tenant, "guest@example.org", &access(Role::Owner)).await;
    // An Admin ends one that makes an Owner, and does not have one that ended work again.
    at.pass(Duration::days(8));
    let refused = at.web.resend_invitation(&by_admin, &admin, id).await;
    assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
    at.web.resend_invitation(&by_owner, &tenant.owner, id).await.unwrap();
    at.web.revoke_invitation(&by_admin, id).await.unwrap();
    // What an Admin may: all but that.
    at.web.invite(&by_admin, &admin, &guest, &access(Role::Admin), false).await.unwrap();
    at.web.change_member(&by_admin, viewer, &access(Role::Admin), false).await.unwrap();
    at.web.remove_member(&by_admin, viewer, false).await.unwrap();
    at.web.change_member(&by_owner, other, &access(Role::Viewer), true).await.unwrap();
    for role in [Role::Operator, Role::Viewer, Role::Billing] {
        let below = at.member(&tenant, &format!("{role}-below"), role, None).await;
        assert!(matches!(at.look::<ManageTeam>(&below, &tenant.slug).await, Err(Error::Forbidden)), "{role}");
    }
}

#[tokio::test]
async fn the_last_owner_neither_leaves_nor_is_removed_nor_demoted() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let admin = at.member(&tenant, "admin", Role::Admin, None).await;
    let me = tenant.owner.user_id();
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let itself = at.look::<ViewOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
    for result in [
        at.web.leave(&itself, &tenant.owner).await,
        at.web.remove_member(&team, me, true).await,
        at.web.change_member(&team, me, &access(Role::Admin), true).await,
    ] {
        assert!(matches!(result, Err(Error::LastOwner)), "{result:?}");
    }
    let ownership = at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
    let stranger = at.person("stranger@example.org").await;
    for nobody in [me, stranger.user_id()] {
        let refused = at.web.transfer_ownership(&ownership, &tenant.owner, nobody).await;
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    at.web.transfer_ownership(&ownership, &tenant.owner, admin.user_id()).await.unwrap();
    assert_eq!(held(&at, &tenant, &admin).await.unwrap().0, "owner");
    assert_eq!(held(&at, &tenant, &tenant.owner).await.unwrap().0, "admin");
    at.web.leave(&itself, &tenant.owner).await.unwrap();
    assert!(matches!(at.look::<ViewOrganisation>(&tenant.owner, &tenant.slug).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn members_are_limited_to_clusters_that_are_there_and_only_roles_that_can_be() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (shop, gone) = (at.cluster(&tenant, "shop").await, at.cluster(&tenant, "gone").await);
    let foreign = at.cluster(&at.tenant("two").await, "shop").await;
    let cluster = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, gone).await.unwrap();
    at.web.delete_cluster(&cluster).await.unwrap();
    let member = at.member(&tenant, "member", Role::Viewer, None).await.user_id();
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let nowhere = ClusterId(at.world.uuid());
    let mut wrong = vec![(limited(Role::Viewer, &[]), Problem::Missing)];
    for clusters in [&[foreign][..], &[shop, foreign], &[gone], &[nowhere], &[shop, nowhere, shop]] {
        wrong.push((limited(Role::Viewer, clusters), Problem::NotUnderstood));
        wrong.push((limited(Role::Operator, clusters), Problem::NotUnderstood));
    }
    for role in [Role::Owner, Role::Admin, Role::Billing] {
        wrong.push((limited(role, &[shop]), Problem::NotForThisRole));
        wrong.push((limited(role, &[]), Problem::NotForThisRole));
    }
    for (access, problem) in wrong {
        let guest = address("guest@example.org");
        for result in [
            at.web.invite(&team, &tenant.owner, &guest, &access, true).await,
            at.web.change_member(&team, member, &access, true).await,
        ] {
            assert!(is_invalid(&result, Field::Clusters, problem), "{access:?}: {result:?}");
        }
    }
    at.web.change_member(&team, member, &limited(Role::Operator, &[shop, shop]), true).await.unwrap();
    let kept: Vec<Uuid> = sqlx::query_scalar("SELECT clusters FROM memberships WHERE user_id = $1")
        .bind(member.0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    assert_eq!(kept, [shop.0]);
    // Another organisation's member is none here.
    let elsewhere = at.person("elsewhere@example.org").await.user_id();
    for result in [
        at.web.change_member(&team, elsewhere, &access(Role::Viewer), true).await,
        at.web.remove_member(&team, elsewhere, true).await,
    ] {
        assert!(matches!(result, Err(Error::NotFound)), "{result:?}");
    }
}

#[tokio::test]
async fn who_joins_by_their_domain_proved_an_address_of_it_and_the_rule_stands() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let owner = &tenant.owner;
    let settings = at.look::<ManageOrganisation>(owner, &tenant.slug).await.unwrap();
    let behind = at.database.superuser();
    let unproven = async |who: &Actor| {
        let statement = "UPDATE users SET email_verified_at = NULL WHERE id = $1";
        sqlx::query(statement).bind(who.user_id().0).execute(&behind).await.unwrap();
    };
    let refused = async |who: &Actor| {
        assert_eq!(at.web.joinable(who).await.unwrap(), []);
        assert!(matches!(at.web.join_by_domain(who, &tenant.slug).await, Err(Error::NotFound)));
        assert_eq!(held(&at, &tenant, who).await, None);
    };
    let colleague = at.person("Colleague@Example.com").await;
    // Switched off.
    refused(&colleague).await;
    for role in [Role::Owner, Role::Admin] {
        let result = at.web.set_join_rule(&settings, owner, Some(role)).await;
        assert!(is_invalid(&result, Field::Role, Problem::NotForThisRole), "{result:?}");
    }
    at.web.set_join_rule(&settings, owner, Some(Role::Operator)).await.unwrap();
    let offered = at.web.joinable(&colleague).await.unwrap();
    assert_eq!(offered.iter().map(|one| (&one.slug, one.role)).collect::<Vec<_>>(), [(&tenant.slug, Role::Operator)]);
    // Of another domain, one below it, one that ends alike, and one of the domain that was not proven.
    for email in ["a@example.org", "a@mail.example.com", "a@anexample.com", "example.com@example.org"] {
        refused(&at.person(email).await).await;
    }
    let unread = at.person("unread@example.com").await;
    unproven(&unread).await;
    refused(&unread).await;
    at.web.join_by_domain(&colleague, &tenant.slug).await.unwrap();
    assert_eq!(held(&at, &tenant, &colleague).await, Some(("operator".to_owned(), None)));
    // What they hold by now is not what they came by.
    let team = at.look::<ManageTeam>(owner, &tenant.slug).await.unwrap();
    at.web.change_member(&team, colleague.user_id(), &access(Role::Viewer), false).await.unwrap();
    at.web.join_by_domain(&colleague, &tenant.slug).await.unwrap();
    assert_eq!(held(&at, &tenant, &colleague).await, Some(("viewer".to_owned(), None)));
    assert_eq!(at.web.joinable(&colleague).await.unwrap(), []);
    // Switched off again.
    at.web.set_join_rule(&settings, owner, None).await.unwrap();
    refused(&at.person("late@example.com").await).await;
    // Who sets the rule has proved an address of the domain, which is not everybody's.
    unproven(owner).await;
    let result = at.web.set_join_rule(&settings, owner, Some(Role::Viewer)).await;
    assert!(is_invalid(&result, Field::Domain, Problem::NotProven), "{result:?}");
    let public = at.person("owner@Gmail.com").await;
    at.join(&tenant, &public, Role::Owner, None).await;
    let settings = at.look::<ManageOrganisation>(&public, &tenant.slug).await.unwrap();
    let result = at.web.set_join_rule(&settings, &public, Some(Role::Viewer)).await;
    assert!(is_invalid(&result, Field::Domain, Problem::IsPublic), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_limited_to_a_cluster_that_is_gone_sees_nothing_and_not_everything() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&tenant, "shop").await, at.cluster(&tenant, "bank").await);
    let one = at.member(&tenant, "one", Role::Operator, Some(&[shop])).await;
    let both = at.member(&tenant, "both", Role::Viewer, Some(&[shop, bank])).await;
    let secret = make(&at, &tenant, &tenant.owner, Some(vec![shop]), Permission::FOR_TOKENS).await.unwrap().1;
    let id = invite(&at, &tenant, "guest@example.org", &limited(Role::Viewer, &[shop])).await;
    let cluster = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, shop).await.unwrap();
    at.web.delete_cluster(&cluster).await.unwrap();
    let sees = async |org: &Authorized<Organisation, ViewInventory>| -> Vec<ClusterId> {
        let overview = at.web.overview(org).await.unwrap();
        let list = at.web.clusters(org, &ListQuery::default()).await.unwrap().rows;
        let query = ListQuery { q: Some("web".to_owned()), ..ListQuery::default() };
        let found = at.web.search(org, &query).await.unwrap().rows;
        let seen: Vec<ClusterId> = list.iter().map(|row| row.id).collect();
        assert_eq!(overview.clusters.iter().map(|row| row.id).collect::<Vec<_>>(), seen);
        assert_eq!(found.iter().map(|row| row.cluster).collect::<Vec<_>>(), seen);
        seen
    };
    // At once, and when all that it held is removed.
    let works = Works::new(&at);
    for removed in [false, true] {
        if removed {
            while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM clusters WHERE id = $1")
                .bind(shop.0)
                .fetch_one(&at.database.superuser())
                .await
                .unwrap()
                > 0
            {
                tokio::time::sleep(Wait::from_millis(20)).await;
            }
            assert_eq!(held(&at, &tenant, &one).await, Some(("operator".to_owned(), Some(Vec::new()))));
            assert_eq!(held(&at, &tenant, &both).await, Some(("viewer".to_owned(), Some(vec![bank.0]))));
        }
        assert_eq!(sees(&at.look(&one, &tenant.slug).await.unwrap()).await, [], "{removed}");
        assert_eq!(sees(&at.look(&both, &tenant.slug).await.unwrap()).await, [bank], "{removed}");
        let bearer = at.web.bearer(&secret, PLACE.to_owned()).await.unwrap().unwrap();
        assert_eq!(sees(&at.web.organisation_of(&bearer).unwrap()).await, [], "{removed}");
        let adds = at.web.organisation_of::<AddClusters>(&bearer);
        assert!(matches!(adds, Err(Error::Forbidden)), "{adds:?}");
        assert!(matches!(at.look::<AddClusters>(&one, &tenant.slug).await, Err(Error::Forbidden)), "{removed}");
    }
    works.end().await;
    // Nor does who was invited for it and comes now.
    let guest = at.person("guest@example.org").await;
    accepted(&at.web, &guest, &link(&at, id).await).await.unwrap();
    assert_eq!(held(&at, &tenant, &guest).await, Some(("viewer".to_owned(), Some(Vec::new()))));
    assert_eq!(sees(&at.look(&guest, &tenant.slug).await.unwrap()).await, []);
}

fn wanted(permissions: &[Permission], clusters: Option<Vec<ClusterId>>, of_organisation: bool) -> NewToken {
    let permissions: Permissions = permissions.iter().copied().collect();
    NewToken { name: TokenName::parse("script").unwrap(), permissions, clusters, days: 30, of_organisation }
}

/// A token of this person.
async fn make(
    at: &Installation,
    tenant: &Tenant,
    of: &Actor,
    clusters: Option<Vec<ClusterId>>,
    permissions: &[Permission],
) -> Result<(TokenId, SecretString), Error> {
    let org = at.look::<MakeTokens>(of, &tenant.slug).await?;
    at.web.make_api_token(&org, &wanted(permissions, clusters, false)).await
}

async fn bearer(at: &Installation, secret: &SecretString) -> Option<Bearer> {
    at.web.bearer(secret, PLACE.to_owned()).await.unwrap()
}

/// Whether this may be done by the token at this moment.
async fn may<P: Grant>(at: &Installation, secret: &SecretString) -> bool {
    match at.web.organisation_of::<P>(&bearer(at, secret).await.unwrap()) {
        Ok(_) => true,
        Err(Error::Forbidden) => false,
        Err(error) => panic!("{error}"),
    }
}

/// The clusters that are seen by the token at this moment.
async fn sees(at: &Installation, secret: &SecretString) -> Vec<ClusterId> {
    let org = at.web.organisation_of::<ViewInventory>(&bearer(at, secret).await.unwrap()).unwrap();
    at.web.clusters(&org, &ListQuery::default()).await.unwrap().rows.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_token_does_no_more_than_its_person_may_at_that_moment() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (bank, shop) = (at.cluster(&tenant, "bank").await, at.cluster(&tenant, "shop").await);
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let actor = at.member(&tenant, "somebody", Role::Operator, None).await;
    let all = make(&at, &tenant, &actor, None, Permission::FOR_TOKENS).await.unwrap().1;
    let some = make(&at, &tenant, &actor, Some(vec![shop]), Permission::FOR_TOKENS).await.unwrap().1;
    let become_ = async |access: Access| at.web.change_member(&team, actor.user_id(), &access, false).await.unwrap();
    assert!(may::<ManageClusters>(&at, &all).await && may::<AddClusters>(&at, &all).await);
    assert!(may::<ManageClusters>(&at, &some).await && !may::<AddClusters>(&at, &some).await);
    assert_eq!((sees(&at, &all).await, sees(&at, &some).await), (vec![bank, shop], vec![shop]));

    become_(access(Role::Viewer)).await;
    assert!(!may::<ManageClusters>(&at, &all).await && !may::<AddClusters>(&at, &all).await);
    assert!(may::<ViewInventory>(&at, &all).await && may::<ViewTeam>(&at, &all).await);
    become_(access(Role::Billing)).await;
    assert!(!may::<ViewInventory>(&at, &all).await && !may::<ViewActivity>(&at, &all).await);
    // Limited later: what both see.
    become_(limited(Role::Operator, &[bank])).await;
    assert!(may::<ManageClusters>(&at, &all).await && !may::<AddClusters>(&at, &all).await);
    assert_eq!((sees(&at, &all).await, sees(&at, &some).await), (vec![bank], vec![]));
    let org = at.web.organisation_of::<ViewInventory>(&bearer(&at, &all).await.unwrap()).unwrap();
    let refused = at.web.cluster_of::<ManageClusters>(&org, shop).await;
    assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    become_(limited(Role::Viewer, &[shop, bank])).await;
    assert_eq!((sees(&at, &all).await, sees(&at, &some).await), (vec![bank, shop], vec![shop]));
    // More than it was given it never gets.
    let little = make(&at, &tenant, &actor, None, &[Permission::ViewInventory]).await.unwrap().1;
    become_(access(Role::Admin)).await;
    assert!(may::<ViewInventory>(&at, &little).await);
    assert!(!may::<ViewTeam>(&at, &little).await && !may::<ManageClusters>(&at, &little).await);
    for (what, may) in [
        ("the team", may::<ManageTeam>(&at, &all).await),
        ("ownership", may::<ManageOwnership>(&at, &all).await),
        ("the organisation", may::<ManageOrganisation>(&at, &all).await),
        ("tokens", may::<ManageTokens>(&at, &all).await),
        ("tokens of one's own", may::<MakeTokens>(&at, &all).await),
        ("leaving", may::<ViewOrganisation>(&at, &all).await),
    ] {
        assert!(!may, "{what} is for people");
    }
}

#[tokio::test]
async fn a_token_ends_with_the_membership_its_day_and_its_person_and_stays_ended() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let actor = at.member(&tenant, "somebody", Role::Admin, None).await;
    let rights = [Permission::ViewInventory];
    let (_, own) = make(&at, &tenant, &actor, None, &rights).await.unwrap();
    let org = at.look::<MakeTokens>(&actor, &tenant.slug).await.unwrap();
    let (_, of_organisation) = at.web.make_api_token(&org, &wanted(&rights, None, true)).await.unwrap();
    assert!(bearer(&at, &own).await.is_some() && bearer(&at, &of_organisation).await.is_some());
    let disable = async |sql: &'static str| {
        sqlx::query(sql).bind(actor.user_id().0).execute(&at.database.superuser()).await.unwrap();
    };
    disable("UPDATE users SET disabled_at = now() WHERE id = $1").await;
    assert!(bearer(&at, &own).await.is_none());
    disable("UPDATE users SET disabled_at = NULL WHERE id = $1").await;
    assert!(bearer(&at, &own).await.is_some());
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.remove_member(&team, actor.user_id(), false).await.unwrap();
    assert!(bearer(&at, &own).await.is_none());
    at.join(&tenant, &actor, Role::Admin, None).await;
    assert!(bearer(&at, &own).await.is_none(), "who comes back makes new ones");
    assert!(bearer(&at, &of_organisation).await.is_some(), "the organisation's are not of who made them");
    // To the day.
    let (_, fresh) = make(&at, &tenant, &actor, None, &rights).await.unwrap();
    at.pass(Duration::days(30) - Duration::seconds(1));
    assert!(bearer(&at, &fresh).await.is_some());
    at.pass(Duration::seconds(1));
    assert!(bearer(&at, &fresh).await.is_none() && bearer(&at, &of_organisation).await.is_none());
    for days in [0, -1, 366, i64::MAX, i64::MIN] {
        let org = at.look::<MakeTokens>(&actor, &tenant.slug).await.unwrap();
        let refused = at.web.make_api_token(&org, &NewToken { days, ..wanted(&rights, None, false) }).await;
        assert!(is_invalid(&refused, Field::Expiry, Problem::NotUnderstood), "{days}");
    }
}

#[tokio::test]
async fn where_a_second_factor_is_asked_for_a_token_of_who_has_none_does_nothing() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let behind = at.database.superuser();
    let actor = at.member(&tenant, "somebody", Role::Admin, None).await;
    let (_, own) = make(&at, &tenant, &actor, None, Permission::FOR_TOKENS).await.unwrap();
    let org = at.look::<MakeTokens>(&actor, &tenant.slug).await.unwrap();
    let (_, script) = at.web.make_api_token(&org, &wanted(Permission::FOR_TOKENS, None, true)).await.unwrap();
    sqlx::query("UPDATE organisations SET requires_second_factor = true").execute(&behind).await.unwrap();
    assert!(!may::<ViewInventory>(&at, &own).await && !may::<ManageClusters>(&at, &own).await);
    assert!(!may::<ViewTeam>(&at, &own).await && !may::<ViewActivity>(&at, &own).await);
    assert!(may::<ManageClusters>(&at, &script).await, "the organisation's own is of nobody");
    let app = "INSERT INTO authenticators (user_id, seed, created_at) VALUES ($1, '', now())";
    sqlx::query(app).bind(actor.user_id().0).execute(&behind).await.unwrap();
    assert!(!may::<ViewInventory>(&at, &own).await, "an app that showed no code yet is none");
    sqlx::query("UPDATE authenticators SET confirmed_at = now()").execute(&behind).await.unwrap();
    assert!(may::<ViewInventory>(&at, &own).await);
}

#[tokio::test]
async fn nobody_hands_on_by_a_token_what_they_do_not_have() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (bank, shop) = (at.cluster(&tenant, "bank").await, at.cluster(&tenant, "shop").await);
    let foreign = at.cluster(&at.tenant("two").await, "shop").await;
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await;
    let operator = at.member(&tenant, "operator", Role::Operator, None).await;
    let limited = at.member(&tenant, "limited", Role::Operator, Some(&[shop])).await;
    let billing = at.member(&tenant, "billing", Role::Billing, None).await;
    assert!(matches!(at.look::<MakeTokens>(&billing, &tenant.slug).await, Err(Error::Forbidden)));
    let read = [Permission::ViewInventory];
    for (who, permissions, of_organisation) in [
        (&viewer, &[Permission::ManageClusters][..], false),
        (&viewer, &[Permission::ViewInventory, Permission::AddClusters], false),
        (&viewer, &read, true),
        (&operator, &read, true),
        (&limited, &[Permission::AddClusters], false),
        (&limited, &read, true),
    ] {
        let org = at.look::<MakeTokens>(who, &tenant.slug).await.unwrap();
        let refused = at.web.make_api_token(&org, &wanted(permissions, None, of_organisation)).await.map(drop);
        assert!(matches!(refused, Err(Error::Forbidden)), "{permissions:?}: {refused:?}");
    }
    // What is for people alone is given to no token, whoever asks.
    let people = [Permission::ManageTeam, Permission::ManageOwnership, Permission::ManageTokens];
    let refused = make(&at, &tenant, &tenant.owner, None, &people).await;
    assert!(is_invalid(&refused, Field::Permissions, Problem::Missing));
    for (who, clusters, problem) in [
        (&limited, vec![bank], Problem::NotUnderstood),
        (&limited, vec![shop, bank], Problem::NotUnderstood),
        (&operator, vec![foreign], Problem::NotUnderstood),
        (&operator, vec![], Problem::Missing),
    ] {
        let refused = make(&at, &tenant, who, Some(clusters.clone()), &read).await;
        assert!(is_invalid(&refused, Field::Clusters, problem), "{clusters:?}");
    }
    // Who is limited is so by their token, whether they said so or not.
    for clusters in [None, Some(vec![shop])] {
        let (_, secret) = make(&at, &tenant, &limited, clusters, &[Permission::ViewInventory]).await.unwrap();
        assert_eq!(sees(&at, &secret).await, [shop]);
    }
}

#[tokio::test]
async fn people_revoke_their_own_tokens_and_who_manages_them_everybodys() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let admin = at.member(&tenant, "admin", Role::Admin, None).await;
    let (one, two) = (
        at.member(&tenant, "first", Role::Operator, None).await,
        at.member(&tenant, "second", Role::Viewer, None).await,
    );
    let read = [Permission::ViewInventory];
    let (first, first_secret) = make(&at, &tenant, &one, None, &read).await.unwrap();
    let (second, second_secret) = make(&at, &tenant, &two, None, &read).await.unwrap();
    let manages = at.look::<MakeTokens>(&admin, &tenant.slug).await.unwrap();
    let (script, script_secret) = at.web.make_api_token(&manages, &wanted(&read, None, true)).await.unwrap();
    let mine = at.look::<MakeTokens>(&one, &tenant.slug).await.unwrap();
    let listed = async |org: &Authorized<Organisation, MakeTokens>| -> BTreeSet<TokenId> {
        at.web.api_tokens(org).await.unwrap().iter().map(|row| row.id).collect()
    };
    assert_eq!(listed(&mine).await, BTreeSet::from([first]));
    assert_eq!(listed(&manages).await, BTreeSet::from([first, second, script]));
    for others in [second, script, TokenId(at.world.uuid())] {
        let refused = at.web.revoke_api_token(&mine, others).await;
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    // Nor does another organisation's Owner.
    let elsewhere = at.tenant("two").await;
    let foreign = at.look::<MakeTokens>(&elsewhere.owner, &elsewhere.slug).await.unwrap();
    assert!(matches!(at.web.revoke_api_token(&foreign, first).await, Err(Error::NotFound)));
    for (org, id, secret) in
        [(&mine, first, &first_secret), (&manages, second, &second_secret), (&manages, script, &script_secret)]
    {
        assert!(bearer(&at, secret).await.is_some());
        at.web.revoke_api_token(org, id).await.unwrap();
        assert!(bearer(&at, secret).await.is_none());
        assert!(matches!(at.web.revoke_api_token(org, id).await, Err(Error::NotFound)), "only once");
    }
    assert_eq!(listed(&manages).await, BTreeSet::new());
}

#[tokio::test]
async fn what_is_no_token_opens_nothing_and_one_that_asks_too_often_waits() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let other = at.tenant("two").await;
    let adding = at.look::<AddClusters>(&tenant.owner, &tenant.slug).await.unwrap();
    let (_, agent) =
        at.web.add_cluster(&adding, &kubewise_contract::ClusterName::parse("shop").unwrap()).await.unwrap();
    let (id, secret) = make(&at, &tenant, &tenant.owner, None, &[Permission::ViewInventory]).await.unwrap();
    let text = secret.expose_secret();
    assert!(text.starts_with("kw_"), "what secret scanners look for");
    for wrong in ["", "kw_", "kw_x", &text[1..], &text[..text.len() - 1], &text.replacen("kw_", "kwc_", 1)] {
        assert!(bearer(&at, &wrong.to_owned().into()).await.is_none(), "{wrong}");
    }
    assert!(bearer(&at, &agent).await.is_none());
    // The organisation that is in it is the one whose it is.
    let org = at.web.organisation_of::<ViewInventory>(&bearer(&at, &secret).await.unwrap()).unwrap();
    assert_eq!((org.id, org.name.as_str()), (tenant.org, "one"));
    assert_ne!(org.id, other.org);

    let bearer = bearer(&at, &secret).await.unwrap();
    assert_eq!(at.web.count_request(&bearer).await.unwrap().left, REQUESTS_PER_MINUTE - 1);
    sqlx::query("UPDATE api_token_minutes SET requests = $1 WHERE token_id = $2")
        .bind(REQUESTS_PER_MINUTE - 1)
        .bind(id.0)
        .execute(&at.database.superuser())
        .await
        .unwrap();
    assert_eq!(at.web.count_request(&bearer).await.unwrap().left, 0);
    let refused = at.web.count_request(&bearer).await;
    assert!(matches!(refused, Err(Error::TooMany { seconds: 1..=61 })), "{refused:?}");
    at.pass(Duration::minutes(1));
    assert_eq!(at.web.count_request(&bearer).await.unwrap().left, REQUESTS_PER_MINUTE - 1);
}
