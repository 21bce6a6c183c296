//! Connecting: one pool per part, each with its own login; and the transaction that states its tenant.

use std::{str::FromStr, sync::Arc, time::Duration};

use kubewise_contract::{ClusterId, OrgId, UserId};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::{
    Error,
    jobs::{BEGUN_AGAIN, DEAD},
};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// A part of the server, and its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Owns the schema; migrations only.
    Owner,
    /// Pages.
    Web,
    /// Agents.
    Ingest,
    /// Jobs.
    Worker,
}

impl Part {
    /// The login's name.
    pub const fn login(self) -> &'static str {
        match self {
            Self::Owner => "kubewise_owner",
            Self::Web => "kubewise_web",
            Self::Ingest => "kubewise_ingest",
            Self::Worker => "kubewise_worker",
        }
    }
}

/// How one part reaches PostgreSQL.
#[derive(Clone)]
pub struct Target {
    options: PgConnectOptions,
    part: Option<Part>,
}

impl Target {
    /// From a URL whose user is the part's own login, or one that may become it.
    ///
    /// With a user other than the part's login, each connection takes the part's role at start, so that row-level
    /// security and grants hold; they hold better when the login itself cannot do more.
    pub fn new(url: &SecretString, part: Part) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url.expose_secret())?.application_name(part.login());
        let options =
            if options.get_username() == part.login() { options } else { options.options([("role", part.login())]) };
        Ok(Self { options: quiet(options), part: Some(part) })
    }

    /// From a URL, as whoever it names.
    pub fn as_given(url: &SecretString) -> Result<Self, Error> {
        Ok(Self { options: quiet(PgConnectOptions::from_str(url.expose_secret())?), part: None })
    }

    /// A pool of at most `size` connections; connects when first used.
    pub fn pool(&self, size: u32) -> PgPool {
        let options = PgPoolOptions::new();
        // Filters that are not set must cost nothing: `($1 IS NULL OR kind = $1)` uses an index only in a plan that is
        // made for its values. Starting parallel workers takes longer than a page may. Nobody waits longer for one than
        // the server does.
        let options = if self.part == Some(Part::Web) {
            options.after_connect(|connection, _| {
                let settings = "SET plan_cache_mode = force_custom_plan; SET max_parallel_workers_per_gather = 0; \
                                SET statement_timeout = '15s'";
                Box::pin(async move { connection.execute(settings).await.map(drop) })
            })
        } else {
            options
        };
        options
            .max_connections(size)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(Duration::from_mins(5))
            .connect_lazy_with(self.options.clone())
    }

    /// One connection.
    pub async fn connect(&self) -> Result<PgConnection, Error> {
        Ok(PgConnection::connect_with(&self.options).await?)
    }
}

// Statements are logged by nobody: their text is ours, their values are not.
fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    options.disable_statement_logging()
}

/// Brings the schema up to date: logins, migrations, the queue's own tables.
///
/// `admin` is whoever may create roles, needed only while they do not exist; `owner` owns the schema.
pub async fn migrate(admin: &Target, owner: &Target) -> Result<(), Error> {
    let mut connection = admin.connect().await?;
    let present: bool = sqlx::query_scalar(
        "SELECT count(*) = 5 FROM pg_roles WHERE rolname IN
           ('kubewise_owner', 'kubewise_web', 'kubewise_ingest', 'kubewise_worker', 'kubewise_search')",
    )
    .fetch_one(&mut connection)
    .await?;
    if !present {
        let mut tx = connection.begin().await?;
        tx.execute(include_str!("../../../migrations/0000_logins.sql")).await?;
        tx.commit().await?;
    }
    let may_create: bool = sqlx::query_scalar(
        "SELECT current_user = 'kubewise_owner' OR (has_schema_privilege('kubewise_owner', 'public', 'CREATE')
            AND has_database_privilege('kubewise_owner', current_database(), 'CREATE'))",
    )
    .fetch_one(&mut connection)
    .await?;
    if !may_create {
        connection
            .execute(
                "DO $$ BEGIN
                   EXECUTE format('GRANT CREATE ON DATABASE %I TO kubewise_owner', current_database());
                 END $$;
                 GRANT ALL ON SCHEMA public TO kubewise_owner WITH GRANT OPTION",
            )
            .await?;
    }
    connection.close().await?;

    let pool = owner.pool(1);
    MIGRATIONS.run(&pool).await.map_err(|e| {
        Error::Internal(format!("migration: {e} (kubewise_owner should own the database, or be granted CREATE on it)"))
    })?;
    apalis_postgres::PostgresStorage::<()>::setup(&pool).await?;
    pool.execute(AssertSqlSafe(format!(
        "GRANT USAGE ON SCHEMA apalis TO kubewise_web, kubewise_worker;
         GRANT INSERT ON apalis.jobs TO kubewise_web;
         -- How a job is doing; not what it is about.
         GRANT SELECT (id, job_type, status, attempts, max_attempts, run_at, last_result) ON apalis.jobs TO kubewise_web;
         CREATE OR REPLACE FUNCTION retry_dead_job(one text) RETURNS boolean
           LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
         BEGIN
           UPDATE apalis.jobs SET {BEGUN_AGAIN} WHERE asking_administrator() AND id = one AND {DEAD};
           RETURN FOUND;
         END
         $$;
         REVOKE ALL ON FUNCTION retry_dead_job(text) FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION retry_dead_job(text) TO kubewise_web;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA apalis TO kubewise_worker;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA apalis TO kubewise_worker",
    )))
    .await?;
    pool.close().await;
    Ok(())
}

/// Which clusters of an organisation a transaction sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All, also those to come.
    All,
    /// These.
    Only(Arc<[Uuid]>),
}

impl Scope {
    /// As the database keeps it: null for all.
    pub(crate) fn from_column(clusters: Option<Vec<Uuid>>) -> Self {
        clusters.map_or(Self::All, |clusters| Self::Only(clusters.into()))
    }

    /// As a query takes it: null for all.
    pub(crate) fn column(&self) -> Option<&[Uuid]> {
        match self {
            Self::All => None,
            Self::Only(clusters) => Some(clusters),
        }
    }

    /// What is in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, scope) | (scope, Self::All) => scope.clone(),
            (Self::Only(one), Self::Only(two)) => {
                Self::Only(one.iter().copied().filter(|cluster| two.contains(cluster)).collect())
            }
        }
    }

    /// Whether this cluster is seen.
    pub(crate) fn sees(&self, cluster: ClusterId) -> bool {
        self.column().is_none_or(|clusters| clusters.contains(&cluster.0))
    }

    // As row-level security reads it (migration 0010).
    fn setting(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Only(clusters) => clusters.iter().map(Uuid::to_string).collect::<Vec<_>>().join(","),
        }
    }
}

/// A transaction that is the only one of its name while it lasts; none when another is. It keeps a connection, and goes with
/// its server.
pub(crate) async fn try_alone(pool: &PgPool, name: &str) -> Result<Option<Transaction<'static, Postgres>>, Error> {
    let mut alone = begin(pool, None, None).await?;
    let is_mine = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "is!""#, name)
        .fetch_one(&mut *alone)
        .await?;
    Ok(is_mine.then_some(alone))
}

/// A transaction that states its tenant and which of its clusters it sees: all that row-level security lets it see.
pub(crate) async fn tenant_tx(
    pool: &PgPool,
    org: OrgId,
    scope: &Scope,
) -> Result<Transaction<'static, Postgres>, Error> {
    begin(pool, Some((org, scope)), None).await
}

/// States another tenant, in a transaction that has begun.
pub(crate) async fn state_tenant(tx: &mut PgConnection, org: OrgId, scope: &Scope) -> Result<(), Error> {
    sqlx::query!(
        "SELECT set_config('kubewise.org_id', $1, true) AS org, set_config('kubewise.clusters', $2, true) AS clusters",
        org.to_string(),
        scope.setting(),
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// A transaction that states who asks, before an organisation is chosen.
pub(crate) async fn user_tx(pool: &PgPool, user: UserId) -> Result<Transaction<'static, Postgres>, Error> {
    begin(pool, None, Some(user)).await
}

/// A transaction that states what is given of tenant and asker.
pub(crate) async fn begin(
    pool: &PgPool,
    tenant: Option<(OrgId, &Scope)>,
    user: Option<UserId>,
) -> Result<Transaction<'static, Postgres>, Error> {
    // In a task of its own, which runs to its end when its asker is dropped: a BEGIN that nobody waited for would leave
    // the connection in a transaction that sqlx knows nothing of, and the next user's writes in it.
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin().await }).await;
    let mut tx = begun.map_err(|e| Error::Internal(format!("a transaction was not begun: {e}")))??;
    sqlx::query!(
        "SELECT set_config('kubewise.org_id', $1, true) AS org, set_config('kubewise.clusters', $2, true) AS clusters,
                set_config('kubewise.user_id', $3, true) AS asker",
        tenant.map(|(org, _)| org.to_string()).unwrap_or_default(),
        tenant.map(|(_, scope)| scope.setting()).unwrap_or_default(),
        user.map(|id| id.to_string()).unwrap_or_default(),
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(tx)
}
