//! What is let into the cluster: webhooks, policies and the Pod Security Standards of namespaces.

mod namespaces;
mod webhooks;

use crate::{
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

/// The rules.
pub static RULES: &[Rule] = &[
    webhooks::IGNORE,
    webhooks::KUBE_SYSTEM,
    webhooks::TIMEOUT,
    webhooks::MISSING_SERVICE,
    webhooks::URL,
    webhooks::WILDCARD,
    webhooks::UNBOUND_POLICY,
    webhooks::MISSING_POLICY,
    namespaces::NO_LEVEL,
    namespaces::PRIVILEGED,
    namespaces::VERSION,
];

/// What the rules of this subject have in common.
const ADMISSION: Rule = Rule {
    id: "",
    title: "",
    why: "",
    fix: "",
    patch: Patch::None,
    severity: Severity::Medium,
    categories: &[Category::AccessControl],
    controls: &[(Framework::Soc2, "CC6.1")],
    since: KubernetesVersion::new(1, 0),
    references: &["https://kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices/"],
    check: Check::Object(&[], |_, _| {}),
};
