//! Namespaces.

use kubewise_contract::{ListQuery, NamespaceRow, Page, ResourceUid};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, ingest::NamespaceInfo, permission::ViewInventory, world::timestamp};

/// Names offered by the namespace filter.
const IN_FILTER: i64 = 500;

impl Web {
    /// The cluster's namespaces, by name: those that exist and those that something was seen in.
    pub async fn namespaces(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<NamespaceRow>, Error> {
        let [after] = cursor::decode(query.after.as_ref())?;
        let mut tx = cluster.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT coalesce(r.name, c.name) AS "name!", r.uid AS "uid?", r.created_at, r.info,
                      coalesce(c.resources, 0) AS "resources!", coalesce(c.workloads, 0) AS "workloads!",
                      coalesce(c.failing, 0) AS "failing!", coalesce(c.pods, 0) AS "pods!"
               FROM (SELECT * FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2) c
               FULL JOIN (SELECT * FROM resources WHERE org_id = $1 AND cluster_id = $2 AND kind = 'Namespace') r
                 ON r.name = c.name
               WHERE coalesce(r.name, c.name) > $3 AND ($4::text IS NULL OR coalesce(r.name, c.name) ILIKE $4)
               ORDER BY coalesce(r.name, c.name) LIMIT $5"#,
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
                let info: NamespaceInfo =
                    row.info.and_then(|info| serde_json::from_value(info).ok()).unwrap_or_default();
                NamespaceRow {
                    uid: row.uid.map(ResourceUid),
                    name: row.name,
                    workloads: row.workloads,
                    failing: row.failing,
                    pods: row.pods,
                    resources: row.resources,
                    pod_security: info.pod_security,
                    created_at: row.created_at.map(timestamp),
                }
            })
            .collect();
        Ok(cursor::page(rows, |row: &NamespaceRow| vec![row.name.clone()]))
    }

    /// Names for the namespace filter, at most 500.
    pub async fn namespace_names(&self, cluster: &Authorized<Cluster, ViewInventory>) -> Result<Vec<String>, Error> {
        let mut tx = cluster.read(&self.pool).await?;
        let names = sqlx::query_scalar!(
            "SELECT name FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2 ORDER BY name LIMIT $3",
            cluster.org.0,
            cluster.id.0,
            IN_FILTER,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(names)
    }
}
