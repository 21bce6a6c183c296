//! An organisation is forgotten: its key first, then everything else. People keep their accounts.

use kubewise_contract::OrgId;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{
    cluster::LARGE,
    held::Held,
    run::{Begun, Removed},
};
use crate::{
    Error, Worker,
    billing::EndedBilling,
    database::{self, Scope},
    keys::KeyOf,
};

/// The other tables that do not go with the row of the organisation, whoever refers to something before it.
const REST: [&str; 18] = [
    "node_days",
    "notification_deliveries",
    "waivers",
    "cluster_policies",
    "audit_schedules",
    "audit_runs",
    "image_scans",
    "ingest_staging_state",
    "ingest_batches",
    "ingest_state",
    "cluster_applications",
    "cluster_images",
    "cluster_namespaces",
    "cluster_kinds",
    "cluster_tokens",
    "api_token_minutes",
    "organisation_keys",
    "clusters",
];

impl Worker {
    pub(super) async fn erase_organisation(&self, begun: &Begun, org: OrgId) -> Result<Removed, Error> {
        // First of all the key: what copies hold of what it encrypted is noise from here on.
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let known =
            sqlx::query!("SELECT slug FROM organisations WHERE id = $1", org.0).fetch_optional(&mut *tx).await?;
        self.keys.destroy(&mut tx, KeyOf::Organisation(org)).await?;
        tx.commit().await?;
        let kept = match self.end_billing(org).await? {
            // Broken off after its row was gone, it is not known any more whether there was something at Stripe.
            EndedBilling::Nothing | EndedBilling::Deleted => begun.kept.clone().unwrap_or_else(|| json!([])),
            EndedBilling::Kept { invoices } => json!([{
                "by": "Stripe",
                "what": format!("the customer and {invoices} invoices; subscriptions were cancelled"),
                "why": "tax law has invoices kept",
            }]),
            EndedBilling::Unreachable => json!([{
                "by": "Stripe",
                "what": "the customer, and its invoices",
                "why": "this installation has no access to Stripe any more; delete it there",
            }]),
        };
        sqlx::query!("UPDATE erasures SET kept = $2 WHERE id = $1", begun.id, kept).execute(&self.pool).await?;
        for (table, key) in LARGE {
            self.remove_many(org, table, key, None).await?;
        }
        self.bucket.remove_under(&org.to_string()).await?;
        for table in REST {
            let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
            let statement = format!("DELETE FROM {table} WHERE org_id = $1");
            sqlx::query(AssertSqlSafe(statement)).bind(org.0).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        if let Some(known) = known {
            // Not by its name: another's mails may hold that word.
            let (id, place) = (org.to_string(), format!("/o/{}/", known.slug));
            self.mailer.forget(move |mail| mail.says(&id) || mail.says(&place)).await?;
        }
        self.forget_waiting(&[org.to_string()]).await?;
        sqlx::query_scalar!(r#"SELECT finish_erasure($1) AS "is!""#, begun.id).fetch_one(&self.pool).await?;
        // What was under way meanwhile may have made another.
        self.keys.destroy_share(KeyOf::Organisation(org)).await?;
        self.bucket.remove_under(&org.to_string()).await?;
        let left = self.held_of_organisation(org).await?;
        let keys = vec!["the organisation's data key, both halves"];
        Ok(Removed { left, keys, kept })
    }

    pub(super) async fn held_of_organisation(&self, org: OrgId) -> Result<Held, Error> {
        let mut held = Held::default();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        held.count(&mut tx, "org_id", org.0, true).await?;
        if sqlx::query_scalar!("SELECT id FROM organisations WHERE id = $1", org.0)
            .fetch_optional(&mut *tx)
            .await?
            .is_some()
        {
            held.itself("organisations");
        }
        tx.commit().await?;
        let stored = self.bucket.usage_under(&org.to_string()).await?;
        (held.objects, held.bytes) = (stored.objects, stored.bytes);
        Ok(held)
    }
}
