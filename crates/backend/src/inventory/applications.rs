//! Applications: workloads that carry the same name.

use kubewise_contract::{AppSource, ApplicationRow, ListQuery, Page};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, permission::ViewInventory};

impl Web {
    /// The cluster's applications, by name.
    pub async fn applications(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<ApplicationRow>, Error> {
        let [name, namespace] = cursor::decode(query.after.as_ref())?;
        let mut tx = cluster.read(&self.pool).await?;
        let rows = sqlx::query!(
            "SELECT name, namespace, source, versions, workloads, failing, images
             FROM cluster_applications
             WHERE org_id = $1 AND cluster_id = $2 AND (name, namespace) > ($3, $4)
               AND ($5::text IS NULL OR namespace = $5) AND ($6::text IS NULL OR name ILIKE $6)
             ORDER BY name, namespace LIMIT $7",
            cluster.org.0,
            cluster.id.0,
            name,
            namespace,
            cursor::filter(query.namespace.as_ref()),
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| ApplicationRow {
                name: row.name,
                namespace: row.namespace,
                source: AppSource::parse(&row.source),
                versions: row.versions,
                workloads: row.workloads,
                failing: row.failing,
                images: row.images,
            })
            .collect();
        Ok(cursor::page(rows, |row: &ApplicationRow| vec![row.name.clone(), row.namespace.clone()]))
    }
}
