//! Objects of all kinds.

use kubewise_contract::{Health, ListQuery, Page, ResourceRow, ResourceUid};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, database, permission::ViewInventory, world::timestamp};

impl Web {
    /// The cluster's objects, by kind, namespace and name.
    pub async fn resources(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<ResourceRow>, Error> {
        let [kind, namespace, name, uid] = cursor::decode(query.after.as_ref())?;
        // Names are in lower case, but for a few that RBAC allows; comparing them as they are takes half the time.
        let pattern = cursor::pattern(query.q.as_deref());
        let capitals = pattern.as_ref().is_some_and(|pattern| pattern.chars().any(char::is_uppercase));
        let mut tx = database::tenant_tx(&self.pool, cluster.org).await?;
        let rows = sqlx::query!(
            // The inner query is answered from the index alone, so that a text that few names contain is looked for
            // among the names and not among the rows.
            "SELECT r.uid, r.kind, r.namespace, r.name, r.health, r.created_at
             FROM (SELECT uid, kind, namespace, name FROM resources
                   WHERE org_id = $1 AND cluster_id = $2 AND (kind, namespace, name, uid) > ($3, $4, $5, $6)
                     AND ($7::text IS NULL OR kind = $7) AND ($8::text IS NULL OR namespace = $8)
                     AND ($9::text IS NULL OR name LIKE $9) AND ($10::text IS NULL OR name ILIKE $10)
                   ORDER BY kind, namespace, name, uid LIMIT $11) found
             JOIN resources r ON r.org_id = $1 AND r.cluster_id = $2 AND r.uid = found.uid
             ORDER BY found.kind, found.namespace, found.name, found.uid",
            cluster.org.0,
            cluster.id.0,
            kind,
            namespace,
            name,
            cursor::uid(&uid),
            cursor::filter(query.kind.as_ref()),
            cursor::filter(query.namespace.as_ref()),
            pattern.as_ref().filter(|_| !capitals),
            pattern.as_ref().filter(|_| capitals),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| ResourceRow {
                uid: ResourceUid(row.uid),
                kind: row.kind,
                namespace: Some(row.namespace).filter(|n| !n.is_empty()),
                name: row.name,
                health: Health::parse(&row.health),
                created_at: row.created_at.map(timestamp),
            })
            .collect();
        Ok(cursor::page(rows, |row: &ResourceRow| {
            vec![row.kind.clone(), row.namespace.clone().unwrap_or_default(), row.name.clone(), row.uid.to_string()]
        }))
    }
}
