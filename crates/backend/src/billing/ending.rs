//! The end of an organisation at Stripe: nothing is billed any more, and what no law keeps is deleted there.

use kubewise_contract::OrgId;
use time::{Duration, OffsetDateTime};

use super::{StripeFault, stripe::PATIENCE};
use crate::{
    Error, Worker,
    database::{self, Scope},
    logged::logged,
};

/// Whoever was telling Stripe something when billing was closed has done so by then, and looks before the next thing.
const TOLD_BY: Duration = Duration::seconds(PATIENCE.as_secs().cast_signed() + 2);

/// What has become of an organisation's customer at Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBilling {
    /// There is none.
    Nothing,
    /// It is deleted.
    Deleted,
    /// It stays, with its invoices, which tax law has be kept. Nothing is subscribed to any more.
    Kept {
        /// Those with an amount other than 0.
        invoices: usize,
    },
    /// There is one, and Stripe is not configured here: it stays as it is.
    Unreachable,
}

impl Worker {
    /// Ends the billing of an organisation that is deleted, for good: subscriptions are cancelled at once, without a last
    /// invoice; the customer is deleted, unless something was billed. From then on Stripe is neither asked nor told
    /// anything about it, and no event of Stripe's changes that.
    ///
    /// What fails (Stripe is away, or is just being asked about the same organisation) is to be tried again. Safe to be done
    /// twice, also when it broke off in between.
    pub async fn end_billing(&self, org: OrgId) -> Result<EndedBilling, Error> {
        let Some(customer) = self.close_billing(org).await? else { return Ok(EndedBilling::Nothing) };
        let Some(stripe) = &self.stripe else { return Ok(EndedBilling::Unreachable) };
        // First what a subscription could still be bought by.
        for session in stripe.open_checkouts(&customer).await? {
            stripe.expire_checkout(&session).await?;
        }
        for subscription in stripe.uncancelled(&customer).await? {
            stripe.cancel(&subscription).await?;
        }
        // None is made after that.
        let invoices = stripe.invoices_with_an_amount(&customer).await?;
        if invoices > 0 {
            tracing::info!(
                org = logged(org),
                invoices,
                "billing has ended; the customer stays at Stripe, for its invoices"
            );
            return Ok(EndedBilling::Kept { invoices });
        }
        stripe.delete_customer(&customer).await?;
        tracing::info!(org = logged(org), "billing has ended; the customer is deleted at Stripe");
        Ok(EndedBilling::Deleted)
    }

    /// From here on nobody asks Stripe about the organisation. Answers its customer when nobody does so any more.
    async fn close_billing(&self, org: OrgId) -> Result<Option<String>, Error> {
        let now = self.world.now();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let row = sqlx::query!(
            r#"UPDATE subscriptions SET closed_at = coalesce(closed_at, $2), sync_at = NULL, checkout_url = NULL WHERE org_id = $1
               RETURNING customer, closed_at AS "closed_at!", asking_until"#,
            org.0,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let customer = row.as_ref().and_then(|row| row.customer.clone());
        if let Some(customer) = &customer {
            sqlx::query!("DELETE FROM stripe_events WHERE customer = $1", customer).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        let is_asked = |until: Option<OffsetDateTime>| until.is_some_and(|until| until > now);
        if row.is_some_and(|row| is_asked(row.asking_until) && now < row.closed_at + TOLD_BY) {
            return Err(StripeFault::Asked.into());
        }
        Ok(customer)
    }

    /// Whether billing of the organisation has ended for good.
    pub(super) async fn is_closed(&self, org: OrgId) -> Result<bool, Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let is_open = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM subscriptions WHERE org_id = $1 AND closed_at IS NULL) AS "is!""#,
            org.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(!is_open)
    }
}
