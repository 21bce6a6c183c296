//! Sending what is told: one attempt is one job. What fails is tried again over a day, without anybody waiting for it; what
//! fails often, or is told that nobody is there, is not told any more.

use kubewise_contract::{DeliveryId, DeliveryState, Ended, NotificationId, OrgId};
use serde::{Deserialize, Serialize};
use time::Duration;

use super::{
    letter,
    told::{self, Told, Way},
    webhook::end_address,
};
use crate::{
    Error, Worker,
    database::{self, Scope},
    jobs::Queue,
    keys::KeyOf,
    logged::logged,
    mail::{self, Link, Mail},
};

/// How long after a failed attempt the next one is made: eight in all, over eighteen hours.
const WAITS: [Duration; 7] = [
    Duration::seconds(5),
    Duration::minutes(1),
    Duration::minutes(5),
    Duration::minutes(30),
    Duration::hours(2),
    Duration::hours(5),
    Duration::hours(10),
];
/// An attempt of which nothing was heard for so long was lost with its server, and is made again.
pub(super) const LOST_AFTER: Duration = Duration::minutes(10);
/// Webhooks of which so many in a row failed for good are ended.
const ENDED_AFTER: i32 = 5;

/// Make one attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deliver {
    pub(crate) org: OrgId,
    pub(crate) notification: NotificationId,
    pub(crate) delivery: DeliveryId,
    /// How many were made before it: a job that is done twice finds that one more was.
    pub(crate) attempt: i32,
}

impl Queue for Deliver {
    const NAME: &'static str = "notification";
}

/// What came of an attempt.
enum Outcome {
    Sent(String),
    /// There is nothing to tell any more, or nobody who may be told.
    Nothing,
    Failed(String),
    /// The receiver is gone, and says so.
    Gone,
}

impl Worker {
    /// Makes one attempt. One that was made already is not made again.
    pub(crate) async fn deliver(&self, job: &Deliver) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        let now = self.world.now();
        let begun = sqlx::query!(
            "UPDATE notification_deliveries SET attempts = attempts + 1, tried_at = $5, next_try_at = $6
             WHERE org_id = $1 AND notification_id = $2 AND id = $3 AND state = 'waiting' AND attempts = $4",
            job.org.0,
            job.notification.0,
            job.delivery.0,
            job.attempt,
            now,
            now + LOST_AFTER,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if begun == 0 {
            return Ok(());
        }
        let told = told::read(&mut tx, &self.keys, job.org, job.notification, job.delivery).await?;
        // Nothing is held while somebody else's server is waited for.
        tx.commit().await?;
        let outcome = match &told {
            None => Outcome::Nothing,
            Some((told, way)) => self.send_told(told, way).await.unwrap_or_else(|error| {
                tracing::error!(%error, notification = logged(job.notification), "a notification could not be sent yet");
                Outcome::Failed("it could not be sent; the cause is in the server's log".to_owned())
            }),
        };
        self.settle(job, outcome).await
    }

    async fn send_told(&self, told: &Told, way: &Way) -> Result<Outcome, Error> {
        if let Way::Mail(recipient) = way {
            let mut tx = database::tenant_tx(&self.pool, told.org, &Scope::All).await?;
            let key = self.keys.get(&mut tx, KeyOf::Organisation(told.org)).await?;
            tx.commit().await?;
            let end = end_address(&key, told, self.mailer.site())?;
            let composed = letter::write(told, self.mailer.site(), &recipient.name, end)?;
            return Ok(match self.mailer.post(&recipient.name, &recipient.email, composed).await {
                Ok(()) => Outcome::Sent("the mail server took it".to_owned()),
                Err(error) => {
                    tracing::warn!(%error, notification = logged(told.notification), "a notification could not be mailed yet");
                    Outcome::Failed("the mail server did not take it".to_owned())
                }
            });
        }
        let answer = self.webhooks.send(told, way, self.mailer.site(), self.world.now()).await?;
        Ok(match answer {
            Ok(status @ 200..300) => Outcome::Sent(format!("answered {status}")),
            Ok(410) => Outcome::Gone,
            Ok(status) => Outcome::Failed(format!("answered {status}")),
            Err(failed) => Outcome::Failed(failed.to_string()),
        })
    }

    async fn settle(&self, job: &Deliver, outcome: Outcome) -> Result<(), Error> {
        let attempts = job.attempt + 1;
        let wait = usize::try_from(job.attempt).ok().and_then(|made| WAITS.get(made));
        let (state, answer, wait) = match &outcome {
            Outcome::Sent(answer) => (DeliveryState::Sent, Some(answer.clone()), None),
            Outcome::Nothing => (DeliveryState::Nothing, None, None),
            Outcome::Gone => (DeliveryState::Failed, Some("answered 410".to_owned()), None),
            Outcome::Failed(answer) => match wait {
                Some(wait) => (DeliveryState::Waiting, Some(answer.clone()), Some(self.jittered(*wait))),
                None => (DeliveryState::Failed, Some(answer.clone()), None),
            },
        };
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        let settled = sqlx::query!(
            "UPDATE notification_deliveries SET state = $5, answer = $6, next_try_at = $7
             WHERE org_id = $1 AND notification_id = $2 AND id = $3 AND state = 'waiting' AND attempts = $4",
            job.org.0,
            job.notification.0,
            job.delivery.0,
            attempts,
            state.as_str(),
            answer,
            wait.map(|wait| self.world.now() + wait),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        // Taken to be lost meanwhile, and made again: that one says what came of it.
        if settled == 1 {
            match (state, &outcome) {
                (DeliveryState::Sent, _) => {
                    sqlx::query!(
                        "UPDATE notifications SET failures = 0 WHERE org_id = $1 AND id = $2 AND failures > 0",
                        job.org.0,
                        job.notification.0,
                    )
                    .execute(&mut *tx)
                    .await?;
                }
                (DeliveryState::Failed, Outcome::Gone) => self.end_notification(&mut tx, job, Ended::Gone).await?,
                (DeliveryState::Failed, _) => {
                    let failures = sqlx::query_scalar!(
                        "UPDATE notifications SET failures = failures + 1 WHERE org_id = $1 AND id = $2
                         RETURNING CASE channel WHEN 'mail' THEN 0 ELSE failures END",
                        job.org.0,
                        job.notification.0,
                    )
                    .fetch_optional(&mut *tx)
                    .await?
                    .flatten();
                    if failures.is_some_and(|failures| failures >= ENDED_AFTER) {
                        self.end_notification(&mut tx, job, Ended::Failures).await?;
                    }
                }
                (DeliveryState::Waiting | DeliveryState::Nothing, _) => {}
            }
        }
        Ok(tx.commit().await?)
    }

    /// Tells of nothing any more, and whoever made it of that.
    async fn end_notification(&self, tx: &mut sqlx::PgConnection, job: &Deliver, why: Ended) -> Result<(), Error> {
        let ended = sqlx::query!(
            "UPDATE notifications SET ended = $3, ended_at = $4 WHERE org_id = $1 AND id = $2 AND ended_at IS NULL",
            job.org.0,
            job.notification.0,
            why.as_str(),
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if ended == 1 {
            mail::enqueue(tx, &Mail::NotificationEnded { org: job.org, notification: job.notification }).await?;
        }
        Ok(())
    }

    /// Up to a quarter longer, so that what failed together does not come back together.
    fn jittered(&self, wait: Duration) -> Duration {
        let [byte] = self.world.random::<1>();
        wait + wait * u32::from(byte) / 1020_u32
    }

    /// Whoever made a notification is told that it has ended, if they could switch it on again.
    pub(crate) async fn tell_ended(&self, org: OrgId, notification: NotificationId) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let row = sqlx::query!(
            "SELECT n.name, n.created_by, n.ended, o.slug, o.name AS organisation
             FROM notifications n JOIN organisations o ON o.id = n.org_id
             WHERE n.org_id = $1 AND n.id = $2 AND n.ended IS NOT NULL",
            org.0,
            notification.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let Some(maker) = row.created_by.map(kubewise_contract::UserId) else { return Ok(()) };
        let maker = super::occasion::recipient(&mut tx, maker).await?;
        tx.commit().await?;
        let Some(maker) = maker.filter(|maker| maker.manages) else { return Ok(()) };
        let why = row.ended.as_deref().and_then(Ended::parse).map_or("", Ended::sentence);
        let what = format!(
            "the notification {} of {} tells of nothing any more. {why} What was not delivered stands on its page, where it can be \
             switched on again.",
            row.name, row.organisation,
        );
        let page = format!("{}/o/{}/settings/notifications/{notification}", self.mailer.site(), row.slug);
        let link = Link { label: "See it at Kubewise", url: page };
        let why = "You get this mail because you made it.";
        self.mailer.tell_about(&maker.name, &maker.email, "A notification was switched off", what, link, why).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_for_most_of_a_day() {
        let all = WAITS.iter().copied().sum::<Duration>();
        assert!(all > Duration::hours(17) && all < Duration::hours(18));
        assert!(WAITS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
