//! Who is billed: typed here or at Stripe. What was typed here and not sent yet wins.

use kubewise_contract::{BillingDetails, OrgId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{stripe::Customer, sync::sync_at};
use crate::Error;

pub(super) async fn read(tx: &mut PgConnection, org: OrgId) -> Result<Option<BillingDetails>, Error> {
    Ok(sqlx::query_as!(
        BillingDetails,
        "SELECT email, line1, line2, city, postal_code, state, country FROM billing_details WHERE org_id = $1",
        org.0,
    )
    .fetch_optional(tx)
    .await?)
}

/// What Stripe does not know yet.
pub(super) async fn unsent(tx: &mut PgConnection, org: OrgId) -> Result<Option<BillingDetails>, Error> {
    Ok(sqlx::query_as!(
        BillingDetails,
        "SELECT email, line1, line2, city, postal_code, state, country FROM billing_details WHERE org_id = $1 AND unsent",
        org.0,
    )
    .fetch_optional(tx)
    .await?)
}

pub(super) async fn put(
    tx: &mut PgConnection,
    org: OrgId,
    details: &BillingDetails,
    unsent: bool,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO billing_details (org_id, email, line1, line2, city, postal_code, state, country, unsent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (org_id) DO UPDATE SET email = excluded.email, line1 = excluded.line1, line2 = excluded.line2,
           city = excluded.city, postal_code = excluded.postal_code, state = excluded.state, country = excluded.country,
           unsent = excluded.unsent",
        org.0,
        details.email,
        details.line1,
        details.line2,
        details.city,
        details.postal_code,
        details.state,
        details.country,
        unsent,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Stripe knows these now; others may have been typed meanwhile.
pub(super) async fn sent(tx: &mut PgConnection, org: OrgId, details: &BillingDetails) -> Result<(), Error> {
    if read(tx, org).await?.as_ref() == Some(details) {
        put(tx, org, details, false).await?;
    }
    Ok(())
}

/// What Stripe has, unless something that it does not know yet was typed here.
pub(super) async fn found(tx: &mut PgConnection, org: OrgId, customer: Customer) -> Result<(), Error> {
    if unsent(tx, org).await?.is_some() {
        return Ok(());
    }
    let Some(email) = customer.email.filter(|email| !email.is_empty()) else { return Ok(()) };
    let mut details = BillingDetails { email, ..BillingDetails::default() };
    if let Some(address) = customer.address {
        details.line1 = address.line1.unwrap_or_default();
        details.line2 = address.line2.unwrap_or_default();
        details.city = address.city.unwrap_or_default();
        details.postal_code = address.postal_code.unwrap_or_default();
        details.state = address.state.unwrap_or_default();
        details.country = address.country.unwrap_or_default();
    }
    put(tx, org, &details, false).await
}

/// Bills that went to one of these addresses, in lower case, go to an Owner from now on, here and at Stripe.
pub(crate) async fn bill_another(
    tx: &mut PgConnection,
    org: OrgId,
    addresses: &[String],
    now: OffsetDateTime,
) -> Result<(), Error> {
    // In the order of whoever asks Stripe.
    sqlx::query!("SELECT plan FROM subscriptions WHERE org_id = $1 FOR UPDATE", org.0).fetch_optional(&mut *tx).await?;
    let changed = sqlx::query!(
        "UPDATE billing_details SET unsent = true, email = owner.email
         FROM (SELECT u.email FROM memberships m JOIN users u ON u.id = m.user_id
               WHERE m.org_id = $1 AND m.role = 'owner' ORDER BY u.id LIMIT 1) owner
         WHERE org_id = $1 AND lower(billing_details.email) = ANY ($2)",
        org.0,
        addresses,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if changed > 0 {
        sync_at(tx, org, now).await?;
    }
    Ok(())
}
