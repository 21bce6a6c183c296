//! Asking for an audit, and how the last ones ended.

use kubewise_contract::{
    Action, AuditRun, AuditSummary, AuditedCluster, Audits, BySeverity, ClusterAudit, ClusterId, ListQuery, OrgId,
    Permission, RunState, UserId,
};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::run::AuditCluster;
use crate::{
    Authorized, Cluster, Error, Organisation, Web, World,
    activity::Entry,
    inventory::cursor,
    jobs,
    keys::KeyOf,
    live,
    permission::{RunAudits, ViewInventory},
    world::timestamp,
};

/// Runs of the trend.
const TREND: i64 = 30;

struct Row {
    number: i64,
    state: String,
    requested_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
    read: i64,
    objects: i64,
    kubernetes_version: Option<String>,
    score: Option<f64>,
    critical: i64,
    high: i64,
    medium: i64,
    low: i64,
    info: i64,
    opened: i64,
    fixed: i64,
    waived: i64,
    profile: Option<String>,
}

impl Row {
    fn run(self) -> Result<AuditRun, Error> {
        let state = RunState::parse(&self.state);
        let took = self.started_at.zip(self.finished_at).map(|(started, finished)| finished - started);
        Ok(AuditRun {
            number: self.number,
            state: state.ok_or_else(|| Error::Internal(format!("unknown state {:?}", self.state)))?,
            requested_at: timestamp(self.requested_at),
            finished_at: self.finished_at.map(timestamp),
            took_ms: took.map(|took| i64::try_from(took.whole_milliseconds()).unwrap_or(i64::MAX)),
            read: self.read,
            objects: self.objects,
            kubernetes_version: self.kubernetes_version,
            score: self.score,
            findings: BySeverity {
                critical: self.critical,
                high: self.high,
                medium: self.medium,
                low: self.low,
                info: self.info,
            },
            opened: self.opened,
            fixed: self.fixed,
            waived: self.waived,
            profile: self.profile,
        })
    }
}

impl Web {
    /// Asks for an audit of a cluster; when one is on its way, that one is meant. Answers its number.
    pub async fn run_audit(&self, cluster: &Authorized<Cluster, RunAudits>) -> Result<i64, Error> {
        let mut tx = cluster.write(self).await?;
        let why = Why::Asked(cluster.holder().by.person());
        let (number, is_new) = request(&mut tx, &self.world, cluster.org, cluster.id, why).await?;
        if is_new {
            let entry = Entry::cluster(Action::AuditRun, cluster.id, &cluster.name);
            tx.commit(entry.after(serde_json::json!({ "audit": number }))).await?;
        }
        Ok(number)
    }

    /// The clusters by name, and how their last audits ended.
    pub async fn audits(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Audits, Error> {
        let [after] = cursor::decode(query.after.as_ref())?;
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT id, name, synced_at IS NOT NULL AS "is_synced!" FROM clusters
               WHERE org_id = $1 AND deleted_at IS NULL AND name > $2 AND ($3::text IS NULL OR name ILIKE $3)
                 AND ($5::uuid[] IS NULL OR id = ANY ($5))
               ORDER BY name LIMIT $4"#,
            org.id.0,
            after,
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
            org.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        let page = cursor::page(rows, |row| vec![row.name.clone()]);
        let mut clusters = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            clusters.push(last_runs(&mut tx, org.id.0, row.id, row.name, row.is_synced).await?);
        }
        tx.commit().await?;
        Ok(Audits { clusters, next: page.next, can_run: org.may(Permission::RunAudits) })
    }

    /// The objects that an audit judged, a JSON document a line.
    pub async fn evidence(&self, cluster: &Authorized<Cluster, ViewInventory>, number: i64) -> Result<Vec<u8>, Error> {
        let mut tx = cluster.read(&self.pool).await?;
        let name = sqlx::query_scalar!(
            "SELECT evidence FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND number = $3",
            cluster.org.0,
            cluster.id.0,
            number,
        )
        .fetch_optional(&mut *tx)
        .await?
        .flatten()
        .ok_or(Error::NotFound)?;
        let key = self.bucket.existing_key(&mut tx, KeyOf::Organisation(cluster.org)).await?;
        tx.commit().await?;
        self.bucket.get(&key, &name).await
    }

    /// How the last audits of a cluster ended.
    pub async fn cluster_audit(&self, cluster: &Authorized<Cluster, ViewInventory>) -> Result<ClusterAudit, Error> {
        let mut tx = cluster.read(&self.pool).await?;
        let (org, id) = (cluster.org.0, cluster.id.0);
        let is_synced = sqlx::query_scalar!(
            r#"SELECT synced_at IS NOT NULL AS "is_synced!" FROM clusters WHERE org_id = $1 AND id = $2"#,
            org,
            id,
        )
        .fetch_one(&mut *tx)
        .await?;
        let found = last_runs(&mut tx, org, id, cluster.name.clone(), is_synced).await?;
        let summary = match &found.last {
            None => None,
            Some(last) => {
                sqlx::query_scalar!(
                    "SELECT summary FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND number = $3",
                    org,
                    id,
                    last.number,
                )
                .fetch_one(&mut *tx)
                .await?
            }
        };
        let summary = match summary {
            None => AuditSummary::default(),
            Some(summary) => {
                serde_json::from_value(summary).map_err(|e| Error::Internal(format!("summary of an audit: {e}")))?
            }
        };
        let rows = sqlx::query_as!(
            Row,
            "SELECT number, state, requested_at, started_at, finished_at, read, objects, kubernetes_version, score, critical,
                    high, medium, low, info, opened, fixed, waived, profile
             FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND state = 'done' ORDER BY number DESC LIMIT $3",
            org,
            id,
            TREND,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut trend = rows.into_iter().map(Row::run).collect::<Result<Vec<_>, _>>()?;
        trend.reverse();
        Ok(ClusterAudit { cluster: found, summary, trend, can_run: cluster.may(Permission::RunAudits) })
    }
}

/// Why a cluster is audited.
pub(super) enum Why {
    /// Somebody asked: a person, or a token of the organisation.
    Asked(Option<UserId>),
    /// It was due then.
    Due(OffsetDateTime),
    /// What it is judged by was decided anew. One that has begun meanwhile may not know of it: another follows.
    Again,
}

/// Until the transaction ends nobody else asks for an audit of the cluster, or ends one.
pub(super) async fn alone(tx: &mut PgConnection, org: OrgId, cluster: ClusterId) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", format!("kubewise audit {org} {cluster}"))
        .execute(tx)
        .await?;
    Ok(())
}

/// Asks for an audit of a cluster, unless one is on its way. Answers its number, and whether it is a new one.
pub(super) async fn request(
    tx: &mut PgConnection,
    world: &World,
    org: OrgId,
    cluster: ClusterId,
    why: Why,
) -> Result<(i64, bool), Error> {
    // One after the other: whoever asks at the same time gets the same.
    alone(&mut *tx, org, cluster).await?;
    let on_the_way = sqlx::query!(
        "SELECT number, state FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND state IN ('waiting', 'running')",
        org.0,
        cluster.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(run) = on_the_way {
        if matches!(why, Why::Again) && run.state == RunState::Running.as_str() {
            sqlx::query!(
                "UPDATE audit_runs SET again = true WHERE org_id = $1 AND cluster_id = $2 AND number = $3",
                org.0,
                cluster.0,
                run.number,
            )
            .execute(&mut *tx)
            .await?;
        }
        return Ok((run.number, false));
    }
    let number = sqlx::query_scalar!(
        r#"SELECT coalesce(max(number), 0) + 1 AS "number!" FROM audit_runs WHERE org_id = $1 AND cluster_id = $2"#,
        org.0,
        cluster.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    // Each login may write its own column.
    match why {
        Why::Asked(by) => {
            sqlx::query!(
                "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, requested_by)
                 VALUES ($1, $2, $3, 'waiting', $4, $5)",
                org.0,
                cluster.0,
                number,
                world.now(),
                by.map(|user| user.0),
            )
            .execute(&mut *tx)
            .await?;
        }
        Why::Due(_) | Why::Again => {
            let due = if let Why::Due(at) = why { Some(at) } else { None };
            sqlx::query!(
                "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, due_at)
                 VALUES ($1, $2, $3, 'waiting', $4, $5)",
                org.0,
                cluster.0,
                number,
                world.now(),
                due,
            )
            .execute(&mut *tx)
            .await?;
        }
    }
    jobs::enqueue(tx, &AuditCluster { org, cluster, number }).await?;
    live::notify(tx, org, cluster, false).await?;
    Ok((number, true))
}

/// An audit that is done, by its number; none is the last one.
pub(super) async fn done_run(
    tx: &mut PgConnection,
    org: Uuid,
    cluster: Uuid,
    number: Option<i64>,
) -> Result<Option<AuditRun>, Error> {
    let row = sqlx::query_as!(
        Row,
        "SELECT number, state, requested_at, started_at, finished_at, read, objects, kubernetes_version, score, critical, high,
                medium, low, info, opened, fixed, waived, profile
         FROM audit_runs
         WHERE org_id = $1 AND cluster_id = $2 AND state = 'done' AND ($3::int8 IS NULL OR number = $3)
         ORDER BY number DESC LIMIT 1",
        org,
        cluster,
        number,
    )
    .fetch_optional(tx)
    .await?;
    row.map(Row::run).transpose()
}

async fn last_runs(
    tx: &mut PgConnection,
    org: Uuid,
    id: Uuid,
    name: String,
    is_synced: bool,
) -> Result<AuditedCluster, Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT number, state, requested_at, started_at, finished_at, read, objects, kubernetes_version, score, critical, high,
                medium, low, info, opened, fixed, waived, profile
         FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND number IN (
           (SELECT max(number) FROM audit_runs WHERE org_id = $1 AND cluster_id = $2),
           (SELECT max(number) FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND state = 'done'))
         ORDER BY number",
        org,
        id,
    )
    .fetch_all(&mut *tx)
    .await?;
    let runs = rows.into_iter().map(Row::run).collect::<Result<Vec<_>, _>>()?;
    let last = runs.iter().find(|run| run.state == RunState::Done).cloned();
    let newer = runs.into_iter().find(|run| run.state != RunState::Done);
    Ok(AuditedCluster { id: ClusterId(id), name, is_synced, last, newer })
}
