//! A migrated database of its own for each test, on a real PostgreSQL: the one that `KUBEWISE_TEST_DATABASE_URL` names,
//! whose user may create databases. It trusts whoever connects, so each part connects with its own login.

use std::path::Path;

use secrecy::SecretString;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;

use crate::{
    Ingest, Mailer, MasterKeys, PasswordPolicy, SignUpPolicy, Web, Worker, World,
    database::{MIGRATIONS, Part, Target, migrate},
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
        Self { base, name }
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
        Web::new(self.pool(Part::Web), world.clone(), passwords, MasterKeys::ephemeral(world), SignUpPolicy::Open)
    }

    /// The part that serves agents.
    pub fn ingest(&self, world: &World) -> Ingest {
        Ingest::new(self.pool(Part::Ingest), world.clone(), kubewise_protocol::Limits::default())
    }

    /// The part that does jobs; what it mails lands in a folder.
    pub fn worker(&self, world: &World, outbox: &Path) -> Worker {
        let mailer = Mailer::outbox(outbox.to_owned(), "Kubewise <kubewise@example.com>", "http://127.0.0.1:3000")
            .expect("an address");
        Worker::new(self.pool(Part::Worker), world.clone(), mailer)
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
