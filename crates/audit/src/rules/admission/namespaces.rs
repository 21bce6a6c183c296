//! The Pod Security Standards that namespaces ask for.

use super::ADMISSION;
use crate::{
    object::{Kind, Object},
    out::Out,
    rule::{Category, Check, Framework, Rule, Severity},
    version::KubernetesVersion,
};

const CATEGORIES: &[Category] = &[Category::AccessControl, Category::PodSecurity];
const REFERENCES: &[&str] = &["https://kubernetes.io/docs/concepts/security/pod-security-admission/"];

/// The first version whose API servers ask, without being told to.
///
/// Source: feature gate `PodSecurity`, beta in 1.23.
const SINCE: KubernetesVersion = KubernetesVersion::new(1, 23);

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const ENFORCE_VERSION: &str = "pod-security.kubernetes.io/enforce-version";

pub(super) const NO_LEVEL: Rule = Rule {
    id: "namespace-without-pod-security",
    title: "Namespace enforces no Pod Security Standard",
    why: "Without the label, whoever may create a pod in the namespace creates a privileged one, unless the API server's \
          configuration or another policy refuses it, and has the node.",
    fix: "Set the label pod-security.kubernetes.io/enforce to restricted or baseline; warn and audit first to see what would \
          be refused.",
    categories: CATEGORIES,
    controls: &[(Framework::Cis, "5.2.1"), (Framework::Nsa, "Kubernetes Pod security"), (Framework::Soc2, "CC6.1")],
    since: SINCE,
    references: REFERENCES,
    check: Check::Object(&[Kind::Namespace], no_level),
    ..ADMISSION
};

pub(super) const PRIVILEGED: Rule = Rule {
    id: "namespace-pod-security-privileged",
    title: "Namespace allows privileged pods",
    why: "With the level privileged nothing is refused: whoever may create a pod in the namespace has the node.",
    fix: "Set the label to baseline or restricted, and move what needs more into a namespace of its own.",
    severity: Severity::Low,
    categories: CATEGORIES,
    controls: &[(Framework::Cis, "5.2.1"), (Framework::Nsa, "Kubernetes Pod security"), (Framework::Soc2, "CC6.1")],
    since: SINCE,
    references: REFERENCES,
    check: Check::Object(&[Kind::Namespace], privileged),
    ..ADMISSION
};

pub(super) const VERSION: Rule = Rule {
    id: "namespace-pod-security-version-unpinned",
    title: "Pod Security Standard changes with the cluster's version",
    why: "The standards change from version to version: a pod that is let in today may be refused after an upgrade.",
    fix: "Set pod-security.kubernetes.io/enforce-version to the cluster's version, and raise it after an upgrade.",
    severity: Severity::Info,
    categories: CATEGORIES,
    since: SINCE,
    references: REFERENCES,
    check: Check::Object(&[Kind::Namespace], version),
    ..ADMISSION
};

fn no_level(object: &Object, out: &mut Out<'_>) {
    if out.is_system(&object.name) {
        return;
    }
    let level = object.labels().get(ENFORCE);
    if !level.is_present() {
        let message = format!("Namespace \"{}\" has no label {ENFORCE}.", object.name);
        out.fail(object.spot("metadata.labels"), message);
    } else if !matches!(level.str(), "privileged" | "baseline" | "restricted") {
        let message = format!("Namespace \"{}\" enforces \"{}\", which is no level.", object.name, level.str());
        out.fail(object.spot(&format!("metadata.labels[\"{ENFORCE}\"]")), message);
    }
}

fn privileged(object: &Object, out: &mut Out<'_>) {
    if object.labels().get(ENFORCE).str() == "privileged" && !out.is_system(&object.name) {
        let message = format!("Namespace \"{}\" enforces the level privileged, which allows everything.", object.name);
        out.fail(object.spot(&format!("metadata.labels[\"{ENFORCE}\"]")), message);
    }
}

fn version(object: &Object, out: &mut Out<'_>) {
    let version = object.labels().get(ENFORCE_VERSION);
    let is_pinned = version.is_present() && version.str() != "latest";
    if matches!(object.labels().get(ENFORCE).str(), "baseline" | "restricted") && !is_pinned {
        let message = format!("Namespace \"{}\" enforces the newest version of its level.", object.name);
        out.fail(object.spot(&format!("metadata.labels[\"{ENFORCE_VERSION}\"]")), message);
    }
}
