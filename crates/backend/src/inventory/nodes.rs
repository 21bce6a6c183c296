//! Nodes.

use kubewise_contract::{Health, ListQuery, NodeRow, Page, ResourceUid};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, ingest::NodeInfo, permission::ViewInventory, world::timestamp};

impl Web {
    /// The cluster's nodes, by name.
    pub async fn nodes(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<NodeRow>, Error> {
        let [after] = cursor::decode(query.after.as_ref())?;
        let mut tx = cluster.read(&self.pool).await?;
        let rows = sqlx::query!(
            "SELECT uid, name, health, info, created_at FROM resources
             WHERE org_id = $1 AND cluster_id = $2 AND kind = 'Node' AND namespace = '' AND name > $3
               AND ($4::text IS NULL OR name ILIKE $4)
             ORDER BY name LIMIT $5",
            cluster.org.0,
            cluster.id.0,
            after,
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| {
                let info: NodeInfo = row.info.and_then(|info| serde_json::from_value(info).ok()).unwrap_or_default();
                NodeRow {
                    uid: ResourceUid(row.uid),
                    name: row.name,
                    health: Health::parse(&row.health),
                    roles: info.roles,
                    kubelet_version: info.kubelet_version,
                    os_image: info.os_image,
                    architecture: info.architecture,
                    container_runtime: info.container_runtime,
                    cpu: info.cpu,
                    memory: info.memory,
                    created_at: row.created_at.map(timestamp),
                }
            })
            .collect();
        Ok(cursor::page(rows, |row: &NodeRow| vec![row.name.clone()]))
    }
}
