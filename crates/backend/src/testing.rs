//! A migrated database of its own for each test, on a real PostgreSQL: the one that `KUBEWISE_TEST_DATABASE_URL` names,
//! whose user may create databases. It trusts whoever connects, so each part connects with its own login.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use kubewise_contract::{ClusterId, ClusterName, NotificationId, OrgId, OrgSlug, OrganisationName, Role, UserId};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use tokio::sync::{OnceCell, watch};

pub use crate::bucket::TestObjects;
use crate::{
    Actor, Authorized, Bucket, BucketAddress, Error, Held, Ingest, Keys, Mailer, MasterKeys, Organisation,
    PasswordPolicy, PublicPolicies, S3Access, SignUpPolicy, Web, Webhooks, Worker, World,
    activity::{
        forget::{self, Person},
        head_place,
    },
    billing::SyncBilling,
    database::{self, MIGRATIONS, Part, Scope, Target, migrate},
    factors::seed_place,
    keys::KeyOf,
    notifications::url_place,
    permission::{AddClusters, Grant, ViewOrganisation},
};

/// Variable that names the PostgreSQL to test on.
pub const TEST_DATABASE_URL: &str = "KUBEWISE_TEST_DATABASE_URL";

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database that is dropped when the PostgreSQL of the tests is thrown away.
#[derive(Clone)]
pub struct TestDatabase {
    base: String,
    /// Its name.
    pub name: String,
    keys: Keys,
    objects: BucketAddress,
    access: S3Access,
}

impl TestDatabase {
    /// A fresh, migrated, empty database.
    pub async fn new() -> Self {
        let base = std::env::var(TEST_DATABASE_URL)
            .expect("KUBEWISE_TEST_DATABASE_URL names a PostgreSQL; `cargo xtask test` starts one");
        let base = base.rsplit_once('/').map_or(base.as_str(), |(server, _)| server).to_owned();
        let template = TEMPLATE.get_or_init(|| make_template(base.clone())).await;
        let name = format!("t_{}", hex::encode(World::system().random::<8>()));
        let mut admin = connect(&base, "postgres").await;
        admin
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template} OWNER kubewise_owner")))
            .await
            .expect("a database is made from the template");
        let world = World::system();
        let objects = BucketAddress::Folder(std::env::temp_dir().join(format!("kubewise-{name}")));
        let keys = keys(MasterKeys::ephemeral(&world), &name, &world);
        Self { base, name, keys, objects, access: S3Access::default() }
    }

    /// The address of this database for a part's own login.
    pub fn url(&self, part: Part) -> SecretString {
        let (scheme, rest) = self.base.split_once("://").expect("a URL");
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{}@{host}/{}", part.login(), self.name).into()
    }

    /// The address of this database for the superuser of the tests.
    pub fn superuser_url(&self) -> SecretString {
        format!("{}/{}", self.base, self.name).into()
    }

    /// The same database, for servers with another master key.
    #[must_use]
    pub fn with_another_key(self) -> Self {
        let world = World::system();
        Self { keys: keys(MasterKeys::ephemeral(&world), &self.name, &world), ..self }
    }

    /// A copy of the database as it is now, as one restored from a backup would be: with the same keys and objects. Whoever is
    /// connected is cut off.
    pub async fn copy(&self) -> Self {
        let name = format!("t_{}", hex::encode(World::system().random::<8>()));
        let mut admin = connect(&self.base, "postgres").await;
        let cut_off = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
        let copy = format!("CREATE DATABASE {name} TEMPLATE {} OWNER kubewise_owner", self.name);
        for tries in 0.. {
            sqlx::query(cut_off).bind(&self.name).execute(&mut admin).await.expect("connections are cut off");
            match admin.execute(sqlx::AssertSqlSafe(copy.as_str())).await {
                Ok(_) => break,
                // Somebody connected once more.
                Err(_) if tries < 50 => {}
                Err(error) => panic!("a copy is made: {error}"),
            }
        }
        Self { name, ..self.clone() }
    }

    /// The folder that objects are in.
    pub fn objects(&self) -> PathBuf {
        match &self.objects {
            BucketAddress::Folder(folder) => folder.clone(),
            BucketAddress::S3 { .. } => panic!("not a folder"),
        }
    }

    /// The same database, with its objects somewhere else.
    #[must_use]
    pub fn with_bucket(self, objects: BucketAddress, access: S3Access) -> Self {
        Self { objects, access, ..self }
    }

    /// The same database, with the keys of a server that was told where they are.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// A pool with a part's own login.
    pub fn pool(&self, part: Part) -> PgPool {
        Target::new(&self.url(part), part).expect("a URL").pool(8)
    }

    /// A pool of the superuser, to look behind the walls.
    pub fn superuser(&self) -> PgPool {
        Target::as_given(&self.superuser_url()).expect("a URL").pool(2)
    }

    /// All tables, the queue's too, but for the list of migrations.
    pub async fn tables(&self) -> Vec<String> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'apalis')
             AND tablename <> '_sqlx_migrations' ORDER BY 1",
        )
        .fetch_all(&self.superuser())
        .await
        .expect("tables are listed");
        assert!(tables.len() > 50, "all tables are looked at");
        tables
    }

    /// Which master keys wrap something: their ids.
    pub async fn wrapped_by(&self) -> Vec<String> {
        let ids = sqlx::query_scalar(
            "SELECT DISTINCT encode(substring(sealed FOR 4), 'hex') FROM (
               SELECT sealed FROM organisation_keys UNION ALL SELECT sealed FROM person_keys
               UNION ALL SELECT sealed FROM signing_keys) wrapped",
        );
        ids.fetch_all(&self.superuser()).await.expect("keys are read")
    }

    /// The part that serves people.
    pub fn web(&self, world: &World) -> Web {
        let passwords = PasswordPolicy::new(world, 2).expect("argon2 accepts its parameters");
        let keys = self.keys.clone();
        Web::new(self.pool(Part::Web), world.clone(), passwords, keys, self.bucket(), SignUpPolicy::Open)
    }

    /// What data keys are made of.
    pub fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// The same database, with the keys and objects of a server whose data folder this is.
    #[must_use]
    pub fn with_data_of(self, folder: &Path) -> Self {
        let objects = BucketAddress::Folder(folder.join("objects"));
        Self { keys: keys_of(folder), objects, ..self }
    }

    /// Where both keep what is large.
    pub fn bucket(&self) -> Bucket {
        Bucket::open_with(&self.objects, &self.access, self.keys.clone()).expect("a folder is made")
    }

    /// The part that serves agents.
    pub fn ingest(&self, world: &World) -> Ingest {
        Ingest::new(self.pool(Part::Ingest), world.clone(), kubewise_protocol::Limits::default())
    }

    /// The part that does jobs; what it mails lands in a folder, and what tests receive is on this machine.
    pub fn worker(&self, world: &World, outbox: &Path) -> Worker {
        self.worker_allowing(world, outbox, "127.0.0.1/32")
    }

    /// The same, with webhooks into these networks besides public ones.
    pub fn worker_allowing(&self, world: &World, outbox: &Path, networks: &str) -> Worker {
        let mailer = Mailer::outbox(outbox.to_owned(), "Kubewise <kubewise@example.com>", "http://127.0.0.1:3000")
            .expect("an address");
        let webhooks = Webhooks::new(networks.parse().expect("networks"));
        // Fewer than there are queues: an audit needs two at once, and nothing may keep one for itself.
        let pool = Target::new(&self.url(Part::Worker), Part::Worker).expect("a URL").pool(3);
        Worker::new(pool, world.clone(), mailer, self.keys.clone(), self.bucket(), webhooks)
    }
}

/// The keys of a server whose data folder this is.
pub fn keys_of(folder: &Path) -> Keys {
    let world = World::system();
    let master = MasterKeys::open(&folder.join("master.key"), &world).expect("a key file");
    Keys::new(master, &BucketAddress::Folder(folder.join("master.key.store")), &world).expect("a folder is made")
}

/// With the other halves in a folder of the database's name.
fn keys(master: MasterKeys, database: &str, world: &World) -> Keys {
    let shares = std::env::temp_dir().join(format!("kubewise-{database}-keys"));
    Keys::new(master, &BucketAddress::Folder(shares), world).expect("a folder is made")
}

async fn connect(base: &str, database: &str) -> PgConnection {
    PgConnection::connect(&format!("{base}/{database}")).await.expect("the PostgreSQL of the tests answers")
}

// One template per schema: test binaries and processes share it, under a lock, since nextest runs each test in a
// process of its own.
async fn make_template(base: String) -> String {
    use sha2::Digest as _;
    let mut digest = sha2::Sha256::new();
    digest.update(include_bytes!("../../../migrations/0000_logins.sql"));
    for migration in MIGRATIONS.iter() {
        digest.update(&migration.checksum);
    }
    let name = format!("template_{}", hex::encode(&digest.finalize()[..8]));
    let mut admin = connect(&base, "postgres").await;
    admin.execute("SELECT pg_advisory_lock(7305803452)").await.expect("a lock");
    let ready: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)")
            .bind(&name)
            .fetch_one(&mut admin)
            .await
            .expect("a list of databases");
    if !ready {
        admin
            .execute(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))
            .await
            .expect("what a broken run left is removed");
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database is made");
        let url: SecretString = format!("{base}/{name}").into();
        migrate(&Target::as_given(&url).expect("a URL"), &Target::new(&url, Part::Owner).expect("a URL"))
            .await
            .expect("migrations run");
        admin
            .execute(sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} IS_TEMPLATE true")))
            .await
            .expect("the database becomes a template");
    }
    admin.execute("SELECT pg_advisory_unlock(7305803452)").await.expect("the lock is given back");
    name
}

/// The hash of a password as an older version might have stored it.
pub fn outdated_hash(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher as _};
    let params = Params::new(1024, 1, 1, None).expect("parameters that argon2 accepts");
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), b"sixteen of bytes")
        .expect("a hash");
    hash.to_string()
}

/// From where the people of an [`Installation`] ask.
pub const PLACE: &str = "198.51.100.0/24";

/// What an [`Installation`] puts into each table that has a cluster; what has a name is called after the cluster.
const FILLED: [&str; 27] = [
    "INSERT INTO organisation_keys SELECT $1, '', now() WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL
     ON CONFLICT DO NOTHING",
    "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at) SELECT $1, $2, length($3), 'done', now()",
    "INSERT INTO audit_schedules SELECT $1, $2, '0 6 * * *', 'UTC', '2100-01-01', now() WHERE $3::text IS NOT NULL",
    "INSERT INTO audit_policies (org_id, set_at) SELECT $1, now() WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL
     ON CONFLICT DO NOTHING",
    "INSERT INTO cluster_policies SELECT $1, $2, 'all', NULL, now() WHERE $3::text IS NOT NULL",
    "INSERT INTO waivers (org_id, id, cluster_id, rule, name, reason, owner, requested_at)
     VALUES ($1, gen_random_uuid(), $2, 'pss-host-namespaces', 'web-' || $3, 'Asked for in ' || $3, 'a team', now())",
    "INSERT INTO findings (org_id, cluster_id, fingerprint, opened_in, opened_at, rule, severity, kind, namespace, name, path,
       message, patch)
     VALUES ($1, $2, '\\x00112233445566778899aabbccddeeff', 1, now(), 'pss-host-namespaces', 4, 'Pod', 'ns-' || $3,
             'web-' || $3, 'spec.hostPID', 'Found in ' || $3, '')",
    "INSERT INTO notifications (org_id, id, name, channel, user_id, created_by, created_at, cluster_id, failed_runs,
       silent_clusters)
     SELECT $1, md5($3)::uuid, 'on call ' || $3, 'mail', user_id, user_id, now(), $2, false, false
     FROM memberships WHERE org_id = $1 AND role = 'owner' LIMIT 1",
    "INSERT INTO notification_deliveries (org_id, notification_id, id, event, cluster_id, made_at, state)
     VALUES ($1, md5($3)::uuid, gen_random_uuid(), 'cluster.silent', $2, now(), 'sent')",
    "INSERT INTO cluster_silences SELECT $1, $2, now(), now() WHERE $3::text IS NOT NULL",
    "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
       images, hash, manifest)
     VALUES ($1, $2, gen_random_uuid(), 'Pod', 'v1', 'ns-' || $3, 'web-' || $3, now(), true, 'healthy', '{}', '', '')",
    "INSERT INTO subscriptions (org_id, plan, set_at) SELECT $1, 'team', now() WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL
     ON CONFLICT DO NOTHING",
    "INSERT INTO node_days SELECT $1, current_date, $2, length($3)",
    "INSERT INTO billing_details (org_id, email) SELECT $1, 'pay@example.com' WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL
     ON CONFLICT DO NOTHING",
    "INSERT INTO invoices (org_id, id, status, total, currency, made_at) SELECT $1, 'in_' || $3, 'paid', 1, 'eur', now()
     WHERE $2::uuid IS NOT NULL",
    "INSERT INTO billing_letters SELECT $1, $3, now(), now() WHERE $2::uuid IS NOT NULL",
    "INSERT INTO billing_differences SELECT $1, now(), $3, 'a', 'b' WHERE $2::uuid IS NOT NULL",
    "INSERT INTO cluster_kinds SELECT $1, $2, 'Pod', length($3)",
    "INSERT INTO cluster_namespaces VALUES ($1, $2, 'ns-' || $3, 1, 1, 0, 1)",
    "INSERT INTO cluster_images (org_id, cluster_id, image, namespace, workloads, pods)
     VALUES ($1, $2, 'nginx-' || $3, 'ns-' || $3, 1, 1)",
    "INSERT INTO image_scans SELECT $1, $2, 'docker.io/library/nginx-' || $3 || ':latest', gen_random_uuid(), '', now(), 'Trivy',
       '1', '', 1, 0, 0, 0, 0, 1, 0",
    "INSERT INTO vulnerabilities SELECT $1, $2, 'docker.io/library/nginx-' || $3 || ':latest', 'CVE-2024-0001', 'lib-' || $3, '1',
       '2', 4, 98, 'Found in ' || $3, 'https://example.com/'",
    "INSERT INTO cluster_applications VALUES ($1, $2, 'app-' || $3, 'ns-' || $3, 'labels', '{}', 1, 0, '{}')",
    "INSERT INTO ingest_state SELECT $1, $2, 1, length($3)",
    "INSERT INTO ingest_batches SELECT $1, $2, 1, length($3), '{}', now()",
    "INSERT INTO ingest_staging_state SELECT $1, $2, 1, 1, length($3)",
    "INSERT INTO ingest_staging SELECT * FROM resources WHERE org_id = $1 AND cluster_id = $2 AND name = 'web-' || $3",
];

/// Of these, what audits read and write.
const EMPTIED: [&str; 13] = [
    "resources",
    "findings",
    "audit_runs",
    "audit_schedules",
    "waivers",
    "audit_policies",
    "cluster_policies",
    "subscriptions",
    "node_days",
    "billing_details",
    "invoices",
    "billing_letters",
    "billing_differences",
];

impl Web {
    /// With other policies than those that are built in.
    #[must_use]
    pub fn with_policies(self, policies: Arc<PublicPolicies>) -> Self {
        Self { public_policies: Some(policies), ..self }
    }
}

impl Worker {
    /// With other policies than those that are built in.
    #[must_use]
    pub fn with_policies(self, policies: Arc<PublicPolicies>) -> Self {
        Self { public_policies: Some(policies), ..self }
    }

    /// Looks for deletions that are due or not told, as is done every few seconds.
    pub async fn look_for_erasures_now(&self) -> Result<(), Error> {
        self.look_for_erasures().await
    }

    /// Removes objects that nothing names, as is done every day.
    pub async fn look_for_orphans(&self) -> Result<Held, Error> {
        self.remove_orphans().await
    }

    /// Asks Stripe about an organisation, if that is due: what its job does.
    pub async fn ask_stripe_about(&self, org: OrgId) -> Result<(), Error> {
        self.sync_billing(&SyncBilling { org }).await
    }

    /// Counts nodes, as is done every hour.
    pub async fn count_nodes(&self) -> Result<(), Error> {
        self.count_all_nodes().await
    }

    /// Removes what is older than it is kept, as is done every hour.
    pub async fn keep_what_is_stated(&self) -> Result<(), Error> {
        self.sweep_once().await
    }

    /// Reads what a node costs, as is done every hour.
    pub async fn learn_price(&self) -> Result<(), Error> {
        self.read_price().await
    }
}

impl TestDatabase {
    /// Makes what is encrypted about an organisation and a person as it was before there were data keys: columns under the
    /// master key, and the organisation's key whole.
    pub async fn make_old(&self, org: OrgId, user: UserId) {
        let behind = self.superuser();
        let mut tx = behind.begin().await.expect("a transaction");
        database::state_tenant(&mut tx, org, &Scope::All).await.expect("a tenant");
        for (of, place, table, column) in [
            (KeyOf::Organisation(org), head_place(org), "activity_heads", "sealed"),
            (KeyOf::Person(user), seed_place(user), "authenticators", "seed"),
        ] {
            let key = self.keys.existing(&mut tx, of).await.expect("a key");
            let sealed: Vec<u8> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {column} FROM {table}")))
                .fetch_one(&mut *tx)
                .await
                .expect("one row");
            let text = self.keys.open(&key, &place, &sealed).expect("it opens");
            let sealed = self.keys.wrap(&mut tx, &place, &text).await.expect("it is wrapped");
            sqlx::query(sqlx::AssertSqlSafe(format!("UPDATE {table} SET {column} = $1")))
                .bind(sealed)
                .execute(&mut *tx)
                .await
                .expect("a statement that works");
        }
        let whole = self.keys.whole(&mut tx, KeyOf::Organisation(org)).await.expect("a key");
        sqlx::query("UPDATE organisation_keys SET sealed = $1, shared = false WHERE org_id = $2")
            .bind(whole)
            .bind(org.0)
            .execute(&mut *tx)
            .await
            .expect("a statement that works");
        tx.commit().await.expect("it is kept");
    }

    /// Opens an object as is done to read it: with the key of the organisation or the person that its name begins with.
    pub async fn opens_object(&self, name: &str) -> Result<Vec<u8>, Error> {
        let id = |text: Option<&str>| text.and_then(|text| text.parse().ok()).ok_or(Error::NotFound);
        let (pool, bucket) = (self.pool(Part::Worker), self.bucket());
        let mut parts = name.split('/');
        let (mut tx, of) = match parts.next() {
            Some("people") => {
                let user = UserId(id(parts.next())?);
                (database::begin(&pool, None, Some(user)).await?, KeyOf::Person(user))
            }
            first => {
                let org = OrgId(id(first)?);
                (database::tenant_tx(&pool, org, &Scope::All).await?, KeyOf::Organisation(org))
            }
        };
        let key = bucket.existing_key(&mut tx, of).await?;
        tx.commit().await?;
        bucket.get(&key, name).await
    }

    /// Opens the address of a webhook, as is done to send to it.
    pub async fn opens_webhook(&self, org: OrgId, id: NotificationId) -> Result<String, Error> {
        let mut tx = database::tenant_tx(&self.pool(Part::Worker), org, &Scope::All).await?;
        let key = self.keys.existing(&mut tx, KeyOf::Organisation(org)).await?;
        let sealed: Vec<u8> = sqlx::query_scalar("SELECT url FROM notifications WHERE org_id = $1 AND id = $2")
            .bind(org.0)
            .bind(id.0)
            .fetch_one(&mut *tx)
            .await?;
        let address = self.keys.open(&key, &url_place(org, id), &sealed)?;
        Ok(String::from_utf8_lossy(&address).into_owned())
    }
}

/// A database, a clock that stands still until it is put forward, and the part that serves people.
pub struct Installation {
    /// The database.
    pub database: TestDatabase,
    /// The clock, and real randomness.
    pub world: World,
    /// The part that serves people.
    pub web: Web,
    clock: Arc<AtomicI64>,
}

/// An organisation of an [`Installation`].
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Id.
    pub org: OrgId,
    /// Address.
    pub slug: OrgSlug,
    /// An Owner.
    pub owner: Actor,
}

impl Installation {
    /// With nobody in it.
    pub async fn new() -> Self {
        Self::on(TestDatabase::new().await)
    }

    /// The same, on a database that was made already.
    pub fn on(database: TestDatabase) -> Self {
        let clock = Arc::new(AtomicI64::new(World::system().now().unix_timestamp()));
        let read = Arc::clone(&clock);
        let world = World::with_clock(move || {
            OffsetDateTime::from_unix_timestamp(read.load(Ordering::SeqCst)).expect("a moment of this age")
        });
        let web = database.web(&world);
        Self { database, world, web, clock }
    }

    /// Puts the clock forward.
    pub fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.whole_seconds(), Ordering::SeqCst);
    }

    /// Another process that serves people, with connections of its own and the same master key.
    pub fn another(&self, signup: SignUpPolicy) -> Web {
        Web { pool: self.database.pool(Part::Web), signup, ..self.web.clone() }
    }

    /// Somebody with an account, without a password, whose address is proven.
    pub async fn person(&self, email: &str) -> Actor {
        let user = UserId(self.world.uuid());
        let mut behind = connect(&self.database.base, &self.database.name).await;
        sqlx::query(
            "INSERT INTO users (id, name, email, email_canonical, email_verified_at, created_at)
             VALUES ($1, initcap(split_part($2, '@', 1)), $2, lower($2), now(), now())",
        )
        .bind(user.0)
        .bind(email)
        .execute(&mut behind)
        .await
        .expect("an address that nobody has");
        self.actor(user).await
    }

    /// Somebody as they are now.
    pub async fn actor(&self, user: UserId) -> Actor {
        let actor = self.web.actor(user).await.expect("the database answers").expect("an account that is there");
        actor.at(PLACE.to_owned())
    }

    /// An organisation with an Owner who is made for it.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let owner = self.person(&format!("owner-of-{name}@example.com")).await;
        let name = OrganisationName::parse(name).expect("a name");
        let slug = self.web.create_organisation(&owner, &name).await.expect("an organisation is made");
        let org = self.look::<ViewOrganisation>(&owner, &slug).await.expect("its Owner sees it").id;
        Tenant { org, slug, owner }
    }

    /// Somebody who is made a member, from behind the walls.
    pub async fn member(&self, tenant: &Tenant, name: &str, role: Role, clusters: Option<&[ClusterId]>) -> Actor {
        let actor = self.person(&format!("{name}-of-{}@example.com", tenant.slug)).await;
        self.join(tenant, &actor, role, clusters).await;
        actor
    }

    /// Makes somebody a member, from behind the walls.
    pub async fn join(&self, tenant: &Tenant, actor: &Actor, role: Role, clusters: Option<&[ClusterId]>) {
        let clusters: Option<Vec<uuid::Uuid>> = clusters.map(|ids| ids.iter().map(|id| id.0).collect());
        let mut behind = connect(&self.database.base, &self.database.name).await;
        sqlx::query(
            "INSERT INTO memberships (org_id, user_id, role, clusters, created_at) VALUES ($1, $2, $3, $4, now())",
        )
        .bind(tenant.org.0)
        .bind(actor.user.0)
        .bind(role.as_str())
        .bind(clusters)
        .execute(&mut behind)
        .await
        .expect("they are no member yet");
    }

    /// A cluster with something in each table.
    pub async fn cluster(&self, tenant: &Tenant, name: &str) -> ClusterId {
        let org = self.look::<AddClusters>(&tenant.owner, &tenant.slug).await.expect("an Owner adds clusters");
        let called = ClusterName::parse(name).expect("a name");
        let (cluster, _) = self.web.add_cluster(&org, &called).await.expect("a cluster is added");
        let mut behind = connect(&self.database.base, &self.database.name).await;
        for statement in FILLED {
            let query = sqlx::query(statement).bind(tenant.org.0).bind(cluster.0).bind(name);
            query.execute(&mut behind).await.expect("a statement that works");
        }
        cluster
    }

    /// A cluster of which nothing is known yet, of an organisation that never audited anything.
    pub async fn empty_cluster(&self, tenant: &Tenant, name: &str) -> ClusterId {
        let cluster = self.cluster(tenant, name).await;
        let behind = self.database.superuser();
        for table in EMPTIED {
            let delete = format!("DELETE FROM {table} WHERE org_id = $1");
            let query = sqlx::query(sqlx::AssertSqlSafe(delete)).bind(tenant.org.0);
            query.execute(&behind).await.expect("a statement that works");
        }
        cluster
    }

    /// Starts a worker; it stops when what is answered is dropped.
    pub fn work(&self) -> watch::Sender<bool> {
        let (stop, mut stopping) = watch::channel(false);
        let worker = self.worker();
        let name = self.world.uuid().to_string();
        tokio::spawn(async move {
            let until = async move { drop(stopping.wait_for(|stop| *stop).await) };
            worker.run(name, until).await.expect("a worker stops when it is asked to");
        });
        stop
    }

    /// What does jobs, when it is told to.
    pub fn worker(&self) -> Worker {
        let outbox = self.outbox();
        std::fs::create_dir_all(&outbox).expect("a folder is made");
        self.database.worker(&self.world, &outbox)
    }

    /// Where what is mailed lands.
    pub fn outbox(&self) -> PathBuf {
        std::env::temp_dir().join(format!("kubewise-{}-outbox", self.database.name))
    }

    /// Puts an object of the application "shop" into the inventory, in place of one of the same name.
    pub async fn put(&self, tenant: &Tenant, cluster: ClusterId, object: &Value) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        self.remove(cluster, &kind, &namespace, &name).await;
        sqlx::query(
            "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload,
               health, images, hash, manifest, application)
             VALUES ($1, $2, gen_random_uuid(), $3, $4, $5, $6, now(), true, 'healthy', '{}', '', $7, 'shop')",
        )
        .bind(tenant.org.0)
        .bind(cluster.0)
        .bind(kind)
        .bind(text("/apiVersion"))
        .bind(namespace)
        .bind(name)
        .bind(zstd::bulk::compress(object.to_string().as_bytes(), 3).expect("it is compressed"))
        .execute(&self.database.superuser())
        .await
        .expect("a row is written");
    }

    /// Takes an object out of the inventory.
    pub async fn remove(&self, cluster: ClusterId, kind: &str, namespace: &str, name: &str) {
        sqlx::query("DELETE FROM resources WHERE cluster_id = $1 AND kind = $2 AND namespace = $3 AND name = $4")
            .bind(cluster.0)
            .bind(kind)
            .bind(namespace)
            .bind(name)
            .execute(&self.database.superuser())
            .await
            .expect("a row is removed");
    }

    /// Has the worker empty what the activity log holds about a cluster. Answers how many lines.
    pub async fn forget_cluster(&self, tenant: &Tenant, cluster: ClusterId) -> u64 {
        let mut tx = self.as_worker(tenant).await;
        let emptied = forget::forget_cluster(&mut tx, tenant.org, cluster, self.world.now()).await;
        tx.commit().await.expect("it is committed");
        emptied.expect("the worker may")
    }

    /// Has the worker take a person out of what the organisation holds, as before their account is deleted.
    pub async fn detach(&self, tenant: &Tenant, who: &Actor) {
        let mut tx = self.as_worker(tenant).await;
        let now = self.world.now();
        let person = Person { names: vec![who.name.clone()], addresses: vec![who.email.clone()] };
        let done = forget::detach_person(&mut tx, tenant.org, who.user, &person, now).await;
        done.expect("the worker may");
        tx.commit().await.expect("it is committed");
    }

    async fn as_worker(&self, tenant: &Tenant) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let pool = self.database.pool(Part::Worker);
        database::tenant_tx(&pool, tenant.org, &Scope::All).await.expect("the database answers")
    }

    /// As whom the activity log of an organisation knows somebody.
    pub async fn pseudonym(&self, tenant: &Tenant, who: &Actor) -> uuid::Uuid {
        sqlx::query_scalar("SELECT pseudonym FROM pseudonyms WHERE org_id = $1 AND user_id = $2")
            .bind(tenant.org.0)
            .bind(who.user.0)
            .fetch_one(&self.database.superuser())
            .await
            .expect("who was a member has one")
    }

    /// Looks an organisation up.
    pub async fn look<P: Grant>(&self, actor: &Actor, slug: &OrgSlug) -> Result<Authorized<Organisation, P>, Error> {
        self.web.organisation(actor, slug).await
    }
}
