//! What a person takes out that is held about them (GDPR, Articles 15 and 20): a ZIP with everything as JSON and a page to
//! read it by. A job makes it by the register (`docs/privacy/register.toml`), keeps it encrypted under the person's key, and
//! mails a link that works once.

mod archive;
mod gather;

use bytes::Bytes;
use futures::{stream, stream::BoxStream};
use kubewise_contract::{ExportId, ExportRow, ExportState, Privacy, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::Duration;

pub(crate) use self::gather::{Known, canonical};
use crate::{
    Actor, Error, Web, Worker,
    bucket::Content,
    database,
    jobs::{self, Queue},
    keys::KeyOf,
    links,
    mail::{self, Link, Mail},
    retention::{EXPORTS, EXPORTS_KNOWN},
    world::timestamp,
};

/// How long a download may take before its object is removed.
const TAKING: Duration = Duration::hours(1);
/// How long after a job was enqueued another one is, if there is nothing yet.
const TRIED_AGAIN: Duration = Duration::seconds(3);
/// Most in a day: each reads all that there is about somebody.
const IN_A_DAY: i64 = 3;
/// Exports that a page shows.
const SHOWN: i64 = 10;

/// Make what somebody asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MakeExport {
    pub(crate) export: ExportId,
}

impl Queue for MakeExport {
    const NAME: &'static str = "export";
}

impl Web {
    /// What a person's privacy page shows.
    pub async fn privacy(&self, actor: &Actor) -> Result<Privacy, Error> {
        let now = self.world.now();
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let rows = sqlx::query!(
            "SELECT id, requested_at, bytes, made_at, expires_at, used_at FROM exports
             WHERE user_id = $1 ORDER BY requested_at DESC, id LIMIT $2",
            actor.user.0,
            SHOWN,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let exports = rows.into_iter().map(|row| {
            let state = match (row.expires_at, row.used_at) {
                (_, Some(_)) => ExportState::Taken,
                (None, None) => ExportState::Making,
                (Some(at), None) if at <= now => ExportState::Ended,
                (Some(at), None) => {
                    ExportState::Ready { expires_at: timestamp(at), bytes: row.bytes.unwrap_or_default() }
                }
            };
            ExportRow { id: ExportId(row.id), requested_at: timestamp(row.requested_at), state }
        });
        Ok(Privacy {
            exports: exports.collect(),
            agreed: self.accepted_policies(actor).await?,
            policy_mails: self.policy_mails(actor).await?,
            only_owner_of: self.only_owner_of(actor).await?,
            email: actor.email.clone(),
        })
    }

    /// Has everything gathered that is held about who asks. One that is being made already is the one.
    pub async fn request_export(&self, actor: &Actor) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let lately = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM exports WHERE user_id = $1 AND requested_at > $2"#,
            actor.user.0,
            now - Duration::DAY,
        )
        .fetch_one(&mut *tx)
        .await?;
        if lately >= IN_A_DAY {
            return Err(Error::TooMany { seconds: 24 * 3600 });
        }
        let id = ExportId(self.world.uuid());
        let made = sqlx::query!(
            "INSERT INTO exports (id, user_id, requested_at, next_try_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) WHERE made_at IS NULL DO NOTHING",
            id.0,
            actor.user.0,
            now,
            now + TRIED_AGAIN,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if made == 1 {
            jobs::enqueue(&mut tx, &MakeExport { export: id }).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Whether a link leads to something of who asks that is there still.
    pub async fn is_export_there(&self, actor: &Actor, token: &SecretString) -> Result<bool, Error> {
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let is_there = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM exports WHERE user_id = $1 AND hash = $2 AND used_at IS NULL AND expires_at > $3
                 AND object IS NOT NULL) AS "is!""#,
            actor.user.0,
            links::hash(token.expose_secret()),
            self.world.now(),
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(is_there)
    }

    /// Uses the link up, and reads what it leads to. Of another person, or too old, or used: [`Error::LinkEnded`].
    pub async fn take_export(
        &self,
        actor: &Actor,
        token: &SecretString,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let now = self.world.now();
        let object = sqlx::query_scalar!(
            "UPDATE exports SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL AND expires_at > $3
               AND object IS NOT NULL RETURNING object",
            actor.user.0,
            links::hash(token.expose_secret()),
            now,
        )
        .fetch_optional(&mut *tx)
        .await?
        .flatten()
        .ok_or(Error::LinkEnded)?;
        let key = self.bucket.existing_key(&mut tx, KeyOf::Person(actor.user)).await?;
        // Opened before the link is used up: a bucket that is away uses up nothing.
        let content = self.bucket.get_stream(&key, &object).await?;
        tx.commit().await?;
        Ok(content)
    }
}

impl Worker {
    /// Makes one, unless it is there.
    pub(crate) async fn make_export(&self, job: &MakeExport) -> Result<(), Error> {
        let name = format!("kubewise export {}", job.export);
        let Some(alone) = database::try_alone(&self.pool, &name).await? else { return Ok(()) };
        let user = sqlx::query_scalar!("SELECT user_id FROM exports WHERE id = $1 AND made_at IS NULL", job.export.0)
            .fetch_optional(&self.pool)
            .await?;
        let Some(user) = user.map(UserId) else { return Ok(()) };
        let now = self.world.now();
        let gathered = self.gather(user).await?;
        let site = self.mailer.site().to_owned();
        let made_at = timestamp(now).to_string();
        let archive = tokio::task::spawn_blocking(move || archive::write(&gathered, &site, &made_at))
            .await
            .map_err(|e| Error::Internal(format!("export: {e}")))??;
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        let key = self.bucket.key(&mut tx, KeyOf::Person(user)).await?;
        tx.commit().await?;
        let object = format!("people/{user}/{}", job.export);
        let content = Content::Plain(stream::iter([Ok(Bytes::from(archive))]));
        let stored = self.bucket.put_stream(&key, &object, content).await?;
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        let made = sqlx::query!(
            "UPDATE exports SET object = $2, bytes = $3, made_at = $4, expires_at = $5 WHERE id = $1 AND made_at IS NULL",
            job.export.0,
            object,
            i64::try_from(stored.bytes).unwrap_or(i64::MAX),
            now,
            now + EXPORTS,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if made == 0 {
            // The account was deleted meanwhile, perhaps before its objects were there; or another server that took this one
            // for lost has made it: then the object is that one's.
            let is_there =
                sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM exports WHERE id = $1) AS "is!""#, job.export.0)
                    .fetch_one(&mut *tx)
                    .await?;
            if !is_there {
                self.bucket.remove(&object).await?;
            }
            return Ok(());
        }
        mail::enqueue(&mut tx, &Mail::ExportReady { user, export: job.export }).await?;
        tx.commit().await?;
        alone.commit().await?;
        Ok(())
    }

    /// Writes the mail with the link.
    pub(crate) async fn send_export(&self, user: UserId, export: ExportId) -> Result<(), Error> {
        let token = links::text(&self.world);
        let row = sqlx::query!(
            "UPDATE exports e SET hash = $3 FROM users u
             WHERE e.id = $1 AND e.user_id = $2 AND u.id = e.user_id AND e.used_at IS NULL AND e.object IS NOT NULL
             RETURNING u.name, u.email",
            export.0,
            user.0,
            links::hash(&token),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let link = Link {
            label: "Download my data",
            url: format!("{}/account/privacy/download?token={token}", self.mailer.site()),
        };
        let what = "you asked for everything that is held about you at Kubewise. It is ready.".to_owned();
        let closing = "The link works once, for seven days, for you alone: sign in first. If you asked for nothing, change your \
                       password.";
        self.mailer.tell_about(&row.name, &row.email, "Your data is ready", what, link, closing).await
    }

    /// Enqueues what waits and whose job was lost, and removes what was taken or has ended.
    pub(crate) async fn look_for_exports(&self) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = database::begin(&self.pool, None, None).await?;
        let waiting = sqlx::query_scalar!(
            "UPDATE exports SET next_try_at = $2 WHERE id IN
               (SELECT id FROM exports WHERE made_at IS NULL AND next_try_at <= $1 ORDER BY next_try_at LIMIT 100
                FOR UPDATE SKIP LOCKED) RETURNING id",
            now,
            now + TRIED_AGAIN,
        )
        .fetch_all(&mut *tx)
        .await?;
        for id in waiting {
            jobs::enqueue(&mut tx, &MakeExport { export: ExportId(id) }).await?;
        }
        tx.commit().await?;
        let over = sqlx::query!(
            r#"SELECT id, object AS "object!" FROM exports WHERE object IS NOT NULL AND (expires_at <= $1 OR used_at <= $2) LIMIT 100"#,
            now,
            now - TAKING,
        )
        .fetch_all(&self.pool)
        .await?;
        for row in over {
            self.bucket.remove(&row.object).await?;
            sqlx::query!("UPDATE exports SET object = NULL WHERE id = $1", row.id).execute(&self.pool).await?;
        }
        sqlx::query!("DELETE FROM exports WHERE object IS NULL AND expires_at < $1", now - EXPORTS_KNOWN)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
