//! An audit, done: reads what runs in the cluster, judges it, keeps what was judged, and tells what has changed since the
//! last time. Done twice, after whatever interruption, it is as if it was done once: all that it says is written in one
//! transaction, by whoever comes first.

use std::{collections::HashMap, io::Write as _};

use futures::TryStreamExt;
use kubewise_audit::{Finding, Inventory, KubernetesVersion, Report};
use kubewise_contract::{AuditSummary, BySeverity, ClusterId, OrgId, Severity};
use kubewise_protocol::VULNERABILITY_REPORT;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    ask::{self, Why},
    decisions::{Decisions, Waived},
    engine::{self, Judged, Stored},
    rules, summary,
};
use crate::{
    Error, Worker, bucket,
    database::{self, Scope},
    jobs::Queue,
    keys::KeyOf,
    live,
    logged::logged,
    notifications::{self, Occasion},
};

/// Objects that are unpacked at once, and after which it is told how far reading is.
const AT_ONCE: usize = 2_000;
/// Rows that are written in one statement.
const ROWS: usize = 5_000;

/// Audit a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AuditCluster {
    pub(crate) org: OrgId,
    pub(crate) cluster: ClusterId,
    pub(crate) number: i64,
}

/// Where the bucket has what an audit judged.
pub(crate) fn folder(org: OrgId, cluster: Uuid, number: i64) -> String {
    format!("{org}/{cluster}/audits/{number}")
}

impl Queue for AuditCluster {
    const NAME: &'static str = "audit-cluster";
}

/// What was found, ready to be written.
struct Found {
    rows: Vec<Row>,
    summary: AuditSummary,
    counts: BySeverity,
    waived: i64,
    score: Option<f64>,
    objects: i64,
    decisions: Decisions,
}

struct Row {
    fingerprint: Vec<u8>,
    rule: String,
    severity: i16,
    uid: Uuid,
    kind: String,
    namespace: String,
    name: String,
    application: Option<String>,
    path: String,
    message: String,
    patch: String,
    waiver: Option<Uuid>,
    annotated: Option<String>,
}

impl Worker {
    /// Audits a cluster. A run that has ended is left as it is.
    pub(crate) async fn audit_cluster(&self, job: &AuditCluster) -> Result<(), Error> {
        let Some(begun) = self.begin_audit(job).await? else { return Ok(()) };
        let (found, evidence) = self.judge(job, begun.decisions, begun.completeness).await?;
        let name = format!("{}/evidence", folder(job.org, job.cluster.0, job.number));
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        let key = self.bucket.key(&mut tx, KeyOf::Organisation(job.org)).await?;
        tx.commit().await?;
        let bytes = self.bucket.put(&key, &name, evidence).await?;
        self.end_audit(job, found, &name, bytes).await
    }

    /// A job that was tried as often as jobs are has failed, and says so.
    pub(crate) async fn give_up_audit(&self, job: &AuditCluster) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        ask::alone(&mut tx, job.org, job.cluster).await?;
        let again = sqlx::query_scalar!(
            "UPDATE audit_runs SET state = 'failed', finished_at = $4
             WHERE org_id = $1 AND cluster_id = $2 AND number = $3 AND state IN ('waiting', 'running') RETURNING again",
            job.org.0,
            job.cluster.0,
            job.number,
            self.world.now(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        if again == Some(true) {
            ask::request(&mut tx, &self.world, job.org, job.cluster, Why::Again).await?;
        }
        if again.is_some() {
            let occasion = Occasion::Failed { audit: job.number };
            notifications::tell(&mut tx, &self.world, job.org, job.cluster, occasion).await?;
        }
        live::notify(&mut tx, job.org, job.cluster, false).await?;
        Ok(tx.commit().await?)
    }

    async fn begin_audit(&self, job: &AuditCluster) -> Result<Option<Begun>, Error> {
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        let cluster = sqlx::query!(
            "SELECT kubernetes_version, unreadable FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL",
            job.org.0,
            job.cluster.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        // Deleted since.
        let Some(cluster) = cluster else { return Ok(None) };
        let version: Option<KubernetesVersion> = cluster.kubernetes_version.and_then(|text| text.parse().ok());
        let today = self.world.now().date();
        let decisions = Decisions::read(&mut tx, job.org, job.cluster, version, today).await?;
        let begun = sqlx::query!(
            "UPDATE audit_runs SET state = 'running', started_at = $4, read = 0, kubernetes_version = $5, profile = $6,
                    objects = (SELECT count(*) FROM resources WHERE org_id = $1 AND cluster_id = $2 AND kind <> $7)
             WHERE org_id = $1 AND cluster_id = $2 AND number = $3 AND state IN ('waiting', 'running')",
            job.org.0,
            job.cluster.0,
            job.number,
            self.world.now(),
            decisions.options.version.to_string(),
            decisions.options.profile.to_string(),
            VULNERABILITY_REPORT,
        )
        .execute(&mut *tx)
        .await?;
        if begun.rows_affected() == 0 {
            return Ok(None);
        }
        live::notify(&mut tx, job.org, job.cluster, false).await?;
        tx.commit().await?;
        let unreadable = serde_json::from_value(cluster.unreadable)
            .map_err(|e| Error::Internal(format!("what the agent cannot read: {e}")))?;
        Ok(Some(Begun { completeness: engine::completeness(unreadable, version), decisions }))
    }

    /// Reads and judges. Answers what was found, and the objects that were judged, a JSON document a line, compressed.
    async fn judge(
        &self,
        job: &AuditCluster,
        decisions: Decisions,
        completeness: kubewise_audit::Completeness,
    ) -> Result<(Found, Vec<u8>), Error> {
        let mut evidence = bucket::compressor()?;
        let (mut judged, mut objects) = (Vec::new(), Vec::new());
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        let mut after = (String::new(), String::new(), String::new(), Uuid::nil());
        loop {
            let rows = sqlx::query!(
                // Reports of scanners are judgements themselves, and can be a megabyte each.
                "SELECT uid, kind, namespace, name, application, manifest FROM resources
                 WHERE org_id = $1 AND cluster_id = $2 AND (kind, namespace, name, uid) > ($3, $4, $5, $6) AND kind <> $8
                 ORDER BY kind, namespace, name, uid LIMIT $7",
                job.org.0,
                job.cluster.0,
                after.0,
                after.1,
                after.2,
                after.3,
                i64::try_from(AT_ONCE).unwrap_or(i64::MAX),
                VULNERABILITY_REPORT,
            )
            .fetch(&mut *tx)
            .try_collect::<Vec<_>>()
            .await?;
            let Some(last) = rows.last() else { break };
            after = (last.kind.clone(), last.namespace.clone(), last.name.clone(), last.uid);
            let read = rows.len();
            let stored = rows
                .into_iter()
                .map(|row| Stored {
                    uid: row.uid,
                    kind: row.kind,
                    application: row.application,
                    manifest: row.manifest,
                })
                .collect();
            let (unpacked, compressor) = busy(move || {
                let unpacked = engine::unpack(stored)?;
                for (_, json, _) in &unpacked {
                    evidence
                        .write_all(json)
                        .and_then(|()| evidence.write_all(b"\n"))
                        .map_err(|e| Error::Internal(format!("evidence: {e}")))?;
                }
                Ok((unpacked, evidence))
            })
            .await?;
            evidence = compressor;
            for (of, _, object) in unpacked {
                judged.push(of);
                objects.push(object);
            }
            if read < AT_ONCE {
                break;
            }
            self.tell_progress(job, judged.len()).await?;
        }
        tx.commit().await?;
        busy(move || {
            let inventory = Inventory::new(objects, completeness);
            let report = kubewise_audit::audit(&inventory, &decisions.options);
            let found = found(&inventory, report, &judged, decisions);
            let evidence = evidence.finish().map_err(|e| Error::Internal(format!("evidence: {e}")))?;
            Ok((found, evidence))
        })
        .await
    }

    async fn tell_progress(&self, job: &AuditCluster, read: usize) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        sqlx::query!(
            "UPDATE audit_runs SET read = $4 WHERE org_id = $1 AND cluster_id = $2 AND number = $3 AND state = 'running'",
            job.org.0,
            job.cluster.0,
            job.number,
            i64::try_from(read).unwrap_or(i64::MAX),
        )
        .execute(&mut *tx)
        .await?;
        live::notify(&mut tx, job.org, job.cluster, false).await?;
        Ok(tx.commit().await?)
    }

    async fn end_audit(&self, job: &AuditCluster, found: Found, evidence: &str, bytes: usize) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        // Another worker that does the same waits here, and then finds it done.
        ask::alone(&mut tx, job.org, job.cluster).await?;
        let run = sqlx::query!(
            "SELECT state, again FROM audit_runs WHERE org_id = $1 AND cluster_id = $2 AND number = $3 FOR UPDATE",
            job.org.0,
            job.cluster.0,
            job.number,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(run) = run else {
            // The cluster was removed meanwhile, perhaps before its evidence was there.
            let (folder, _) = evidence.rsplit_once('/').unwrap_or((evidence, ""));
            self.bucket.remove_under(folder).await?;
            return Ok(());
        };
        if run.state != "running" {
            return Ok(());
        }
        let now = self.world.now();
        let (opened, fixed) = put(&mut tx, job, &found, now).await?;
        let counts = found.counts;
        sqlx::query!(
            "UPDATE audit_runs SET state = 'done', finished_at = $4, read = $5, objects = $5, score = $6, critical = $7,
                    high = $8, medium = $9, low = $10, info = $11, opened = $12, fixed = $13, summary = $14, evidence = $15,
                    evidence_bytes = $16, waived = $17
             WHERE org_id = $1 AND cluster_id = $2 AND number = $3",
            job.org.0,
            job.cluster.0,
            job.number,
            now,
            found.objects,
            found.score,
            counts.critical,
            counts.high,
            counts.medium,
            counts.low,
            counts.info,
            opened,
            fixed,
            serde_json::to_value(&found.summary).map_err(|e| Error::Internal(e.to_string()))?,
            evidence,
            i64::try_from(bytes).unwrap_or(i64::MAX),
            found.waived,
        )
        .execute(&mut *tx)
        .await?;
        if run.again {
            ask::request(&mut tx, &self.world, job.org, job.cluster, Why::Again).await?;
        }
        if opened > 0 {
            let occasion = Occasion::Audited { audit: job.number };
            notifications::tell(&mut tx, &self.world, job.org, job.cluster, occasion).await?;
        }
        live::notify(&mut tx, job.org, job.cluster, false).await?;
        tx.commit().await?;
        tracing::info!(
            cluster = logged(job.cluster),
            audit = job.number,
            objects = found.objects,
            "a cluster was audited"
        );
        Ok(())
    }
}

struct Begun {
    decisions: Decisions,
    completeness: kubewise_audit::Completeness,
}

/// Work for the processor, away from the threads that others wait for.
async fn busy<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::Internal(format!("an audit was given up: {e}")))?
}

fn found(inventory: &Inventory, mut report: Report, judged: &[Judged], decisions: Decisions) -> Found {
    let mut counts = BySeverity::default();
    let mut rows = Vec::with_capacity(report.findings.len());
    let found = report.findings.len();
    // What is waived is in the rows, and in no figure but the score: that is about what is, not about what was decided.
    report.findings.retain(|finding| {
        let waived = decisions.waived(finding, inventory.object(finding.object));
        if waived.is_none() {
            counts.add(rules::severity(finding.severity));
        }
        let is_open = waived.is_none();
        rows.push(row(inventory, finding, judged, waived));
        is_open
    });
    let namespaces: Vec<&str> = inventory.objects().iter().map(|object| &*object.namespace).collect();
    Found {
        rows,
        summary: summary::summary(&report, &namespaces, judged),
        counts,
        waived: i64::try_from(found - report.findings.len()).unwrap_or(i64::MAX),
        score: report.score(),
        objects: i64::try_from(judged.len()).unwrap_or(i64::MAX),
        decisions,
    }
}

fn row(inventory: &Inventory, finding: &Finding, judged: &[Judged], waived: Option<Waived>) -> Row {
    // PostgreSQL has no text with NUL in it.
    let text = |text: &str| text.replace('\0', "");
    let object = inventory.object(finding.object);
    let of = &judged[finding.object as usize];
    let severity: Severity = rules::severity(finding.severity);
    let (waiver, annotated) = match waived {
        None => (None, None),
        Some(Waived::By(id)) => (Some(id), None),
        Some(Waived::Annotated(reason)) => (None, Some(text(&reason))),
    };
    Row {
        fingerprint: finding.fingerprint.to_vec(),
        rule: finding.rule.id.to_owned(),
        severity: severity.rank(),
        uid: of.uid,
        kind: of.kind.clone(),
        namespace: text(&object.namespace),
        name: text(&object.name),
        application: of.application.clone(),
        path: text(&finding.path),
        message: text(&finding.message),
        patch: text(&finding.patch(object)),
        waiver,
        annotated,
    }
}

/// What an open finding was, as it is stored.
struct Open {
    content: Vec<u8>,
    rule: String,
    waived: bool,
}

/// Puts what was found beside what is open: opens what is new, closes what is gone, brings the rest up to date. Answers
/// how many are new and how many were fixed: what is waived is neither, and what is no longer judged was not fixed.
async fn put(
    tx: &mut PgConnection,
    job: &AuditCluster,
    found: &Found,
    now: OffsetDateTime,
) -> Result<(i64, i64), Error> {
    let (org, cluster) = (job.org.0, job.cluster.0);
    let mut open: HashMap<Vec<u8>, Open> = sqlx::query!(
        r#"SELECT fingerprint, rule, waived AS "waived!",
                  sha256(convert_to(concat_ws(chr(1), severity, uid, application, path, message, patch, 'by ' || waiver,
                                              'for ' || annotated), 'UTF8')) AS "content!"
           FROM findings WHERE org_id = $1 AND cluster_id = $2 AND closed_in IS NULL"#,
        org,
        cluster,
    )
    .fetch_all(&mut *tx)
    .await?
    .into_iter()
    .map(|row| (row.fingerprint, Open { content: row.content, rule: row.rule, waived: row.waived }))
    .collect();
    let (mut fresh, mut changed) = (Vec::new(), Vec::new());
    for row in &found.rows {
        match open.remove(&row.fingerprint) {
            None => fresh.push(row),
            Some(open) if open.content != row.content() => changed.push(row),
            Some(_) => {}
        }
    }
    let opened = fresh.iter().filter(|row| !row.is_waived()).count();
    let fixed = open.values().filter(|open| !open.waived && found.decisions.judges(&open.rule)).count();
    close(&mut *tx, job, open, &found.decisions, now).await?;
    for rows in fresh.chunks(ROWS) {
        let c = Columns::of(rows);
        sqlx::query!(
            "INSERT INTO findings (org_id, cluster_id, opened_in, opened_at, fingerprint, rule, severity, uid, kind, namespace,
                                   name, application, path, message, patch, waiver, annotated)
             SELECT $1, $2, $3, $4, * FROM unnest($5::bytea[], $6::text[], $7::int2[], $8::uuid[], $9::text[], $10::text[],
                                                 $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::uuid[],
                                                 $17::text[])",
            org,
            cluster,
            job.number,
            now,
            &c.fingerprints,
            &c.rules,
            &c.severities,
            &c.uids,
            &c.kinds,
            &c.namespaces,
            &c.names,
            &c.applications as &[Option<String>],
            &c.paths,
            &c.messages,
            &c.patches,
            &c.waivers as &[Option<Uuid>],
            &c.annotated as &[Option<String>],
        )
        .execute(&mut *tx)
        .await?;
    }
    for rows in changed.chunks(ROWS) {
        let c = Columns::of(rows);
        sqlx::query!(
            "UPDATE findings f SET severity = n.severity, uid = n.uid, application = n.application, path = n.path,
                    message = n.message, patch = n.patch, waiver = n.waiver, annotated = n.annotated
             FROM unnest($3::bytea[], $4::int2[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::uuid[],
                         $11::text[])
                  AS n (fingerprint, severity, uid, application, path, message, patch, waiver, annotated)
             WHERE f.org_id = $1 AND f.cluster_id = $2 AND f.closed_in IS NULL AND f.fingerprint = n.fingerprint",
            org,
            cluster,
            &c.fingerprints,
            &c.severities,
            &c.uids,
            &c.applications as &[Option<String>],
            &c.paths,
            &c.messages,
            &c.patches,
            &c.waivers as &[Option<Uuid>],
            &c.annotated as &[Option<String>],
        )
        .execute(&mut *tx)
        .await?;
    }
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    Ok((number(opened), number(fixed)))
}

/// Closes what was not found any more; what is not judged any more was not fixed by anybody.
async fn close(
    tx: &mut PgConnection,
    job: &AuditCluster,
    open: HashMap<Vec<u8>, Open>,
    decisions: &Decisions,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let (mut gone, mut unjudged) = (Vec::new(), Vec::new());
    for (fingerprint, open) in open {
        unjudged.push(!decisions.judges(&open.rule));
        gone.push(fingerprint);
    }
    for (gone, unjudged) in gone.chunks(ROWS).zip(unjudged.chunks(ROWS)) {
        sqlx::query!(
            "UPDATE findings f SET closed_in = $5, closed_at = $6, unjudged = g.unjudged
             FROM unnest($3::bytea[], $4::bool[]) AS g (fingerprint, unjudged)
             WHERE f.org_id = $1 AND f.cluster_id = $2 AND f.closed_in IS NULL AND f.fingerprint = g.fingerprint",
            job.org.0,
            job.cluster.0,
            gone,
            unjudged,
            job.number,
            now,
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

impl Row {
    const fn is_waived(&self) -> bool {
        self.waiver.is_some() || self.annotated.is_some()
    }

    /// As the statement of [`put`] hashes what is stored.
    fn content(&self) -> Vec<u8> {
        use sha2::Digest as _;
        let (severity, uid) = (self.severity.to_string(), self.uid.to_string());
        let by = self.waiver.map(|waiver| format!("by {waiver}"));
        let reason = self.annotated.as_ref().map(|reason| format!("for {reason}"));
        let mut parts = vec![severity.as_str(), &uid];
        // What is null is left out.
        parts.extend(self.application.as_deref());
        parts.extend([self.path.as_str(), &self.message, &self.patch]);
        parts.extend(by.as_deref());
        parts.extend(reason.as_deref());
        sha2::Sha256::digest(parts.join("\u{1}")).to_vec()
    }
}

#[derive(Default)]
struct Columns {
    fingerprints: Vec<Vec<u8>>,
    rules: Vec<String>,
    severities: Vec<i16>,
    uids: Vec<Uuid>,
    kinds: Vec<String>,
    namespaces: Vec<String>,
    names: Vec<String>,
    applications: Vec<Option<String>>,
    paths: Vec<String>,
    messages: Vec<String>,
    patches: Vec<String>,
    waivers: Vec<Option<Uuid>>,
    annotated: Vec<Option<String>>,
}

impl Columns {
    fn of(rows: &[&Row]) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.fingerprints.push(row.fingerprint.clone());
            columns.rules.push(row.rule.clone());
            columns.severities.push(row.severity);
            columns.uids.push(row.uid);
            columns.kinds.push(row.kind.clone());
            columns.namespaces.push(row.namespace.clone());
            columns.names.push(row.name.clone());
            columns.applications.push(row.application.clone());
            columns.paths.push(row.path.clone());
            columns.messages.push(row.message.clone());
            columns.patches.push(row.patch.clone());
            columns.waivers.push(row.waiver);
            columns.annotated.push(row.annotated.clone());
        }
        columns
    }
}
