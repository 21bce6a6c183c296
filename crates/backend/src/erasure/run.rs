//! A deletion, done: told, begun, counted, removed, counted again, certified. Each step can be done twice, so that a job
//! that was broken off anywhere begins again.

use kubewise_contract::{ClusterId, OrgId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Subject, TRIED_AGAIN, held::Held};
use crate::{
    Error, Worker, certificates,
    database::{self, Scope},
    jobs::{self, Queue},
    links,
    mail::ErasureTold,
    retention::CERTIFICATES,
    world::timestamp,
};

/// Mail that cannot be sent does not keep a deletion waiting for longer.
const TOLD_WITHIN: Duration = Duration::minutes(10);

/// Go on with a deletion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Erase {
    pub(crate) erasure: Uuid,
}

impl Queue for Erase {
    const NAME: &'static str = "erasure";
}

/// A deletion that has begun.
pub(super) struct Begun {
    pub(super) id: Uuid,
    /// What there was before.
    pub(super) held: Held,
    /// What others keep, if that was found out before.
    pub(super) kept: Option<Value>,
    requested_at: OffsetDateTime,
}

/// What came of it.
pub(super) struct Removed {
    /// What is left, counted.
    pub(super) left: Held,
    /// Which keys were destroyed, in words.
    pub(super) keys: Vec<&'static str>,
    /// What others keep because they have to, and why.
    pub(super) kept: Value,
}

impl Worker {
    /// Goes on with a deletion, if nobody does.
    pub(crate) async fn erase(&self, job: &Erase) -> Result<(), Error> {
        let name = format!("kubewise erasure {}", job.erasure);
        let Some(alone) = database::try_alone(&self.pool, &name).await? else { return Ok(()) };
        let row = sqlx::query!(
            "SELECT kind, user_id, org_id, cluster_id, requested_at, due_at, mail_hash, held, kept, begun_at, ended_at
             FROM erasures WHERE id = $1",
            job.erasure,
        )
        .fetch_optional(&self.pool)
        .await?;
        let now = self.world.now();
        let Some(row) = row.filter(|row| row.ended_at.is_none()) else { return Ok(()) };
        if row.mail_hash.is_none() && row.kind != "cluster" {
            // Who asked is told before there is no address any more; for as long as it can wait.
            let can_wait = now < row.requested_at + TOLD_WITHIN;
            self.tell_of_erasure(job.erasure, row.user_id, row.org_id, row.due_at, can_wait).await?;
        }
        if row.due_at > now {
            return Ok(());
        }
        // Before it begins: then some of it goes at once.
        let subject = match (row.user_id, row.org_id, row.cluster_id) {
            (Some(user), ..) => Subject::Account(UserId(user)),
            (None, Some(org), Some(cluster)) => Subject::Cluster(OrgId(org), ClusterId(cluster)),
            (None, Some(org), None) => Subject::Organisation(OrgId(org)),
            (None, None, _) => return Err(Error::Internal("a deletion of nothing".to_owned())),
        };
        let mut held: Held = match row.held {
            Some(held) => serde_json::from_value(held).map_err(|e| Error::Internal(format!("erasure: {e}")))?,
            None => Held::default(),
        };
        if row.begun_at.is_none() {
            held = self.write_down(job.erasure, subject, held).await?;
        }
        let has_begun = sqlx::query_scalar!(r#"SELECT begin_erasure($1, $2) AS "has!""#, job.erasure, now)
            .fetch_one(&self.pool)
            .await?;
        if !has_begun {
            return Ok(());
        }
        let begun = Begun { id: job.erasure, held, kept: row.kept, requested_at: row.requested_at };
        let removed = match subject {
            Subject::Account(user) => self.erase_account(&begun, user).await?,
            Subject::Cluster(org, cluster) => self.erase_cluster(org, cluster).await?,
            Subject::Organisation(org) => self.erase_organisation(&begun, org).await?,
        };
        // What was being written while it was removed: it is removed the next time.
        if !removed.left.is_nothing() {
            return Err(Error::Internal(format!("a deletion left something: {:?}", removed.left)));
        }
        self.certify(&begun, subject, removed).await?;
        alone.commit().await?;
        tracing::info!(kind = row.kind, "a deletion is done");
        Ok(())
    }

    async fn tell_of_erasure(
        &self,
        erasure: Uuid,
        user: Option<Uuid>,
        org: Option<Uuid>,
        due_at: OffsetDateTime,
        can_wait: bool,
    ) -> Result<(), Error> {
        let mut recipients = Vec::new();
        let mut organisation = None;
        if let Some(user) = user {
            recipients.extend(
                sqlx::query!("SELECT name, email FROM users WHERE id = $1", user)
                    .fetch_optional(&self.pool)
                    .await?
                    .map(|row| (row.name, row.email)),
            );
        } else if let Some(org) = org {
            let mut tx = database::tenant_tx(&self.pool, OrgId(org), &Scope::All).await?;
            let owners = sqlx::query!(
                "SELECT u.name, u.email FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.org_id = $1 AND m.role = 'owner' ORDER BY u.id",
                org,
            )
            .fetch_all(&mut *tx)
            .await?;
            let row = sqlx::query!("SELECT name, slug FROM organisations WHERE id = $1", org)
                .fetch_optional(&mut *tx)
                .await?;
            tx.commit().await?;
            recipients.extend(owners.into_iter().map(|row| (row.name, row.email)));
            organisation = row.map(|row| (row.name, row.slug));
        }
        let token = links::text(&self.world);
        let (mut is_told, mut fault) = (false, None);
        for (name, email) in recipients {
            let told = ErasureTold {
                organisation: organisation.as_ref().map(|(name, slug)| (name.as_str(), slug.as_str())),
                undone_until: (due_at > self.world.now()).then(|| due_at.unix_timestamp()),
                token: &token,
            };
            match self.mailer.tell_of_erasure(&name, &email, &told).await {
                Ok(()) => is_told = true,
                Err(error) => {
                    tracing::warn!(%error, "somebody could not be told of a deletion");
                    fault = Some(error);
                }
            }
        }
        // One mailbox that takes nothing is no reason to tell the others again and again.
        if let Some(fault) = fault
            && !is_told
            && can_wait
        {
            return Err(fault);
        }
        // Broken off before this, all are told again, with an address that leads somewhere.
        sqlx::query!("UPDATE erasures SET mail_hash = $2 WHERE id = $1", erasure, links::hash(&token))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Counts what there is, and writes it down, with what was removed when it was asked for.
    async fn write_down(&self, erasure: Uuid, subject: Subject, removed: Held) -> Result<Held, Error> {
        let mut held = match subject {
            Subject::Account(user) => self.held_about(user).await?,
            Subject::Cluster(org, cluster) => self.held_of_cluster(org, cluster).await?,
            Subject::Organisation(org) => self.held_of_organisation(org).await?,
        };
        // Counted once more after something broke off, it is as it was.
        for (table, rows) in removed.rows {
            held.rows.entry(table).or_insert(rows);
        }
        let written = serde_json::to_value(&held).map_err(|e| Error::Internal(format!("erasure: {e}")))?;
        sqlx::query!("UPDATE erasures SET held = $2 WHERE id = $1 AND begun_at IS NULL", erasure, written)
            .execute(&self.pool)
            .await?;
        Ok(held)
    }

    /// Removes jobs that name any of these ids and addresses.
    pub(super) async fn forget_waiting(&self, names: &[String]) -> Result<(), Error> {
        for name in names {
            // The queue's tables are its own, so this statement is not checked when it is compiled. In one order, so that two who
            // do so never wait for each other.
            sqlx::query(
                "DELETE FROM apalis.jobs WHERE id IN
                   (SELECT id FROM apalis.jobs
                    WHERE job_type <> 'erasure' AND (position($1 IN job) > 0 OR position($2 IN last_result::text) > 0)
                    ORDER BY id FOR UPDATE)",
            )
            // As JSON has it, so that of xa@example.com, a@example.com is not meant.
            .bind(json!(name).to_string().as_bytes())
            .bind(name)
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// Signs what was done, and forgets what it was done to.
    async fn certify(&self, begun: &Begun, subject: Subject, removed: Removed) -> Result<(), Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        let held = Held { organisations: Vec::new(), ..begun.held.clone() };
        let certificate = json!({
            "kubewise_deletion_certificate": 1,
            "id": begun.id,
            "issuer": self.mailer.site(),
            "deleted": subject.kind(),
            // Who knows the id can tell that it is this one; who does not learns nothing.
            "subject_sha256": hex::encode(Sha256::digest(subject.id().to_string())),
            "requested_at": timestamp(begun.requested_at).to_string(),
            "completed_at": timestamp(self.world.now()).to_string(),
            "held": held,
            "left": removed.left,
            "keys_destroyed": removed.keys,
            "kept_by_others": removed.kept,
        });
        let signed = certificates::sign(&mut tx, &self.keys, &self.world, certificate.to_string()).await?;
        let signed = serde_json::to_string(&signed).map_err(|e| Error::Internal(format!("certificate: {e}")))?;
        sqlx::query!(
            "UPDATE erasures SET ended_at = $2, certificate = $3, held = NULL, kept = NULL, user_id = NULL, cluster_id = NULL,
               org_id = CASE kind WHEN 'cluster' THEN org_id END
             WHERE id = $1 AND ended_at IS NULL",
            begun.id,
            self.world.now(),
            signed,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Enqueues deletions that are due, or whose job was lost; forgets certificates that are old enough.
    pub(crate) async fn look_for_erasures(&self) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = database::begin(&self.pool, None, None).await?;
        let due = sqlx::query_scalar!(
            // What takes long, or waits for somebody, is asked for less and less often: ten minutes apart in the end.
            "UPDATE erasures SET next_try_at =
               $1 + greatest(make_interval(secs => $2), least(interval '10 minutes', ($1 - greatest(requested_at, due_at)) / 4))
             WHERE id IN
               (SELECT id FROM erasures WHERE ended_at IS NULL AND next_try_at <= $1 AND (due_at <= $1 OR mail_hash IS NULL)
                ORDER BY next_try_at LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING id",
            now,
            TRIED_AGAIN.as_seconds_f64(),
        )
        .fetch_all(&mut *tx)
        .await?;
        for erasure in due {
            jobs::enqueue(&mut tx, &Erase { erasure }).await?;
        }
        sqlx::query!("DELETE FROM erasures WHERE ended_at < $1", now - CERTIFICATES).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}
