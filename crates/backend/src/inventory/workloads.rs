//! Workloads: what a person deployed.

use kubewise_contract::{Health, ListQuery, Page, ResourceUid, WorkloadRow};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, permission::ViewInventory, world::timestamp};

impl Web {
    /// The cluster's workloads, by namespace and name.
    pub async fn workloads(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<WorkloadRow>, Error> {
        let [namespace, name, uid] = cursor::decode(query.after.as_ref())?;
        let mut tx = cluster.read(&self.pool).await?;
        let rows = sqlx::query!(
            // As for objects of all kinds: the inner query is answered from the index, but for the filter by image.
            "SELECT r.uid, r.kind, r.namespace, r.name, r.health, r.ready, r.desired, r.images, r.application,
                    r.created_at
             FROM (SELECT uid, namespace, name FROM resources
                   WHERE org_id = $1 AND cluster_id = $2 AND workload AND (namespace, name, uid) > ($3, $4, $5)
                     AND ($6::text IS NULL OR namespace = $6) AND ($7::text IS NULL OR name ILIKE $7)
                     AND ($8::text IS NULL OR kind = $8) AND ($9::text IS NULL OR application = $9)
                     AND ($10::text IS NULL OR $10 = ANY (images))
                   ORDER BY namespace, name, uid LIMIT $11) found
             JOIN resources r ON r.org_id = $1 AND r.cluster_id = $2 AND r.uid = found.uid
             ORDER BY found.namespace, found.name, found.uid",
            cluster.org.0,
            cluster.id.0,
            namespace,
            name,
            cursor::uid(&uid),
            cursor::filter(query.namespace.as_ref()),
            cursor::pattern(query.q.as_deref()),
            cursor::filter(query.kind.as_ref()),
            cursor::filter(query.app.as_ref()),
            cursor::filter(query.image.as_ref()),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| WorkloadRow {
                uid: ResourceUid(row.uid),
                kind: row.kind,
                namespace: row.namespace,
                name: row.name,
                health: Health::parse(&row.health),
                ready: row.ready,
                desired: row.desired,
                images: row.images,
                application: row.application,
                created_at: row.created_at.map(timestamp),
            })
            .collect();
        Ok(cursor::page(rows, |row: &WorkloadRow| vec![row.namespace.clone(), row.name.clone(), row.uid.to_string()]))
    }
}
