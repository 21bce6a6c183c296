//! Where pods run, and what they listen on.

use crate::{
    node::Node,
    object::{Container, Kind, Pod},
    out::Out,
};

use super::mounts::capitalised;

/// Labels and taints of the control plane's nodes; the second was its name up to 1.24.
const CONTROL_PLANE: &[&str] = &["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Runs on every node by its nature, or is the node's own.
fn is_of_every_node(pod: Pod<'_>) -> bool {
    &*pod.object.kind_name == "DaemonSet"
        || pod.object.controller().is_some_and(|(kind, _)| matches!(kind, "DaemonSet" | "Node"))
}

fn tolerations(pod: Pod<'_>) -> impl Iterator<Item = (usize, &Node)> {
    pod.spec.get("tolerations").items().iter().enumerate()
}

pub(super) fn control_plane(pod: Pod<'_>, out: &mut Out<'_>) {
    if is_of_every_node(pod) || out.is_system(&pod.object.namespace) {
        return;
    }
    for (index, toleration) in tolerations(pod) {
        let key = toleration.get("key").str();
        if CONTROL_PLANE.contains(&key) {
            let message = format!("The pod may run on nodes of the control plane (it tolerates {key}).");
            out.fail(pod.spot(&format!("tolerations[{index}]")), message);
        }
    }
    for (key, _) in pod.spec.get("nodeSelector").entries() {
        if CONTROL_PLANE.contains(&key) {
            let message = format!("The pod runs on nodes of the control plane only (nodeSelector has {key}).");
            out.fail(pod.spot(&format!("nodeSelector[\"{key}\"]")), message);
        }
    }
}

pub(super) fn tolerates_everything(pod: Pod<'_>, out: &mut Out<'_>) {
    if is_of_every_node(pod) || out.is_system(&pod.object.namespace) {
        return;
    }
    for (index, toleration) in tolerations(pod) {
        if toleration.get("operator").str() == "Exists" && toleration.get("key").str().is_empty() {
            let message = "The pod runs on every node, whatever the node was tainted for.";
            out.fail(pod.spot(&format!("tolerations[{index}]")), message);
        }
    }
}

pub(super) fn node_name(pod: Pod<'_>, out: &mut Out<'_>) {
    // What was read from a cluster has been scheduled: then the scheduler wrote it.
    let is_scheduled =
        pod.object.kind == Kind::Pod && (!out.inventory().is_manifests() || pod.object.status().is_present());
    let name = pod.spec.get("nodeName").str();
    if !name.is_empty() && !is_scheduled {
        out.fail(pod.spot("nodeName"), format!("The pod is for the node \"{name}\", past the scheduler."));
    }
}

pub(super) fn scheduler(pod: Pod<'_>, out: &mut Out<'_>) {
    let name = pod.spec.get("schedulerName").str();
    if !name.is_empty() && name != "default-scheduler" {
        out.fail(pod.spot("schedulerName"), format!("The pod waits for the scheduler \"{name}\"."));
    }
}

pub(super) fn host_network_names(pod: Pod<'_>, out: &mut Out<'_>) {
    let policy = pod.spec.get("dnsPolicy").str();
    if pod.spec.get("hostNetwork").is_true()
        && matches!(policy, "" | "ClusterFirst")
        && !out.is_system(&pod.object.namespace)
    {
        let message = "On the node's network, dnsPolicy ClusterFirst asks the node's name servers, not the cluster's.";
        out.fail(pod.spot("dnsPolicy"), message);
    }
}

pub(super) fn system_priority(pod: Pod<'_>, out: &mut Out<'_>) {
    let name = pod.spec.get("priorityClassName").str();
    if matches!(name, "system-cluster-critical" | "system-node-critical") && !out.is_system(&pod.object.namespace) {
        out.fail(pod.spot("priorityClassName"), format!("The pod has the priority of Kubernetes' own ({name})."));
    }
}

pub(super) fn host_aliases(pod: Pod<'_>, out: &mut Out<'_>) {
    let aliases = pod.spec.get("hostAliases");
    if !aliases.is_empty() {
        let message = format!("Names in the pod's /etc/hosts go past DNS ({} hostAliases).", aliases.len());
        out.fail(pod.spot("hostAliases"), message);
    }
}

pub(super) fn remote_login(container: Container<'_>, out: &mut Out<'_>) {
    for (index, port) in container.get("ports").items().iter().enumerate() {
        let what = match port.get("containerPort").as_i64() {
            Some(22) => "SSH",
            Some(23) => "Telnet",
            Some(3389) => "RDP",
            _ => continue,
        };
        if matches!(port.get("protocol").str(), "" | "TCP") {
            let message = format!("{} listens on the port of {what}.", capitalised(&container.title()));
            out.fail(container.spot(&format!("ports[{index}].containerPort")), message);
        }
    }
}
