//! Audits and what they found, as the pages show them.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{ClusterChoice, ClusterId, Cursor, Field, FieldError, Problem, ResourceUid, Timestamp, Waived};

/// How bad a finding is, least first. The audit engine has the same; this one is for the browser, which has no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Good practice that is missed.
    Low,
    /// Makes an attack or an outage easier.
    Medium,
    /// A step of a known attack, or an outage that waits for its occasion.
    High,
    /// Whoever is in the workload, or holds the right, has the node or the cluster.
    Critical,
}

impl Severity {
    /// Worst first, as people read them.
    pub const WORST_FIRST: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// As configuration, the API and addresses spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The inverse of [`Severity::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::WORST_FIRST.into_iter().find(|severity| severity.as_str() == text)
    }

    /// As the database keeps it: 0 to 4, so that it can be put in order.
    pub const fn rank(self) -> i16 {
        self as i16
    }

    /// The inverse of [`Severity::rank`].
    pub fn from_rank(rank: i16) -> Option<Self> {
        Self::WORST_FIRST.into_iter().find(|severity| severity.rank() == rank)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BySeverity {
    /// Critical.
    pub critical: i64,
    /// High.
    pub high: i64,
    /// Medium.
    pub medium: i64,
    /// Low.
    pub low: i64,
    /// Info.
    pub info: i64,
}

impl BySeverity {
    /// How many of this severity.
    pub const fn of(&self, severity: Severity) -> i64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Info => self.info,
        }
    }

    /// Counts one more.
    pub const fn add(&mut self, severity: Severity) {
        *match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
        } += 1;
    }

    /// All of them.
    pub const fn total(&self) -> i64 {
        self.critical + self.high + self.medium + self.low + self.info
    }
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Asked for.
    Waiting,
    /// Reading, then judging.
    Running,
    /// What it found is shown.
    Done,
    /// It could not be done; the log of the server says why.
    Failed,
}

impl RunState {
    /// As the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The inverse of [`RunState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Done, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }

    /// Whether it will change by itself.
    pub const fn is_on_the_way(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// An audit of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRun {
    /// 1, 2, 3 … within the cluster.
    pub number: i64,
    /// How far it is.
    pub state: RunState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How long judging took from beginning to end, in milliseconds.
    pub took_ms: Option<i64>,
    /// Objects read so far.
    pub read: i64,
    /// Objects in all.
    pub objects: i64,
    /// The version of Kubernetes that it was judged for: `1.35`.
    pub kubernetes_version: Option<String>,
    /// From 0 to 100; none when nothing was judged.
    pub score: Option<f64>,
    /// Findings, without those that are waived.
    pub findings: BySeverity,
    /// Of them, those that the run before did not have.
    pub opened: i64,
    /// What the run before had and this one does not.
    pub fixed: i64,
    /// Findings that are waived.
    pub waived: i64,
    /// Which rules were judged: `all`, `pss-restricted` …
    pub profile: Option<String>,
}

/// Figures of a run for one category, framework, namespace, application or rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is: an id of the catalogue, or a name.
    pub name: String,
    /// As people read it.
    pub title: String,
    /// Findings.
    pub findings: BySeverity,
}

/// What could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAssessable {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// Why.
    pub reason: String,
    /// For how many objects.
    pub objects: i64,
}

/// Figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSummary {
    /// By category.
    pub categories: Vec<Share>,
    /// By framework.
    pub frameworks: Vec<Share>,
    /// By namespace, worst first, at most 100.
    pub namespaces: Vec<Share>,
    /// By application, worst first, at most 100.
    pub applications: Vec<Share>,
    /// By rule, worst first.
    pub rules: Vec<Share>,
    /// What could not be judged.
    pub not_assessable: Vec<NotAssessable>,
    /// Rules that were judged.
    pub judged_rules: i64,
}

/// A cluster and how its last audit ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditedCluster {
    /// Id.
    pub id: ClusterId,
    /// Name.
    pub name: String,
    /// Whether anything of it is known yet: what has sent nothing cannot be audited.
    pub is_synced: bool,
    /// The last audit that ended well.
    pub last: Option<AuditRun>,
    /// The one that is on its way, or that failed after the last.
    pub newer: Option<AuditRun>,
}

/// The page of an organisation's audits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audits {
    /// Clusters, by name.
    pub clusters: Vec<AuditedCluster>,
    /// Where the next page of clusters begins.
    pub next: Option<Cursor>,
    /// Whether the viewer may run audits.
    pub can_run: bool,
}

/// When something is done by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields, as cron reads them: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// By whose clocks, as IANA names time zones: `Europe/Paris`.
    pub time_zone: String,
}

/// How often something is done by itself: the choices of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// At each full hour.
    Hour,
    /// At a time of day, on the days that cron spells like this.
    Day(&'static str),
    /// On the first day of each month, at a time of day.
    Month,
    /// As cron spells it.
    Cron,
}

impl Every {
    /// The choices: how forms spell them, and what people read.
    pub const ALL: [(&'static str, &'static str, Self); 12] = [
        ("day", "Every day", Self::Day("*")),
        ("weekday", "Every weekday", Self::Day("1-5")),
        ("monday", "Every Monday", Self::Day("1")),
        ("tuesday", "Every Tuesday", Self::Day("2")),
        ("wednesday", "Every Wednesday", Self::Day("3")),
        ("thursday", "Every Thursday", Self::Day("4")),
        ("friday", "Every Friday", Self::Day("5")),
        ("saturday", "Every Saturday", Self::Day("6")),
        ("sunday", "Every Sunday", Self::Day("0")),
        ("month", "On the first day of every month", Self::Month),
        ("hour", "Every hour", Self::Hour),
        ("cron", "As cron says", Self::Cron),
    ];

    /// As forms spell it.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let found = Self::ALL.into_iter().find(|(name, ..)| *name == text).map(|(.., every)| every);
        found.ok_or(FieldError { field: Field::Cron, problem: Problem::NotCron })
    }

    /// The same for cron, with the time of day (`06:30`) or the fields that were written for it.
    pub fn cron(self, at: &str, cron: &str) -> Result<String, FieldError> {
        let time = || {
            let wrong = FieldError { field: Field::At, problem: Problem::NotATime };
            let (hour, minute) = at.trim().split_once(':').ok_or(wrong)?;
            let (hour, minute) = (hour.parse::<u8>().map_err(|_| wrong)?, minute.parse::<u8>().map_err(|_| wrong)?);
            if hour < 24 && minute < 60 { Ok((hour, minute)) } else { Err(wrong) }
        };
        Ok(match self {
            Self::Hour => "0 * * * *".to_owned(),
            Self::Day(days) => {
                let (hour, minute) = time()?;
                format!("{minute} {hour} * * {days}")
            }
            Self::Month => {
                let (hour, minute) = time()?;
                format!("{minute} {hour} 1 * *")
            }
            Self::Cron => cron.to_owned(),
        })
    }
}

/// A cluster, and when it is audited by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// The cluster.
    pub id: ClusterId,
    /// Its name.
    pub name: String,
    /// When; none: only when somebody asks.
    pub schedule: Option<Schedule>,
    /// The same in plain words: "every weekday at 06:00 Paris time".
    pub words: Option<String>,
    /// When the next audit is due.
    pub next_at: Option<Timestamp>,
}

/// The page of an organisation's schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedules {
    /// Clusters, by name.
    pub clusters: Vec<ScheduleRow>,
    /// Where the next page of clusters begins.
    pub next: Option<Cursor>,
    /// Whether the viewer may set schedules.
    pub can_set: bool,
}

/// What stands above a cluster's findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterAudit {
    /// The cluster's last audit, and what is newer.
    pub cluster: AuditedCluster,
    /// Figures of the last audit.
    pub summary: AuditSummary,
    /// The last audits that ended well, oldest first, at most 30: for the trend.
    pub trend: Vec<AuditRun>,
    /// Whether the viewer may run audits.
    pub can_run: bool,
}

/// Which findings are meant, compared with the run before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// All that the last run found and nobody waived.
    #[default]
    Open,
    /// Those that the run before did not find.
    New,
    /// Those that the last run did not find any more.
    Fixed,
    /// Those that are lived with, for a reason.
    Waived,
}

/// Which findings are asked for: the query string of their page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingsQuery {
    /// `open` (if nothing is said), `new`, `fixed` or `waived`.
    pub state: Option<FindingState>,
    /// Only of this severity: `high`.
    pub severity: Option<Severity>,
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only of rules of this category.
    pub category: Option<String>,
    /// Only of rules that are evidence for this framework.
    pub framework: Option<String>,
    /// Only in this namespace.
    pub namespace: Option<String>,
    /// Only of this application.
    pub app: Option<String>,
    /// Only names that contain this text.
    pub q: Option<String>,
    /// Begin after this place.
    pub after: Option<Cursor>,
}

/// A finding, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRow {
    /// Its fingerprint, in hexadecimal.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Group-kind: `Deployment.apps`.
    pub kind: String,
    /// Namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
    /// What was found, in a sentence.
    pub message: String,
    /// When it was first found.
    pub since: Timestamp,
    /// Whether the run before did not find it.
    pub is_new: bool,
}

/// A control of a framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The framework, as people read it.
    pub framework: String,
    /// The control: `5.2.3`.
    pub control: String,
}

/// A rule, as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// Id.
    pub id: String,
    /// What is wrong.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Categories, as people read them.
    pub categories: Vec<String>,
    /// Controls that it is evidence for.
    pub controls: Vec<Control>,
    /// Where it comes from.
    pub references: Vec<String>,
}

/// One stretch of time in which a finding was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingSpan {
    /// The run that found it first.
    pub opened_in: i64,
    /// When that was.
    pub opened_at: Timestamp,
    /// The run that did not find it any more.
    pub closed_in: Option<i64>,
    /// When that was.
    pub closed_at: Option<Timestamp>,
}

/// One finding's page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingDetail {
    /// What lists show too.
    pub row: FindingRow,
    /// The cluster's name.
    pub cluster_name: String,
    /// The rule.
    pub rule: RuleText,
    /// The object, when it is still there.
    pub uid: Option<ResourceUid>,
    /// Its application.
    pub application: Option<String>,
    /// Where in the object: `spec.containers[0].image`.
    pub path: String,
    /// The object as the agent sent it last, as YAML; empty when it is gone.
    pub evidence: String,
    /// The line of the evidence that the path leads to, counted from 1; 0 when there is none.
    pub line: u32,
    /// YAML to merge; empty when there is none.
    pub patch: String,
    /// When it was there, last first.
    pub history: Vec<FindingSpan>,
    /// Whether it is there.
    pub is_open: bool,
    /// Why it is lived with, if it is.
    pub waived: Option<Waived>,
    /// Whether the viewer may waive findings, or ask for it.
    pub can_waive: bool,
    /// Whether the viewer may decide about the rule.
    pub can_set: bool,
}

/// Which audits are compared: the query string of the page. As text: what an address says may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareQuery {
    /// The cluster on the one side.
    pub a: Option<String>,
    /// The number of its audit; none: the last one.
    pub ra: Option<String>,
    /// The cluster on the other side, which may be the same.
    pub b: Option<String>,
    /// The number of its audit; none: the last one.
    pub rb: Option<String>,
}

/// One of two audits that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedSide {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The audit; none when none was done.
    pub run: Option<AuditRun>,
    /// The last audits that were done, last first, at most 30: to choose from.
    pub runs: Vec<RunChoice>,
}

/// An audit, for choosing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunChoice {
    /// Its number.
    pub number: i64,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Two audits, and where they differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The one.
    pub a: ComparedSide,
    /// The other.
    pub b: ComparedSide,
    /// Where they differ; none when one of the sides has no audit.
    pub difference: Option<Difference>,
}

/// Where two audits differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// All rules that found something in one of them, worst first.
    pub rules: Vec<ComparedRule>,
    /// What only the one found.
    pub only_a: OnlyThere,
    /// What only the other found.
    pub only_b: OnlyThere,
}

/// How many findings of a rule two audits have, and have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedRule {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// The worst of the findings.
    pub severity: Severity,
    /// Only the one found them.
    pub only_a: i64,
    /// Only the other found them.
    pub only_b: i64,
    /// Both found them.
    pub both: i64,
}

/// What one of two audits found, and the other did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlyThere {
    /// How many.
    pub total: i64,
    /// The worst of them, at most 100.
    pub rows: Vec<ComparedFinding>,
}

/// A finding that only one of two audits has. What is said of it is from the last audit that found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedFinding {
    /// Its fingerprint, in hexadecimal.
    pub id: String,
    /// The rule's title.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Group-kind: `Deployment.apps`.
    pub kind: String,
    /// Namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
    /// What was found, in a sentence.
    pub message: String,
    /// Whether it is there still.
    pub is_open: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_survive_the_way_to_the_database_and_back() {
        for severity in Severity::WORST_FIRST {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
            assert_eq!(Severity::from_rank(severity.rank()), Some(severity));
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
        assert_eq!(Severity::from_rank(5), None);
        for state in [RunState::Waiting, RunState::Running, RunState::Done, RunState::Failed] {
            assert_eq!(RunState::parse(state.as_str()), Some(state));
        }
    }
}
