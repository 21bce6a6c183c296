//! A migrated database of its own for each test, on a real PostgreSQL: the one that `KUBEWISE_TEST_DATABASE_URL` names,
//! whose user may create databases. It trusts whoever connects, so each part connects with its own login.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use kubewise_contract::{ClusterId, ClusterName, OrgId, OrgSlug, OrganisationName, Role, UserId};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use tokio::sync::{OnceCell, watch};

use crate::{
    Actor, Authorized, Bucket, BucketAddress, Error, Ingest, Mailer, MasterKeys, Organisation, PasswordPolicy,
    SignUpPolicy, Web, Webhooks, Worker, World,
    billing::SyncBilling,
    database::{MIGRATIONS, Part, Target, migrate},
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
    keys: MasterKeys,
    objects: BucketAddress,
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
        Self { base, name, keys: MasterKeys::ephemeral(&world), objects }
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
        Self { keys: MasterKeys::ephemeral(&World::system()), ..self }
    }

    /// A pool with a part's own login.
    pub fn pool(&self, part: Part) -> PgPool {
        Target::new(&self.url(part), part).expect("a URL").pool(8)
    }

    /// A pool of the superuser, to look behind the walls.
    pub fn superuser(&self) -> PgPool {
        Target::as_given(&self.superuser_url()).expect("a URL").pool(2)
    }

    /// The part that serves people.
    pub fn web(&self, world: &World) -> Web {
        let passwords = PasswordPolicy::new(world, 2).expect("argon2 accepts its parameters");
        let keys = self.keys.clone();
        Web::new(self.pool(Part::Web), world.clone(), passwords, keys, self.bucket(), SignUpPolicy::Open)
    }

    /// Where both keep what is large.
    pub fn bucket(&self) -> Bucket {
        Bucket::open(&self.objects, self.keys.clone()).expect("a folder is made")
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
        let webhooks = Webhooks::new(self.keys.clone(), networks.parse().expect("networks"));
        // Fewer than there are queues: an audit needs two at once, and nothing may keep one for itself.
        let pool = Target::new(&self.url(Part::Worker), Part::Worker).expect("a URL").pool(3);
        Worker::new(pool, world.clone(), mailer, self.bucket(), webhooks)
    }
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
const EMPTIED: [&str; 14] = [
    "resources",
    "findings",
    "audit_runs",
    "audit_schedules",
    "organisation_keys",
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

impl Worker {
    /// Asks Stripe about an organisation, if that is due: what its job does.
    pub async fn ask_stripe_about(&self, org: OrgId) -> Result<(), Error> {
        self.sync_billing(&SyncBilling { org }).await
    }

    /// Counts nodes, as is done every hour.
    pub async fn count_nodes(&self) -> Result<(), Error> {
        self.count_all_nodes().await
    }

    /// Reads what a node costs, as is done every hour.
    pub async fn learn_price(&self) -> Result<(), Error> {
        self.read_price().await
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
        let database = TestDatabase::new().await;
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

    /// Looks an organisation up.
    pub async fn look<P: Grant>(&self, actor: &Actor, slug: &OrgSlug) -> Result<Authorized<Organisation, P>, Error> {
        self.web.organisation(actor, slug).await
    }
}
