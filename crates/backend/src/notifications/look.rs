//! What nobody is there to enqueue: clusters that fell silent, digests that are due, attempts that are to be made again.
//! Looked at by every worker, again and again; each thing is told once.

use kubewise_contract::{ClusterId, DeliveryEvent, DeliveryId, NotificationId, OrgId, Schedule};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{
    deliver::{Deliver, LOST_AFTER},
    occasion::{self, New, Occasion, SETTLED, delivery_id, enqueue},
};
use crate::{
    Error, Worker,
    audits::Timetable,
    clusters::silent_after,
    database::{self, Scope},
    jobs,
    logged::logged,
};

/// An audit that is begun so much later than it was due was missed.
pub(crate) const MISSED_AFTER: Duration = Duration::minutes(15);
/// How often it is looked whether clusters fell silent.
const LOOK_EVERY: Duration = Duration::seconds(30);
/// Deliveries are kept for so long.
pub(crate) const KEPT: Duration = Duration::days(30);
/// Things of an organisation that are looked at in one transaction.
const AT_ONCE: i64 = 200;

/// What a worker remembers of when it looked.
pub(crate) struct Looked {
    /// When it began.
    since: OffsetDateTime,
    /// When it looked for silence the last time.
    at_silence: Option<OffsetDateTime>,
}

impl Looked {
    pub(crate) const fn since(began: OffsetDateTime) -> Self {
        Self { since: began, at_silence: None }
    }

    /// Whether silence is to be looked for now.
    fn wants_silence(&mut self, now: OffsetDateTime) -> bool {
        let wants = now - self.since >= SETTLED && self.at_silence.is_none_or(|last| now - last >= LOOK_EVERY);
        if wants {
            self.at_silence = Some(now);
        }
        wants
    }
}

impl Worker {
    /// Enqueues what is due.
    pub(crate) async fn look_for_notifications(&self, looked: &mut Looked) -> Result<(), Error> {
        let now = self.world.now();
        let silences = looked.wants_silence(now);
        let organisations =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisations_to_notify($1, $2)"#, now, silences)
                .fetch_all(&self.pool)
                .await?;
        for org in organisations {
            // One that cannot be served does not keep the others waiting.
            if let Err(error) = self.look_at(OrgId(org), now, silences).await {
                tracing::warn!(%error, org = logged(org), "notifications that are due could not be enqueued; tried again in a moment");
            }
        }
        Ok(())
    }

    async fn look_at(&self, org: OrgId, now: OffsetDateTime, silences: bool) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        if silences {
            self.see_silences(&mut tx, org, now).await?;
        }
        self.send_digests(&mut tx, org, now).await?;
        try_again(&mut tx, org, now).await?;
        Ok(tx.commit().await?)
    }

    async fn see_silences(&self, tx: &mut PgConnection, org: OrgId, now: OffsetDateTime) -> Result<(), Error> {
        let silent = sqlx::query!(
            r#"SELECT c.id, c.last_heard_at AS "last_heard_at!"
               FROM clusters c LEFT JOIN cluster_silences s ON s.org_id = c.org_id AND s.cluster_id = c.id
               WHERE c.org_id = $1 AND c.deleted_at IS NULL AND c.last_heard_at < $2
                 AND s.last_heard_at IS DISTINCT FROM c.last_heard_at
               ORDER BY c.last_heard_at, c.id LIMIT $3"#,
            org.0,
            now - silent_after(),
            AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in silent {
            // Another server may have been faster: then this one has nothing to tell.
            let seen = sqlx::query!(
                "INSERT INTO cluster_silences AS s (org_id, cluster_id, last_heard_at, seen_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (org_id, cluster_id) DO UPDATE
                 SET last_heard_at = excluded.last_heard_at, seen_at = excluded.seen_at
                 WHERE s.last_heard_at <> excluded.last_heard_at",
                org.0,
                row.id,
                row.last_heard_at,
                now,
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if seen == 1 {
                let occasion = Occasion::Silent { last_heard_at: row.last_heard_at };
                occasion::tell(tx, &self.world, org, ClusterId(row.id), occasion).await?;
            }
        }
        Ok(())
    }

    async fn send_digests(&self, tx: &mut PgConnection, org: OrgId, now: OffsetDateTime) -> Result<(), Error> {
        let due = sqlx::query!(
            r#"SELECT id, cron AS "cron!", time_zone AS "time_zone!", told_until AS "told_until!" FROM notifications
               WHERE org_id = $1 AND ended_at IS NULL AND next_at <= $2 ORDER BY next_at, id LIMIT $3
               FOR UPDATE SKIP LOCKED"#,
            org.0,
            now,
            AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in due {
            let notification = NotificationId(row.id);
            let until = now.unix_timestamp();
            let id = delivery_id(org, notification, DeliveryEvent::Digest, row.id, until);
            let new = New { id, event: DeliveryEvent::Digest, cluster: None, audit: None, since: Some(row.told_until) };
            enqueue(tx, &self.world, org, notification, &new).await?;
            let schedule = Schedule { cron: row.cron, time_zone: row.time_zone };
            // However many were missed: the one that was just enqueued is for all of them.
            let next = Timetable::parse(&schedule).ok().and_then(|table| table.next(now));
            sqlx::query!(
                "UPDATE notifications SET next_at = $3, told_until = $4 WHERE org_id = $1 AND id = $2",
                org.0,
                row.id,
                next,
                now,
            )
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    }

    /// Removes what was told long ago.
    pub(crate) async fn remove_old_deliveries(&self) -> Result<(), Error> {
        let before = self.world.now() - KEPT;
        let organisations =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisations_with_deliveries_before($1)"#, before)
                .fetch_all(&self.pool)
                .await?;
        for org in organisations {
            let mut tx = database::tenant_tx(&self.pool, OrgId(org), &Scope::All).await?;
            sqlx::query!("DELETE FROM notification_deliveries WHERE org_id = $1 AND made_at < $2", org, before)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Enqueues what waits for its next attempt, and what was lost.
async fn try_again(tx: &mut PgConnection, org: OrgId, now: OffsetDateTime) -> Result<(), Error> {
    let due = sqlx::query!(
        "UPDATE notification_deliveries d SET next_try_at = $3
         FROM (SELECT notification_id, id FROM notification_deliveries
               WHERE org_id = $1 AND state = 'waiting' AND next_try_at <= $2
               ORDER BY next_try_at LIMIT $4 FOR UPDATE SKIP LOCKED) due
         WHERE d.org_id = $1 AND d.notification_id = due.notification_id AND d.id = due.id
         RETURNING d.notification_id, d.id, d.attempts",
        org.0,
        now,
        now + LOST_AFTER,
        AT_ONCE,
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in due {
        let notification = NotificationId(row.notification_id);
        let job = Deliver { org, notification, delivery: DeliveryId(row.id), attempt: row.attempts };
        jobs::enqueue(tx, &job).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn silence_is_looked_for_once_agents_had_time_to_come_back_and_not_all_the_time() {
        let began = datetime!(2026-11-28 08:00 UTC);
        let mut looked = Looked::since(began);
        assert!(!looked.wants_silence(began));
        assert!(!looked.wants_silence(began + Duration::minutes(14)));
        assert!(looked.wants_silence(began + Duration::minutes(15)));
        assert!(!looked.wants_silence(began + Duration::minutes(15) + Duration::seconds(29)));
        assert!(looked.wants_silence(began + Duration::minutes(15) + Duration::seconds(30)));
    }
}
