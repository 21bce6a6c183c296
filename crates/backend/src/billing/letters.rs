//! What is written to those who pay: that a trial ends, that a payment failed, that the plan has ended. Each once.

use kubewise_contract::{OrgId, Plan, SubscriptionStatus, UserId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::{
    Error, Worker,
    database::{self, Scope},
    mail::{self, Link, Mail, moment},
};

/// How long before it ends a trial is told of.
const BEFORE_TRIAL_END: Duration = Duration::days(3);
/// When it is told that a payment failed: at once, and again while it is owed.
const REMINDERS: [(BillingLetter, Duration); 3] = [
    (BillingLetter::PaymentFailed, Duration::ZERO),
    (BillingLetter::PaymentOwed, Duration::days(3)),
    (BillingLetter::PaymentStillOwed, Duration::days(7)),
];

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BillingLetter {
    TrialEnds,
    PaymentFailed,
    PaymentOwed,
    PaymentStillOwed,
    Ended,
}

impl BillingLetter {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TrialEnds => "trial_ends",
            Self::PaymentFailed => "payment_failed",
            Self::PaymentOwed => "payment_owed",
            Self::PaymentStillOwed => "payment_still_owed",
            Self::Ended => "ended",
        }
    }

    /// Subject and text.
    fn text(self, organisation: &str, at: OffsetDateTime) -> (String, String) {
        let at = moment(at.unix_timestamp());
        match self {
            Self::TrialEnds => (
                format!("The trial of {organisation} ends soon"),
                format!(
                    "the trial of the plan Team for {organisation} lasts until {at}. If Stripe knows by then how it is \
                     paid, the plan goes on; if not, the plan is Free from then on, and nothing is deleted."
                ),
            ),
            Self::PaymentFailed => (
                format!("A payment for {organisation} failed"),
                format!(
                    "the payment of the invoice of {at} for {organisation} failed. Stripe tries it again during the next \
                     days. Everything works meanwhile; please see to it that the card is good."
                ),
            ),
            Self::PaymentOwed | Self::PaymentStillOwed => (
                format!("A payment for {organisation} is still owed"),
                format!(
                    "the invoice of {at} for {organisation} is not paid yet. If it cannot be paid, the plan Team ends, and \
                     with it what the plan Free does not have. Nothing is deleted."
                ),
            ),
            Self::Ended => (
                format!("The plan Team of {organisation} has ended"),
                format!(
                    "the plan of {organisation} is Free now. Until {at} everything that is there is served as before. \
                     After that, agents of clusters that the plan is too small for are refused; what is known of these \
                     clusters stays and can be read. Choosing the plan Team again brings everything back."
                ),
            ),
        }
    }
}

/// How an organisation and Stripe stand.
pub(super) struct Standing {
    pub(super) status: Option<SubscriptionStatus>,
    pub(super) trial_end: Option<OffsetDateTime>,
    pub(super) past_due_since: Option<OffsetDateTime>,
    /// The plan that just ended, and until when its limits hold.
    pub(super) ended: Option<(Plan, OffsetDateTime)>,
}

/// Writes what is to be told now and was not told yet, as part of the caller's transaction.
pub(super) async fn write(
    tx: &mut PgConnection,
    org: OrgId,
    now: OffsetDateTime,
    standing: &Standing,
) -> Result<(), Error> {
    let mut due = Vec::new();
    if standing.status == Some(SubscriptionStatus::Trialing)
        && let Some(end) = standing.trial_end.filter(|end| *end - now <= BEFORE_TRIAL_END)
    {
        due.push((BillingLetter::TrialEnds, end));
    }
    if let Some(since) = standing.past_due_since {
        // The latest that is due: who was away for a week is not told three times.
        // Stripe's clock may be ahead of ours.
        let owed_for = (now - since).max(Duration::ZERO);
        due.extend(REMINDERS.iter().rfind(|(_, after)| owed_for >= *after).map(|(letter, _)| (*letter, since)));
    }
    due.extend(standing.ended.map(|(_, until)| (BillingLetter::Ended, until)));
    for (letter, about) in due {
        let is_new = sqlx::query!(
            "INSERT INTO billing_letters VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            org.0,
            letter.as_str(),
            about,
            now,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if is_new == 0 {
            continue;
        }
        let about = about.unix_timestamp();
        let members = sqlx::query!(r#"SELECT user_id AS "user_id!", email AS "email!" FROM billing_recipients()"#)
            .fetch_all(&mut *tx)
            .await?;
        let details = super::details::read(tx, org).await?;
        let is_member = |email: &str| members.iter().any(|member| member.email.eq_ignore_ascii_case(email));
        if details.is_some_and(|details| !is_member(&details.email)) {
            mail::enqueue(tx, &Mail::Billing { org, user: None, letter, about }).await?;
        }
        for member in members {
            mail::enqueue(tx, &Mail::Billing { org, user: Some(UserId(member.user_id)), letter, about }).await?;
        }
    }
    Ok(())
}

impl Worker {
    /// `user`: none: to where invoices go.
    pub(crate) async fn send_billing_letter(
        &self,
        org: OrgId,
        user: Option<UserId>,
        letter: BillingLetter,
        about: i64,
    ) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let Some(of) =
            sqlx::query!("SELECT name, slug FROM organisations WHERE id = $1", org.0).fetch_optional(&mut *tx).await?
        else {
            return Ok(());
        };
        let to = match user {
            None => super::details::read(&mut tx, org).await?.map(|details| ("there".to_owned(), details.email)),
            // Who is no member any more is told nothing.
            Some(user) => sqlx::query!(
                r#"SELECT name AS "name!", email AS "email!" FROM billing_recipients() WHERE user_id = $1"#,
                user.0
            )
            .fetch_optional(&mut *tx)
            .await?
            .map(|row| (row.name, row.email)),
        };
        tx.commit().await?;
        let Some((name, email)) = to else { return Ok(()) };
        let about = OffsetDateTime::from_unix_timestamp(about).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (subject, text) = letter.text(&of.name, about);
        let page = format!("{}/o/{}/billing", self.mailer.site(), of.slug);
        let link = Link { label: "See to it at Kubewise", url: page };
        let why = "You get this mail because you pay for an organisation at Kubewise, or see to it.";
        self.mailer.tell_about(&name, &email, &subject, text, link, why).await
    }
}
