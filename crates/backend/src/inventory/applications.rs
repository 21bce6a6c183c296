//! Applications: workloads that carry the same name.

use kubewise_contract::{AppSource, ApplicationRow, ListQuery, Page, Scan, VulnerabilityCounts};

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
            // Its images are found by its workloads: the row itself names no more than twenty.
            r#"SELECT a.name, a.namespace, a.source, a.versions, a.workloads, a.failing, a.images,
                      v.scanned AS "scanned!", v.unscanned AS "unscanned!", v.critical AS "critical!", v.high AS "high!",
                      v.medium AS "medium!", v.low AS "low!", v.unknown AS "unknown!", v.fixable AS "fixable!"
               FROM (SELECT name, namespace, source, versions, workloads, failing, images
                     FROM cluster_applications
                     WHERE org_id = $1 AND cluster_id = $2 AND (name, namespace) > ($3, $4)
                       AND ($5::text IS NULL OR namespace = $5) AND ($6::text IS NULL OR name ILIKE $6)
                     ORDER BY name, namespace LIMIT $7) a
               CROSS JOIN LATERAL (
                 SELECT count(s.key) AS scanned, count(*) - count(s.key) AS unscanned,
                        coalesce(sum(s.critical), 0)::bigint AS critical, coalesce(sum(s.high), 0)::bigint AS high,
                        coalesce(sum(s.medium), 0)::bigint AS medium, coalesce(sum(s.low), 0)::bigint AS low,
                        coalesce(sum(s.unknown), 0)::bigint AS unknown, coalesce(sum(s.fixable), 0)::bigint AS fixable
                 FROM (SELECT DISTINCT n.key FROM resources r CROSS JOIN LATERAL unnest(r.images) AS i (image)
                       JOIN cluster_images n ON n.org_id = $1 AND n.cluster_id = $2 AND n.image = i.image
                         AND n.namespace = a.namespace
                       WHERE r.org_id = $1 AND r.cluster_id = $2 AND r.workload AND r.namespace = a.namespace
                         AND r.application = a.name) k
                 LEFT JOIN image_scans s ON s.org_id = $1 AND s.cluster_id = $2 AND s.key = k.key) v
               ORDER BY a.name, a.namespace"#,
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
                scan: (row.scanned > 0).then_some(Scan {
                    counts: VulnerabilityCounts {
                        critical: row.critical,
                        high: row.high,
                        medium: row.medium,
                        low: row.low,
                        unknown: row.unknown,
                    },
                    fixable: row.fixable,
                }),
                unscanned: row.unscanned,
            })
            .collect();
        Ok(cursor::page(rows, |row: &ApplicationRow| vec![row.name.clone(), row.namespace.clone()]))
    }
}
