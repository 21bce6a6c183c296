//! Labels and taints of nodes that newer versions do not set.

use std::fmt::Arguments;

use crate::{node::Node, object::Pod, out::Out};

/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>
const RENAMED: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
];

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
const MASTER: &str = "node-role.kubernetes.io/master";

const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Every label of a node that a pod speaks of, and where in the pod's `spec`.
fn node_labels<'a>(spec: &'a Node, mut each: impl FnMut(&'a str, Arguments<'_>)) {
    for (key, _) in spec.get("nodeSelector").entries() {
        each(key, format_args!("nodeSelector[\"{key}\"]"));
    }
    for (index, constraint) in spec.get("topologySpreadConstraints").items().iter().enumerate() {
        each(constraint.get("topologyKey").str(), format_args!("topologySpreadConstraints[{index}].topologyKey"));
    }
    let affinity = spec.get("affinity");
    if !affinity.is_present() {
        return;
    }
    let node = affinity.get("nodeAffinity");
    for (index, term) in node.at(&[REQUIRED, "nodeSelectorTerms"]).items().iter().enumerate() {
        for (inner, expression) in term.get("matchExpressions").items().iter().enumerate() {
            let place = format_args!("affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[{index}]");
            each(expression.get("key").str(), format_args!("{place}.matchExpressions[{inner}].key"));
        }
    }
    for (index, term) in node.get(PREFERRED).items().iter().enumerate() {
        for (inner, expression) in term.at(&["preference", "matchExpressions"]).items().iter().enumerate() {
            let place = format_args!("affinity.nodeAffinity.{PREFERRED}[{index}].preference");
            each(expression.get("key").str(), format_args!("{place}.matchExpressions[{inner}].key"));
        }
    }
    for field in ["podAffinity", "podAntiAffinity"] {
        let terms = affinity.get(field);
        for (index, term) in terms.get(REQUIRED).items().iter().enumerate() {
            let key = term.get("topologyKey").str();
            each(key, format_args!("affinity.{field}.{REQUIRED}[{index}].topologyKey"));
        }
        for (index, term) in terms.get(PREFERRED).items().iter().enumerate() {
            let key = term.at(&["podAffinityTerm", "topologyKey"]).str();
            each(key, format_args!("affinity.{field}.{PREFERRED}[{index}].podAffinityTerm.topologyKey"));
        }
    }
}

/// Whether a pod speaks of a label at all: of the old and the new name, it is made for both.
fn mentions(spec: &Node, label: &str) -> bool {
    let mut is_there = false;
    node_labels(spec, |key, _| is_there |= key == label);
    is_there
}

pub(super) fn beta_labels(pod: Pod<'_>, out: &mut Out<'_>) {
    node_labels(pod.spec, |key, path| {
        let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == key) else { return };
        if !mentions(pod.spec, new) {
            out.fail(pod.spot(&path.to_string()), format!("The label {key} is deprecated; nodes have {new}."));
        }
    });
}

pub(super) fn master_label(pod: Pod<'_>, out: &mut Out<'_>) {
    node_labels(pod.spec, |key, path| {
        if key == MASTER && !mentions(pod.spec, CONTROL_PLANE) {
            let message = format!("Nodes do not have the label {MASTER} since Kubernetes 1.24, but {CONTROL_PLANE}.");
            out.fail(pod.spot(&path.to_string()), message);
        }
    });
}

pub(super) fn master_toleration(pod: Pod<'_>, out: &mut Out<'_>) {
    let tolerations = pod.spec.get("tolerations").items();
    // One without a key tolerates every taint.
    let is_for_both = |one: &Node| matches!(one.get("key").str(), "" | CONTROL_PLANE);
    if tolerations.iter().any(is_for_both) {
        return;
    }
    for (index, toleration) in tolerations.iter().enumerate() {
        if toleration.get("key").str() == MASTER {
            let message = format!("Nodes do not have the taint {MASTER} since Kubernetes 1.25, but {CONTROL_PLANE}.");
            out.fail(pod.spot(&format!("tolerations[{index}].key")), message);
        }
    }
}
