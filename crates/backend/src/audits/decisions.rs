//! What an organisation decided about audits, as the worker judges by it.

use std::collections::HashMap;

use kubewise_audit::{
    Finding, KubernetesVersion, Object, Options, Parameters, Profile,
    exception::{self, Exception},
};
use kubewise_contract::{ClusterId, Decided, OrgId};
use serde_json::Value;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use super::rules;
use crate::Error;

/// How a cluster is judged, and what of it is lived with.
pub(super) struct Decisions {
    pub(super) options: Options,
    waivers: Waivers,
    annotations_waive: bool,
}

/// Waivers by the rule that they are about.
#[derive(Default)]
struct Waivers {
    of_rule: HashMap<String, Vec<(Uuid, Exception)>>,
    of_all: Vec<(Uuid, Exception)>,
}

/// Why a finding is lived with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waived {
    /// By this waiver.
    By(Uuid),
    /// An annotation of the object says so, and why.
    Annotated(String),
}

impl Decisions {
    /// Reads what holds today for this cluster, which runs this version.
    pub(super) async fn read(
        tx: &mut PgConnection,
        org: OrgId,
        cluster: ClusterId,
        runs: Option<KubernetesVersion>,
        today: Date,
    ) -> Result<Self, Error> {
        let policy =
            sqlx::query!("SELECT rules, parameters, annotations_waive FROM audit_policies WHERE org_id = $1", org.0)
                .fetch_optional(&mut *tx)
                .await?;
        let own = sqlx::query!(
            "SELECT profile, kubernetes_version FROM cluster_policies WHERE org_id = $1 AND cluster_id = $2",
            org.0,
            cluster.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let mut options = Options { version: runs.unwrap_or(KubernetesVersion::NEWEST), ..Options::default() };
        let mut annotations_waive = false;
        if let Some(policy) = policy {
            annotations_waive = policy.annotations_waive;
            options.parameters = parameters(policy.parameters)?;
            for (rule, decided) in decided(policy.rules)? {
                match decided {
                    Decided::Off => drop(options.off.insert(rule)),
                    Decided::Severity(severity) => drop(options.severities.insert(rule, rules::of_engine(severity))),
                }
            }
        }
        if let Some(own) = own {
            options.profile = own.profile.parse::<Profile>().map_err(|e| Error::Internal(e.to_string()))?;
            if let Some(version) = own.kubernetes_version {
                options.version = version.parse().map_err(|e| Error::Internal(format!("a policy: {e}")))?;
            }
        }
        Ok(Self { options, waivers: Waivers::read(tx, org, cluster, today).await?, annotations_waive })
    }

    /// Why this finding is lived with, if it is.
    pub(super) fn waived(&self, finding: &Finding, object: &Object) -> Option<Waived> {
        let of_rule = self.waivers.of_rule.get(finding.rule.id).into_iter().flatten();
        let by = of_rule.chain(&self.waivers.of_all).find(|(_, waiver)| waiver.accepts(finding, object));
        if let Some((id, _)) = by {
            return Some(Waived::By(*id));
        }
        let reason = self.annotations_waive.then(|| exception::annotated(finding, object)).flatten()?;
        Some(Waived::Annotated(reason.to_owned()))
    }

    /// Whether a rule was judged: what it found before and does not now was mended.
    pub(super) fn judges(&self, rule: &str) -> bool {
        kubewise_audit::rules::find(rule)
            .is_some_and(|rule| self.options.judges(rule) && self.options.version >= rule.since)
    }
}

impl Waivers {
    async fn read(tx: &mut PgConnection, org: OrgId, cluster: ClusterId, today: Date) -> Result<Self, Error> {
        let rows = sqlx::query!(
            "SELECT id, rule, kind, namespace, name, labels FROM waivers
             WHERE org_id = $1 AND (cluster_id IS NULL OR cluster_id = $2) AND approved_at IS NOT NULL AND ended_at IS NULL
               AND (expires_on IS NULL OR expires_on >= $3)
             ORDER BY requested_at, id",
            org.0,
            cluster.0,
            today,
        )
        .fetch_all(tx)
        .await?;
        let mut waivers = Self::default();
        for row in rows {
            let labels =
                serde_json::from_value(row.labels).map_err(|e| Error::Internal(format!("labels of a waiver: {e}")))?;
            let exception = Exception {
                rule: row.rule,
                kind: row.kind,
                namespace: row.namespace,
                name: row.name,
                labels,
                ..Exception::default()
            };
            match exception.rule.as_str() {
                "*" => waivers.of_all.push((row.id, exception)),
                rule => waivers.of_rule.entry(rule.to_owned()).or_default().push((row.id, exception)),
            }
        }
        Ok(waivers)
    }
}

/// What rules leave open, from its column.
pub(super) fn parameters(column: Value) -> Result<Parameters, Error> {
    serde_json::from_value(column).map_err(|e| Error::Internal(format!("parameters of a policy: {e}")))
}

/// What was decided about rules, from its column, by their ids.
pub(super) fn decided(column: Value) -> Result<Vec<(String, Decided)>, Error> {
    let broken = || Error::Internal("rules of a policy".to_owned());
    let Value::Object(map) = column else { return Err(broken()) };
    map.into_iter()
        .map(|(rule, decided)| Ok((rule, decided.as_str().and_then(Decided::parse).ok_or_else(broken)?)))
        .collect()
}
