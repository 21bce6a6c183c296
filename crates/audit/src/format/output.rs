//! The neutral document that every format is made from: from a [`Report`], or from what a database remembers of one.

use std::{borrow::Cow, collections::BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    engine::Report,
    exception::Exception,
    inventory::Inventory,
    object::{Kind, Object},
    options::Options,
    out::Finding,
    rule::{Category, Rule, Severity},
};

/// Text of the catalogue, or of a row that remembers it.
pub type Text = Cow<'static, str>;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// What counts, worst first.
    pub findings: Vec<Item>,
    /// Rules that could not be judged for some objects.
    #[serde(default)]
    pub not_assessable: Vec<Unassessed>,
    /// Findings that somebody accepted.
    #[serde(default)]
    pub excepted: Vec<Excepted>,
    /// The rules that were judged.
    #[serde(default)]
    pub rules: Vec<RuleText>,
    /// Figures.
    #[serde(default)]
    pub summary: Summary,
    /// Whose findings they are, where an audit of a cluster is remembered; none for files.
    #[serde(default)]
    pub origin: Option<Origin>,
}

/// The audit of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The cluster's name.
    pub cluster: String,
    /// 1, 2, 3 … within the cluster.
    pub audit: i64,
    /// When it ended: `2026-11-24T03:50:00Z` (RFC 3339).
    pub finished_at: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The rule's id.
    pub rule: Text,
    /// What is wrong, in a few words.
    pub title: Text,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// Which controls it is evidence for.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// The object.
    pub resource: Resource,
    /// The file it was read from, with `/` between folders.
    #[serde(default)]
    pub source: Option<String>,
    /// The line in the file, counted from 1.
    #[serde(default)]
    pub line: Option<u32>,
    /// Where in the object: `spec.containers[0].image`
    #[serde(default)]
    pub path: String,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do.
    #[serde(default)]
    pub remediation: Text,
    /// An object to merge that mends it; empty where no change is right for everybody.
    #[serde(default)]
    pub patch: String,
    /// The same for the same thing in another run: 32 hexadecimal digits.
    pub fingerprint: String,
    /// Whether it was there before, so that it fails nothing: as a baseline says.
    #[serde(default)]
    pub known: bool,
}

/// The object that something was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// `apps/v1`
    pub api_version: String,
    /// `Deployment`
    pub kind: String,
    /// Empty for what is in none, or does not say in which.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

impl Resource {
    /// `Deployment/shop/web`
    pub fn title(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind, self.name)
        } else {
            format!("{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}

impl From<&Object> for Resource {
    fn from(object: &Object) -> Self {
        Self {
            api_version: object.api_version.to_string(),
            kind: object.kind_name.to_string(),
            namespace: object.namespace.to_string(),
            name: object.name.to_string(),
        }
    }
}

/// A control of a framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// `cis`
    pub framework: Text,
    /// `5.2.3`
    pub control: Text,
}

/// A rule that could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unassessed {
    /// The rule's id.
    pub rule: Text,
    /// What it would have found.
    #[serde(default)]
    pub title: Text,
    /// Why it could not.
    pub reason: String,
    /// For how many objects.
    pub objects: u32,
}

/// A finding that somebody accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excepted {
    /// What it is.
    #[serde(flatten)]
    pub finding: Item,
    /// Who accepted it, and why.
    pub exception: Acceptance,
}

/// Why a finding is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Why.
    pub reason: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// The last day it holds, as `2027-01-31`.
    #[serde(default)]
    pub expires: Option<String>,
}

/// What the catalogue says of a rule, and how often it was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleText {
    /// Never changed.
    pub id: Text,
    /// What is wrong, in a few words.
    pub title: Text,
    /// Why it matters.
    pub why: Text,
    /// What to do.
    pub remediation: Text,
    /// How bad its findings are.
    pub severity: Severity,
    /// What it is about.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// Which controls it is evidence for.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// Where it comes from.
    #[serde(default)]
    pub references: Vec<Text>,
    /// Objects that it was judged for.
    #[serde(default)]
    pub judged: u32,
    /// Those of them with a finding.
    #[serde(default)]
    pub failed: u32,
}

impl RuleText {
    /// What the catalogue says, with the severity that the organisation gives it.
    pub fn new(rule: &'static Rule, options: &Options) -> Self {
        Self {
            id: rule.id.into(),
            title: rule.title.into(),
            why: rule.why.into(),
            remediation: rule.fix.into(),
            severity: options.severity(rule),
            categories: rule.categories.to_vec(),
            controls: controls(rule),
            references: rule.references.iter().copied().map(Text::from).collect(),
            judged: 0,
            failed: 0,
        }
    }
}

fn controls(rule: &'static Rule) -> Vec<Control> {
    let control = |(framework, control): &(crate::rule::Framework, &'static str)| Control {
        framework: framework.as_str().into(),
        control: (*control).into(),
    };
    rule.controls.iter().map(control).collect()
}

/// Figures of an audit. Findings that are accepted count under `excepted` alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Critical findings.
    pub critical: usize,
    /// High findings.
    pub high: usize,
    /// Medium findings.
    pub medium: usize,
    /// Low findings.
    pub low: usize,
    /// Findings that are worth knowing.
    pub info: usize,
    /// All of those.
    pub findings: usize,
    /// Those of them that were there before.
    pub known: usize,
    /// Findings that are accepted.
    pub excepted: usize,
    /// Rules and reasons for which something could not be judged.
    pub not_assessable: usize,
    /// Objects that were read.
    pub objects: usize,
    /// Those of them of kinds that no rule speaks of.
    pub unknown_kinds: usize,
    /// Rules that were judged.
    pub rules: usize,
    /// From 0 to 100, with one digit; none when nothing was judged that weighs anything.
    pub score: Option<f64>,
    /// Which rules were asked for.
    pub profile: String,
    /// The version of Kubernetes that was meant.
    pub kubernetes_version: String,
    /// Files that were read.
    pub files: usize,
    /// What else is to be said of what was read.
    pub notes: Vec<String>,
}

impl Summary {
    /// Counts one more finding.
    pub const fn add(&mut self, severity: Severity) {
        *match severity {
            Severity::Info => &mut self.info,
            Severity::Low => &mut self.low,
            Severity::Medium => &mut self.medium,
            Severity::High => &mut self.high,
            Severity::Critical => &mut self.critical,
        } += 1;
        self.findings += 1;
    }

    /// How many findings there are of a severity.
    pub const fn count(&self, severity: Severity) -> usize {
        match severity {
            Severity::Info => self.info,
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        }
    }
}

impl Output {
    /// From an audit. An exception that has ended is not to be among those given.
    pub fn new(inventory: &Inventory, report: &Report, options: &Options, exceptions: &[Exception]) -> Self {
        let mut output = Self::default();
        let summary = &mut output.summary;
        let items: Vec<Item> =
            (report.findings.par_iter()).map(|finding| Item::new(finding, inventory.object(finding.object))).collect();
        for (finding, item) in report.findings.iter().zip(items) {
            let object = inventory.object(finding.object);
            if let Some(exception) = exceptions.iter().find(|exception| exception.accepts(finding, object)) {
                output.excepted.push(Excepted { finding: item, exception: exception.into() });
                continue;
            }
            summary.add(finding.severity);
            output.findings.push(item);
        }
        output.not_assessable = (report.not_assessable.iter())
            .map(|unknown| Unassessed {
                rule: unknown.rule.into(),
                title: crate::rules::find(unknown.rule).map_or_else(Text::default, |rule| rule.title.into()),
                reason: unknown.reason.clone(),
                objects: unknown.objects,
            })
            .collect();
        output.rules = (report.tallies.iter())
            .map(|tally| RuleText { judged: tally.judged, failed: tally.failed, ..RuleText::new(tally.rule, options) })
            .collect();
        summary.excepted = output.excepted.len();
        summary.not_assessable = output.not_assessable.len();
        summary.objects = inventory.objects().len();
        summary.unknown_kinds = inventory.of(Kind::Other).len();
        summary.rules = output.rules.len();
        summary.score = report.score().map(|score| (score * 10.0).round() / 10.0);
        summary.profile = options.profile.to_string();
        summary.kubernetes_version = options.version.to_string();
        output
    }

    /// Findings whose fingerprints a baseline has are known.
    pub fn compare(&mut self, baseline: &BTreeSet<String>) {
        for finding in &mut self.findings {
            finding.known = baseline.contains(&finding.fingerprint);
        }
        self.summary.known = self.findings.iter().filter(|finding| finding.known).count();
    }

    /// How many findings are not known and at least this bad.
    pub fn failures(&self, threshold: Severity) -> usize {
        self.findings.iter().filter(|finding| !finding.known && finding.severity >= threshold).count()
    }

    /// What is said of a rule, where it was judged.
    pub(super) fn rule(&self, id: &str) -> Option<&RuleText> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}

impl Item {
    fn new(finding: &Finding, object: &Object) -> Self {
        let source = object.source.as_deref().map(str::to_owned);
        Self {
            rule: finding.rule.id.into(),
            title: finding.rule.title.into(),
            severity: finding.severity,
            categories: finding.rule.categories.to_vec(),
            controls: controls(finding.rule),
            resource: object.into(),
            // Of a file that was read without lines, the first.
            line: source.is_some().then_some(finding.line.max(1)),
            source,
            path: finding.path.to_string(),
            message: finding.message.clone(),
            remediation: finding.rule.fix.into(),
            patch: finding.patch(object),
            fingerprint: hex::encode(finding.fingerprint),
            known: false,
        }
    }

    /// `deploy/web.yaml:12`; empty for what is not from a file.
    pub fn place(&self) -> String {
        match (&self.source, self.line) {
            (Some(source), Some(line)) => format!("{source}:{line}"),
            (Some(source), None) => source.clone(),
            (None, _) => String::new(),
        }
    }
}

impl From<&Exception> for Acceptance {
    fn from(exception: &Exception) -> Self {
        Self { reason: exception.reason.clone(), owner: exception.owner.clone(), expires: exception.expires.clone() }
    }
}
