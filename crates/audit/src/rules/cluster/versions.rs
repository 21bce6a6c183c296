//! Versions of the cluster, its nodes and their container runtimes.

use crate::{
    inventory::Completeness,
    node::Node,
    object::{Kind, Object},
    out::Out,
    version::KubernetesVersion,
};

const NO_CLUSTER: &str = "Manifests do not say what runs.";
const NO_VERSION: &str = "The version of the cluster is not known.";

/// Minor versions that the project maintains at a time.
/// Source: <https://kubernetes.io/releases/version-skew-policy/#supported-versions>
const MAINTAINED: u16 = 3;

/// The version that the cluster runs; says so when it is not known.
fn cluster_version(out: &mut Out<'_>) -> Option<KubernetesVersion> {
    let reason = match out.inventory().completeness() {
        Completeness::Cluster { version: Some(version), .. } => return Some(*version),
        Completeness::Cluster { version: None, .. } => NO_VERSION,
        Completeness::Manifests => NO_CLUSTER,
    };
    out.cannot(reason);
    None
}

fn node_info<'a>(node: &'a Object, field: &str) -> &'a Node {
    node.status().get("nodeInfo").get(field)
}

fn kubelet_version(node: &Object) -> Option<KubernetesVersion> {
    node_info(node, "kubeletVersion").str().parse().ok()
}

/// The namespace that every cluster has stands for the cluster.
pub(super) fn unsupported(out: &mut Out<'_>) {
    let Some(version) = cluster_version(out) else { return };
    let newest = KubernetesVersion::NEWEST;
    if version.major != newest.major || version.minor + MAINTAINED > newest.minor {
        return;
    }
    let Some(namespace) = out.inventory().find(Kind::Namespace, "", "kube-system") else {
        return out.cannot("The namespace kube-system was not read.");
    };
    let oldest = KubernetesVersion::new(newest.major, newest.minor - MAINTAINED + 1);
    let message =
        format!("The cluster runs Kubernetes {version}; with {newest}, the project maintains {oldest} and later.");
    out.fail(namespace.spot("metadata.name"), message);
}

/// Source: <https://kubernetes.io/releases/version-skew-policy/#kubelet>
pub(super) fn kubelet_skew(node: &Object, out: &mut Out<'_>) {
    let Some(server) = cluster_version(out) else { return };
    let Some(kubelet) = kubelet_version(node) else {
        return out.cannot("The version of the node's kubelet is not known.");
    };
    let may_lag = if kubelet.is_at_least(25) { 3 } else { 2 };
    let message = if kubelet > server {
        format!("The kubelet {kubelet} is newer than the API server {server}.")
    } else if kubelet.minor + may_lag < server.minor {
        format!("The kubelet {kubelet} is more than {may_lag} minor versions older than the API server {server}.")
    } else {
        return;
    };
    out.fail(node.spot("status.nodeInfo.kubeletVersion"), message);
}

pub(super) fn nodes_differ(out: &mut Out<'_>) {
    if out.inventory().is_manifests() {
        return out.cannot(NO_CLUSTER);
    }
    let nodes = out.inventory().of(Kind::Node);
    let Some(newest) = nodes.clone().filter_map(kubelet_version).max() else { return };
    for node in nodes {
        let Some(version) = kubelet_version(node).filter(|version| *version < newest) else { continue };
        let message = format!("The kubelet is {version}, while other nodes have {newest}.");
        out.fail(node.spot("status.nodeInfo.kubeletVersion"), message);
    }
}

pub(super) fn dockershim(node: &Object, out: &mut Out<'_>) {
    let runtime = node_info(node, "containerRuntimeVersion").str();
    let Some(kubelet) = kubelet_version(node).filter(|_| !runtime.is_empty()) else {
        return out.cannot("The node does not say its kubelet's or its container runtime's version.");
    };
    // Later kubelets reach Docker through cri-dockerd, which is maintained.
    if runtime.starts_with("docker://") && !kubelet.is_at_least(24) {
        let message = format!("The node runs {runtime} through the dockershim, which Kubernetes 1.24 does not have.");
        out.fail(node.spot("status.nodeInfo.containerRuntimeVersion"), message);
    }
}

pub(super) fn old_containerd(node: &Object, out: &mut Out<'_>) {
    let runtime = node_info(node, "containerRuntimeVersion").str();
    let Some(kubelet) = kubelet_version(node).filter(|_| !runtime.is_empty()) else {
        return out.cannot("The node does not say its kubelet's or its container runtime's version.");
    };
    if runtime.starts_with("containerd://1.") && kubelet.is_at_least(35) {
        let message = format!("The node runs {runtime}; Kubernetes 1.35 is the last that supports containerd 1.x.");
        out.fail(node.spot("status.nodeInfo.containerRuntimeVersion"), message);
    }
}

const ROLES: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

fn is_control_plane(node: &Object) -> bool {
    ROLES.iter().any(|role| node.labels().get(role).is_present())
}

/// A cluster whose nodes are all of the control plane has nowhere else to run workloads.
pub(super) fn untainted(out: &mut Out<'_>) {
    if out.inventory().is_manifests() {
        return out.cannot(NO_CLUSTER);
    }
    let nodes = out.inventory().of(Kind::Node);
    if nodes.clone().all(is_control_plane) {
        return;
    }
    for node in nodes.filter(|node| is_control_plane(node)) {
        let repels = |taint: &Node| matches!(taint.get("effect").str(), "NoSchedule" | "NoExecute");
        if !node.spec().get("taints").items().iter().any(repels) {
            let message =
                format!("Node {} is of the control plane and has no taint that keeps workloads away.", node.name);
            out.fail(node.spot("spec"), message);
        }
    }
}
