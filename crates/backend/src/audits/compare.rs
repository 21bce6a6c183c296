//! Two audits side by side: of one cluster at two times, or of two clusters.
//!
//! A fingerprint is not over the cluster, so the same fault of the same object is found again elsewhere. What was open in
//! an audit that is done stays so (docs/adr/0025), so the questions below need no common snapshot.

use kubewise_contract::{
    ClusterChoice, ComparedFinding, ComparedRule, ComparedSide, Comparison, Difference, Field, FieldError, OnlyThere,
    Problem, RunChoice,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ask::done_run, findings::severity, rules};
use crate::{Authorized, Cluster, Error, Organisation, Web, permission::ViewInventory, team, world::timestamp};

/// Findings of a side that are listed. How many there are is said in any case.
const MOST: i64 = 100;
/// Audits of a side that are offered.
const RUNS: i64 = 30;

/// A cluster, and the number of the audit that is meant; none: the last one.
type Chosen<'a> = (&'a Authorized<Cluster, ViewInventory>, Option<i64>);

/// An audit within an organisation.
#[derive(Clone, Copy)]
struct At {
    cluster: Uuid,
    run: i64,
}

impl Web {
    /// The clusters whose audits can be compared.
    pub async fn comparable(&self, org: &Authorized<Organisation, ViewInventory>) -> Result<Vec<ClusterChoice>, Error> {
        let mut tx = org.read(&self.pool).await?;
        let choices = team::choices(&mut tx, org).await?;
        tx.commit().await?;
        Ok(choices)
    }

    /// What two audits found, and where that differs; without an audit on one of the sides, nothing does. A cluster of
    /// another organisation than the first is [`Error::NotFound`]; a number that no audit has which was done is refused.
    pub async fn compare(&self, a: Chosen<'_>, b: Chosen<'_>) -> Result<Comparison, Error> {
        if a.0.org != b.0.org {
            return Err(Error::NotFound);
        }
        let org = a.0.org.0;
        let mut tx = a.0.read(&self.pool).await?;
        let (a, b) = (side(&mut tx, a).await?, side(&mut tx, b).await?);
        let difference = match (&a.run, &b.run) {
            (Some(run_a), Some(run_b)) => {
                let at_a = At { cluster: a.cluster.id.0, run: run_a.number };
                let at_b = At { cluster: b.cluster.id.0, run: run_b.number };
                Some(difference(&mut tx, org, at_a, at_b).await?)
            }
            _ => None,
        };
        tx.commit().await?;
        Ok(Comparison { a, b, difference })
    }
}

async fn side(tx: &mut PgConnection, (cluster, number): Chosen<'_>) -> Result<ComparedSide, Error> {
    let run = done_run(&mut *tx, cluster.org.0, cluster.id.0, number).await?;
    if number.is_some() && run.is_none() {
        return Err(FieldError { field: Field::Audit, problem: Problem::NoSuchAudit }.into());
    }
    let runs = sqlx::query!(
        "SELECT number, finished_at FROM audit_runs
         WHERE org_id = $1 AND cluster_id = $2 AND state = 'done' ORDER BY number DESC LIMIT $3",
        cluster.org.0,
        cluster.id.0,
        RUNS,
    )
    .fetch_all(tx)
    .await?;
    let runs =
        runs.into_iter().map(|row| RunChoice { number: row.number, finished_at: row.finished_at.map(timestamp) });
    let choice = ClusterChoice { id: cluster.id, name: cluster.name.clone() };
    Ok(ComparedSide { cluster: choice, run, runs: runs.collect() })
}

async fn difference(tx: &mut PgConnection, org: Uuid, a: At, b: At) -> Result<Difference, Error> {
    let rows = sqlx::query!(
        r#"WITH a AS (SELECT fingerprint, rule, severity FROM findings
                      WHERE org_id = $1 AND cluster_id = $2 AND opened_in <= $3 AND (closed_in IS NULL OR closed_in > $3)),
                b AS (SELECT fingerprint, rule, severity FROM findings
                      WHERE org_id = $1 AND cluster_id = $4 AND opened_in <= $5 AND (closed_in IS NULL OR closed_in > $5))
           SELECT coalesce(a.rule, b.rule) AS "rule!", max(greatest(a.severity, b.severity)) AS "severity!",
                  count(*) FILTER (WHERE b.fingerprint IS NULL) AS "only_a!",
                  count(*) FILTER (WHERE a.fingerprint IS NULL) AS "only_b!",
                  count(*) FILTER (WHERE a.fingerprint = b.fingerprint) AS "both!"
           FROM a FULL JOIN b ON b.fingerprint = a.fingerprint
           GROUP BY 1 ORDER BY 2 DESC, 3 + 4 DESC, 1"#,
        org,
        a.cluster,
        a.run,
        b.cluster,
        b.run,
    )
    .fetch_all(&mut *tx)
    .await?;
    let rules = rows
        .into_iter()
        .map(|row| {
            Ok(ComparedRule {
                title: rules::title(&row.rule),
                rule: row.rule,
                severity: severity(row.severity)?,
                only_a: row.only_a,
                only_b: row.only_b,
                both: row.both,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let only_a = OnlyThere { total: rules.iter().map(|rule| rule.only_a).sum(), rows: only(tx, org, a, b).await? };
    let only_b = OnlyThere { total: rules.iter().map(|rule| rule.only_b).sum(), rows: only(tx, org, b, a).await? };
    Ok(Difference { rules, only_a, only_b })
}

/// What one audit found and the other did not, worst first.
async fn only(tx: &mut PgConnection, org: Uuid, there: At, not_here: At) -> Result<Vec<ComparedFinding>, Error> {
    let rows = sqlx::query!(
        r#"SELECT fingerprint, rule, severity, kind, namespace, name, message, closed_in IS NULL AS "is_open!"
           FROM findings f
           WHERE org_id = $1 AND cluster_id = $2 AND opened_in <= $3 AND (closed_in IS NULL OR closed_in > $3)
             AND NOT EXISTS (SELECT FROM findings o
                             WHERE o.org_id = $1 AND o.cluster_id = $4 AND o.fingerprint = f.fingerprint
                               AND o.opened_in <= $5 AND (o.closed_in IS NULL OR o.closed_in > $5))
           ORDER BY severity DESC, rule, namespace, name, fingerprint LIMIT $6"#,
        org,
        there.cluster,
        there.run,
        not_here.cluster,
        not_here.run,
        MOST,
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ComparedFinding {
                id: hex::encode(row.fingerprint),
                title: rules::title(&row.rule),
                severity: severity(row.severity)?,
                kind: row.kind,
                namespace: Some(row.namespace).filter(|namespace| !namespace.is_empty()),
                name: row.name,
                message: row.message,
                is_open: row.is_open,
            })
        })
        .collect()
}
