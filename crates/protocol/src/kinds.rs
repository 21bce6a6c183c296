//! The kinds that the agent lists and watches. The chart's `ClusterRole` names the same ones; a test compares them.

/// One kind, as the Kubernetes API addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedKind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// Name in URLs and in RBAC rules: `deployments`.
    pub plural: &'static str,
    /// `Deployment`
    pub kind: &'static str,
    /// True when objects live in a namespace.
    pub namespaced: bool,
    /// True when every conformant cluster serves it; false for what an add-on may bring.
    pub builtin: bool,
}

impl WatchedKind {
    /// As Kubernetes writes a group-kind: `Pod`, `Deployment.apps`.
    pub fn group_kind(&self) -> String {
        group_kind(self.group, self.kind)
    }

    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A kind and its API group, written as Kubernetes writes it: `Pod`, `Deployment.apps`.
pub fn group_kind(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

const fn kind(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> WatchedKind {
    WatchedKind { group, version, plural, kind, namespaced, builtin: true }
}

const fn addon(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> WatchedKind {
    WatchedKind { group, version, plural, kind, namespaced, builtin: false }
}

/// The group-kind of what Trivy Operator writes about the image of a container.
pub const VULNERABILITY_REPORT: &str = "VulnerabilityReport.aquasecurity.github.io";

/// Vulnerabilities of one report that are sent and kept, the worst of them. Images with more exist; nobody reads on there.
pub const MOST_VULNERABILITIES: usize = 5_000;

/// Every kind the agent reads. Never here: Secret, `ConfigMap`.
pub const KINDS: &[WatchedKind] = &[
    kind("", "v1", "namespaces", "Namespace", false),
    kind("", "v1", "nodes", "Node", false),
    kind("", "v1", "persistentvolumes", "PersistentVolume", false),
    kind("", "v1", "limitranges", "LimitRange", true),
    kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true),
    kind("", "v1", "pods", "Pod", true),
    kind("", "v1", "replicationcontrollers", "ReplicationController", true),
    kind("", "v1", "resourcequotas", "ResourceQuota", true),
    kind("", "v1", "serviceaccounts", "ServiceAccount", true),
    kind("", "v1", "services", "Service", true),
    kind("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false),
    kind("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false),
    kind(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        false,
    ),
    kind(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
    ),
    kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false),
    kind("apiregistration.k8s.io", "v1", "apiservices", "APIService", false),
    kind("apps", "v1", "daemonsets", "DaemonSet", true),
    kind("apps", "v1", "deployments", "Deployment", true),
    kind("apps", "v1", "replicasets", "ReplicaSet", true),
    kind("apps", "v1", "statefulsets", "StatefulSet", true),
    kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true),
    kind("batch", "v1", "cronjobs", "CronJob", true),
    kind("batch", "v1", "jobs", "Job", true),
    kind("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false),
    kind("networking.k8s.io", "v1", "ingresses", "Ingress", true),
    kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true),
    kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true),
    kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false),
    kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false),
    kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true),
    kind("rbac.authorization.k8s.io", "v1", "roles", "Role", true),
    kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false),
    kind("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false),
    kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", false),
    addon("aquasecurity.github.io", "v1alpha1", "vulnerabilityreports", "VulnerabilityReport", true),
    addon("argoproj.io", "v1alpha1", "applications", "Application", true),
    addon("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", false),
    addon("gateway.networking.k8s.io", "v1", "gateways", "Gateway", true),
    addon("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", true),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_that_holds_secrets_is_read() {
        for kind in KINDS {
            assert!(!["secrets", "configmaps", "events"].contains(&kind.plural));
            assert!(!kind.plural.contains('/') && !kind.plural.contains('*'), "no subresources, no wildcards");
        }
    }

    #[test]
    fn reports_are_read() {
        assert!(KINDS.iter().any(|kind| kind.group_kind() == VULNERABILITY_REPORT && !kind.builtin));
    }

    #[test]
    fn each_kind_is_named_once() {
        let names: BTreeSet<_> = KINDS.iter().map(WatchedKind::group_kind).collect();
        assert_eq!(names.len(), KINDS.len());
    }
}
