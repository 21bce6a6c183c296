//! What an organisation decides about an audit.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    rule::{Profile, Rule, Severity},
    version::KubernetesVersion,
};

/// How an audit is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Which rules are judged.
    pub profile: Profile,
    /// The version that manifests are meant for: rules differ by it.
    pub version: KubernetesVersion,
    /// Rules that are not judged, by their ids.
    pub off: BTreeSet<String>,
    /// Severities that differ from the rules' own, by their ids.
    pub severities: BTreeMap<String, Severity>,
    /// What rules leave open.
    pub parameters: Parameters,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::All,
            version: KubernetesVersion::NEWEST,
            off: BTreeSet::new(),
            severities: BTreeMap::new(),
            parameters: Parameters::default(),
        }
    }
}

impl Options {
    /// Whether a rule is judged.
    pub fn judges(&self, rule: &Rule) -> bool {
        self.profile.has(rule) && !self.off.contains(rule.id)
    }

    /// How bad findings of a rule are.
    pub fn severity(&self, rule: &Rule) -> Severity {
        self.severities.get(rule.id).copied().unwrap_or(rule.severity)
    }
}

/// What rules leave open. Rules of which nothing is said here are not judged by what is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Parameters {
    /// Where images may come from: `registry.example.com`, `ghcr.io/acme`. None: from anywhere.
    pub allowed_registries: Vec<String>,
    /// How many replicas what serves requests has at least.
    pub minimum_replicas: u32,
    /// How many times its request a limit of memory or processor time may be, in percent.
    pub maximum_limit_ratio_percent: u32,
    /// Labels that every workload has.
    pub required_labels: Vec<String>,
    /// Namespaces whose objects are Kubernetes' own: rules about how applications are set up do not judge them.
    pub system_namespaces: Vec<String>,
    /// Seconds that a pod may take to stop, at most.
    pub maximum_grace_seconds: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            allowed_registries: Vec::new(),
            minimum_replicas: 2,
            maximum_limit_ratio_percent: 1000,
            required_labels: Vec::new(),
            system_namespaces: ["kube-system", "kube-public", "kube-node-lease"].map(str::to_owned).to_vec(),
            maximum_grace_seconds: 600,
        }
    }
}
