//! The second wall: what each login may do when the first wall, the types, is not in the way.

use std::time::Duration;

use kubewise_backend::{
    Actor, Authorized, Error, NewToken, Organisation,
    database::Part,
    permission::{MakeTokens, ManageClusters, ManageTeam, ViewActivity, ViewInventory, ViewTeam},
    testing::{self, Installation},
};
use kubewise_contract::{
    Access, ActivityQuery, ClusterId, EmailAddress, ListQuery, OrgSlug, Permission, ResourceUid, Role, TokenName,
    UserId, VulnerabilitiesQuery,
};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Transaction};

struct Tenant {
    org: uuid::Uuid,
    user: UserId,
    cluster: ClusterId,
}

/// An organisation with something in every table.
async fn tenant(at: &Installation, name: &str) -> Tenant {
    let made = at.tenant(name).await;
    let cluster = at.cluster(&made, "prod").await;
    let invited = EmailAddress::parse(&format!("invited-to-{name}@example.com")).unwrap();
    let team = at.look::<ManageTeam>(&made.owner, &made.slug).await.unwrap();
    let access = Access { role: Role::Viewer, clusters: None };
    at.web.invite(&team, &made.owner, &invited, &access, false).await.unwrap();
    let secret = token(at, &made, &made.owner, None, &[Permission::ViewInventory]).await;
    let bearer = at.web.bearer(&secret, testing::PLACE.to_owned()).await.unwrap().unwrap();
    at.web.count_request(&bearer).await.unwrap();
    Tenant { org: made.org.0, user: made.owner.user_id(), cluster }
}

/// A token of this person.
async fn token(
    at: &Installation,
    tenant: &testing::Tenant,
    of: &Actor,
    clusters: Option<Vec<ClusterId>>,
    permissions: &[Permission],
) -> SecretString {
    let org = at.look::<MakeTokens>(of, &tenant.slug).await.unwrap();
    let wanted = NewToken {
        name: TokenName::parse("script").unwrap(),
        permissions: permissions.iter().copied().collect(),
        clusters,
        days: 30,
        of_organisation: false,
    };
    at.web.make_api_token(&org, &wanted).await.unwrap().1
}

/// Runs a statement as `part`, with the tenant stated or not; answers rows or PostgreSQL's error code.
async fn attempt(pool: &PgPool, org: Option<uuid::Uuid>, statement: &str) -> Result<u64, String> {
    let mut tx = pool.begin().await.unwrap();
    if let Some(org) = org {
        sqlx::query("SELECT set_config('kubewise.org_id', $1, true), set_config('kubewise.clusters', '*', true)")
            .bind(org.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    let result = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).fetch_all(&mut *tx).await;
    match result {
        Ok(rows) => Ok(rows.len() as u64),
        Err(sqlx::Error::Database(e)) => Err(e.code().unwrap_or_default().into_owned()),
        Err(e) => panic!("{statement}: {e}"),
    }
}

/// `insufficient_privilege`
const REFUSED: &str = "42501";

const TENANT_TABLES: [&str; 37] = [
    "organisations",
    "memberships",
    "clusters",
    "cluster_tokens",
    "resources",
    "cluster_kinds",
    "cluster_namespaces",
    "cluster_images",
    "cluster_applications",
    "ingest_state",
    "ingest_batches",
    "ingest_staging_state",
    "ingest_staging",
    "invitations",
    "activity",
    "activity_heads",
    "pseudonyms",
    "api_tokens",
    "api_token_minutes",
    "organisation_keys",
    "audit_runs",
    "findings",
    "audit_schedules",
    "waivers",
    "audit_policies",
    "cluster_policies",
    "image_scans",
    "vulnerabilities",
    "notifications",
    "notification_deliveries",
    "cluster_silences",
    "subscriptions",
    "node_days",
    "billing_details",
    "invoices",
    "billing_letters",
    "billing_differences",
];

/// A column that each part may read, by table; none: no access at all.
fn readable(part: Part, table: &str) -> Option<&'static str> {
    let of_people = matches!(table, "invitations" | "activity" | "activity_heads" | "api_tokens" | "api_token_minutes");
    match (part, table) {
        (Part::Owner | Part::Web | Part::Ingest | Part::Worker, "organisations") => Some("id"),
        (Part::Web, _) if table.starts_with("ingest_") => None,
        (Part::Ingest, "memberships") => None,
        (
            Part::Ingest,
            "organisation_keys"
            | "audit_runs"
            | "findings"
            | "audit_schedules"
            | "waivers"
            | "audit_policies"
            | "cluster_policies"
            | "notifications"
            | "notification_deliveries"
            | "cluster_silences"
            | "subscriptions"
            | "billing_details"
            | "invoices"
            | "billing_letters"
            | "billing_differences"
            | "pseudonyms",
        ) => None,
        (Part::Ingest, _) if of_people => None,
        // What silence was seen is told; pages look for themselves.
        (Part::Web, "cluster_silences" | "billing_letters") => None,
        // What was chosen of a cluster that is removed, whom a mail invites, and what is to be forgotten.
        (Part::Worker, "invitations" | "api_tokens" | "api_token_minutes" | "activity") => Some("org_id"),
        (Part::Worker, _) if of_people => None,
        (Part::Owner | Part::Web | Part::Ingest | Part::Worker, _) => Some("org_id"),
    }
}

#[tokio::test]
async fn each_login_sees_only_the_tenant_that_its_transaction_states() {
    let at = Installation::new().await;
    let database = &at.database;
    let one = tenant(&at, "one").await;
    let two = tenant(&at, "two").await;
    for part in [Part::Web, Part::Ingest, Part::Worker, Part::Owner] {
        let pool = database.pool(part);
        for table in TENANT_TABLES {
            let Some(column) = readable(part, table) else {
                let result = attempt(&pool, Some(one.org), &format!("SELECT * FROM {table}")).await;
                assert_eq!(result, Err(REFUSED.to_owned()), "{part:?} reads {table}");
                continue;
            };
            // Whoever runs the installation sees which organisations there are: a stated exception.
            // And an invitation is found by its link, what is due by its time or told of by Stripe, and who is billed by their
            // address, before it is known to which they belong: by the owner's functions.
            let sees_all = part == Part::Owner
                && matches!(
                    table,
                    "organisations"
                        | "memberships"
                        | "invitations"
                        | "audit_schedules"
                        | "waivers"
                        | "notifications"
                        | "notification_deliveries"
                        | "subscriptions"
                        | "billing_details"
                );
            let all = format!("SELECT {column} FROM {table}");
            let foreign = format!("SELECT {column} FROM {table} WHERE {column} = '{}'", two.org);
            if sees_all {
                assert_eq!(attempt(&pool, None, &all).await, Ok(2));
                continue;
            }
            assert_eq!(attempt(&pool, None, &all).await, Ok(0), "{part:?} sees {table} without a tenant");
            assert!(attempt(&pool, Some(one.org), &all).await.unwrap() >= 1, "{part:?} sees its own {table}");
            assert_eq!(attempt(&pool, Some(one.org), &foreign).await, Ok(0), "{part:?} sees another's {table}");
        }
    }
}

#[tokio::test]
async fn no_login_writes_into_another_tenant() {
    let at = Installation::new().await;
    let database = &at.database;
    let one = tenant(&at, "one").await;
    let two = tenant(&at, "two").await;
    let (org, cluster) = (two.org, two.cluster.0);
    let new_row = "new row violates";
    let pool = database.pool(Part::Ingest);
    for statement in [
        format!("INSERT INTO cluster_kinds VALUES ('{org}', '{cluster}', 'Node', 1)"),
        format!("INSERT INTO ingest_state VALUES ('{org}', gen_random_uuid(), 1, 1)"),
        format!("UPDATE cluster_kinds SET org_id = '{org}'"),
    ] {
        assert_eq!(attempt(&pool, Some(one.org), &statement).await, Err(REFUSED.to_owned()), "{statement}: {new_row}");
    }
    let (mine, me, them) = (one.org, one.user, two.user);
    let pages = database.pool(Part::Web);
    for statement in [
        format!("INSERT INTO memberships VALUES ('{org}', '{me}', 'owner', now())"),
        format!(
            "INSERT INTO invitations (org_id, id, email, email_canonical, role, invited_by, created_at, expires_at)
                 VALUES ('{org}', gen_random_uuid(), 'x', 'x', 'owner', '{me}', now(), now())"
        ),
        format!(
            "INSERT INTO activity (org_id, seq, at, place, action, hash)
                 VALUES ('{org}', 99, now(), 'x', 'x', sha256('x'))"
        ),
        format!("INSERT INTO activity_heads VALUES ('{org}', 'x')"),
        format!(
            "INSERT INTO api_tokens (org_id, id, hash, name, created_by, permissions, created_at, expires_at)
                 VALUES ('{org}', gen_random_uuid(), sha256('x'), 'x', '{me}', '{{}}', now(), now())"
        ),
        format!(
            "INSERT INTO notifications (org_id, id, name, channel, user_id, created_by, created_at, failed_runs, silent_clusters)
                 VALUES ('{org}', gen_random_uuid(), 'x', 'mail', '{them}', '{me}', now(), true, true)"
        ),
        format!(
            "INSERT INTO notification_deliveries (org_id, notification_id, id, event, made_at, state)
                 VALUES ('{org}', gen_random_uuid(), gen_random_uuid(), 'test', now(), 'waiting')"
        ),
        format!("INSERT INTO api_token_minutes VALUES ('{org}', gen_random_uuid(), now(), 0)"),
        format!("UPDATE api_token_minutes SET org_id = '{org}'"),
    ] {
        assert_eq!(attempt(&pages, Some(mine), &statement).await, Err(REFUSED.to_owned()), "{statement}: {new_row}");
    }
    // What a role is changes within the stated tenant.
    let demoted = format!("UPDATE memberships SET role = 'admin' WHERE org_id = '{mine}' RETURNING role");
    assert_eq!(attempt(&pages, Some(mine), &demoted).await, Ok(1));
    // What it does not see it cannot change: nothing happens.
    for (part, statement) in [
        (Part::Web, format!("UPDATE memberships SET role = 'owner' WHERE user_id = '{them}' RETURNING role")),
        (Part::Web, format!("DELETE FROM memberships WHERE org_id = '{org}' RETURNING role")),
        (Part::Web, format!("UPDATE organisations SET name = 'mine' WHERE id = '{org}' RETURNING name")),
        (Part::Web, format!("UPDATE invitations SET revoked_at = now() WHERE org_id = '{org}' RETURNING id")),
        (Part::Web, format!("UPDATE api_tokens SET revoked_at = now() WHERE org_id = '{org}' RETURNING id")),
        (Part::Web, format!("UPDATE activity_heads SET sealed = '' WHERE org_id = '{org}' RETURNING org_id")),
        (Part::Worker, format!("UPDATE memberships SET clusters = NULL WHERE org_id = '{org}' RETURNING org_id")),
        (Part::Worker, format!("UPDATE invitations SET hash = NULL WHERE org_id = '{org}' RETURNING org_id")),
        (Part::Worker, format!("UPDATE api_tokens SET clusters = NULL WHERE org_id = '{org}' RETURNING org_id")),
        (Part::Ingest, format!("UPDATE clusters SET pods = 0 WHERE org_id = '{org}' RETURNING id")),
        (Part::Ingest, format!("DELETE FROM resources WHERE org_id = '{org}' RETURNING uid")),
        (Part::Web, format!("UPDATE clusters SET name = 'mine' WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("DELETE FROM clusters WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("DELETE FROM resources WHERE org_id = '{org}' RETURNING uid")),
        (Part::Web, format!("DELETE FROM notifications WHERE org_id = '{org}' RETURNING id")),
        (Part::Web, format!("UPDATE notifications SET ended = NULL WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("UPDATE notifications SET failures = 0 WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("DELETE FROM notification_deliveries WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("UPDATE cluster_silences SET seen_at = now() WHERE org_id = '{org}' RETURNING org_id")),
    ] {
        assert_eq!(attempt(&database.pool(part), Some(one.org), &statement).await, Ok(0), "{part:?}: {statement}");
    }
    let untouched: i64 =
        sqlx::query("SELECT count(*) FROM resources").fetch_one(&database.superuser()).await.unwrap().get(0);
    assert_eq!(untouched, 2);
}

/// What somebody is in other organisations they see, to choose from; that is all.
#[tokio::test]
async fn who_asks_changes_nothing_of_what_they_are_elsewhere() {
    let at = Installation::new().await;
    let (one, two) = (at.tenant("one").await, at.tenant("two").await);
    at.join(&two, &one.owner, Role::Viewer, None).await;
    let pool = at.database.pool(Part::Web);
    let me = one.owner.user_id();
    for org in [String::new(), one.org.to_string()] {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("SELECT set_config('kubewise.org_id', $1, true), set_config('kubewise.user_id', $2, true)")
            .bind(&org)
            .bind(me.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        let seen: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM memberships WHERE user_id = $1 AND org_id = $2 AND role = 'viewer'",
        )
        .bind(me.0)
        .bind(two.org.0)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        assert_eq!(seen, 1);
        for statement in
            ["DELETE FROM memberships WHERE org_id = $1", "UPDATE memberships SET role = 'owner' WHERE org_id = $1"]
        {
            let done = sqlx::query(statement).bind(two.org.0).execute(&mut *tx).await.unwrap().rows_affected();
            assert_eq!(done, 0, "{statement}, having stated {org:?}");
        }
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of all that is refused")]
async fn each_login_has_only_the_verbs_and_columns_that_it_uses() {
    let at = Installation::new().await;
    let database = &at.database;
    let one = tenant(&at, "one").await;
    let refused = [
        // Pages never see token hashes, nor the conversation with agents, and do not write what agents send.
        (Part::Web, "SELECT hash FROM cluster_tokens"),
        (Part::Web, "SELECT * FROM ingest_batches"),
        (Part::Web, "DELETE FROM clusters"),
        (Part::Web, "UPDATE clusters SET pods = 1"),
        (Part::Web, "INSERT INTO resources DEFAULT VALUES"),
        (Part::Web, "DELETE FROM resources"),
        (Part::Web, "INSERT INTO vulnerabilities DEFAULT VALUES"),
        (Part::Web, "DELETE FROM vulnerabilities"),
        (Part::Web, "UPDATE image_scans SET critical = 0"),
        (Part::Ingest, "SELECT title FROM vulnerabilities"),
        (Part::Ingest, "UPDATE vulnerabilities SET severity = 0"),
        (Part::Ingest, "UPDATE image_scans SET critical = 0"),
        (Part::Worker, "SELECT title FROM vulnerabilities"),
        (Part::Worker, "INSERT INTO image_scans DEFAULT VALUES"),
        (Part::Web, "UPDATE users SET created_at = now()"),
        (Part::Web, "DELETE FROM users"),
        // Links are made by the worker, and what they carry is in the mail alone.
        (Part::Web, "INSERT INTO account_links DEFAULT VALUES"),
        (Part::Web, "UPDATE account_links SET expires_at = now()"),
        // Who is a member, and what was done, is not told otherwise afterwards.
        (Part::Web, "UPDATE memberships SET user_id = gen_random_uuid()"),
        (Part::Web, "UPDATE memberships SET org_id = gen_random_uuid()"),
        (Part::Web, "UPDATE activity SET place = 'x'"),
        (Part::Web, "UPDATE activity SET hash = hash"),
        // Pages write lines and empty none; the worker empties them, and has no other say in what they tell.
        (Part::Web, "UPDATE activity SET subject = NULL"),
        (Part::Web, "UPDATE activity SET erased_at = now()"),
        (Part::Web, "INSERT INTO activity (erased_at) VALUES (now())"),
        (Part::Web, "INSERT INTO pseudonyms DEFAULT VALUES"),
        (Part::Web, "UPDATE pseudonyms SET user_id = gen_random_uuid()"),
        (Part::Web, "DELETE FROM pseudonyms"),
        (Part::Web, "SELECT organisations_inviting('x')"),
        (Part::Web, "SELECT organisations_billing('x')"),
        (Part::Worker, "UPDATE activity SET subject = 'x'"),
        (Part::Worker, "UPDATE activity SET subject = NULL"),
        (Part::Worker, "UPDATE activity SET erased_at = now()"),
        (
            Part::Worker,
            "UPDATE activity SET salt = NULL, subject_id = NULL, subject = 'x', cluster_id = NULL, before = NULL, after = NULL, erased_at = now()",
        ),
        (Part::Worker, "UPDATE activity SET hash = hash"),
        (Part::Worker, "UPDATE activity SET commitment = NULL"),
        (Part::Worker, "UPDATE activity SET person_id = NULL"),
        (Part::Worker, "UPDATE activity SET token_id = NULL"),
        (Part::Worker, "UPDATE activity SET at = now()"),
        (Part::Worker, "UPDATE activity SET action = 'x'"),
        (Part::Worker, "UPDATE activity SET place = 'x'"),
        (Part::Worker, "UPDATE activity SET seq = 1"),
        (Part::Worker, "INSERT INTO pseudonyms DEFAULT VALUES"),
        (Part::Worker, "UPDATE pseudonyms SET user_id = gen_random_uuid()"),
        (Part::Worker, "DELETE FROM pseudonyms"),
        (Part::Ingest, "SELECT 1 FROM pseudonyms"),
        (Part::Ingest, "SELECT organisations_inviting('x')"),
        (Part::Ingest, "SELECT organisations_billing('x')"),
        (Part::Web, "DELETE FROM activity"),
        (Part::Web, "TRUNCATE activity"),
        (Part::Web, "UPDATE activity_heads SET org_id = gen_random_uuid()"),
        (Part::Web, "DELETE FROM activity_heads"),
        // What the link of an invitation carries is in the mail alone, and whom it makes what stays as it was.
        (Part::Web, "SELECT hash FROM invitations"),
        (Part::Web, "SELECT * FROM invitations"),
        (Part::Web, "SELECT 1 FROM invitations WHERE hash IS NOT NULL"),
        (Part::Web, "UPDATE invitations SET role = 'owner'"),
        (Part::Web, "UPDATE invitations SET clusters = NULL"),
        (Part::Web, "UPDATE invitations SET email_canonical = 'x'"),
        (Part::Web, "DELETE FROM invitations"),
        (Part::Web, "UPDATE api_tokens SET permissions = '{}'"),
        (Part::Web, "UPDATE api_tokens SET clusters = NULL"),
        (Part::Web, "UPDATE api_tokens SET expires_at = now()"),
        (Part::Web, "UPDATE api_tokens SET user_id = NULL"),
        (Part::Web, "UPDATE api_tokens SET hash = hash"),
        (Part::Web, "DELETE FROM api_tokens"),
        (Part::Web, "DELETE FROM api_token_minutes"),
        (Part::Web, "UPDATE users SET disabled_at = NULL"),
        (Part::Web, "UPDATE organisations SET slug = 'x'"),
        (Part::Web, "UPDATE organisations SET max_resources = NULL"),
        (Part::Web, "DELETE FROM organisations"),
        (Part::Web, "SELECT * FROM apalis.jobs"),
        // When something is due is said for a cluster once and for all, and runs by it are the worker's.
        (Part::Web, "UPDATE audit_schedules SET cluster_id = gen_random_uuid()"),
        (Part::Web, "INSERT INTO audit_runs (due_at) VALUES (now())"),
        (Part::Web, "SELECT organisations_with_audits_due(now())"),
        (Part::Worker, "INSERT INTO audit_schedules DEFAULT VALUES"),
        (Part::Worker, "UPDATE audit_schedules SET cron = ''"),
        (Part::Worker, "INSERT INTO audit_runs (requested_by) VALUES (NULL)"),
        (Part::Ingest, "SELECT organisations_with_audits_due(now())"),
        // What is waived is said once and for all; a waiver that ends is another one. Judging is no deciding.
        (Part::Web, "UPDATE waivers SET rule = '*'"),
        (Part::Web, "UPDATE waivers SET expires_on = NULL"),
        (Part::Web, "DELETE FROM waivers"),
        (Part::Web, "UPDATE audit_runs SET again = true"),
        (Part::Web, "UPDATE findings SET annotated = ''"),
        (Part::Web, "SELECT organisations_with_waivers_over(now()::date)"),
        (Part::Worker, "INSERT INTO waivers DEFAULT VALUES"),
        (Part::Worker, "UPDATE waivers SET approved_at = now()"),
        (Part::Worker, "UPDATE audit_policies SET rules = '{}'"),
        (Part::Worker, "INSERT INTO audit_policies DEFAULT VALUES"),
        (Part::Worker, "UPDATE cluster_policies SET profile = 'all'"),
        // Where a webhook leads, and by which secret it is signed, pages write and never read; what became of it is the
        // worker's to say.
        (Part::Web, "SELECT url FROM notifications"),
        (Part::Web, "SELECT secret FROM notifications"),
        (Part::Web, "SELECT * FROM notifications"),
        (Part::Web, "UPDATE notifications SET url = ''"),
        (Part::Web, "UPDATE notifications SET user_id = gen_random_uuid()"),
        (Part::Web, "UPDATE notification_deliveries SET state = 'sent'"),
        (Part::Web, "INSERT INTO notification_deliveries (cluster_id) VALUES (gen_random_uuid())"),
        (Part::Web, "DELETE FROM notification_deliveries"),
        (Part::Web, "SELECT organisations_to_notify(now(), true)"),
        (Part::Web, "SELECT recipient(gen_random_uuid())"),
        (Part::Worker, "INSERT INTO notifications DEFAULT VALUES"),
        (Part::Worker, "UPDATE notifications SET user_id = gen_random_uuid()"),
        (Part::Worker, "UPDATE notifications SET url = ''"),
        (Part::Worker, "DELETE FROM notifications"),
        (Part::Worker, "UPDATE notification_deliveries SET event = 'test'"),
        (Part::Worker, "DELETE FROM cluster_silences"),
        (Part::Ingest, "SELECT organisations_to_notify(now(), true)"),
        (Part::Ingest, "SELECT organisations_with_deliveries_before(now())"),
        (Part::Ingest, "SELECT recipient(gen_random_uuid())"),
        // What was agreed to is not told otherwise afterwards, and who was written to is known where it is published.
        (Part::Web, "UPDATE policy_acceptances SET version = now()::date"),
        (Part::Web, "DELETE FROM policy_acceptances"),
        (Part::Web, "UPDATE policy_subscriptions SET token = token"),
        (Part::Web, "SELECT 1 FROM policy_letters"),
        (Part::Web, "INSERT INTO policy_letters DEFAULT VALUES"),
        (Part::Web, "INSERT INTO policy_publications DEFAULT VALUES"),
        (Part::Worker, "INSERT INTO policy_acceptances DEFAULT VALUES"),
        (Part::Worker, "INSERT INTO policy_subscriptions DEFAULT VALUES"),
        (Part::Worker, "INSERT INTO policy_letters DEFAULT VALUES"),
        (Part::Worker, "INSERT INTO policy_publications DEFAULT VALUES"),
        (Part::Ingest, "SELECT 1 FROM policy_acceptances"),
        (Part::Ingest, "SELECT 1 FROM policy_subscriptions"),
        (Part::Ingest, "SELECT 1 FROM policy_letters"),
        (Part::Ingest, "SELECT 1 FROM policy_publications"),
        // What tells a browser apart is for pages alone.
        (Part::Ingest, "SELECT * FROM known_browsers"),
        (Part::Ingest, "SELECT * FROM attempts"),
        (Part::Worker, "SELECT hash FROM known_browsers"),
        (Part::Worker, "INSERT INTO known_browsers DEFAULT VALUES"),
        // Who somebody is at an issuer is never handed to another account, and for pages alone.
        (Part::Web, "UPDATE identities SET user_id = gen_random_uuid()"),
        (Part::Web, "UPDATE identities SET subject = 'x'"),
        (Part::Ingest, "SELECT * FROM identities"),
        (Part::Worker, "DELETE FROM identities"),
        // Agents' part knows nothing of people.
        (Part::Ingest, "SELECT * FROM users"),
        (Part::Ingest, "SELECT * FROM sessions"),
        (Part::Ingest, "SELECT * FROM memberships"),
        (Part::Ingest, "SELECT * FROM account_links"),
        (Part::Ingest, "SELECT name FROM organisations"),
        (Part::Ingest, "INSERT INTO cluster_tokens DEFAULT VALUES"),
        (Part::Ingest, "UPDATE cluster_tokens SET revoked_at = NULL"),
        (Part::Ingest, "UPDATE clusters SET name = 'x'"),
        (Part::Ingest, "DELETE FROM clusters"),
        (Part::Ingest, "SELECT resources_named_like(NULL, '', '%', '%', 1)"),
        (Part::Ingest, "SELECT 1 FROM invitations"),
        (Part::Ingest, "SELECT 1 FROM activity"),
        (Part::Ingest, "INSERT INTO activity DEFAULT VALUES"),
        (Part::Ingest, "SELECT sealed FROM activity_heads"),
        (Part::Ingest, "SELECT hash FROM api_tokens"),
        (Part::Ingest, "SELECT 1 FROM api_token_minutes"),
        (Part::Ingest, "SELECT invitation_by_hash('')"),
        // Jobs remove, and read what they look for alone.
        (Part::Worker, "SELECT hash FROM activity"),
        (Part::Worker, "INSERT INTO activity DEFAULT VALUES"),
        (Part::Worker, "DELETE FROM activity"),
        (Part::Worker, "SELECT sealed FROM activity_heads"),
        (Part::Worker, "UPDATE activity_heads SET sealed = ''"),
        (Part::Worker, "SELECT hash FROM api_tokens"),
        (Part::Worker, "UPDATE api_tokens SET permissions = '{}'"),
        (Part::Worker, "UPDATE api_tokens SET revoked_at = NULL"),
        (Part::Worker, "SELECT requests FROM api_token_minutes"),
        (Part::Worker, "SELECT hash FROM invitations"),
        (Part::Worker, "UPDATE invitations SET role = 'owner'"),
        (Part::Worker, "UPDATE invitations SET revoked_at = NULL"),
        (Part::Worker, "INSERT INTO invitations DEFAULT VALUES"),
        (Part::Worker, "UPDATE invitations SET email_canonical = 'x'"),
        (Part::Worker, "SELECT invitation_by_hash('')"),
        // What is deleted was asked for by somebody else.
        (Part::Worker, "INSERT INTO erasures DEFAULT VALUES"),
        (Part::Worker, "UPDATE erasures SET due_at = now()"),
        (Part::Worker, "DELETE FROM users"),
        (Part::Worker, "DELETE FROM organisations"),
        (Part::Worker, "DELETE FROM subscriptions"),
        (Part::Web, "UPDATE erasures SET certificate = ''"),
        (Part::Web, "SELECT hash FROM erasures"),
        (Part::Web, "SELECT begin_erasure(gen_random_uuid(), now())"),
        (Part::Web, "SELECT finish_erasure(gen_random_uuid())"),
        (Part::Web, "SELECT rows_with('org_id', gen_random_uuid(), true)"),
        (Part::Web, "SELECT sealed FROM signing_keys"),
        (Part::Web, "UPDATE installation SET master_key = master_key"),
        (Part::Worker, "UPDATE installation SET master_key = master_key"),
        (Part::Ingest, "SELECT 1 FROM installation"),
        (Part::Ingest, "SELECT 1 FROM person_keys"),
        (Part::Ingest, "SELECT 1 FROM erasures"),
        (Part::Ingest, "SELECT 1 FROM exports"),
        (Part::Web, "UPDATE exports SET hash = NULL"),
        (Part::Worker, "UPDATE memberships SET role = 'owner'"),
        (Part::Worker, "INSERT INTO memberships DEFAULT VALUES"),
        (Part::Worker, "DELETE FROM memberships"),
        (Part::Worker, "SELECT join_domain FROM organisations"),
        (Part::Worker, "UPDATE organisations SET name = 'x'"),
        (Part::Worker, "UPDATE organisations SET history_days = NULL"),
        (Part::Web, "SELECT keep_node_days(current_date, current_date)"),
        (Part::Ingest, "SELECT keep_node_days(current_date, current_date)"),
        (Part::Worker, "SELECT resources_named_like(NULL, '', '%', '%', 1)"),
        (Part::Worker, "SELECT * FROM users"),
        (Part::Worker, "SELECT password_hash FROM users"),
        (Part::Worker, "UPDATE users SET email = 'x'"),
        (Part::Worker, "SELECT hash FROM account_links"),
        // What was found is told by the worker, which judges what agents sent and changes none of it.
        (Part::Web, "INSERT INTO findings DEFAULT VALUES"),
        (Part::Web, "UPDATE findings SET closed_in = 1"),
        (Part::Web, "DELETE FROM findings"),
        (Part::Web, "INSERT INTO audit_runs (score) VALUES (100)"),
        (Part::Web, "UPDATE audit_runs SET state = 'done'"),
        (Part::Web, "DELETE FROM audit_runs"),
        (Part::Web, "INSERT INTO organisation_keys DEFAULT VALUES"),
        (Part::Web, "DELETE FROM organisation_keys"),
        (Part::Worker, "INSERT INTO audit_runs DEFAULT VALUES"),
        (Part::Worker, "UPDATE audit_runs SET number = 1"),
        (Part::Worker, "UPDATE findings SET rule = 'x'"),
        (Part::Worker, "UPDATE findings SET fingerprint = ''"),
        (Part::Worker, "UPDATE organisation_keys SET sealed = ''"),
        (Part::Worker, "UPDATE resources SET manifest = ''"),
        (Part::Worker, "INSERT INTO resources DEFAULT VALUES"),
        (Part::Worker, "UPDATE clusters SET name = 'x'"),
        (Part::Worker, "SELECT hash FROM cluster_tokens"),
        (Part::Worker, "UPDATE clusters SET deleted_at = now()"),
        (Part::Worker, "INSERT INTO clusters DEFAULT VALUES"),
    ];
    for (part, statement) in refused {
        let result = attempt(&database.pool(part), Some(one.org), statement).await;
        assert_eq!(result, Err(REFUSED.to_owned()), "{part:?}: {statement}");
    }
    for part in [Part::Web, Part::Ingest, Part::Worker] {
        for statement in [
            "CREATE TABLE mine (x int)",
            "ALTER TABLE resources ADD COLUMN x int",
            "ALTER TABLE resources DISABLE ROW LEVEL SECURITY",
            "DROP POLICY tenant ON resources",
            "DROP TABLE resources",
            "TRUNCATE resources",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA mine",
            "SET ROLE kubewise_owner",
            "SET SESSION AUTHORIZATION postgres",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT * FROM pg_authid",
        ] {
            let result = attempt(&database.pool(part), Some(one.org), statement).await;
            assert_eq!(result, Err(REFUSED.to_owned()), "{part:?}: {statement}");
        }
    }
}

#[tokio::test]
async fn search_stays_within_the_tenant_that_the_transaction_states() {
    let at = Installation::new().await;
    let database = &at.database;
    let one = tenant(&at, "one").await;
    tenant(&at, "two").await;
    let pool = database.pool(Part::Web);
    let find = "SELECT DISTINCT * FROM resources_named_like(NULL, 'web', 'web%', '%web%', 100)";
    assert_eq!(attempt(&pool, None, find).await, Ok(0));
    assert_eq!(attempt(&pool, Some(one.org), find).await, Ok(1));
}

#[tokio::test]
async fn every_table_with_an_organisation_has_forced_row_level_security_and_a_key_that_begins_with_it() {
    let at = Installation::new().await;
    let database = &at.database;
    at.worker().keep_what_is_stated().await.unwrap();
    let rows = sqlx::query(
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
                (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = c.oid AND i.indisprimary) AS first_of_key
         FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           -- A deletion is there for longer than what it deletes.
           AND c.relname <> 'erasures'
           AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id')",
    )
    .fetch_all(&database.superuser())
    .await
    .unwrap();
    let tables = rows.iter().filter(|row| !row.get::<bool, _>("relispartition")).count();
    assert_eq!(tables, TENANT_TABLES.len() - 1, "all but the organisations themselves");
    assert!(rows.len() >= tables + 4, "days of nodes come in months");
    for row in rows {
        let table: String = row.get("relname");
        assert!(row.get::<bool, _>("relrowsecurity") && row.get::<bool, _>("relforcerowsecurity"), "{table}");
        assert_eq!(row.get::<Option<String>, _>("first_of_key").as_deref(), Some("org_id"), "{table}");
        let is_part = row.get("relispartition");
        assert!(is_part || TENANT_TABLES.contains(&table.as_str()), "{table} is not in this test's list");
    }
}

/// What is reached through a table is not reached around it.
#[tokio::test]
async fn a_month_of_node_days_is_refused_by_its_own_name_and_shows_its_owner_the_stated_tenant_alone() {
    let at = Installation::new().await;
    let one = tenant(&at, "one").await;
    tenant(&at, "two").await;
    // Some have come in before their month, and some after.
    at.worker().keep_what_is_stated().await.unwrap();
    sqlx::query("INSERT INTO node_days SELECT org_id, current_date + 400, cluster_id, 1 FROM node_days")
        .execute(&at.database.superuser())
        .await
        .unwrap();
    let parts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT tableoid::regclass::text, count(DISTINCT org_id) FROM node_days GROUP BY tableoid ORDER BY 1",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    assert!(matches!(&parts[..], [(_, 2), (other, 2)] if other == "node_days_other"), "{parts:?}");
    for (part, _) in &parts {
        let all = format!("SELECT org_id FROM {part}");
        for login in [Part::Web, Part::Ingest, Part::Worker] {
            let pool = at.database.pool(login);
            for statement in [&all, &format!("DELETE FROM {part}"), &format!("INSERT INTO {part} SELECT * FROM {part}")]
            {
                assert_eq!(attempt(&pool, Some(one.org), statement).await, Err(REFUSED.to_owned()), "{statement}");
            }
        }
        let owner = at.database.pool(Part::Owner);
        assert_eq!(attempt(&owner, None, &all).await, Ok(0), "{part}");
        assert_eq!(attempt(&owner, Some(one.org), &all).await, Ok(1), "{part}");
    }
}

#[tokio::test]
async fn the_types_hide_other_tenants_as_if_they_did_not_exist() {
    let at = Installation::new().await;
    let one = tenant(&at, "one").await;
    let two = tenant(&at, "two").await;
    let web = &at.web;
    let actor = web.actor(one.user).await.unwrap().unwrap();
    let slug = |s: &str| s.parse::<OrgSlug>().unwrap();
    let not_found = |result: Result<_, Error>| matches!(result, Err(Error::NotFound));
    assert!(not_found(web.organisation::<ManageClusters>(&actor, &slug("two")).await.map(drop)));
    assert!(not_found(web.organisation::<ManageClusters>(&actor, &slug("nowhere")).await.map(drop)));
    // Another's cluster under one's own organisation's address.
    assert!(not_found(web.cluster::<ManageClusters>(&actor, &slug("one"), two.cluster).await.map(drop)));
    assert!(not_found(web.cluster::<ManageClusters>(&actor, &slug("two"), two.cluster).await.map(drop)));
    assert!(web.cluster::<ManageClusters>(&actor, &slug("one"), one.cluster).await.is_ok());
}

/// Whoever is dropped while a transaction begins, such as a page that nobody waits for any more, must not leave one open:
/// what the connection's next user writes would never be committed.
#[tokio::test]
async fn no_transaction_is_left_open_by_who_was_dropped() {
    let at = Installation::new().await;
    let database = &at.database;
    let web = &at.web;
    let tenant = tenant(&at, "dropped").await;
    let actor = web.actor(tenant.user).await.unwrap().unwrap();
    let slug = OrgSlug::from_name("dropped");
    let behind = database.superuser();
    let open = async || -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'kubewise_web' AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&behind)
        .await
        .unwrap()
    };
    let mut dropped = 0;
    for round in 0..100 {
        let mut asked = Box::pin(web.organisation::<ManageClusters>(&actor, &slug));
        let mut ready = false;
        // One look never is enough: that much is sure to be dropped.
        for _ in 0..=round % 10 {
            ready = ready || futures::poll!(&mut asked).is_ready();
            tokio::time::sleep(Duration::from_micros(round * 10)).await;
            if ready {
                break;
            }
        }
        drop(asked);
        dropped += u32::from(!ready);
        let mut waited = 0;
        while open().await > 0 {
            waited += 1;
            assert!(waited < 500, "a transaction is open that was dropped in round {round}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert!(dropped >= 10, "only {dropped} were dropped");
}

/// A transaction of pages in an organisation, which says which of its clusters it sees; none: it says nothing.
async fn seeing(pool: &PgPool, org: uuid::Uuid, clusters: Option<&str>) -> Transaction<'static, Postgres> {
    let mut tx = pool.begin().await.unwrap();
    let state = "SELECT set_config($1, $2, true)";
    sqlx::query(state).bind("kubewise.org_id").bind(org.to_string()).execute(&mut *tx).await.unwrap();
    if let Some(clusters) = clusters {
        sqlx::query(state).bind("kubewise.clusters").bind(clusters).execute(&mut *tx).await.unwrap();
    }
    tx
}

/// Each table that pages may read and that says of its rows which cluster they are of, with the column that does.
async fn tables_with_a_cluster(at: &Installation) -> Vec<(String, String)> {
    let rows = sqlx::query(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND has_any_column_privilege('kubewise_web', c.oid, 'SELECT')
           AND c.relname <> 'erasures' AND (a.attname = 'cluster_id' OR (c.relname = 'clusters' AND a.attname = 'id'))
         ORDER BY c.relname",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    rows.iter().map(|row| (row.get("relname"), row.get("attname"))).collect()
}

/// Of a table: rows of this cluster, and others.
async fn rows_of(
    tx: &mut Transaction<'_, Postgres>,
    (table, column): &(String, String),
    cluster: ClusterId,
) -> Result<(i64, i64), sqlx::Error> {
    let count = format!(
        "SELECT count(*) FILTER (WHERE {column} = $1), count(*) FILTER (WHERE {column} IS DISTINCT FROM $1) FROM {table}"
    );
    let row = sqlx::query(AssertSqlSafe(count)).bind(cluster.0).fetch_one(&mut **tx).await?;
    Ok((row.get(0), row.get(1)))
}

#[tokio::test]
async fn a_transaction_sees_the_clusters_that_it_states_and_without_that_none() {
    let at = Installation::new().await;
    let one = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&one, "shop").await, at.cluster(&one, "bank").await);
    let pool = at.database.pool(Part::Web);
    let tables = tables_with_a_cluster(&at).await;
    assert!(tables.len() >= 8, "{tables:?}");
    let both = format!("{shop},{bank}");
    for table in &tables {
        let mut tx = seeing(&pool, one.org.0, Some(&shop.to_string())).await;
        let (seen, others) = rows_of(&mut tx, table, shop).await.unwrap();
        assert!(seen > 0 && others == 0, "{table:?}: {seen} of the stated cluster, {others} others");
        for all in ["*", &both] {
            let mut tx = seeing(&pool, one.org.0, Some(all)).await;
            assert!(rows_of(&mut tx, table, bank).await.unwrap().0 > 0, "{table:?}: all are seen by {all}");
        }
        for none in [None, Some("")] {
            let mut tx = seeing(&pool, one.org.0, none).await;
            assert_eq!(rows_of(&mut tx, table, shop).await.unwrap(), (0, 0), "{table:?}: stated {none:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_list_of_clusters_shows_nothing() {
    let at = Installation::new().await;
    let one = at.tenant("one").await;
    let shop = at.cluster(&one, "shop").await;
    let pool = at.database.pool(Part::Web);
    let tables = tables_with_a_cluster(&at).await;
    let another = uuid::Uuid::nil();
    let settings = [
        "*,x".to_owned(),
        "**".to_owned(),
        "*,*".to_owned(),
        "* ".to_owned(),
        " *".to_owned(),
        format!("*{another}"),
        format!("*,{another}"),
        format!("{another},"),
        "garbage".to_owned(),
        "NULL".to_owned(),
        "NULL,NULL".to_owned(),
        "%".to_owned(),
        "{}".to_owned(),
        "},{".to_owned(),
        "{*}".to_owned(),
        "true".to_owned(),
        "') OR true --".to_owned(),
        "}'::uuid[]) OR true OR ('{".to_owned(),
        "'; SELECT set_config('kubewise.clusters', '*', true); --".to_owned(),
        "\u{ff0a}".to_owned(),
    ];
    for setting in &settings {
        for table in &tables {
            let mut tx = seeing(&pool, one.org.0, Some(setting)).await;
            // An error, or nothing.
            if let Ok(seen) = rows_of(&mut tx, table, shop).await {
                assert_eq!(seen, (0, 0), "{table:?}: stated {setting:?}");
            }
        }
        let mut tx = seeing(&pool, one.org.0, Some(setting)).await;
        let find = "SELECT * FROM resources_named_like(NULL, 'web-shop', 'web%', '%web%', 100)";
        if let Ok(found) = sqlx::query(find).fetch_all(&mut *tx).await {
            assert_eq!(found.len(), 0, "stated {setting:?}");
        }
    }
}

#[tokio::test]
async fn a_transaction_changes_nothing_of_clusters_that_it_does_not_see() {
    let at = Installation::new().await;
    let one = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&one, "shop").await, at.cluster(&one, "bank").await);
    let pool = at.database.pool(Part::Web);
    for statement in [
        "UPDATE clusters SET name = 'mine' WHERE id = $1",
        "UPDATE clusters SET deleted_at = now() WHERE id = $1",
        "UPDATE cluster_tokens SET revoked_at = now() WHERE cluster_id = $1",
    ] {
        for (cluster, changed) in [(bank, 0), (shop, 1)] {
            let mut tx = seeing(&pool, one.org.0, Some(&shop.to_string())).await;
            let done = sqlx::query(statement).bind(cluster.0).execute(&mut *tx).await.unwrap().rows_affected();
            assert_eq!(done, changed, "{statement}");
        }
    }
    for statement in [
        "INSERT INTO clusters (org_id, id, name, created_at) VALUES ($1, gen_random_uuid(), $2::uuid::text, now())",
        "INSERT INTO cluster_tokens (org_id, cluster_id, hash, created_at) VALUES ($1, $2, sha256('x'), now())",
    ] {
        let mut tx = seeing(&pool, one.org.0, Some(&shop.to_string())).await;
        let refused = sqlx::query(statement).bind(one.org.0).bind(bank.0).execute(&mut *tx).await.unwrap_err();
        assert_eq!(refused.into_database_error().unwrap().code().as_deref(), Some(REFUSED), "{statement}");
    }
    // Nor does it give another's row to the cluster that it sees, or its own away.
    let mut tx = seeing(&pool, one.org.0, Some(&shop.to_string())).await;
    let moved = sqlx::query("UPDATE cluster_tokens SET cluster_id = $1").bind(bank.0).execute(&mut *tx).await;
    assert_eq!(moved.unwrap_err().into_database_error().unwrap().code().as_deref(), Some(REFUSED));
}

#[tokio::test]
async fn a_name_is_found_in_the_stated_clusters_however_many_others_have_it() {
    let at = Installation::new().await;
    let one = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&one, "shop").await, at.cluster(&one, "bank").await);
    // Of each way to be found one in the shop, and thousands in the bank that come first.
    for (cluster, count) in [(bank, 3000), (shop, 1)] {
        for (name, workload, owned) in
            [("needle", true, false), ("a-needle-", true, false), ("needle-", false, false), ("needle--", false, true)]
        {
            sqlx::query(
                "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at,
                   workload, health, images, hash, manifest, owner_uid)
                 SELECT $1, $2, gen_random_uuid(), 'Pod', 'v1', 'ns', CASE WHEN $3 = 'needle' THEN $3 ELSE $3 || n END,
                        now(), $4, 'healthy', '{}', '', '', CASE WHEN $5 THEN gen_random_uuid() END
                 FROM generate_series(1, $6) n",
            )
            .bind(one.org.0)
            .bind(cluster.0)
            .bind(name)
            .bind(workload)
            .bind(owned)
            .bind(count)
            .execute(&at.database.superuser())
            .await
            .unwrap();
        }
    }
    let pool = at.database.pool(Part::Web);
    for kind in ["NULL", "'Pod'"] {
        for (contained, expected) in [("'%needle%'", 4), ("NULL", 3)] {
            let find = format!(
                "SELECT DISTINCT cluster_id, uid FROM resources_named_like({kind}, 'needle', 'needle%', {contained}, 250)"
            );
            let mut tx = seeing(&pool, one.org.0, Some(&shop.to_string())).await;
            let found = sqlx::query(AssertSqlSafe(find.clone())).fetch_all(&mut *tx).await.unwrap();
            assert_eq!(found.len(), expected, "{find}");
            assert!(found.iter().all(|row| row.get::<uuid::Uuid, _>("cluster_id") == shop.0), "{find}");
            let mut tx = seeing(&pool, one.org.0, None).await;
            assert_eq!(sqlx::query(AssertSqlSafe(find.clone())).fetch_all(&mut *tx).await.unwrap().len(), 0);
            let mut tx = seeing(&pool, one.org.0, Some("*")).await;
            assert!(sqlx::query(AssertSqlSafe(find)).fetch_all(&mut *tx).await.unwrap().len() >= 250);
        }
    }
}

/// Without the second wall: what the types and the queries hide by themselves.
async fn switch_row_level_security_off(at: &Installation) {
    let behind = at.database.superuser();
    sqlx::query(
        "DO $$ DECLARE t regclass; BEGIN
           FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity LOOP
             EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', t);
           END LOOP;
         END $$",
    )
    .execute(&behind)
    .await
    .unwrap();
    for table in TENANT_TABLES.iter().filter(|table| readable(Part::Web, table).is_some()) {
        let all = format!("SELECT {} FROM {table}", readable(Part::Web, table).unwrap());
        assert!(attempt(&at.database.pool(Part::Web), None, &all).await.unwrap() > 0, "{table} is open");
    }
}

/// All that is read by who sees this cluster of the organisation and not that one.
async fn sees_one_cluster_only(
    at: &Installation,
    who: &str,
    org: &Authorized<Organisation, ViewInventory>,
    (seen, name): (ClusterId, &str),
    (hidden, hidden_name): (ClusterId, &str),
) {
    let all = ListQuery::default();
    let overview = at.web.overview(org).await.unwrap();
    assert_eq!(overview.cluster_count, 1, "{who}");
    assert_eq!(overview.clusters.iter().map(|row| row.id).collect::<Vec<_>>(), [seen], "{who}");
    let list = at.web.clusters(org, &all).await.unwrap().rows;
    assert_eq!(list.iter().map(|row| row.id).collect::<Vec<_>>(), [seen], "{who}");
    for text in ["web", "we", "web-", hidden_name, name] {
        let query = ListQuery { q: Some(text.to_owned()), ..ListQuery::default() };
        let found = at.web.search(org, &query).await.unwrap().rows;
        assert!(found.iter().all(|row| row.cluster == seen), "{who} looks for {text}: {found:?}");
        assert_eq!(found.is_empty(), text == hidden_name, "{who} looks for {text}");
        assert!(at.web.clusters(org, &query).await.unwrap().rows.iter().all(|row| row.id == seen), "{who}");
    }
    let known = ListQuery { q: Some("cve-2024-0001".to_owned()), ..ListQuery::default() };
    let places = at.web.vulnerable(org, &known).await.unwrap().rows;
    assert_eq!(places.iter().map(|row| row.cluster).collect::<Vec<_>>(), [seen], "{who}");
    // What live events are told by.
    assert!(org.sees(seen) && !org.sees(hidden), "{who}");
    let refused = at.web.cluster_of::<ViewInventory>(org, hidden).await;
    assert!(matches!(refused, Err(Error::NotFound)), "{who}: {refused:?}");
    let cluster = at.web.cluster_of::<ViewInventory>(org, seen).await.unwrap();
    let detail = at.web.cluster_detail(&cluster).await.unwrap();
    assert_eq!(detail.totals.len(), 1, "{who}");
    let resources = at.web.resources(&cluster, &all).await.unwrap().rows;
    assert_eq!(resources.iter().map(|row| row.name.clone()).collect::<Vec<_>>(), [format!("web-{name}")]);
    let (of, known) = at.web.vulnerabilities(&cluster, &VulnerabilitiesQuery::default()).await.unwrap();
    assert_eq!(known.rows.iter().map(|row| row.package.clone()).collect::<Vec<_>>(), [format!("lib-{name}")]);
    assert_eq!((of.images, of.scanned, of.scan.counts.critical), (1, 1, 1), "{who}");
    assert_eq!(at.web.images(&cluster, &all).await.unwrap().rows[0].scan, Some(of.scan), "{who}");
    let workloads = at.web.workloads(&cluster, &all).await.unwrap().rows;
    assert_eq!(workloads.iter().map(|row| row.name.clone()).collect::<Vec<_>>(), [format!("web-{name}")]);
    let images = at.web.images(&cluster, &all).await.unwrap().rows;
    assert_eq!(images.iter().map(|row| row.reference.clone()).collect::<Vec<_>>(), [format!("nginx-{name}")]);
    let applications = at.web.applications(&cluster, &all).await.unwrap().rows;
    assert_eq!(applications.iter().map(|row| row.name.clone()).collect::<Vec<_>>(), [format!("app-{name}")]);
    let namespaces = at.web.namespaces(&cluster, &all).await.unwrap().rows;
    assert_eq!(namespaces.iter().map(|row| row.name.clone()).collect::<Vec<_>>(), [format!("ns-{name}")]);
    assert_eq!(at.web.namespace_names(&cluster).await.unwrap(), [format!("ns-{name}")]);
    assert_eq!(at.web.nodes(&cluster, &all).await.unwrap().rows, []);
    // Another cluster's object under the address of one's own.
    let uid: uuid::Uuid = sqlx::query_scalar("SELECT uid FROM resources WHERE cluster_id = $1 LIMIT 1")
        .bind(hidden.0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    assert!(matches!(at.web.resource(&cluster, ResourceUid(uid)).await, Err(Error::NotFound)), "{who}");
}

/// The activity log, as who sees this cluster only reads it.
async fn reads_of_one_cluster_only(
    at: &Installation,
    who: &str,
    org: &Authorized<Organisation, ViewActivity>,
    seen: ClusterId,
) {
    for action in [None, Some("cluster"), Some("member"), Some("organisation"), Some("token")] {
        let query = ActivityQuery { action: action.map(str::to_owned), ..ActivityQuery::default() };
        let page = at.web.activity(org, &query).await.unwrap().rows;
        let export = at.web.activity_export(org, &mut query.clone()).await.unwrap();
        for rows in [page, export] {
            assert!(rows.iter().all(|row| row.cluster == Some(seen)), "{who}: {rows:?}");
            assert_eq!(rows.is_empty(), !matches!(action, None | Some("cluster")), "{who}: {action:?}");
        }
    }
    assert!(matches!(at.web.verify_activity(org).await, Err(Error::Forbidden)), "{who}");
}

#[tokio::test]
async fn without_row_level_security_who_is_limited_still_sees_their_clusters_only() {
    let at = Installation::new().await;
    let one = at.tenant("one").await;
    let (shop, bank) = (at.cluster(&one, "shop").await, at.cluster(&one, "bank").await);
    at.cluster(&at.tenant("two").await, "shop").await;
    let operator = at.member(&one, "operator", Role::Operator, Some(&[shop])).await;
    let viewer = at.member(&one, "viewer", Role::Viewer, Some(&[shop])).await;
    at.member(&one, "banker", Role::Operator, Some(&[bank])).await;
    at.member(&one, "both", Role::Viewer, Some(&[shop, bank])).await;
    let rights = [Permission::ViewInventory, Permission::ViewTeam, Permission::ViewActivity];
    let tokens = [
        ("a limited token of an Owner", token(&at, &one, &one.owner, Some(vec![shop]), &rights).await),
        ("a token of a limited member", token(&at, &one, &viewer, None, &rights).await),
    ];
    // Something of everybody, and of the whole, to be hidden.
    token(&at, &one, &one.owner, Some(vec![bank]), &rights).await;
    let team = at.look::<ManageTeam>(&one.owner, &one.slug).await.unwrap();
    let access = Access { role: Role::Viewer, clusters: Some(vec![bank]) };
    let invited = EmailAddress::parse("invited@example.com").unwrap();
    at.web.invite(&team, &one.owner, &invited, &access, false).await.unwrap();
    at.web.count_request(&at.web.bearer(&tokens[0].1, String::new()).await.unwrap().unwrap()).await.unwrap();
    switch_row_level_security_off(&at).await;

    for (who, actor) in [("a limited Operator", &operator), ("a limited Viewer", &viewer)] {
        let slug = &one.slug;
        let org = at.look(actor, slug).await.unwrap();
        sees_one_cluster_only(&at, who, &org, (shop, "shop"), (bank, "bank")).await;
        reads_of_one_cluster_only(&at, who, &at.look(actor, slug).await.unwrap(), shop).await;
        for result in [
            at.web.cluster::<ViewInventory>(actor, slug, bank).await.map(drop),
            at.web.cluster::<ManageClusters>(actor, slug, bank).await.map(drop),
        ] {
            assert!(matches!(result, Err(Error::NotFound)), "{who}: {result:?}");
        }
        let shown = at.web.team(&at.look::<ViewTeam>(actor, slug).await.unwrap(), &ListQuery::default()).await;
        let shown = shown.unwrap();
        assert_eq!(shown.count, 5, "{who}");
        for member in &shown.members.rows {
            assert!(member.clusters.iter().all(|choice| choice.id == shop), "{who} is told of {member:?}");
        }
        let banker = shown.members.rows.iter().find(|row| row.email.starts_with("banker")).unwrap();
        assert!(banker.is_limited && banker.clusters.is_empty(), "{who}: {banker:?}");
        assert!(shown.invitations.is_empty() && shown.clusters.is_empty(), "{who}");
        let org = at.look::<MakeTokens>(actor, slug).await.unwrap();
        let choices = at.web.token_choices(&org).await.unwrap();
        assert_eq!(choices.iter().map(|choice| choice.id).collect::<Vec<_>>(), [shop], "{who}");
        let own = at.web.api_tokens(&org).await.unwrap();
        assert_eq!(own.len(), usize::from(actor.user_id() == viewer.user_id()), "{who}: {own:?}");
    }
    for (who, secret) in &tokens {
        let bearer = at.web.bearer(secret, testing::PLACE.to_owned()).await.unwrap().unwrap();
        let org = at.web.organisation_of::<ViewInventory>(&bearer).unwrap();
        sees_one_cluster_only(&at, who, &org, (shop, "shop"), (bank, "bank")).await;
        reads_of_one_cluster_only(&at, who, &at.web.organisation_of(&bearer).unwrap(), shop).await;
        let team = at.web.organisation_of::<ViewTeam>(&bearer).unwrap();
        let shown = at.web.team(&team, &ListQuery::default()).await.unwrap();
        for member in &shown.members.rows {
            assert!(member.clusters.iter().all(|choice| choice.id == shop), "{who} is told of {member:?}");
        }
    }
}

#[tokio::test]
async fn without_row_level_security_another_organisation_still_does_not_exist() {
    let at = Installation::new().await;
    let (one, two) = (at.tenant("one").await, at.tenant("two").await);
    let hidden = at.cluster(&one, "bank").await;
    let seen = at.cluster(&two, "shop").await;
    at.member(&one, "somebody", Role::Operator, Some(&[hidden])).await;
    let rights = Permission::FOR_TOKENS;
    token(&at, &one, &one.owner, None, rights).await;
    let secret = token(&at, &two, &two.owner, None, rights).await;
    let team = at.look::<ManageTeam>(&one.owner, &one.slug).await.unwrap();
    let access = Access { role: Role::Viewer, clusters: None };
    let invited = EmailAddress::parse("invited@example.com").unwrap();
    at.web.invite(&team, &one.owner, &invited, &access, false).await.unwrap();
    at.web.count_request(&at.web.bearer(&secret, String::new()).await.unwrap().unwrap()).await.unwrap();
    switch_row_level_security_off(&at).await;

    let (me, slug) = (&two.owner, &two.slug);
    for result in [
        at.look::<ViewInventory>(me, &one.slug).await.map(drop),
        at.look::<ViewTeam>(me, &one.slug).await.map(drop),
        at.look::<ManageTeam>(me, &one.slug).await.map(drop),
        at.look::<ViewActivity>(me, &one.slug).await.map(drop),
        at.look::<MakeTokens>(me, &one.slug).await.map(drop),
        at.web.cluster::<ViewInventory>(me, &one.slug, hidden).await.map(drop),
        at.web.cluster::<ViewInventory>(me, slug, hidden).await.map(drop),
        at.web.cluster::<ManageClusters>(me, slug, hidden).await.map(drop),
    ] {
        assert!(matches!(result, Err(Error::NotFound)), "{result:?}");
    }
    let bearer = at.web.bearer(&secret, testing::PLACE.to_owned()).await.unwrap().unwrap();
    let ways = [
        ("a person", at.look::<ViewInventory>(me, slug).await.unwrap()),
        ("a token", at.web.organisation_of::<ViewInventory>(&bearer).unwrap()),
    ];
    for (who, org) in &ways {
        // Who is not limited sees all of their own organisation, by whatever id: nothing is of another's there.
        let overview = at.web.overview(org).await.unwrap();
        assert_eq!(overview.clusters.iter().map(|row| row.id).collect::<Vec<_>>(), [seen], "{who}");
        assert_eq!(overview.cluster_count, 1, "{who}");
        assert_eq!(at.web.clusters(org, &ListQuery::default()).await.unwrap().rows.len(), 1, "{who}");
        let query = ListQuery { q: Some("web".to_owned()), ..ListQuery::default() };
        let found = at.web.search(org, &query).await.unwrap().rows;
        assert_eq!(found.iter().map(|row| row.cluster).collect::<Vec<_>>(), [seen], "{who}");
        assert!(matches!(at.web.cluster_of::<ViewInventory>(org, hidden).await, Err(Error::NotFound)), "{who}");
    }
    let team = at.web.team(&at.look(me, slug).await.unwrap(), &ListQuery::default()).await.unwrap();
    assert_eq!(team.members.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [me.user_id()]);
    assert_eq!((team.count, team.owners, team.invitations.len(), team.clusters.len()), (1, 1, 0, 1));
    let log = at.look::<ViewActivity>(me, slug).await.unwrap();
    let lines = at.web.activity(&log, &ActivityQuery::default()).await.unwrap().rows;
    assert_eq!(lines.iter().map(|row| row.seq).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(lines.iter().all(|row| row.person.as_deref() == Some("Owner-Of-Two")), "{lines:?}");
    let verdict = at.web.verify_activity(&log).await.unwrap();
    assert!(matches!(verdict, kubewise_contract::Verdict::Intact { lines: 3, .. }), "{verdict:?}");
    let tokens = at.look::<MakeTokens>(me, slug).await.unwrap();
    assert_eq!(at.web.api_tokens(&tokens).await.unwrap().len(), 1);
    assert_eq!(at.web.token_choices(&tokens).await.unwrap().len(), 1);
    let viewer = at.web.viewer(me).await.unwrap();
    assert_eq!(viewer.organisations.iter().map(|org| &org.slug).collect::<Vec<_>>(), [slug]);
    assert_eq!(at.web.joinable(me).await.unwrap(), []);
    let settings = at.web.organisation_settings(&at.look(me, slug).await.unwrap(), me).await.unwrap();
    assert_eq!((settings.name.as_str(), settings.members), ("two", 1));
}
