//! The built-in kinds that the bundled and the generated clusters serve.

use crate::resource_type::ResourceType;

/// Group, version, plural, kind, namespaced, short names.
type Row = (&'static str, &'static str, &'static str, &'static str, bool, &'static [&'static str]);

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const BUILTIN: &[Row] = &[
    ("", "v1", "namespaces", "Namespace", false, &["ns"]),
    ("", "v1", "nodes", "Node", false, &["no"]),
    ("", "v1", "persistentvolumes", "PersistentVolume", false, &["pv"]),
    ("", "v1", "limitranges", "LimitRange", true, &["limits"]),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, &["pvc"]),
    ("", "v1", "pods", "Pod", true, &["po"]),
    ("", "v1", "replicationcontrollers", "ReplicationController", true, &["rc"]),
    ("", "v1", "resourcequotas", "ResourceQuota", true, &["quota"]),
    ("", "v1", "serviceaccounts", "ServiceAccount", true, &["sa"]),
    ("", "v1", "services", "Service", true, &["svc"]),
    (ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false, &[]),
    (ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false, &[]),
    (ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", false, &[]),
    (ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false, &[]),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false, &["crd"]),
    ("apiregistration.k8s.io", "v1", "apiservices", "APIService", false, &[]),
    ("apps", "v1", "daemonsets", "DaemonSet", true, &["ds"]),
    ("apps", "v1", "deployments", "Deployment", true, &["deploy"]),
    ("apps", "v1", "replicasets", "ReplicaSet", true, &["rs"]),
    ("apps", "v1", "statefulsets", "StatefulSet", true, &["sts"]),
    ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true, &["hpa"]),
    ("batch", "v1", "cronjobs", "CronJob", true, &["cj"]),
    ("batch", "v1", "jobs", "Job", true, &[]),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false, &[]),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", true, &["ing"]),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, &["netpol"]),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, &["pdb"]),
    (RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", false, &[]),
    (RBAC, "v1", "clusterroles", "ClusterRole", false, &[]),
    (RBAC, "v1", "rolebindings", "RoleBinding", true, &[]),
    (RBAC, "v1", "roles", "Role", true, &[]),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false, &["pc"]),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false, &[]),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", false, &["sc"]),
];

/// The built-in kinds.
pub(crate) fn builtin() -> Vec<ResourceType> {
    BUILTIN
        .iter()
        .map(|&(group, version, plural, kind, namespaced, short)| {
            ResourceType::builtin(group, version, plural, kind, namespaced, short)
        })
        .collect()
}
