//! Findings, to be taken out: as the document that `kubewise_audit::format` writes files from.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use kubewise_audit::{
    Options, Severity,
    format::{Acceptance, Excepted, Item, Origin, Output, Resource, RuleText, Text, Unassessed},
};
use kubewise_contract::{AuditSummary, FindingState, FindingsQuery};
use kubewise_protocol::KINDS;
use sqlx::PgConnection;

use super::rules;
use crate::{Authorized, Cluster, Error, Web, inventory::cursor, permission::ViewInventory, world::timestamp};

/// What becomes of the wish for a file.
#[derive(Debug)]
pub enum FindingsExport {
    /// All that was asked for.
    Whole(Box<Output>),
    /// There are more than were allowed: half of them would pass for all.
    TooMany,
    /// No audit of the cluster has ended yet.
    NeverAudited,
}

impl Web {
    /// The open findings of the last audit that `query` asks for, on all its pages, as one document; at most `most`. What
    /// is waived is in it as accepted; what was fixed is not open, and not in it.
    pub async fn findings_export(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        query: &FindingsQuery,
        most: usize,
    ) -> Result<FindingsExport, Error> {
        let mut tx = cluster.read(&self.pool).await?;
        let (org, id) = (cluster.org.0, cluster.id.0);
        let run = sqlx::query!(
            r#"SELECT number, finished_at AS "finished_at!", objects, kubernetes_version, score, summary, profile
               FROM audit_runs
               WHERE org_id = $1 AND cluster_id = $2 AND state = 'done' ORDER BY number DESC LIMIT 1"#,
            org,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(run) = run else { return Ok(FindingsExport::NeverAudited) };
        let summary: AuditSummary = match run.summary {
            None => AuditSummary::default(),
            Some(summary) => {
                serde_json::from_value(summary).map_err(|e| Error::Internal(format!("summary of an audit: {e}")))?
            }
        };
        let wanted = Wanted::new(query);
        let Some((findings, excepted)) = read(&mut tx, cluster, run.number, query, &wanted, most).await? else {
            return Ok(FindingsExport::TooMany);
        };
        tx.commit().await?;
        let mut output = Output { findings, excepted, ..Output::default() };
        output.origin = Some(Origin {
            cluster: cluster.name.clone(),
            audit: run.number,
            finished_at: timestamp(run.finished_at).to_string(),
        });
        output.rules = rule_texts(output.findings.iter().chain(output.excepted.iter().map(|one| &one.finding)));
        output.not_assessable = summary
            .not_assessable
            .into_iter()
            .filter(|one| wanted.has_rule(&one.rule))
            .map(|one| Unassessed {
                rule: one.rule.into(),
                title: one.title.into(),
                reason: one.reason,
                objects: u32::try_from(one.objects).unwrap_or(u32::MAX),
            })
            .collect();
        let figures = &mut output.summary;
        for finding in &output.findings {
            figures.add(finding.severity);
            figures.known += usize::from(finding.known);
        }
        figures.excepted = output.excepted.len();
        figures.not_assessable = output.not_assessable.len();
        figures.objects = usize::try_from(run.objects).unwrap_or_default();
        figures.rules = usize::try_from(summary.judged_rules).unwrap_or_default();
        // As the command line rounds it.
        figures.score = run.score.map(|score| (score * 10.0).round() / 10.0);
        figures.profile = run.profile.unwrap_or_else(|| Options::default().profile.to_string());
        figures.kubernetes_version = run.kubernetes_version.unwrap_or_default();
        figures.notes.extend(narrowed(query));
        Ok(FindingsExport::Whole(Box::new(output)))
    }
}

/// The rules that are asked for.
struct Wanted {
    rule: Option<String>,
    /// Of a category and a framework.
    of: Option<Vec<String>>,
}

impl Wanted {
    fn new(query: &FindingsQuery) -> Self {
        Self {
            rule: cursor::filter(query.rule.as_ref()),
            of: rules::chosen(
                cursor::filter(query.category.as_ref()).as_deref(),
                cursor::filter(query.framework.as_ref()).as_deref(),
            ),
        }
    }

    fn has_rule(&self, id: &str) -> bool {
        self.rule.as_deref().is_none_or(|rule| rule == id)
            && self.of.as_ref().is_none_or(|rules| rules.iter().any(|rule| rule == id))
    }
}

/// Reads the findings as they come from PostgreSQL; none when there are more than `most`.
async fn read(
    tx: &mut PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    number: i64,
    query: &FindingsQuery,
    wanted: &Wanted,
    most: usize,
) -> Result<Option<(Vec<Item>, Vec<Excepted>)>, Error> {
    // Those of this very run, also when the next one ends while they are read.
    let mut rows = sqlx::query!(
        r#"SELECT f.fingerprint, f.rule, f.severity, f.kind, f.namespace, f.name, f.path, f.message, f.patch, f.opened_in,
                  f.annotated, w.reason AS "reason?", w.owner AS "owner?", w.expires_on AS "expires_on?",
                  r.api_version AS "api_version?"
           FROM findings f
           LEFT JOIN waivers w ON w.org_id = f.org_id AND w.id = f.waiver
           LEFT JOIN resources r ON r.org_id = f.org_id AND r.cluster_id = f.cluster_id AND r.uid = f.uid
           WHERE f.org_id = $1 AND f.cluster_id = $2
             AND f.opened_in <= $3 AND (f.closed_in IS NULL OR f.closed_in > $3) AND (NOT $4 OR f.opened_in = $3)
             AND (f.waived OR NOT $12)
             AND ($5::int2 IS NULL OR f.severity = $5) AND ($6::text IS NULL OR f.rule = $6)
             AND ($7::text IS NULL OR f.namespace = $7) AND ($8::text IS NULL OR f.application = $8)
             AND ($9::text IS NULL OR f.name ILIKE $9) AND ($10::text[] IS NULL OR f.rule = ANY ($10))
           ORDER BY f.severity DESC, f.rule, f.namespace, f.name, f.fingerprint LIMIT $11"#,
        cluster.org.0,
        cluster.id.0,
        number,
        query.state == Some(FindingState::New),
        query.severity.map(kubewise_contract::Severity::rank),
        wanted.rule,
        cursor::filter(query.namespace.as_ref()),
        cursor::filter(query.app.as_ref()),
        cursor::pattern(query.q.as_deref()),
        wanted.of.as_deref(),
        i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1),
        query.state == Some(FindingState::Waived),
    )
    .fetch(&mut *tx);
    let mut texts: HashMap<String, RuleText> = HashMap::new();
    let (mut items, mut excepted) = (Vec::new(), Vec::new());
    while let Some(row) = rows.try_next().await? {
        if items.len() + excepted.len() == most {
            return Ok(None);
        }
        let severity = severity(row.severity)?;
        let text = match texts.get(&row.rule) {
            Some(text) => text,
            None => texts.entry(row.rule.clone()).or_insert(rule_text(row.rule, severity)),
        };
        let item = Item {
            rule: text.id.clone(),
            title: text.title.clone(),
            severity,
            categories: text.categories.clone(),
            controls: text.controls.clone(),
            resource: Resource {
                api_version: row.api_version.unwrap_or_else(|| api_version(&row.kind)),
                kind: row.kind.split_once('.').map_or(&*row.kind, |(kind, _)| kind).to_owned(),
                namespace: row.namespace,
                name: row.name,
            },
            // The cluster is no file.
            source: None,
            line: None,
            path: row.path,
            message: row.message,
            remediation: text.remediation.clone(),
            patch: row.patch,
            fingerprint: hex::encode(row.fingerprint),
            known: row.opened_in < number,
        };
        let exception = match (row.reason, row.annotated) {
            (Some(reason), _) => Acceptance {
                reason,
                owner: row.owner.unwrap_or_default(),
                expires: row.expires_on.map(|day| day.to_string()),
            },
            (None, Some(reason)) => Acceptance { reason, ..Acceptance::default() },
            (None, None) => {
                items.push(item);
                continue;
            }
        };
        excepted.push(Excepted { finding: item, exception });
    }
    Ok(Some((items, excepted)))
}

fn severity(rank: i16) -> Result<Severity, Error> {
    Severity::ALL
        .iter()
        .copied()
        .find(|one| rules::severity(*one).rank() == rank)
        .ok_or_else(|| Error::Internal(format!("unknown severity {rank}")))
}

/// What the catalogue says; of a rule that this version no longer has, its id.
fn rule_text(id: String, severity: Severity) -> RuleText {
    match kubewise_audit::rules::find(&id) {
        Some(rule) => RuleText::new(rule, &Options::default()),
        None => RuleText {
            title: id.clone().into(),
            id: id.into(),
            why: Text::default(),
            remediation: Text::default(),
            severity,
            categories: Vec::new(),
            controls: Vec::new(),
            references: Vec::new(),
            judged: 0,
            failed: 0,
        },
    }
}

/// The rules that something was found by, in the order of the findings. How often they were judged is not remembered.
fn rule_texts<'a>(findings: impl Iterator<Item = &'a Item>) -> Vec<RuleText> {
    let mut seen = HashSet::new();
    findings
        .filter(|finding| seen.insert(&*finding.rule))
        .map(|finding| rule_text(finding.rule.to_string(), finding.severity))
        .collect()
}

/// The version that the agent asks for, where the object itself is no longer there to say it.
fn api_version(group_kind: &str) -> String {
    let known = KINDS.iter().find(|kind| kind.group_kind() == group_kind);
    known.map_or_else(
        || group_kind.split_once('.').map_or_else(String::new, |(_, group)| group.to_owned()),
        kubewise_protocol::WatchedKind::api_version,
    )
}

/// That these are not all, where they are not.
fn narrowed(query: &FindingsQuery) -> Option<String> {
    let state = match query.state {
        Some(FindingState::New) => Some("new".to_owned()),
        Some(FindingState::Waived) => Some("waived".to_owned()),
        _ => None,
    };
    let severity = query.severity.map(|severity| severity.to_string());
    let filters = [
        ("state", state.as_ref()),
        ("severity", severity.as_ref()),
        ("rule", query.rule.as_ref()),
        ("category", query.category.as_ref()),
        ("framework", query.framework.as_ref()),
        ("namespace", query.namespace.as_ref()),
        ("application", query.app.as_ref()),
        ("name", query.q.as_ref()),
    ];
    let set: Vec<String> = filters.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
    (!set.is_empty()).then(|| {
        format!("Not all findings: only those with {}. The score is that of the whole cluster.", set.join(", "))
    })
}
