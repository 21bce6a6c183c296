//! What happens when two do something at the same moment: with connections of their own, held back by the locks that the
//! product takes, so that they truly meet.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use kubewise_backend::{
    Actor, Authorized, Error, NewToken, Organisation, SignUpInvited, SignUpPolicy, Web,
    database::Part,
    permission::{
        AddClusters, Grant, MakeTokens, ManageClusters, ManageOrganisation, ManageOwnership, ManageTeam, ViewActivity,
        ViewOrganisation,
    },
    testing::{Installation, PLACE, Tenant},
};
use kubewise_contract::{
    Access, ActivityQuery, ClusterId, ClusterName, EmailAddress, InvitationId, OrganisationName, Permission,
    PersonName, Role, TokenId, TokenName, UserId,
};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Row, Transaction};
use tokio::{sync::Barrier, task::JoinHandle};

/// Rounds of each race.
const ROUNDS: usize = 12;

const fn role(role: Role) -> Access {
    Access { role, clusters: None }
}

/// A connection from behind the walls that holds something until it is dropped.
struct Holds(Transaction<'static, Postgres>, PgPool);

impl Holds {
    /// The organisation's row, which whoever changes what others may do takes first.
    async fn organisation(at: &Installation, tenant: &Tenant) -> Self {
        let pool = at.database.superuser();
        let mut tx = pool.begin().await.unwrap();
        let lock = "SELECT id FROM organisations WHERE id = $1 FOR UPDATE";
        sqlx::query(lock).bind(tenant.org.0).execute(&mut *tx).await.unwrap();
        Self(tx, pool)
    }

    /// The end of the activity log, which whoever writes a line takes last.
    async fn log(at: &Installation, tenant: &Tenant) -> Self {
        let pool = at.database.superuser();
        let mut tx = pool.begin().await.unwrap();
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        sqlx::query(lock).bind(format!("kubewise activity {}", tenant.org)).execute(&mut *tx).await.unwrap();
        Self(tx, pool)
    }

    /// Waits until so many wait for a lock.
    async fn until(&self, count: i64) {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.1)
            .await
            .unwrap();
            if waiting >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn let_go(self) {
        self.0.commit().await.unwrap();
    }
}

/// Begins all of them at one moment.
async fn at_once<T: Send + 'static>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(all.len()));
    let tasks: Vec<JoinHandle<T>> = all
        .into_iter()
        .map(|one| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                one.await
            })
        })
        .collect();
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

/// What was refused was refused in words, and not by a fault such as a deadlock.
fn orderly(results: &[Result<(), Error>]) {
    for result in results {
        if let Err(error) = result {
            assert!(!error.is_fault(), "{error}");
        }
    }
}

fn won(results: &[Result<(), Error>]) -> usize {
    results.iter().filter(|result| result.is_ok()).count()
}

async fn owners(at: &Installation, tenant: &Tenant) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM memberships WHERE org_id = $1 AND role = 'owner'")
        .bind(tenant.org.0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap()
}

/// The lines of the log in their order: who, by which token, what, to whom.
async fn log(at: &Installation, tenant: &Tenant) -> Vec<(Option<UserId>, Option<TokenId>, String, Option<uuid::Uuid>)> {
    let rows = sqlx::query(
        "SELECT p.user_id AS person_id, a.token_id, a.action, coalesce(s.user_id, a.subject_id) AS subject_id
             FROM activity a LEFT JOIN pseudonyms p ON p.org_id = a.org_id AND p.pseudonym = a.person_id
             LEFT JOIN pseudonyms s ON s.org_id = a.org_id AND s.pseudonym = a.subject_id
             WHERE a.org_id = $1 ORDER BY a.seq",
    )
    .bind(tenant.org.0)
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    let line = |row: &sqlx::postgres::PgRow| {
        let id = |column| row.get::<Option<uuid::Uuid>, _>(column);
        (id("person_id").map(UserId), id("token_id").map(TokenId), row.get("action"), row.get("subject_id"))
    };
    rows.iter().map(line).collect()
}

/// An organisation with two Owners.
async fn two_owners(at: &Installation, name: &str) -> (Tenant, Actor) {
    let tenant = at.tenant(name).await;
    let other = at.member(&tenant, "another-owner", Role::Owner, None).await;
    (tenant, other)
}

type Team = Authorized<Organisation, ManageTeam>;

/// Two do this to each other in many rounds: once begun at one moment, once both held back until both wait.
async fn to_each_other<F>(at: &Installation, act: impl Fn(Web, Team, UserId) -> F)
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (one, two) = (at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open));
    for round in 0..ROUNDS {
        let (tenant, other) = two_owners(at, &format!("round-{round}")).await;
        let mine = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        let theirs = at.look::<ManageTeam>(&other, &tenant.slug).await.unwrap();
        let both = vec![act(one.clone(), mine, other.user_id()), act(two.clone(), theirs, tenant.owner.user_id())];
        let results = if round % 2 == 0 {
            at_once(both).await
        } else {
            let holds = Holds::organisation(at, &tenant).await;
            let done = tokio::spawn(at_once(both));
            holds.until(2).await;
            holds.let_go().await;
            done.await.unwrap()
        };
        orderly(&results);
        assert_eq!(won(&results), 1, "{results:?}");
        assert_eq!(owners(at, &tenant).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_demote_each_other_one_stays() {
    let at = Installation::new().await;
    to_each_other(
        &at,
        |web, team, other| async move { web.change_member(&team, other, &role(Role::Admin), true).await },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_remove_each_other_one_stays() {
    let at = Installation::new().await;
    to_each_other(&at, |web, team, other| async move { web.remove_member(&team, other, true).await }).await;
}

/// With a third Owner it is not the last one who is protected: an Owner who was demoted is one no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_demoted_meanwhile_demotes_nobody_though_a_third_owner_is_there() {
    let at = Installation::new().await;
    let (one, two) = (at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open));
    for round in 0..ROUNDS {
        let (tenant, other) = two_owners(&at, &format!("round-{round}")).await;
        at.member(&tenant, "third", Role::Owner, None).await;
        let mine = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        let theirs = at.look::<ManageTeam>(&other, &tenant.slug).await.unwrap();
        let act = |web: Web, team: Team, who: UserId| async move {
            web.change_member(&team, who, &role(Role::Admin), true).await
        };
        let both = vec![act(one.clone(), mine, other.user_id()), act(two.clone(), theirs, tenant.owner.user_id())];
        let holds = Holds::organisation(&at, &tenant).await;
        let done = tokio::spawn(at_once(both));
        holds.until(2).await;
        holds.let_go().await;
        let results = done.await.unwrap();
        orderly(&results);
        assert_eq!(won(&results), 1, "{results:?}");
        assert!(results.iter().any(|result| matches!(result, Err(Error::Forbidden))), "{results:?}");
        assert_eq!(owners(&at, &tenant).await, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_leaves_while_the_other_is_demoted_leaves_an_owner_behind() {
    let at = Installation::new().await;
    let (one, two) = (at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open));
    for round in 0..ROUNDS {
        let (tenant, other) = two_owners(&at, &format!("round-{round}")).await;
        let leaving = at.look::<ViewOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
        // By who leaves, or by themselves.
        let by = if round % 2 == 0 { &tenant.owner } else { &other };
        let team = at.look::<ManageTeam>(by, &tenant.slug).await.unwrap();
        let (web, owner) = (one.clone(), tenant.owner.clone());
        let leave = tokio::spawn({
            let holds = Holds::organisation(&at, &tenant).await;
            let first = tokio::spawn(async move { web.leave(&leaving, &owner).await });
            let web = two.clone();
            let who = other.user_id();
            let second = tokio::spawn(async move { web.change_member(&team, who, &role(Role::Viewer), true).await });
            async move {
                holds.until(2).await;
                holds.let_go().await;
                vec![first.await.unwrap(), second.await.unwrap()]
            }
        });
        let results = leave.await.unwrap();
        orderly(&results);
        assert_eq!(won(&results), 1, "{results:?}");
        assert_eq!(owners(&at, &tenant).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_that_is_handed_over_while_who_gets_or_gives_it_is_removed_has_an_owner() {
    let at = Installation::new().await;
    let (one, two) = (at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open));
    for round in 0..ROUNDS {
        let (tenant, other) = two_owners(&at, &format!("round-{round}")).await;
        let heir = at.member(&tenant, "heir", Role::Admin, None).await;
        let ownership = at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
        let team = at.look::<ManageTeam>(&other, &tenant.slug).await.unwrap();
        let removed = if round % 2 == 0 { heir.user_id() } else { tenant.owner.user_id() };
        let holds = Holds::organisation(&at, &tenant).await;
        let (web, giver, to) = (one.clone(), tenant.owner.clone(), heir.user_id());
        let first = tokio::spawn(async move { web.transfer_ownership(&ownership, &giver, to).await });
        let web = two.clone();
        let second = tokio::spawn(async move { web.remove_member(&team, removed, true).await });
        holds.until(2).await;
        holds.let_go().await;
        let results = [first.await.unwrap(), second.await.unwrap()];
        orderly(&results);
        assert!(results[1].is_ok(), "an Owner removes whom they want to: {results:?}");
        let left: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT user_id FROM memberships WHERE org_id = $1")
            .bind(tenant.org.0)
            .fetch_all(&at.database.superuser())
            .await
            .unwrap();
        assert!(!left.contains(&removed.0));
        assert!(owners(&at, &tenant).await >= 1);
    }
}

/// The database's own word, whatever is asked of it by whom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_commits_nothing_that_leaves_an_organisation_without_an_owner() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let owner = tenant.owner.user_id();
    let code = |result: Result<(), sqlx::Error>| {
        let error = result.expect_err("refused").into_database_error().unwrap();
        error.code().unwrap_or_default().into_owned()
    };
    for (part, statement) in [
        (Part::Web, "DELETE FROM memberships WHERE user_id = $1"),
        (Part::Web, "UPDATE memberships SET role = 'admin' WHERE user_id = $1"),
        (Part::Owner, "DELETE FROM memberships WHERE user_id = $1"),
        (Part::Owner, "DELETE FROM users WHERE id = $1"),
    ] {
        let mut tx = at.database.pool(part).begin().await.unwrap();
        state(&mut tx, &tenant).await;
        let done = sqlx::query(statement).bind(owner.0).execute(&mut *tx).await.unwrap().rows_affected();
        assert_eq!(done, 1, "{statement}");
        assert_eq!(code(tx.commit().await), "23000", "{part:?}: {statement}");
    }
    assert_eq!(owners(&at, &tenant).await, 1);
    // Whoever is no Owner goes, and the organisation as a whole does.
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await.user_id();
    for (part, statement, id) in [
        (Part::Web, "DELETE FROM memberships WHERE user_id = $1", viewer.0),
        (Part::Owner, "DELETE FROM organisations WHERE id = $1", tenant.org.0),
    ] {
        let mut tx = at.database.pool(part).begin().await.unwrap();
        state(&mut tx, &tenant).await;
        sqlx::query(statement).bind(id).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(owners(&at, &tenant).await, 0, "it is gone");
}

async fn state(tx: &mut PgConnection, tenant: &Tenant) {
    sqlx::query("SELECT set_config('kubewise.org_id', $1, true), set_config('kubewise.clusters', '*', true)")
        .bind(tenant.org.to_string())
        .execute(tx)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_one_of_two_owners_whose_rows_are_deleted_at_once_at_every_level_of_isolation() {
    let at = Installation::new().await;
    let pool = at.database.pool(Part::Web);
    for (round, level) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].into_iter().cycle().take(12).enumerate()
    {
        let (tenant, other) = two_owners(&at, &format!("round-{round}")).await;
        let mut both = Vec::new();
        for who in [tenant.owner.user_id(), other.user_id()] {
            let mut tx = pool.begin().await.unwrap();
            let begin = sqlx::AssertSqlSafe(format!("SET TRANSACTION ISOLATION LEVEL {level}"));
            sqlx::query(begin).execute(&mut *tx).await.unwrap();
            state(&mut tx, &tenant).await;
            let delete = "DELETE FROM memberships WHERE user_id = $1";
            sqlx::query(delete).bind(who.0).execute(&mut *tx).await.unwrap();
            both.push(async move { tx.commit().await });
        }
        // Both have seen both Owners by now, and neither what the other did.
        let results = at_once(both).await;
        assert!(results.iter().any(Result::is_err), "{level}: {results:?}");
        assert!(owners(&at, &tenant).await >= 1, "{level}: {results:?}");
        if level == "READ COMMITTED" {
            assert_eq!(owners(&at, &tenant).await, 1, "{results:?}");
        }
    }
}

/// Invites somebody and answers the invitation, and what its link carries.
async fn invited(at: &Installation, tenant: &Tenant, email: &str) -> (InvitationId, SecretString) {
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let address = EmailAddress::parse(email).unwrap();
    at.web.invite(&team, &tenant.owner, &address, &role(Role::Viewer), false).await.unwrap();
    // As the worker does when it writes the mail.
    let link = format!("link for {email}");
    let id = sqlx::query_scalar("UPDATE invitations SET hash = sha256($1::bytea) WHERE email = $2 RETURNING id")
        .bind(link.as_bytes())
        .bind(email)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    (InvitationId(id), link.into())
}

/// Lines that say that this person joined, and memberships of theirs.
async fn joined(at: &Installation, tenant: &Tenant, who: UserId) -> (usize, i64) {
    let lines = log(at, tenant).await;
    let memberships = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE org_id = $1 AND user_id = $2")
        .bind(tenant.org.0)
        .bind(who.0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    (lines.iter().filter(|line| line.2 == "member.join" && line.3 == Some(who.0)).count(), memberships)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_is_accepted_twice_at_once_makes_one_member_and_one_line() {
    let at = Installation::new().await;
    let (one, two) = (at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open));
    let tenant = at.tenant("one").await;
    for round in 0..ROUNDS {
        let guest = at.person(&format!("guest-{round}@example.com")).await;
        let stranger = at.person(&format!("stranger-{round}@example.com")).await;
        let (_, link) = invited(&at, &tenant, &format!("guest-{round}@example.com")).await;
        let accept = |web: &Web, who: &Actor| {
            let (web, who, link) = (web.clone(), who.clone(), link.clone());
            async move { web.accept_invitation(&who, &link).await.map(drop) }
        };
        // Held back at the end of the log: one has done all but that by then, the others wait for it.
        let holds = Holds::log(&at, &tenant).await;
        let all = vec![accept(&one, &guest), accept(&two, &guest), accept(&one, &stranger), accept(&two, &stranger)];
        let done = tokio::spawn(at_once(all));
        holds.until(1).await;
        holds.let_go().await;
        let results = done.await.unwrap();
        orderly(&results);
        assert_eq!(won(&results[..2]), 1, "{results:?}");
        assert_eq!(won(&results[2..]), 0, "{results:?}");
        for refused in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(refused, Error::LinkEnded | Error::InvitedAnother), "{refused:?}");
        }
        assert_eq!(joined(&at, &tenant, guest.user_id()).await, (1, 1));
        assert_eq!(joined(&at, &tenant, stranger.user_id()).await, (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_is_accepted_by_two_new_accounts_at_once_makes_one() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    for round in 0..2 {
        let (_, link) = invited(&at, &tenant, &format!("guest-{round}@example.com")).await;
        let results = at_once(
            (0..2)
                .map(|_| {
                    let (web, link) = (at.another(SignUpPolicy::Invite), link.clone());
                    async move {
                        let request = SignUpInvited {
                            name: PersonName::parse("Guest").unwrap(),
                            password: "correct horse battery staple".to_owned().into(),
                            link,
                            place: PLACE.to_owned(),
                        };
                        web.sign_up_invited(request).await.map(drop)
                    }
                })
                .collect(),
        )
        .await;
        orderly(&results);
        assert_eq!(won(&results), 1, "{results:?}");
        let lines = log(&at, &tenant).await;
        assert_eq!(lines.iter().filter(|line| line.2 == "member.join").count(), round + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_is_accepted_while_it_is_revoked_is_one_of_both() {
    let at = Installation::new().await;
    let (one, two) = (at.another(SignUpPolicy::Open), at.another(SignUpPolicy::Open));
    let tenant = at.tenant("one").await;
    let (mut accepted, mut revoked) = (0, 0);
    for round in 0..2 * ROUNDS {
        let guest = at.person(&format!("guest-{round}@example.com")).await;
        let (id, link) = invited(&at, &tenant, &format!("guest-{round}@example.com")).await;
        let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        let holds = Holds::log(&at, &tenant).await;
        let barrier = Arc::new(Barrier::new(2));
        let (web, who, begun) = (one.clone(), guest.clone(), Arc::clone(&barrier));
        let accept = tokio::spawn(async move {
            begun.wait().await;
            web.accept_invitation(&who, &link).await.map(drop)
        });
        let web = two.clone();
        let revoke = tokio::spawn(async move {
            barrier.wait().await;
            web.revoke_invitation(&team, id).await
        });
        holds.until(1).await;
        holds.let_go().await;
        let results = [accept.await.unwrap(), revoke.await.unwrap()];
        orderly(&results);
        assert_eq!(won(&results), 1, "{results:?}");
        let members = if results[0].is_ok() { (1, 1) } else { (0, 0) };
        assert_eq!(joined(&at, &tenant, guest.user_id()).await, members);
        accepted += usize::from(results[0].is_ok());
        revoked += usize::from(results[1].is_ok());
    }
    assert_eq!(accepted + revoked, 2 * ROUNDS);
}

/// One connection each: who holds a lock never waits for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_people_than_connections_join_by_their_domain_at_once() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let settings = at.look::<ManageOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.set_join_rule(&settings, &tenant.owner, Some(Role::Viewer)).await.unwrap();
    let mut all = Vec::new();
    for person in 0..20 {
        let who = at.person(&format!("person-{person}@example.com")).await;
        let (web, slug) = (at.web.clone(), tenant.slug.clone());
        all.push(async move { web.join_by_domain(&who, &slug).await });
    }
    let results = at_once(all).await;
    assert_eq!(won(&results), 20, "{results:?}");
    assert_eq!(log(&at, &tenant).await.iter().filter(|line| line.2 == "member.join").count(), 20);
}

/// What somebody looked up, to do something with it later.
struct Before {
    at: Installation,
    tenant: Tenant,
    actor: Actor,
    cluster: ClusterId,
    invitation: InvitationId,
    token: TokenId,
    web: Web,
}

impl Before {
    async fn new(role: Role) -> Self {
        let at = Installation::new().await;
        let (tenant, _) = two_owners(&at, "one").await;
        let actor = at.member(&tenant, "somebody", role, None).await;
        let cluster = at.cluster(&tenant, "shop").await;
        let (invitation, _) = invited(&at, &tenant, "guest@example.com").await;
        let tokens = at.look::<MakeTokens>(&tenant.owner, &tenant.slug).await.unwrap();
        let (token, _) = at.web.make_api_token(&tokens, &script(true)).await.unwrap();
        let web = at.web.clone();
        Self { at, tenant, actor, cluster, invitation, token, web }
    }

    async fn look<P: Grant>(&self) -> Option<Authorized<Organisation, P>> {
        self.at.look::<P>(&self.actor, &self.tenant.slug).await.ok()
    }
}

fn script(of_organisation: bool) -> NewToken {
    NewToken {
        name: TokenName::parse("script").unwrap(),
        permissions: [Permission::ViewInventory, Permission::ManageClusters].into_iter().collect(),
        clusters: None,
        days: 30,
        of_organisation,
    }
}

/// All that somebody may do: looked up now, done after `meanwhile`.
async fn after(before: &Before, meanwhile: impl AsyncFnOnce()) -> Vec<(&'static str, Result<(), Error>)> {
    let Before { tenant, actor, cluster, invitation, token, web, .. } = before;
    let cluster = web.cluster::<ManageClusters>(actor, &tenant.slug, *cluster).await.ok();
    let adding = before.look::<AddClusters>().await;
    let team = before.look::<ManageTeam>().await;
    let ownership = before.look::<ManageOwnership>().await;
    let settings = before.look::<ManageOrganisation>().await;
    let activity = before.look::<ViewActivity>().await;
    let tokens = before.look::<MakeTokens>().await;
    let itself = before.look::<ViewOrganisation>().await;
    let other = before.at.member(tenant, "other", Role::Viewer, None).await.user_id();
    meanwhile().await;
    let mut done: Vec<(&'static str, Result<(), Error>)> = Vec::new();
    let name = ClusterName::parse("renamed").unwrap();
    if let Some(cluster) = &cluster {
        done.push(("rename_cluster", web.rename_cluster(cluster, &name).await));
        done.push(("rotate_token", web.rotate_token(cluster).await.map(drop)));
        done.push(("revoke_token", web.revoke_token(cluster).await));
        done.push(("delete_cluster", web.delete_cluster(cluster).await));
    }
    if let Some(org) = &adding {
        done.push(("add_cluster", web.add_cluster(org, &name).await.map(drop)));
    }
    if let Some(org) = &team {
        let email = EmailAddress::parse("another-guest@example.com").unwrap();
        done.push(("invite", web.invite(org, actor, &email, &role(Role::Admin), false).await));
        done.push(("resend_invitation", web.resend_invitation(org, actor, *invitation).await));
        done.push(("revoke_invitation", web.revoke_invitation(org, *invitation).await));
        done.push(("change_member", web.change_member(org, other, &role(Role::Admin), false).await));
        done.push(("remove_member", web.remove_member(org, other, false).await));
    }
    if let Some(org) = &ownership {
        done.push(("transfer_ownership", web.transfer_ownership(org, actor, other).await));
    }
    if let Some(org) = &settings {
        let called = OrganisationName::parse("Renamed").unwrap();
        done.push(("rename_organisation", web.rename_organisation(org, &called).await));
        done.push(("set_join_rule", web.set_join_rule(org, actor, Some(Role::Viewer)).await));
        done.push(("require_second_factor", web.require_second_factor(org, actor, false).await));
    }
    if let Some(org) = &activity {
        done.push(("record_export", web.record_export(org, "csv").await));
    }
    if let Some(org) = &tokens {
        done.push(("make_api_token", web.make_api_token(org, &script(false)).await.map(drop)));
        done.push(("make_api_token of the organisation", web.make_api_token(org, &script(true)).await.map(drop)));
        done.push(("revoke_api_token of the organisation", web.revoke_api_token(org, *token).await));
    }
    if let Some(org) = &itself {
        done.push(("leave", web.leave(org, actor).await));
    }
    done
}

#[tokio::test]
async fn who_is_removed_during_a_request_does_nothing_more() {
    for held in [Role::Owner, Role::Admin, Role::Operator] {
        let before = Before::new(held).await;
        let done = after(&before, async || {
            let team = before.at.look::<ManageTeam>(&before.tenant.owner, &before.tenant.slug).await.unwrap();
            before.web.remove_member(&team, before.actor.user_id(), true).await.unwrap();
        })
        .await;
        assert!(done.len() >= 8, "{held}: {done:?}");
        for (what, result) in done {
            assert!(matches!(result, Err(Error::NotFound)), "{held}: {what}: {result:?}");
        }
        let lines = log(&before.at, &before.tenant).await;
        assert!(lines.iter().all(|line| line.0 != Some(before.actor.user_id())), "{lines:?}");
    }
}

#[tokio::test]
async fn whose_account_is_disabled_during_a_request_does_nothing_more() {
    let before = Before::new(Role::Owner).await;
    let done = after(&before, async || {
        sqlx::query("UPDATE users SET disabled_at = now() WHERE id = $1")
            .bind(before.actor.user_id().0)
            .execute(&before.at.database.superuser())
            .await
            .unwrap();
    })
    .await;
    for (what, result) in done {
        assert!(matches!(result, Err(Error::NotFound)), "{what}: {result:?}");
    }
}

#[tokio::test]
async fn whose_role_is_lowered_during_a_request_does_what_the_new_one_may() {
    let given = |held| {
        move |what: &str| match held {
            // A Viewer's rights, and nobody's.
            Role::Viewer => matches!(what, "record_export" | "leave"),
            Role::Billing => what == "leave",
            // Tokens of their own, and clusters.
            Role::Operator => {
                !matches!(
                    what,
                    "invite"
                        | "resend_invitation"
                        | "revoke_invitation"
                        | "change_member"
                        | "remove_member"
                        | "transfer_ownership"
                        | "rename_organisation"
                        | "set_join_rule"
                        | "require_second_factor"
                ) && !what.ends_with("of the organisation")
            }
            Role::Admin => what != "transfer_ownership",
            Role::Owner => true,
        }
    };
    for lowered in [Role::Admin, Role::Operator, Role::Viewer, Role::Billing] {
        let before = Before::new(Role::Owner).await;
        let done = after(&before, async || {
            let team = before.at.look::<ManageTeam>(&before.tenant.owner, &before.tenant.slug).await.unwrap();
            before.web.change_member(&team, before.actor.user_id(), &role(lowered), true).await.unwrap();
        })
        .await;
        assert!(done.len() >= 18, "{done:?}");
        for (what, result) in done {
            if given(lowered)(what) {
                // The cluster is deleted, and the member removed, only once.
                assert!(matches!(result, Ok(()) | Err(Error::NotFound)), "{lowered}: {what}: {result:?}");
            } else if what.starts_with("revoke_api_token") && matches!(lowered, Role::Operator | Role::Viewer) {
                // A token that is not theirs is none.
                assert!(matches!(result, Err(Error::NotFound)), "{lowered}: {what}: {result:?}");
            } else {
                assert!(matches!(result, Err(Error::Forbidden)), "{lowered}: {what}: {result:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_owner_who_was_demoted_during_a_request_gives_and_takes_no_ownership() {
    let at = Installation::new().await;
    let (tenant, other) = two_owners(&at, "one").await;
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await.user_id();
    let team = at.look::<ManageTeam>(&other, &tenant.slug).await.unwrap();
    let above = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.change_member(&above, other.user_id(), &role(Role::Admin), true).await.unwrap();
    let guest = EmailAddress::parse("guest@example.com").unwrap();
    for result in [
        // Themselves, somebody else, the one who demoted them.
        at.web.change_member(&team, other.user_id(), &role(Role::Owner), true).await,
        at.web.change_member(&team, viewer, &role(Role::Owner), true).await,
        at.web.change_member(&team, tenant.owner.user_id(), &role(Role::Viewer), true).await,
        at.web.remove_member(&team, tenant.owner.user_id(), true).await,
        at.web.invite(&team, &other, &guest, &role(Role::Owner), true).await,
    ] {
        assert!(matches!(result, Err(Error::Forbidden)), "{result:?}");
    }
    // What an Admin may, they still do.
    at.web.change_member(&team, viewer, &role(Role::Operator), false).await.unwrap();
}

#[tokio::test]
async fn who_is_limited_to_another_cluster_during_a_request_does_nothing_to_the_one_before() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&tenant, "shop").await, at.cluster(&tenant, "bank").await);
    let name = ClusterName::parse("renamed").unwrap();
    for before in [None, Some(vec![shop])] {
        let called = if before.is_none() { "all" } else { "shop" };
        let actor = at.member(&tenant, called, Role::Operator, before.as_deref()).await;
        let cluster = at.web.cluster::<ManageClusters>(&actor, &tenant.slug, shop).await.unwrap();
        let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        let access = Access { role: Role::Operator, clusters: Some(vec![bank]) };
        at.web.change_member(&team, actor.user_id(), &access, false).await.unwrap();
        for result in [
            at.web.rename_cluster(&cluster, &name).await,
            at.web.rotate_token(&cluster).await.map(drop),
            at.web.revoke_token(&cluster).await,
            at.web.delete_cluster(&cluster).await,
        ] {
            assert!(matches!(result, Err(Error::NotFound)), "{result:?}");
        }
        let cluster = at.web.cluster::<ManageClusters>(&actor, &tenant.slug, bank).await.unwrap();
        at.web.rotate_token(&cluster).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_done_to_a_cluster_that_was_deleted_during_a_request() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let shop = at.cluster(&tenant, "shop").await;
    let look = || at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, shop);
    let (cluster, deleted) = (look().await.unwrap(), look().await.unwrap());
    at.web.delete_cluster(&deleted).await.unwrap();
    for result in [
        at.web.rename_cluster(&cluster, &ClusterName::parse("renamed").unwrap()).await,
        at.web.rotate_token(&cluster).await.map(drop),
        at.web.revoke_token(&cluster).await,
        at.web.delete_cluster(&cluster).await,
    ] {
        assert!(matches!(result, Err(Error::NotFound)), "{result:?}");
    }
    assert_eq!(log(&at, &tenant).await.last().unwrap().2, "cluster.delete");
}

/// Writes as fast as they can with what was looked up once, in several tasks, until refused; each counts what was done.
fn busy(
    at: &Installation,
    count: usize,
    cluster: impl Fn() -> Authorized<kubewise_backend::Cluster, ManageClusters>,
) -> Vec<JoinHandle<(usize, Error)>> {
    (0..count)
        .map(|task| {
            let (web, cluster) = (at.another(SignUpPolicy::Open), cluster());
            tokio::spawn(async move {
                let mut done = 0;
                loop {
                    let name = ClusterName::parse(&format!("c{task}-{done}")).unwrap();
                    match web.rename_cluster(&cluster, &name).await {
                        Ok(()) => done += 1,
                        Err(error) => return (done, error),
                    }
                }
            })
        })
        .collect()
}

/// Waits until so many lines are written.
async fn lines(at: &Installation, tenant: &Tenant, count: usize) {
    while log(at, tenant).await.len() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_of_a_member_comes_after_the_one_that_removed_them() {
    let at = Installation::new().await;
    for round in 0..8 {
        let tenant = at.tenant(&format!("round-{round}")).await;
        let shop = at.cluster(&tenant, "shop").await;
        let actor = at.member(&tenant, "somebody", Role::Operator, Some(&[shop])).await;
        let mut looked_up = Vec::new();
        for _ in 0..3 {
            looked_up.push(at.web.cluster::<ManageClusters>(&actor, &tenant.slug, shop).await.unwrap());
        }
        let looked_up = std::cell::RefCell::new(looked_up);
        let tasks = busy(&at, 3, || looked_up.borrow_mut().pop().unwrap());
        lines(&at, &tenant, 2 + round).await;
        let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        // Removed, lowered, or limited to another cluster.
        let (action, refused): (_, fn(&Error) -> bool) = match round % 3 {
            0 => {
                at.web.remove_member(&team, actor.user_id(), false).await.unwrap();
                ("member.remove", |error| matches!(error, Error::NotFound))
            }
            1 => {
                at.web.change_member(&team, actor.user_id(), &role(Role::Viewer), false).await.unwrap();
                ("member.change", |error| matches!(error, Error::Forbidden))
            }
            _ => {
                let bank = at.cluster(&tenant, "bank").await;
                let access = Access { role: Role::Operator, clusters: Some(vec![bank]) };
                at.web.change_member(&team, actor.user_id(), &access, false).await.unwrap();
                ("member.change", |error| matches!(error, Error::NotFound))
            }
        };
        let mut done = 0;
        for task in tasks {
            let (count, error) = task.await.unwrap();
            assert!(refused(&error), "{error:?}");
            done += count;
        }
        let lines = log(&at, &tenant).await;
        let end = lines.iter().position(|line| line.2 == action).unwrap();
        let theirs: Vec<usize> =
            lines.iter().enumerate().filter(|(_, line)| line.0 == Some(actor.user_id())).map(|(seq, _)| seq).collect();
        assert_eq!(theirs.len(), done, "each write has its line");
        assert!(theirs.iter().all(|seq| *seq < end), "{theirs:?} and {end}");
    }
}

/// The write is under way, and has only its line to add: the removal waits for it, and comes after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_waits_for_the_write_that_is_under_way_and_for_no_further_one() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let shop = at.cluster(&tenant, "shop").await;
    let actor = at.member(&tenant, "somebody", Role::Operator, None).await;
    let cluster = at.web.cluster::<ManageClusters>(&actor, &tenant.slug, shop).await.unwrap();
    let again = at.web.cluster::<ManageClusters>(&actor, &tenant.slug, shop).await.unwrap();
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let holds = Holds::log(&at, &tenant).await;
    let (web, name) = (at.web.clone(), ClusterName::parse("renamed").unwrap());
    let write = tokio::spawn(async move { web.rename_cluster(&cluster, &name).await });
    holds.until(1).await;
    let (web, who) = (at.web.clone(), actor.user_id());
    let removal = tokio::spawn(async move { web.remove_member(&team, who, false).await });
    holds.until(2).await;
    // What they begin from then on waits in turn: who is busy does not hold their removal off.
    let (web, name) = (at.web.clone(), ClusterName::parse("late").unwrap());
    let late = tokio::spawn(async move { web.rename_cluster(&again, &name).await });
    holds.until(3).await;
    holds.let_go().await;
    write.await.unwrap().unwrap();
    removal.await.unwrap().unwrap();
    let late = late.await.unwrap();
    assert!(matches!(late, Err(Error::NotFound)), "{late:?}");
    let lines: Vec<String> = log(&at, &tenant).await.into_iter().map(|line| line.2).collect();
    assert_eq!(lines[lines.len() - 2..], ["cluster.rename", "member.remove"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_of_a_token_comes_after_the_one_that_revoked_it() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let shop = at.cluster(&tenant, "shop").await;
    let tokens = at.look::<MakeTokens>(&tenant.owner, &tenant.slug).await.unwrap();
    for round in 0..6 {
        let (id, secret) = at.web.make_api_token(&tokens, &script(round % 2 == 0)).await.unwrap();
        let bearer = at.web.bearer(&secret, PLACE.to_owned()).await.unwrap().unwrap();
        let org = at.web.organisation_of(&bearer).unwrap();
        let mut looked_up = Vec::new();
        for _ in 0..3 {
            looked_up.push(at.web.cluster_of::<ManageClusters>(&org, shop).await.unwrap());
        }
        let looked_up = std::cell::RefCell::new(looked_up);
        let before = log(&at, &tenant).await.len();
        let tasks = busy(&at, 3, || looked_up.borrow_mut().pop().unwrap());
        lines(&at, &tenant, before + 1 + round).await;
        at.web.revoke_api_token(&tokens, id).await.unwrap();
        let mut done = 0;
        for task in tasks {
            let (count, error) = task.await.unwrap();
            assert!(matches!(error, Error::NotFound), "{error:?}");
            done += count;
        }
        let lines = log(&at, &tenant).await;
        let end = lines.iter().position(|line| line.2 == "token.revoke" && line.3 == Some(id.0)).unwrap();
        let theirs: Vec<usize> =
            lines.iter().enumerate().filter(|(_, line)| line.1 == Some(id)).map(|(seq, _)| seq).collect();
        assert_eq!(theirs.len(), done);
        assert!(theirs.iter().all(|seq| *seq < end), "{theirs:?} and {end}");
        assert!(at.web.bearer(&secret, PLACE.to_owned()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_export_ends_where_the_role_of_who_takes_it_is_lowered() {
    let at = Installation::new().await;
    let tenant = at.tenant("one").await;
    let actor = at.member(&tenant, "somebody", Role::Viewer, None).await;
    let mut behind =
        PgConnection::connect(secrecy::ExposeSecret::expose_secret(&at.database.superuser_url())).await.unwrap();
    sqlx::query(
        "INSERT INTO activity (org_id, seq, at, person_id, place, action, hash)
         SELECT $1, n, now(), $2, 'x', 'cluster.rename', sha256('x') FROM generate_series(100000, 102499) n",
    )
    .bind(tenant.org.0)
    .bind(tenant.owner.user_id().0)
    .execute(&mut behind)
    .await
    .unwrap();
    let mut query = ActivityQuery::default();
    let mut taken = 0;
    loop {
        // As the page does: looked up anew for each part.
        match at.look::<ViewActivity>(&actor, &tenant.slug).await {
            Ok(org) => {
                taken += at.web.activity_export(&org, &mut query).await.unwrap().len();
                let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
                at.web.change_member(&team, actor.user_id(), &role(Role::Billing), false).await.unwrap();
            }
            Err(error) => {
                assert!(matches!(error, Error::Forbidden), "{error:?}");
                break;
            }
        }
    }
    assert_eq!(taken, 1000, "the first part, and no further lines");
}
