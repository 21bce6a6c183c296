//! For whoever administers the installation: what Stripe told, what was found otherwise, and having it looked at again.

use kubewise_contract::{BillingDifference, InstallationBilling, OrgId, Plan, StripeEventRow};

use super::{Billing, sync::SyncBilling};
use crate::{Error, Installation, Web, jobs, world::timestamp};

/// Rows that are shown.
const SHOWN: i64 = 50;

impl Web {
    /// How the installation and Stripe get on.
    pub async fn installation_billing(&self, installation: &Installation) -> Result<InstallationBilling, Error> {
        let mut tx = self.installation_tx(installation).await?;
        let plans = sqlx::query!(
            r#"SELECT coalesce(s.plan, 'free') AS "plan!", count(*) AS "count!"
               FROM organisations o LEFT JOIN subscriptions s ON s.org_id = o.id GROUP BY 1"#
        )
        .fetch_all(&mut *tx)
        .await?;
        let failing = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM subscriptions WHERE failures > 0"#)
            .fetch_one(&mut *tx)
            .await?;
        let events = sqlx::query!(
            r#"SELECT e.id, e.kind, e.received_at, e.deliveries, e.done_at, o.slug AS "slug?"
               FROM stripe_events e LEFT JOIN subscriptions s ON s.customer = e.customer
                 LEFT JOIN organisations o ON o.id = s.org_id
               ORDER BY e.received_at DESC, e.id LIMIT $1"#,
            SHOWN
        )
        .fetch_all(&mut *tx)
        .await?;
        let differences = sqlx::query!(
            r#"SELECT o.slug, d.found_at, d.what, d.was, d.found
               FROM billing_differences d JOIN organisations o ON o.id = d.org_id ORDER BY d.found_at DESC, d.what LIMIT $1"#,
            SHOWN
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let plans = plans.into_iter().map(|row| Ok((super::parsed(&row.plan)?, row.count)));
        let mut plans: Vec<(Plan, i64)> = plans.collect::<Result<_, Error>>()?;
        plans.sort_by_key(|(plan, _)| Plan::ALL.iter().position(|one| one == plan));
        Ok(InstallationBilling {
            is_on: self.billing == Billing::On,
            plans,
            failing,
            events: events
                .into_iter()
                .map(|row| StripeEventRow {
                    id: row.id,
                    kind: row.kind,
                    organisation: row.slug,
                    received_at: timestamp(row.received_at),
                    deliveries: row.deliveries,
                    is_done: row.done_at.is_some(),
                })
                .collect(),
            differences: differences
                .into_iter()
                .map(|row| BillingDifference {
                    organisation: row.slug,
                    found_at: timestamp(row.found_at),
                    what: row.what,
                    was: row.was,
                    found: row.found,
                })
                .collect(),
        })
    }

    /// Has Stripe asked again about what an event told of.
    pub async fn replay_stripe_event(&self, installation: &Installation, event: &str) -> Result<(), Error> {
        let mut tx = self.installation_tx(installation).await?;
        let org = sqlx::query_scalar!(
            r#"SELECT org_id AS "org_id!" FROM replay_stripe_event($1, $2)"#,
            event,
            self.world.now()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(org) = org else { return Err(Error::NotFound) };
        jobs::enqueue(&mut tx, &SyncBilling { org: OrgId(org) }).await?;
        Ok(tx.commit().await?)
    }
}
