//! Policies: what an organisation decides about how its clusters are audited.

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Cursor, Severity};

/// What an organisation decided about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// It is not judged.
    Off,
    /// Its findings are this bad.
    #[serde(untagged)]
    Severity(Severity),
}

impl Decided {
    /// As forms and the database spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Severity(severity) => severity.as_str(),
        }
    }

    /// The inverse of [`Decided::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        if text == "off" { Some(Self::Off) } else { Severity::parse(text).map(Self::Severity) }
    }
}

/// A rule about which an organisation decided something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedRule {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How bad its findings are by the catalogue; none of a rule that this version does not have.
    pub usual: Option<Severity>,
    /// What was decided.
    pub decided: Decided,
}

/// What rules leave open: what a form sends and shows. Lists are words with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParametersInput {
    /// Where images may come from; empty: from anywhere.
    #[serde(default)]
    pub allowed_registries: String,
    /// How many replicas what serves requests has at least.
    pub minimum_replicas: String,
    /// How many times its request a limit may be, in percent.
    pub maximum_limit_ratio_percent: String,
    /// Labels that every workload has.
    #[serde(default)]
    pub required_labels: String,
    /// Namespaces that are Kubernetes' own.
    #[serde(default)]
    pub system_namespaces: String,
    /// Seconds that a pod may take to stop, at most.
    pub maximum_grace_seconds: String,
}

/// A cluster, and how it is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPolicy {
    /// The cluster.
    pub id: ClusterId,
    /// Its name.
    pub name: String,
    /// The version that it runs, as the agent said.
    pub runs: Option<String>,
    /// Which rules: `all`, `pss-restricted`, `cis` …
    pub profile: String,
    /// The version that it is judged for; none: the one that it runs.
    pub kubernetes_version: Option<String>,
}

/// A choice of a form: its value, and what people read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What the form sends.
    pub value: String,
    /// What people read.
    pub title: String,
}

/// The page of an organisation's policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// Rules about which something was decided, by their ids.
    pub rules: Vec<DecidedRule>,
    /// What rules leave open.
    pub parameters: ParametersInput,
    /// Whether waivers wait until they are allowed.
    pub waivers_are_asked: bool,
    /// Whether annotations of objects waive.
    pub annotations_waive: bool,
    /// Clusters, by name.
    pub clusters: Vec<ClusterPolicy>,
    /// Where the next page of clusters begins.
    pub next: Option<Cursor>,
    /// All rules, to choose from; none for who may not set anything.
    pub catalogue: Vec<Choice>,
    /// Profiles to choose from.
    pub profiles: Vec<Choice>,
    /// Versions of Kubernetes to choose from, newest first.
    pub versions: Vec<String>,
    /// Whether the viewer may set policies.
    pub can_set: bool,
}
