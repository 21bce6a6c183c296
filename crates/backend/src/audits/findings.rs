//! Findings, for pages.

use kubewise_contract::{
    FindingDetail, FindingRow, FindingSpan, FindingState, FindingsQuery, Page, Permission, ResourceUid, Severity,
    Waived,
};

use super::rules;
use crate::{
    Authorized, Cluster, Error, Web,
    inventory::{cursor, manifest},
    permission::ViewInventory,
    world::timestamp,
};

pub(super) fn severity(rank: i16) -> Result<Severity, Error> {
    Severity::from_rank(rank).ok_or_else(|| Error::Internal(format!("unknown severity {rank}")))
}

impl Web {
    /// What audits found in the cluster: worst first, then by rule, namespace and name.
    pub async fn findings(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &FindingsQuery,
    ) -> Result<Page<FindingRow>, Error> {
        let (org, id) = (cluster.org.0, cluster.id.0);
        let [rank, rule, namespace, name, fingerprint] = cursor::decode(query.after.as_ref())?;
        let after_rank: i16 = if query.after.is_some() { rank.parse().unwrap_or(-1) } else { i16::MAX };
        let fingerprint = hex::decode(&fingerprint).unwrap_or_default();
        let of_rules = rules::chosen(
            cursor::filter(query.category.as_ref()).as_deref(),
            cursor::filter(query.framework.as_ref()).as_deref(),
        );
        let state = query.state.unwrap_or_default();
        let mut tx = cluster.read(&self.pool).await?;
        let last = sqlx::query_scalar!(
            r#"SELECT coalesce(max(number), 0) AS "number!" FROM audit_runs
               WHERE org_id = $1 AND cluster_id = $2 AND state = 'done'"#,
            org,
            id,
        )
        .fetch_one(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            "SELECT fingerprint, rule, severity, kind, namespace, name, message, opened_in, opened_at FROM findings
             WHERE org_id = $1 AND cluster_id = $2
               AND (CASE WHEN $3 THEN closed_in = $4 AND NOT unjudged ELSE closed_in IS NULL END) AND waived = $18
               AND (NOT $5 OR opened_in = $4)
               AND (severity < $6 OR (severity = $6 AND (rule, namespace, name, fingerprint) > ($7, $8, $9, $10)))
               AND ($11::int2 IS NULL OR severity = $11) AND ($12::text IS NULL OR rule = $12)
               AND ($13::text IS NULL OR namespace = $13) AND ($14::text IS NULL OR application = $14)
               AND ($15::text IS NULL OR name ILIKE $15) AND ($16::text[] IS NULL OR rule = ANY ($16))
             ORDER BY severity DESC, rule, namespace, name, fingerprint LIMIT $17",
            org,
            id,
            state == FindingState::Fixed,
            last,
            state == FindingState::New,
            after_rank,
            rule,
            namespace,
            name,
            fingerprint,
            query.severity.map(Severity::rank),
            cursor::filter(query.rule.as_ref()),
            cursor::filter(query.namespace.as_ref()),
            cursor::filter(query.app.as_ref()),
            cursor::pattern(query.q.as_deref()),
            of_rules.as_deref(),
            cursor::ONE_MORE,
            state == FindingState::Waived,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows
            .into_iter()
            .map(|row| {
                Ok(FindingRow {
                    id: hex::encode(row.fingerprint),
                    title: rules::title(&row.rule),
                    rule: row.rule,
                    severity: severity(row.severity)?,
                    kind: row.kind,
                    namespace: Some(row.namespace).filter(|namespace| !namespace.is_empty()),
                    name: row.name,
                    message: row.message,
                    since: timestamp(row.opened_at),
                    is_new: row.opened_in == last,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(cursor::page(rows, |row: &FindingRow| {
            vec![
                row.severity.rank().to_string(),
                row.rule.clone(),
                row.namespace.clone().unwrap_or_default(),
                row.name.clone(),
                row.id.clone(),
            ]
        }))
    }

    /// One finding, also one that is no longer there.
    pub async fn finding(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        fingerprint: &str,
    ) -> Result<FindingDetail, Error> {
        let fingerprint = hex::decode(fingerprint).map_err(|_| Error::NotFound)?;
        let (org, id) = (cluster.org.0, cluster.id.0);
        let mut tx = cluster.read(&self.pool).await?;
        let spans = sqlx::query!(
            r#"SELECT f.rule, severity, uid, f.kind, f.namespace, f.name, application, path, message, patch, opened_in, opened_at,
                      closed_in, closed_at, annotated, w.reason AS "reason?", w.owner AS "owner?", w.expires_on AS "expires_on?"
               FROM findings f LEFT JOIN waivers w ON w.org_id = f.org_id AND w.id = f.waiver
               WHERE f.org_id = $1 AND f.cluster_id = $2 AND f.fingerprint = $3 ORDER BY opened_in DESC LIMIT 100"#,
            org,
            id,
            fingerprint,
        )
        .fetch_all(&mut *tx)
        .await?;
        let last = spans.first().ok_or(Error::NotFound)?;
        let manifest = sqlx::query_scalar!(
            "SELECT manifest FROM resources WHERE org_id = $1 AND cluster_id = $2 AND uid = $3",
            org,
            id,
            last.uid,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let newest = sqlx::query_scalar!(
            r#"SELECT coalesce(max(number), 0) AS "number!" FROM audit_runs
               WHERE org_id = $1 AND cluster_id = $2 AND state = 'done'"#,
            org,
            id,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let (evidence, line) = match &manifest {
            None => (String::new(), 0),
            Some(manifest) => {
                let yaml = manifest::yaml(&manifest::unpack(manifest)?)?;
                let line = line_of(&yaml, &last.path);
                (yaml, line)
            }
        };
        let waived = match (&last.reason, &last.annotated) {
            (Some(reason), _) => Some(Waived {
                reason: reason.clone(),
                owner: last.owner.clone(),
                expires: last.expires_on.map(|day| day.to_string()),
            }),
            (None, Some(reason)) => Some(Waived { reason: reason.clone(), owner: None, expires: None }),
            (None, None) => None,
        };
        Ok(FindingDetail {
            row: FindingRow {
                id: hex::encode(&fingerprint),
                rule: last.rule.clone(),
                title: rules::title(&last.rule),
                severity: severity(last.severity)?,
                kind: last.kind.clone(),
                namespace: Some(last.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                name: last.name.clone(),
                message: last.message.clone(),
                since: timestamp(last.opened_at),
                is_new: last.opened_in == newest && last.closed_in.is_none(),
            },
            cluster_name: cluster.name.clone(),
            rule: rules::text(&last.rule),
            uid: last.uid.filter(|_| manifest.is_some()).map(ResourceUid),
            application: last.application.clone(),
            path: last.path.clone(),
            evidence,
            line,
            patch: last.patch.clone(),
            history: spans
                .iter()
                .map(|span| FindingSpan {
                    opened_in: span.opened_in,
                    opened_at: timestamp(span.opened_at),
                    closed_in: span.closed_in,
                    closed_at: span.closed_at.map(timestamp),
                })
                .collect(),
            is_open: last.closed_in.is_none(),
            waived: waived.filter(|_| last.closed_in.is_none()),
            can_waive: cluster.may(Permission::WaiveFindings),
            can_set: cluster.may(Permission::ManagePolicies),
        })
    }
}

fn line_of(yaml: &str, path: &str) -> u32 {
    match kubewise_audit::yaml::documents(yaml) {
        Ok(documents) if !path.is_empty() => documents.first().map_or(0, |document| document.line_of(path)),
        _ => 0,
    }
}
