//! A cluster is forgotten: what its agent sent, what audits found in it, what was decided about it alone, and its name in the
//! activity log. How many nodes it had by day stays for as long as invoices are argued about, without saying whose they were.

use kubewise_contract::{ClusterId, OrgId};
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{held::Held, run::Removed};
use crate::{
    Error, Worker,
    activity::forget::forget_cluster,
    database::{self, Scope},
};

/// Rows removed in one transaction: short enough that nothing waits for it.
const AT_ONCE: i64 = 5_000;
/// Tables that may have very many rows of a cluster, and what tells these from each other.
pub(super) const LARGE: [(&str, &str); 4] = [
    ("resources", "cluster_id, uid"),
    ("findings", "cluster_id, fingerprint, opened_in"),
    ("vulnerabilities", "cluster_id, key, id, package, installed"),
    ("ingest_staging", "cluster_id, uid"),
];

impl Worker {
    pub(super) async fn erase_cluster(&self, org: OrgId, cluster: ClusterId) -> Result<Removed, Error> {
        self.remove_cluster(org, cluster).await?;
        let left = self.held_of_cluster(org, cluster).await?;
        // Its objects were under the key of the organisation, which goes on.
        Ok(Removed { left, keys: Vec::new(), kept: json!([]) })
    }

    pub(super) async fn held_of_cluster(&self, org: OrgId, cluster: ClusterId) -> Result<Held, Error> {
        let mut held = Held::default();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        held.count(&mut tx, "cluster_id", cluster.0, true).await?;
        let is_there = sqlx::query_scalar!("SELECT id FROM clusters WHERE org_id = $1 AND id = $2", org.0, cluster.0)
            .fetch_optional(&mut *tx)
            .await?;
        if is_there.is_some() {
            held.itself("clusters");
        }
        tx.commit().await?;
        let stored = self.bucket.usage_under(&format!("{org}/{cluster}")).await?;
        (held.objects, held.bytes) = (stored.objects, stored.bytes);
        Ok(held)
    }

    /// Removes all of a cluster, then the cluster. Safe to be done twice.
    pub(super) async fn remove_cluster(&self, org: OrgId, cluster: ClusterId) -> Result<(), Error> {
        for (table, key) in LARGE {
            self.remove_many(org, table, key, Some(cluster)).await?;
        }
        self.bucket.remove_under(&format!("{org}/{cluster}")).await?;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        for statement in [
            "DELETE FROM waivers WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_policies WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM notification_deliveries WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM audit_schedules WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM audit_runs WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM image_scans WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM ingest_staging_state WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM ingest_batches WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM ingest_state WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_applications WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_images WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_tokens WHERE org_id = $1 AND cluster_id = $2",
            // Who was limited to it and no other sees none from now on.
            "UPDATE memberships SET clusters = array_remove(clusters, $2) WHERE org_id = $1 AND $2 = ANY (clusters)",
            "UPDATE invitations SET clusters = array_remove(clusters, $2) WHERE org_id = $1 AND $2 = ANY (clusters)",
            "UPDATE api_tokens SET clusters = array_remove(clusters, $2) WHERE org_id = $1 AND $2 = ANY (clusters)",
            // The same made-up one for all its days.
            "UPDATE node_days SET cluster_id = anew.id FROM (SELECT gen_random_uuid() AS id) anew
             WHERE org_id = $1 AND cluster_id = $2",
        ] {
            sqlx::query(statement).bind(org.0).bind(cluster.0).execute(&mut *tx).await?;
        }
        forget_cluster(&mut tx, org, cluster, self.world.now()).await?;
        tx.commit().await?;
        let id = cluster.to_string();
        self.mailer.forget(move |mail| mail.says(&id)).await?;
        self.forget_waiting(&[cluster.to_string()]).await?;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        sqlx::query!("DELETE FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NOT NULL", org.0, cluster.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        // What an audit was storing meanwhile: from here on, none does.
        self.bucket.remove_under(&format!("{org}/{cluster}")).await?;
        Ok(())
    }

    /// Removes what a table has of an organisation, or of one cluster of it, some thousand rows at a time.
    pub(super) async fn remove_many(
        &self,
        org: OrgId,
        table: &str,
        key: &str,
        cluster: Option<ClusterId>,
    ) -> Result<(), Error> {
        let statement = format!(
            "DELETE FROM {table} WHERE org_id = $1 AND ({key}) IN
               (SELECT {key} FROM {table} WHERE org_id = $1 AND ($2::uuid IS NULL OR cluster_id = $2) LIMIT $3)"
        );
        loop {
            let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
            // Of an organisation that PostgreSQL has no statistics of yet it expects one row, and would look for each of them anew.
            sqlx::query!("SET LOCAL enable_nestloop = off").execute(&mut *tx).await?;
            let removed = sqlx::query(AssertSqlSafe(statement.as_str()))
                .bind(org.0)
                .bind(cluster.map(|cluster| cluster.0))
                .bind(AT_ONCE)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            tx.commit().await?;
            if removed == 0 {
                return Ok(());
            }
        }
    }
}
