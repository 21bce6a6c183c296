//! The second wall: what each login may do when the first wall, the types, is not in the way.
#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

use std::time::Duration;

use kubewise_backend::{
    SignUp, Web, World,
    database::Part,
    permission::{AddClusters, ManageClusters},
    testing::TestDatabase,
};
use kubewise_contract::{ClusterId, ClusterName, EmailAddress, OrgSlug, OrganisationName, PersonName, UserId};
use sqlx::{PgPool, Row};

struct Tenant {
    org: uuid::Uuid,
    user: UserId,
    cluster: ClusterId,
}

async fn tenant(web: &Web, database: &TestDatabase, name: &str) -> Tenant {
    let request = SignUp {
        name: PersonName::parse("Maya Duran").unwrap(),
        email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
        password: "correct horse battery staple".to_owned().into(),
        organisation: OrganisationName::parse(name).unwrap(),
        place: "this machine".to_owned(),
    };
    let made = web.sign_up(request).await.unwrap();
    let actor = web.actor(made.user).await.unwrap().unwrap();
    let organisation = web.organisation::<AddClusters>(&actor, made.slug.as_ref().unwrap()).await.unwrap();
    let (cluster, _) = web.add_cluster(&organisation, &ClusterName::parse("prod").unwrap()).await.unwrap();
    let org = organisation.id.0;
    // Something in every table of the tenant, written from behind the walls.
    for statement in [
        "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
           images, hash, manifest) VALUES ($1, $2, gen_random_uuid(), 'Pod', 'v1', 'shop', 'web', now(), true, 'healthy',
           '{}', '', '')",
        "INSERT INTO cluster_kinds VALUES ($1, $2, 'Pod', 1)",
        "INSERT INTO cluster_namespaces VALUES ($1, $2, 'shop', 1, 1, 0, 1)",
        "INSERT INTO cluster_images VALUES ($1, $2, 'nginx', 'shop', 1, 1)",
        "INSERT INTO cluster_applications VALUES ($1, $2, 'web', 'shop', 'labels', '{}', 1, 0, '{}')",
        "INSERT INTO ingest_state VALUES ($1, $2, 1, 1)",
        "INSERT INTO ingest_batches VALUES ($1, $2, 1, 1, '{}', now())",
        "INSERT INTO ingest_staging_state VALUES ($1, $2, 1, 1, 1)",
        "INSERT INTO ingest_staging SELECT * FROM resources WHERE org_id = $1 AND cluster_id = $2",
    ] {
        sqlx::query(statement).bind(org).bind(cluster.0).execute(&database.superuser()).await.unwrap();
    }
    Tenant { org, user: made.user, cluster }
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

const TENANT_TABLES: [&str; 13] = [
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
];

/// A column that each part may read, by table; none: no access at all.
fn readable(part: Part, table: &str) -> Option<&'static str> {
    match (part, table) {
        (Part::Web, "organisations") => Some("id"),
        (
            Part::Web,
            "memberships"
            | "clusters"
            | "resources"
            | "cluster_kinds"
            | "cluster_namespaces"
            | "cluster_images"
            | "cluster_applications",
        ) => Some("org_id"),
        (Part::Web, "cluster_tokens") => Some("org_id"),
        (Part::Ingest, "organisations") => Some("id"),
        (Part::Ingest, "memberships") => None,
        (Part::Ingest, _) => Some("org_id"),
        (Part::Worker, "organisations" | "memberships") => None,
        (Part::Worker, _) => Some("org_id"),
        (Part::Owner, "organisations") => Some("id"),
        (Part::Owner, _) => Some("org_id"),
        (Part::Web, _) => None,
    }
}

#[tokio::test]
async fn each_login_sees_only_the_tenant_that_its_transaction_states() {
    let database = TestDatabase::new().await;
    let web = database.web(&World::system());
    let one = tenant(&web, &database, "one").await;
    let two = tenant(&web, &database, "two").await;
    for part in [Part::Web, Part::Ingest, Part::Worker, Part::Owner] {
        let pool = database.pool(part);
        for table in TENANT_TABLES {
            let Some(column) = readable(part, table) else {
                let result = attempt(&pool, Some(one.org), &format!("SELECT * FROM {table}")).await;
                assert_eq!(result, Err(REFUSED.to_owned()), "{part:?} reads {table}");
                continue;
            };
            // Whoever runs the installation sees which organisations there are: a stated exception.
            let sees_all = part == Part::Owner && matches!(table, "organisations" | "memberships");
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
    let database = TestDatabase::new().await;
    let web = database.web(&World::system());
    let one = tenant(&web, &database, "one").await;
    let two = tenant(&web, &database, "two").await;
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
    // What it does not see it cannot change: nothing happens.
    for (part, statement) in [
        (Part::Ingest, format!("UPDATE clusters SET pods = 0 WHERE org_id = '{org}' RETURNING id")),
        (Part::Ingest, format!("DELETE FROM resources WHERE org_id = '{org}' RETURNING uid")),
        (Part::Web, format!("UPDATE clusters SET name = 'mine' WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("DELETE FROM clusters WHERE org_id = '{org}' RETURNING id")),
        (Part::Worker, format!("DELETE FROM resources WHERE org_id = '{org}' RETURNING uid")),
    ] {
        assert_eq!(attempt(&database.pool(part), Some(one.org), &statement).await, Ok(0), "{part:?}: {statement}");
    }
    let untouched: i64 =
        sqlx::query("SELECT count(*) FROM resources").fetch_one(&database.superuser()).await.unwrap().get(0);
    assert_eq!(untouched, 2);
}

#[tokio::test]
async fn each_login_has_only_the_verbs_and_columns_that_it_uses() {
    let database = TestDatabase::new().await;
    let web = database.web(&World::system());
    let one = tenant(&web, &database, "one").await;
    let refused = [
        // Pages never see token hashes, nor the conversation with agents, and do not write what agents send.
        (Part::Web, "SELECT hash FROM cluster_tokens"),
        (Part::Web, "SELECT * FROM ingest_batches"),
        (Part::Web, "DELETE FROM clusters"),
        (Part::Web, "UPDATE clusters SET pods = 1"),
        (Part::Web, "INSERT INTO resources DEFAULT VALUES"),
        (Part::Web, "DELETE FROM resources"),
        (Part::Web, "UPDATE users SET created_at = now()"),
        (Part::Web, "DELETE FROM users"),
        // Links are made by the worker, and what they carry is in the mail alone.
        (Part::Web, "INSERT INTO account_links DEFAULT VALUES"),
        (Part::Web, "UPDATE account_links SET expires_at = now()"),
        (Part::Web, "UPDATE memberships SET role = 'owner'"),
        (Part::Web, "SELECT * FROM apalis.jobs"),
        // What tells a browser apart is for pages alone.
        (Part::Ingest, "SELECT * FROM known_browsers"),
        (Part::Ingest, "SELECT * FROM attempts"),
        (Part::Worker, "SELECT hash FROM known_browsers"),
        (Part::Worker, "SELECT key FROM attempts"),
        (Part::Worker, "INSERT INTO known_browsers DEFAULT VALUES"),
        // Who somebody is at an issuer is never handed to another account, and for pages alone.
        (Part::Web, "UPDATE identities SET user_id = gen_random_uuid()"),
        (Part::Web, "UPDATE identities SET subject = 'x'"),
        (Part::Ingest, "SELECT * FROM identities"),
        (Part::Worker, "SELECT issuer FROM identities"),
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
        // Jobs remove; they read none of it.
        (Part::Worker, "SELECT * FROM users"),
        (Part::Worker, "SELECT password_hash FROM users"),
        (Part::Worker, "UPDATE users SET email = 'x'"),
        (Part::Worker, "SELECT hash FROM account_links"),
        (Part::Worker, "SELECT data FROM sessions"),
        (Part::Worker, "SELECT manifest FROM resources"),
        (Part::Worker, "SELECT name FROM clusters"),
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
    let database = TestDatabase::new().await;
    let web = database.web(&World::system());
    let one = tenant(&web, &database, "one").await;
    tenant(&web, &database, "two").await;
    let pool = database.pool(Part::Web);
    let find = "SELECT DISTINCT * FROM resources_named_like(NULL, 'web', 'web%', '%web%', 100)";
    assert_eq!(attempt(&pool, None, find).await, Ok(0));
    assert_eq!(attempt(&pool, Some(one.org), find).await, Ok(1));
}

#[tokio::test]
async fn every_table_with_an_organisation_has_forced_row_level_security_and_a_key_that_begins_with_it() {
    let database = TestDatabase::new().await;
    let rows = sqlx::query(
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
                (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = c.oid AND i.indisprimary) AS first_of_key
         FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id')",
    )
    .fetch_all(&database.superuser())
    .await
    .unwrap();
    assert!(rows.len() >= 12, "the tables are seen");
    for row in rows {
        let table: String = row.get("relname");
        assert!(row.get::<bool, _>("relrowsecurity") && row.get::<bool, _>("relforcerowsecurity"), "{table}");
        assert_eq!(row.get::<Option<String>, _>("first_of_key").as_deref(), Some("org_id"), "{table}");
        assert!(TENANT_TABLES.contains(&table.as_str()), "{table} is not in this test's list");
    }
}

#[tokio::test]
async fn the_types_hide_other_tenants_as_if_they_did_not_exist() {
    let database = TestDatabase::new().await;
    let web = database.web(&World::system());
    let one = tenant(&web, &database, "one").await;
    let two = tenant(&web, &database, "two").await;
    let actor = web.actor(one.user).await.unwrap().unwrap();
    let slug = |s: &str| s.parse::<OrgSlug>().unwrap();
    let not_found =
        |result: Result<_, kubewise_backend::Error>| matches!(result, Err(kubewise_backend::Error::NotFound));
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
    let database = TestDatabase::new().await;
    let world = World::system();
    let web = database.web(&world);
    let tenant = tenant(&web, &database, "dropped").await;
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
