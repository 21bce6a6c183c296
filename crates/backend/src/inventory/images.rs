//! Images, and what an image reference says.

use kubewise_contract::{ImageRow, ListQuery, Page, Scan, VulnerabilityCounts};

use super::cursor;
use crate::{Authorized, Cluster, Error, Web, ingest::ImageReference, permission::ViewInventory};

impl Web {
    /// The cluster's images, by reference.
    pub async fn images(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<ImageRow>, Error> {
        let [after] = cursor::decode(query.after.as_ref())?;
        let mut tx = cluster.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT i.image AS "image!", i.workloads AS "workloads!", i.pods AS "pods!", i.namespaces AS "namespaces!",
                      s.critical AS "critical?", s.high AS "high?", s.medium AS "medium?", s.low AS "low?",
                      s.unknown AS "unknown?", s.fixable AS "fixable?"
               FROM (SELECT image, key, sum(workloads)::bigint AS workloads, sum(pods)::bigint AS pods,
                            (array_agg(namespace ORDER BY namespace))[1:5] AS namespaces
                     FROM cluster_images
                     WHERE org_id = $1 AND cluster_id = $2 AND image > $3
                       AND ($4::text IS NULL OR namespace = $4) AND ($5::text IS NULL OR image ILIKE $5)
                     GROUP BY image, key ORDER BY image LIMIT $6) i
               LEFT JOIN image_scans s ON s.org_id = $1 AND s.cluster_id = $2 AND s.key = i.key
               ORDER BY i.image"#,
            cluster.org.0,
            cluster.id.0,
            after,
            cursor::filter(query.namespace.as_ref()),
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| {
                let image = ImageReference::parse(&row.image);
                ImageRow {
                    repository: image.repository.to_owned(),
                    tag: image.tag.map(str::to_owned),
                    digest: image.digest.map(str::to_owned),
                    mutable: image.is_mutable(),
                    workloads: row.workloads,
                    pods: row.pods,
                    namespaces: row.namespaces,
                    // The others are there when one is.
                    scan: row.critical.map(|critical| Scan {
                        counts: VulnerabilityCounts {
                            critical,
                            high: row.high.unwrap_or_default(),
                            medium: row.medium.unwrap_or_default(),
                            low: row.low.unwrap_or_default(),
                            unknown: row.unknown.unwrap_or_default(),
                        },
                        fixable: row.fixable.unwrap_or_default(),
                    }),
                    reference: row.image,
                }
            })
            .collect();
        Ok(cursor::page(rows, |row: &ImageRow| vec![row.reference.clone()]))
    }
}
