//! The pages of whoever administers the installation: which organisations and accounts there are, and how jobs are doing.
//! Nothing of any cluster.

use kubewise_contract::{
    DeadJobRow, InstallationAccount, InstallationOrganisation, JobHealth, ListQuery, Page, QueueHealth, UserId,
};
use sqlx::{AssertSqlSafe, Postgres, Row, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Actor, Error, Web, database, inventory::cursor, jobs::DEAD, logged::logged, world::timestamp};

/// Dead jobs that are listed.
const LISTED: i64 = 100;

/// Proof that somebody administers the installation. Only [`Web::installation`] makes one.
#[derive(Debug)]
pub struct Installation {
    by: UserId,
}

impl Web {
    /// For who administers the installation; for anybody else it is not there.
    pub async fn installation(&self, actor: &Actor) -> Result<Installation, Error> {
        let is = sqlx::query_scalar!("SELECT is_administrator FROM users WHERE id = $1", actor.user.0)
            .fetch_optional(&self.pool)
            .await?;
        if is == Some(true) { Ok(Installation { by: actor.user }) } else { Err(Error::NotFound) }
    }

    pub(crate) async fn installation_tx(
        &self,
        installation: &Installation,
    ) -> Result<Transaction<'static, Postgres>, Error> {
        let mut tx = database::user_tx(&self.pool, installation.by).await?;
        sqlx::query!("SELECT set_config('kubewise.installation', 'on', true) AS stated").fetch_one(&mut *tx).await?;
        Ok(tx)
    }

    /// The organisations, by name.
    pub async fn installation_organisations(
        &self,
        installation: &Installation,
        query: &ListQuery,
    ) -> Result<Page<InstallationOrganisation>, Error> {
        let [name, slug] = cursor::decode(query.after.as_ref())?;
        let mut tx = self.installation_tx(installation).await?;
        let rows = sqlx::query!(
            r#"SELECT o.slug, o.name, o.created_at, lower(o.name) AS "key!",
                      (SELECT count(*) FROM memberships m WHERE m.org_id = o.id) AS "members!"
               FROM organisations o
               WHERE (lower(o.name), o.slug) > ($1, $2) AND ($3::text IS NULL OR o.name ILIKE $3 OR o.slug ILIKE $3)
               ORDER BY lower(o.name), o.slug LIMIT $4"#,
            name,
            slug,
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let slug = row.slug.parse().map_err(|e| Error::Internal(format!("slug: {e}")))?;
            let created_at = timestamp(row.created_at);
            found.push((row.key, InstallationOrganisation { slug, name: row.name, members: row.members, created_at }));
        }
        let page = cursor::page(found, |(key, row)| vec![key.clone(), row.slug.to_string()]);
        Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }

    /// The accounts, by address.
    pub async fn installation_accounts(
        &self,
        installation: &Installation,
        query: &ListQuery,
    ) -> Result<Page<InstallationAccount>, Error> {
        let [email] = cursor::decode(query.after.as_ref())?;
        let mut tx = self.installation_tx(installation).await?;
        let rows = sqlx::query!(
            r#"SELECT u.id, u.name, u.email, u.email_canonical, u.created_at, u.disabled_at, u.is_administrator,
                      (SELECT count(*) FROM memberships m WHERE m.user_id = u.id) AS "organisations!"
               FROM users u
               WHERE u.email_canonical > $1 AND ($2::text IS NULL OR u.name ILIKE $2 OR u.email ILIKE $2)
               ORDER BY u.email_canonical LIMIT $3"#,
            email,
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| {
                let account = InstallationAccount {
                    id: UserId(row.id),
                    name: row.name,
                    email: row.email,
                    organisations: row.organisations,
                    created_at: timestamp(row.created_at),
                    disabled_at: row.disabled_at.map(timestamp),
                    is_administrator: row.is_administrator,
                    is_viewer: row.id == installation.by.0,
                };
                (row.email_canonical, account)
            })
            .collect();
        let page = cursor::page(rows, |(key, _)| vec![key.clone()]);
        Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }

    /// Shuts an account out, or lets it in again. Nobody does so to themselves.
    pub async fn disable_account(
        &self,
        installation: &Installation,
        account: UserId,
        disabled: bool,
    ) -> Result<(), Error> {
        let mut tx = self.installation_tx(installation).await?;
        let done = sqlx::query_scalar!(
            r#"SELECT disable_account($1, $2) AS "done!""#,
            account.0,
            disabled.then(|| self.world.now()),
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        if !done {
            return Err(Error::NotFound);
        }
        tracing::info!(
            account = logged(account),
            disabled,
            by = logged(installation.by),
            "an account was shut out, or let in again"
        );
        Ok(())
    }

    /// How jobs are doing. The queue's tables are its own, so these statements are not checked when they are compiled; of
    /// a job the login may read how it is doing, and not what it is about.
    pub async fn job_health(&self, installation: &Installation) -> Result<JobHealth, Error> {
        let mut tx = self.installation_tx(installation).await?;
        let queues = sqlx::query(AssertSqlSafe(format!(
            "SELECT job_type, count(*) FILTER (WHERE status IN ('Pending', 'Queued') OR (status = 'Failed' AND attempts < max_attempts)) AS waiting,
                    count(*) FILTER (WHERE status = 'Running') AS running, count(*) FILTER (WHERE status = 'Done') AS done,
                    count(*) FILTER (WHERE {DEAD}) AS dead,
                    min(run_at) FILTER (WHERE status IN ('Pending', 'Queued')) AS oldest
             FROM apalis.jobs GROUP BY job_type ORDER BY job_type"
        )))
        .fetch_all(&mut *tx)
        .await?;
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT id, job_type, attempts, last_result FROM apalis.jobs WHERE {DEAD} ORDER BY run_at, id LIMIT {LISTED}"
        )))
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let queues = queues.into_iter().map(|row| {
            Ok(QueueHealth {
                name: row.try_get("job_type")?,
                waiting: row.try_get("waiting")?,
                running: row.try_get("running")?,
                done: row.try_get("done")?,
                dead: row.try_get("dead")?,
                oldest: row.try_get::<Option<OffsetDateTime>, _>("oldest")?.map(timestamp),
            })
        });
        let dead = rows.into_iter().map(|row| {
            let why: Option<serde_json::Value> = row.try_get("last_result")?;
            Ok(DeadJobRow {
                id: row.try_get("id")?,
                queue: row.try_get("job_type")?,
                attempts: row.try_get("attempts")?,
                why: why.map(said).unwrap_or_default(),
            })
        });
        Ok(JobHealth {
            queues: queues.collect::<Result<_, sqlx::Error>>()?,
            dead: dead.collect::<Result<_, sqlx::Error>>()?,
        })
    }

    /// Has a job that failed for good tried again.
    pub async fn retry_job(&self, installation: &Installation, id: &str) -> Result<(), Error> {
        let mut tx = self.installation_tx(installation).await?;
        let done: bool = sqlx::query_scalar("SELECT retry_dead_job($1)").bind(id).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        if done { Ok(()) } else { Err(Error::NotFound) }
    }
}

/// An error as the queue keeps it: a text, or an object with one in it.
fn said(why: serde_json::Value) -> String {
    match why {
        serde_json::Value::String(text) => text,
        serde_json::Value::Object(mut object) => match object.remove("Err") {
            Some(serde_json::Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => serde_json::Value::Object(object).to_string(),
        },
        other => other.to_string(),
    }
}

/// Makes somebody an administrator of the installation, or no more. `owner` logs in as `kubewise_owner`.
pub async fn set_administrator(owner: &sqlx::PgPool, account: UserId, is: bool) -> Result<(), Error> {
    let id: Uuid = account.0;
    let done = sqlx::query!("UPDATE users SET is_administrator = $2 WHERE id = $1", id, is)
        .execute(owner)
        .await?
        .rows_affected();
    if done == 1 { Ok(()) } else { Err(Error::NotFound) }
}
