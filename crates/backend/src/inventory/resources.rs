//! Objects of all kinds.

use kubewise_contract::{Health, ListQuery, Page, ResourceRow, ResourceUid};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, permission::ViewInventory, world::timestamp};

impl Web {
    /// The cluster's objects, by kind, namespace and name.
    pub async fn resources(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<ResourceRow>, Error> {
        let [kind, namespace, name, uid] = cursor::decode(query.after.as_ref())?;
        let pattern = cursor::pattern(query.q.as_deref());
        let mut tx = cluster.read(&self.pool).await?;
        let rows = sqlx::query!(
            // The inner queries are answered from indexes alone, so that a text that few names contain is looked for
            // among the names and not among the rows. The second finds names with capitals, in either case.
            "SELECT r.uid, r.kind, r.namespace, r.name, r.health, r.created_at
             FROM ((SELECT uid, kind, namespace, name FROM resources
                    WHERE org_id = $1 AND cluster_id = $2 AND ($11 OR (kind, namespace, name, uid) > ($3, $4, $5, $6))
                      AND ($7::text IS NULL OR kind = $7) AND ($8::text IS NULL OR namespace = $8)
                      AND ($9::text IS NULL OR name LIKE lower($9))
                    ORDER BY kind, namespace, name, uid LIMIT $10)
                   UNION
                   (SELECT uid, kind, namespace, name FROM resources
                    WHERE org_id = $1 AND cluster_id = $2 AND ($11 OR (kind, namespace, name, uid) > ($3, $4, $5, $6))
                      AND ($7::text IS NULL OR kind = $7) AND ($8::text IS NULL OR namespace = $8)
                      AND name <> lower(name) AND name ILIKE coalesce($9, '')
                    ORDER BY kind, namespace, name, uid LIMIT $10)) found
             JOIN resources r ON r.org_id = $1 AND r.cluster_id = $2 AND r.uid = found.uid
             ORDER BY found.kind, found.namespace, found.name, found.uid LIMIT $10",
            cluster.org.0,
            cluster.id.0,
            kind,
            namespace,
            name,
            cursor::uid(&uid),
            cursor::filter(query.kind.as_ref()),
            cursor::filter(query.namespace.as_ref()),
            pattern,
            cursor::ONE_MORE,
            // Compared with nothing: on the first page a filter looks at every name, and the key would be half of that.
            query.after.is_none(),
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
