//! What is known to be wrong with images, kept in the transaction that changes what is known.

use std::collections::{BTreeMap, BTreeSet};

use kubewise_contract::VulnerabilitySeverity as Severity;
use kubewise_protocol::VULNERABILITY_REPORT;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    report::Report,
    sync::{Agent, Refused},
};
use crate::{Error, inventory::manifest};

/// Reports that are unpacked at once: each may be two megabytes.
const AT_ONCE: usize = 8;

/// The newest report on an image.
struct Newest {
    key: String,
    uid: Uuid,
    hash: Vec<u8>,
    scanned_at: OffsetDateTime,
}

/// Brings what is known of images in line with the reports that the cluster has now. Compares, so that it does not matter how
/// they came to be there or how often this is done; reads only reports that it did not read before.
pub(super) async fn refresh(tx: &mut PgConnection, agent: Agent) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    let newest = sqlx::query_as!(
        Newest,
        r#"SELECT DISTINCT ON (r.key) r.key AS "key!", r.uid AS "uid!", r.hash AS "hash!", r.scanned_at AS "scanned_at!"
           FROM (SELECT image_key(info ->> 'image') AS key, uid, hash,
                        to_timestamp((info ->> 'scanned_at')::bigint) AS scanned_at
                 FROM resources WHERE org_id = $1 AND cluster_id = $2 AND kind = $3 AND info IS NOT NULL) r
           WHERE r.key IS NOT NULL
           ORDER BY r.key, r.scanned_at DESC, r.uid"#,
        org,
        cluster,
        VULNERABILITY_REPORT,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut held: BTreeMap<String, (Uuid, Vec<u8>)> =
        sqlx::query!("SELECT key, report, hash FROM image_scans WHERE org_id = $1 AND cluster_id = $2", org, cluster)
            .fetch_all(&mut *tx)
            .await?
            .into_iter()
            .map(|row| (row.key, (row.report, row.hash)))
            .collect();
    let mut changed = Vec::new();
    let mut old = BTreeSet::new();
    for report in newest {
        let before = held.remove(&report.key);
        if before.as_ref().is_some_and(|(uid, hash)| *uid == report.uid && *hash == report.hash) {
            continue;
        }
        if before.is_some() {
            old.insert(report.key.clone());
        }
        changed.push(report);
    }
    // No report is about these any more.
    old.extend(held.into_keys());
    if !old.is_empty() {
        let old: Vec<String> = old.into_iter().collect();
        sqlx::query!(
            "DELETE FROM vulnerabilities WHERE org_id = $1 AND cluster_id = $2 AND key = ANY ($3)",
            org,
            cluster,
            &old
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "DELETE FROM image_scans WHERE org_id = $1 AND cluster_id = $2 AND key = ANY ($3)",
            org,
            cluster,
            &old
        )
        .execute(&mut *tx)
        .await?;
    }
    let mut changed = changed.into_iter();
    loop {
        let some: Vec<Newest> = changed.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        let read = unpack(tx, agent, some).await?;
        write(tx, agent, &read).await?;
    }
}

/// Reads some reports whole.
async fn unpack(tx: &mut PgConnection, agent: Agent, some: Vec<Newest>) -> Result<Vec<(Newest, Report)>, Refused> {
    let uids: Vec<Uuid> = some.iter().map(|report| report.uid).collect();
    let mut manifests: BTreeMap<Uuid, Vec<u8>> = sqlx::query!(
        "SELECT uid, manifest FROM resources WHERE org_id = $1 AND cluster_id = $2 AND uid = ANY ($3)",
        agent.org.0,
        agent.cluster.0,
        &uids,
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(|row| (row.uid, row.manifest))
    .collect();
    // Work of many milliseconds: for a thread that serves nobody else.
    let read = tokio::task::spawn_blocking(move || {
        some.into_iter()
            .map(|newest| {
                let json = manifest::json(&manifests.remove(&newest.uid).unwrap_or_default())?;
                Ok((newest, Report::read(&json)))
            })
            .collect::<Result<Vec<_>, Error>>()
    });
    Ok(read.await.map_err(|e| Error::Internal(format!("reading reports: {e}")))??)
}

async fn write(tx: &mut PgConnection, agent: Agent, read: &[(Newest, Report)]) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    let keys: Vec<String> = read.iter().map(|(newest, _)| newest.key.clone()).collect();
    let uids: Vec<Uuid> = read.iter().map(|(newest, _)| newest.uid).collect();
    let hashes: Vec<Vec<u8>> = read.iter().map(|(newest, _)| newest.hash.clone()).collect();
    let times: Vec<OffsetDateTime> = read.iter().map(|(newest, _)| newest.scanned_at).collect();
    let text = |of: fn(&Report) -> &String| read.iter().map(|(_, report)| of(report).clone()).collect::<Vec<_>>();
    let number = |of: &dyn Fn(&Report) -> i64| read.iter().map(|(_, report)| of(report)).collect::<Vec<_>>();
    let count = |severity: Severity| number(&|r: &Report| r.counts[usize::from(severity.rank().unsigned_abs())]);
    let fixable = number(&|r: &Report| {
        i64::try_from(r.vulnerabilities.iter().filter(|one| !one.fixed.is_empty()).count()).unwrap_or(i64::MAX)
    });
    sqlx::query!(
        "INSERT INTO image_scans (org_id, cluster_id, key, report, hash, scanned_at, scanner, scanner_version, os, critical,
           high, medium, low, unknown, fixable, truncated)
         SELECT $1, $2, t.* FROM UNNEST($3::text[], $4::uuid[], $5::bytea[], $6::timestamptz[], $7::text[], $8::text[],
           $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
           $16::bigint[]) AS t",
        org,
        cluster,
        &keys,
        &uids,
        &hashes,
        &times,
        &text(|r| &r.scanner),
        &text(|r| &r.scanner_version),
        &text(|r| &r.os),
        &count(Severity::Critical),
        &count(Severity::High),
        &count(Severity::Medium),
        &count(Severity::Low),
        &count(Severity::Unknown),
        &fixable,
        &number(&|r: &Report| r.truncated),
    )
    .execute(&mut *tx)
    .await?;
    let all: Vec<_> = read
        .iter()
        .flat_map(|(newest, report)| report.vulnerabilities.iter().map(|one| (newest.key.clone(), one)))
        .collect();
    let keys: Vec<String> = all.iter().map(|(key, _)| key.clone()).collect();
    let text = |of: fn(&super::report::Vulnerability) -> &String| {
        all.iter().map(|(_, one)| of(one).clone()).collect::<Vec<String>>()
    };
    let ranks: Vec<i16> = all.iter().map(|(_, one)| one.severity.rank()).collect();
    let scores: Vec<Option<i16>> = all.iter().map(|(_, one)| one.score).collect();
    sqlx::query!(
        "INSERT INTO vulnerabilities (org_id, cluster_id, key, id, package, installed, fixed, severity, score, title, link)
         SELECT $1, $2, t.* FROM UNNEST($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int2[],
           $9::int2[], $10::text[], $11::text[]) AS t",
        org,
        cluster,
        &keys,
        &text(|one| &one.id),
        &text(|one| &one.package),
        &text(|one| &one.installed),
        &text(|one| &one.fixed),
        &ranks,
        &scores as &[Option<i16>],
        &text(|one| &one.title),
        &text(|one| &one.link),
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}
