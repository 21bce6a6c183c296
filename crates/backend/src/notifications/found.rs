//! Findings that are told of.

use kubewise_contract::{BySeverity, Severity};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Error;

/// Which findings are told of.
pub(super) struct Wanted<'a> {
    pub(super) org: Uuid,
    /// Of these clusters; none: of all.
    pub(super) clusters: Option<&'a [Uuid]>,
    /// Found first by this audit of its cluster.
    pub(super) audit: Option<i64>,
    /// Found first after this moment, and not after that one.
    pub(super) within: Option<(OffsetDateTime, OffsetDateTime)>,
    pub(super) least: Severity,
    pub(super) namespaces: Option<&'a [String]>,
}

/// What there is of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) counts: BySeverity,
    /// The worst, worst first.
    pub(super) worst: Vec<FoundRow>,
}

/// One finding.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FoundRow {
    pub(super) id: String,
    pub(super) cluster_id: Uuid,
    pub(super) cluster: String,
    pub(super) rule: String,
    pub(super) severity: i16,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) message: String,
}

impl FoundRow {
    pub(super) fn severity(&self) -> Severity {
        Severity::from_rank(self.severity).unwrap_or(Severity::Info)
    }

    pub(super) fn title(&self) -> &str {
        kubewise_audit::rules::find(&self.rule).map_or(self.rule.as_str(), |rule| rule.title)
    }

    /// `shop/web` or, of what is in no namespace, `web`.
    pub(super) fn object(&self) -> String {
        let kind = self.kind.split_once('.').map_or(self.kind.as_str(), |(kind, _)| kind);
        if self.namespace.is_empty() {
            format!("{kind} {}", self.name)
        } else {
            format!("{kind} {}/{}", self.namespace, self.name)
        }
    }
}

/// Counts them, and reads the worst. The one place that says which findings are told of.
pub(super) async fn find(tx: &mut PgConnection, wanted: &Wanted<'_>, most: i64) -> Result<Found, Error> {
    let row = sqlx::query!(
        r#"WITH told AS (
             SELECT encode(f.fingerprint, 'hex') AS id, f.cluster_id, c.name AS cluster, f.rule, f.severity, f.kind, f.namespace,
                    f.name, f.path, f.message
             FROM findings f JOIN clusters c ON c.org_id = f.org_id AND c.id = f.cluster_id
             WHERE f.org_id = $1 AND c.deleted_at IS NULL AND ($2::uuid[] IS NULL OR f.cluster_id = ANY ($2))
               AND ($3::int8 IS NULL OR f.opened_in = $3)
               AND ($4::timestamptz IS NULL OR f.opened_at > $4) AND ($5::timestamptz IS NULL OR f.opened_at <= $5)
               AND f.severity >= $6 AND ($7::text[] IS NULL OR f.namespace = ANY ($7))
               -- What is fixed, or lived with, is not told of.
               AND f.closed_in IS NULL AND NOT f.waived
           )
           SELECT count(*) FILTER (WHERE severity = 4) AS "critical!", count(*) FILTER (WHERE severity = 3) AS "high!",
                  count(*) FILTER (WHERE severity = 2) AS "medium!", count(*) FILTER (WHERE severity = 1) AS "low!",
                  count(*) FILTER (WHERE severity = 0) AS "info!",
                  (SELECT coalesce(jsonb_agg(to_jsonb(w)), '[]') FROM
                     (SELECT * FROM told ORDER BY severity DESC, cluster, rule, namespace, name, id LIMIT $8) w) AS "worst!"
           FROM told"#,
        wanted.org,
        wanted.clusters,
        wanted.audit,
        wanted.within.map(|(after, _)| after),
        wanted.within.map(|(_, until)| until),
        wanted.least.rank(),
        wanted.namespaces,
        most,
    )
    .fetch_one(tx)
    .await?;
    Ok(Found {
        counts: BySeverity { critical: row.critical, high: row.high, medium: row.medium, low: row.low, info: row.info },
        worst: serde_json::from_value(row.worst).map_err(|e| Error::Internal(format!("findings to tell: {e}")))?,
    })
}
