//! What is known to be wrong with the images that run.

use kubewise_contract::{
    ClusterId, ImageScan, ImageUse, ListQuery, Page, ResourceUid, Scan, VulnerabilitiesOf, VulnerabilitiesQuery,
    VulnerabilityCounts, VulnerabilityRow, VulnerabilitySeverity as Severity, VulnerablePlace,
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::cursor;
use crate::{Authorized, Cluster, Error, Organisation, Web, permission::ViewInventory, world::timestamp};

/// Images that are shown above a list.
const WORST: i64 = 10;
/// Workloads that are shown of an image.
const USES: i64 = 50;

/// A row of `vulnerabilities`, as lists read it.
struct Found {
    key: String,
    id: String,
    package: String,
    installed: String,
    fixed: String,
    severity: i16,
    score: Option<i16>,
    title: String,
    link: String,
}

impl Found {
    fn row(self) -> Result<VulnerabilityRow, Error> {
        let severity = Severity::from_rank(self.severity)
            .ok_or_else(|| Error::Internal(format!("unknown severity {}", self.severity)))?;
        Ok(VulnerabilityRow {
            id: self.id,
            package: self.package,
            installed: self.installed,
            fixed: Some(self.fixed).filter(|fixed| !fixed.is_empty()),
            severity,
            score: self.score,
            title: self.title,
            link: Some(self.link).filter(|link| !link.is_empty()),
            image: self.key,
        })
    }
}

/// Numbers of the scans that are meant.
struct Numbers {
    critical: i64,
    high: i64,
    medium: i64,
    low: i64,
    unknown: i64,
    fixable: i64,
    truncated: i64,
    scanned: i64,
}

impl From<Numbers> for Scan {
    fn from(n: Numbers) -> Self {
        let Numbers { critical, high, medium, low, unknown, fixable, .. } = n;
        Self { counts: VulnerabilityCounts { critical, high, medium, low, unknown }, fixable }
    }
}

/// A row of `image_scans`.
struct Report {
    key: String,
    scanned_at: OffsetDateTime,
    scanner: String,
    scanner_version: String,
    os: String,
    critical: i64,
    high: i64,
    medium: i64,
    low: i64,
    unknown: i64,
    fixable: i64,
}

impl From<Report> for ImageScan {
    fn from(s: Report) -> Self {
        let Report { critical, high, medium, low, unknown, fixable, .. } = s;
        Self {
            image: s.key,
            scan: Scan { counts: VulnerabilityCounts { critical, high, medium, low, unknown }, fixable },
            scanned_at: timestamp(s.scanned_at),
            scanner: s.scanner,
            scanner_version: s.scanner_version,
            os: s.os,
        }
    }
}

impl Web {
    /// What is known to be wrong with the images that a cluster runs: worst first, then by id and package.
    pub async fn vulnerabilities(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &VulnerabilitiesQuery,
    ) -> Result<(VulnerabilitiesOf, Page<VulnerabilityRow>), Error> {
        let mut tx = cluster.read(&self.pool).await?;
        let keys = meant(&mut tx, cluster, query).await?;
        let of = above(&mut tx, cluster, query, keys.as_deref()).await?;
        let rows = match &keys {
            Some(keys) => of_images(&mut tx, cluster, query, keys).await?,
            None => of_cluster(&mut tx, cluster, query).await?,
        };
        tx.commit().await?;
        let rows = rows.into_iter().map(Found::row).collect::<Result<Vec<_>, _>>()?;
        let page = cursor::page(rows, |row: &VulnerabilityRow| {
            let rank = row.severity.rank().to_string();
            vec![rank, row.id.clone(), row.package.clone(), row.installed.clone(), row.image.clone()]
        });
        Ok((of, page))
    }

    /// Where one vulnerability is, by its whole id, in all clusters that are seen: by cluster and image.
    pub async fn vulnerable(
        &self,
        organisation: &Authorized<Organisation, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<VulnerablePlace>, Error> {
        let [cluster, key, package, installed] = cursor::decode(query.after.as_ref())?;
        let mut tx = organisation.read(&self.pool).await?;
        // One id, so that an index has its places in order.
        let known = sqlx::query_scalar!(
            "SELECT id FROM vulnerabilities WHERE org_id = $1 AND id = ANY ($2) LIMIT 1",
            organisation.id.0,
            &spellings(query.q.as_deref().unwrap_or_default()),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(known) = known else { return Ok(Page::empty()) };
        let rows = sqlx::query!(
            r#"SELECT v.cluster_id, c.name AS cluster_name, v.key, v.id, v.package, v.installed, v.fixed, v.severity, v.score,
                      v.title, v.link, i.workloads AS "workloads!"
               FROM vulnerabilities v
               JOIN clusters c ON c.org_id = v.org_id AND c.id = v.cluster_id AND c.deleted_at IS NULL
               -- What nothing runs any more is nowhere.
               CROSS JOIN LATERAL (SELECT sum(n.workloads)::bigint AS workloads FROM cluster_images n
                                   WHERE n.org_id = v.org_id AND n.cluster_id = v.cluster_id AND n.key = v.key) i
               WHERE v.org_id = $1 AND v.id = $2 AND i.workloads IS NOT NULL
                 AND ($8::uuid[] IS NULL OR v.cluster_id = ANY ($8))
                 AND (v.cluster_id, v.key, v.package, v.installed) > ($3, $4, $5, $6)
               ORDER BY v.cluster_id, v.key, v.package, v.installed LIMIT $7"#,
            organisation.id.0,
            known,
            cursor::uid(&cluster),
            key,
            package,
            installed,
            cursor::ONE_MORE,
            organisation.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| {
                let found = Found {
                    key: row.key,
                    id: row.id,
                    package: row.package,
                    installed: row.installed,
                    fixed: row.fixed,
                    severity: row.severity,
                    score: row.score,
                    title: row.title,
                    link: row.link,
                };
                Ok(VulnerablePlace {
                    cluster: ClusterId(row.cluster_id),
                    cluster_name: row.cluster_name,
                    found: found.row()?,
                    workloads: row.workloads,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(cursor::page(rows, |row: &VulnerablePlace| {
            let found = &row.found;
            vec![row.cluster.to_string(), found.image.clone(), found.package.clone(), found.installed.clone()]
        }))
    }
}

/// How an id may be spelled: as it was typed, in capitals (CVE, and nearly all others), or as GitHub does.
fn spellings(id: &str) -> Vec<String> {
    let id: String = id.trim().chars().filter(|c| *c != '\0').take(64).collect();
    if id.is_empty() {
        return Vec::new();
    }
    let capitals = id.to_ascii_uppercase();
    let of_github = capitals.strip_prefix("GHSA-").map(|rest| format!("GHSA-{}", rest.to_ascii_lowercase()));
    let mut all: Vec<String> = [Some(id), Some(capitals), of_github].into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The images that are meant; none: all that the cluster runs.
async fn meant(
    tx: &mut PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    query: &VulnerabilitiesQuery,
) -> Result<Option<Vec<String>>, Error> {
    let (org, id) = (cluster.org.0, cluster.id.0);
    let namespace = cursor::filter(query.namespace.as_ref());
    let keys = if let Some(image) = cursor::filter(query.image.as_ref()) {
        let key = sqlx::query_scalar!("SELECT image_key($1)", image).fetch_one(tx).await?;
        key.into_iter().collect()
    } else if let Some(app) = cursor::filter(query.app.as_ref()) {
        sqlx::query_scalar!(
            r#"SELECT DISTINCT i.key AS "key!" FROM cluster_images i
               WHERE i.org_id = $1 AND i.cluster_id = $2 AND i.image IN
                 (SELECT unnest(images) FROM resources WHERE org_id = $1 AND cluster_id = $2 AND workload
                    AND application = $3 AND ($4::text IS NULL OR namespace = $4))
                 AND i.key IS NOT NULL"#,
            org,
            id,
            app,
            namespace,
        )
        .fetch_all(tx)
        .await?
    } else if let Some(namespace) = namespace {
        sqlx::query_scalar!(
            r#"SELECT DISTINCT key AS "key!" FROM cluster_images
               WHERE org_id = $1 AND cluster_id = $2 AND namespace = $3 AND key IS NOT NULL"#,
            org,
            id,
            namespace,
        )
        .fetch_all(tx)
        .await?
    } else {
        return Ok(None);
    };
    Ok(Some(keys))
}

/// What stands above the list.
async fn above(
    tx: &mut PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    query: &VulnerabilitiesQuery,
    keys: Option<&[String]>,
) -> Result<VulnerabilitiesOf, Error> {
    let (org, id) = (cluster.org.0, cluster.id.0);
    let has_reports = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM image_scans WHERE org_id = $1 AND cluster_id = $2) AS "has!""#,
        org,
        id,
    )
    .fetch_one(&mut *tx)
    .await?;
    let numbers = sqlx::query_as!(
        Numbers,
        r#"SELECT coalesce(sum(critical), 0)::bigint AS "critical!", coalesce(sum(high), 0)::bigint AS "high!",
                  coalesce(sum(medium), 0)::bigint AS "medium!", coalesce(sum(low), 0)::bigint AS "low!",
                  coalesce(sum(unknown), 0)::bigint AS "unknown!", coalesce(sum(fixable), 0)::bigint AS "fixable!",
                  coalesce(sum(truncated), 0)::bigint AS "truncated!", count(*) AS "scanned!"
           FROM image_scans s
           WHERE org_id = $1 AND cluster_id = $2
             AND CASE WHEN $3::text[] IS NULL
                   THEN EXISTS (SELECT FROM cluster_images i WHERE i.org_id = $1 AND i.cluster_id = $2 AND i.key = s.key)
                   ELSE s.key = ANY ($3) END"#,
        org,
        id,
        keys,
    )
    .fetch_one(&mut *tx)
    .await?;
    let worst = sqlx::query_as!(
        Report,
        "SELECT key, scanned_at, scanner, scanner_version, os, critical, high, medium, low, unknown, fixable
         FROM image_scans s
         WHERE org_id = $1 AND cluster_id = $2
           AND CASE WHEN $3::text[] IS NULL
                 THEN EXISTS (SELECT FROM cluster_images i WHERE i.org_id = $1 AND i.cluster_id = $2 AND i.key = s.key)
                 ELSE s.key = ANY ($3) END
         ORDER BY critical DESC, high DESC, key LIMIT $4",
        org,
        id,
        keys,
        WORST,
    )
    .fetch_all(&mut *tx)
    .await?;
    let images =
        match keys {
            Some(keys) => i64::try_from(keys.len()).unwrap_or(i64::MAX),
            None => sqlx::query_scalar!(
                r#"SELECT count(DISTINCT key) AS "count!" FROM cluster_images WHERE org_id = $1 AND cluster_id = $2"#,
                org,
                id,
            )
            .fetch_one(&mut *tx)
            .await?,
        };
    let used_by = match (keys, &query.image) {
        (Some([key]), Some(_)) => used_by(tx, cluster, key).await?,
        _ => Vec::new(),
    };
    Ok(VulnerabilitiesOf {
        cluster_name: cluster.name.clone(),
        has_reports,
        images,
        scanned: numbers.scanned,
        truncated: numbers.truncated,
        scan: numbers.into(),
        worst: worst.into_iter().map(ImageScan::from).collect(),
        used_by,
    })
}

/// Workloads that run an image, however they write it.
async fn used_by(
    tx: &mut PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    key: &str,
) -> Result<Vec<ImageUse>, Error> {
    let rows = sqlx::query!(
        // Where it is used is known, so that not every workload has to be looked at.
        "SELECT r.uid, r.kind, r.namespace, r.name, r.application FROM resources r
         WHERE r.org_id = $1 AND r.cluster_id = $2 AND r.workload
           AND r.namespace = ANY (ARRAY (SELECT namespace FROM cluster_images
                                         WHERE org_id = $1 AND cluster_id = $2 AND key = $3 AND workloads > 0))
           AND r.images && ARRAY (SELECT image FROM cluster_images WHERE org_id = $1 AND cluster_id = $2 AND key = $3)
         ORDER BY r.namespace, r.name, r.uid LIMIT $4",
        cluster.org.0,
        cluster.id.0,
        key,
        USES,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ImageUse {
            uid: ResourceUid(row.uid),
            kind: row.kind,
            namespace: row.namespace,
            name: row.name,
            application: row.application,
        })
        .collect())
}

/// Where a page begins, as two ranges of an index: what is left of the severity that the page before ended in, and the severities
/// after it. One condition over both would read everything that comes before.
struct Range {
    /// The severity that the page before ended in; −1: there is none before.
    rank: i16,
    /// After this, in that severity.
    after: [String; 4],
    /// Then severities from this one …
    most: i16,
    /// … down to this one.
    least: i16,
}

impl Range {
    fn of(query: &VulnerabilitiesQuery) -> Result<Self, Error> {
        let [rank, id, package, installed, key] = cursor::decode(query.after.as_ref())?;
        let only = query.severity.map(Severity::rank);
        let (least, most) = only.map_or((0, Severity::Critical.rank()), |only| (only, only));
        let rank = if query.after.is_some() { rank.parse().unwrap_or(-1) } else { -1 };
        let most = if query.after.is_some() { most.min(rank - 1) } else { most };
        Ok(Self { rank, after: [id, package, installed, key], most, least })
    }
}

async fn of_images(
    tx: &mut PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    query: &VulnerabilitiesQuery,
    keys: &[String],
) -> Result<Vec<Found>, Error> {
    let Range { rank, after: [id, package, installed, key], most, least } = Range::of(query)?;
    let rows = sqlx::query_as!(
        Found,
        "SELECT key, id, package, installed, fixed, severity, score, title, link FROM vulnerabilities
         WHERE org_id = $1 AND cluster_id = $2 AND key = ANY ($3)
           AND (severity BETWEEN $4 AND $5 OR severity = $6 AND (id, package, installed, key) > ($7, $8, $9, $10))
           AND (NOT $11 OR fixed <> '') AND ($12::text IS NULL OR id ILIKE $12 OR package ILIKE $12)
         ORDER BY severity DESC, id, package, installed, key LIMIT $13",
        cluster.org.0,
        cluster.id.0,
        keys,
        least,
        most,
        rank,
        id,
        package,
        installed,
        key,
        query.fixable,
        cursor::pattern(query.q.as_deref()),
        cursor::ONE_MORE,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// The same of all that the cluster runs: read in the order of an index, and not gathered by image first.
async fn of_cluster(
    tx: &mut PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    query: &VulnerabilitiesQuery,
) -> Result<Vec<Found>, Error> {
    let Range { rank, after: [id, package, installed, key], most, least } = Range::of(query)?;
    let rows = sqlx::query_as!(
        Found,
        r#"SELECT key AS "key!", id AS "id!", package AS "package!", installed AS "installed!", fixed AS "fixed!",
                  severity AS "severity!", score, title AS "title!", link AS "link!"
           FROM ((SELECT * FROM vulnerabilities v
                  WHERE org_id = $1 AND cluster_id = $2
                    AND severity = $3 AND (id, package, installed, key) > ($4, $5, $6, $7)
                    AND EXISTS (SELECT FROM cluster_images i WHERE i.org_id = $1 AND i.cluster_id = $2 AND i.key = v.key)
                    AND (NOT $10 OR fixed <> '') AND ($11::text IS NULL OR id ILIKE $11 OR package ILIKE $11)
                  ORDER BY id, package, installed, key LIMIT $12)
                 UNION ALL
                 (SELECT * FROM vulnerabilities v
                  WHERE org_id = $1 AND cluster_id = $2 AND severity BETWEEN $8 AND $9
                    AND EXISTS (SELECT FROM cluster_images i WHERE i.org_id = $1 AND i.cluster_id = $2 AND i.key = v.key)
                    AND (NOT $10 OR fixed <> '') AND ($11::text IS NULL OR id ILIKE $11 OR package ILIKE $11)
                  ORDER BY severity DESC, id, package, installed, key LIMIT $12)) found
           ORDER BY severity DESC, id, package, installed, key LIMIT $12"#,
        cluster.org.0,
        cluster.id.0,
        rank,
        id,
        package,
        installed,
        key,
        least,
        most,
        query.fixable,
        cursor::pattern(query.q.as_deref()),
        cursor::ONE_MORE,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_however_they_are_typed() {
        assert_eq!(spellings(" cve-2024-3094 "), ["CVE-2024-3094", "cve-2024-3094"]);
        assert_eq!(
            spellings("ghsa-JFH8-c2jp-5v3q"),
            ["GHSA-JFH8-C2JP-5V3Q", "GHSA-jfh8-c2jp-5v3q", "ghsa-JFH8-c2jp-5v3q"]
        );
        assert_eq!(spellings(" \0"), Vec::<String>::new());
    }
}
