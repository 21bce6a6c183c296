//! Roles that change how the cluster works.

use super::{
    CLUSTER_ROLES, ISO, NSA, PCI, RBAC, ROLES, SOC2,
    rights::{ANYWHERE, CHANGE, Right, WRITE, report, report_cluster_scoped, right},
};
use crate::rule::{Check, Framework, Rule, Severity};

const ADMISSION_GROUP: &str = "admissionregistration.k8s.io";

const ADMISSIONS: &[Right] = &[
    right(CHANGE, ADMISSION_GROUP, "mutatingwebhookconfigurations", ""),
    right(CHANGE, ADMISSION_GROUP, "validatingwebhookconfigurations", ""),
    right(CHANGE, ADMISSION_GROUP, "validatingadmissionpolicies", ""),
    right(CHANGE, ADMISSION_GROUP, "validatingadmissionpolicybindings", ""),
    right(CHANGE, ADMISSION_GROUP, "mutatingadmissionpolicies", ""),
    right(CHANGE, ADMISSION_GROUP, "mutatingadmissionpolicybindings", ""),
];
const NODE_CHANGES: &[Right] = &[right(CHANGE, "", "nodes", ""), right(&["update", "patch"], "", "nodes", "status")];
const VOLUMES: &[Right] = &[right(&["create"], "", "persistentvolumes", "")];
const DEFINITIONS: &[Right] = &[right(CHANGE, "apiextensions.k8s.io", "customresourcedefinitions", "")];
const API_SERVICE_CHANGES: &[Right] = &[right(WRITE, "apiregistration.k8s.io", "apiservices", "")];
const NAMESPACE_CHANGES: &[Right] = &[right(&["update", "patch"], "", "namespaces", "")];
const POLICY_CHANGES: &[Right] =
    &[right(&["update", "patch", "delete", "deletecollection"], "networking.k8s.io", "networkpolicies", "")];
const ENDPOINT_CHANGES: &[Right] =
    &[right(WRITE, "", "endpoints", ""), right(WRITE, "discovery.k8s.io", "endpointslices", "")];

pub(super) const ADMISSION: Rule = Rule {
    id: "admission-modify",
    title: "ClusterRole changes admission webhooks or policies",
    why: "A webhook sees every object that is written, secrets included, and a mutating one changes them, as by adding a \
          container to every pod; who removes one switches off what guards the cluster.",
    fix: "Name the configurations in resourceNames.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.12"), NSA, SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, ADMISSIONS)),
    ..RBAC
};

pub(super) const NODES: Rule = Rule {
    id: "nodes-modify",
    title: "ClusterRole changes nodes",
    why: "By labels and taints of nodes, pods with secrets are brought to a node that somebody has; a node that is removed \
          or marked as failed takes its pods along.",
    fix: "Remove the verbs that change nodes, or name the nodes in resourceNames.",
    controls: &[NSA, SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, NODE_CHANGES)),
    ..RBAC
};

pub(super) const PERSISTENT_VOLUMES: Rule = Rule {
    id: "persistent-volumes-create",
    title: "ClusterRole creates persistent volumes",
    why: "A persistent volume may be a directory of a node (hostPath): by a claim, a pod that Pod Security Standards let \
          pass reads and writes the node's files.",
    fix: "Let claims be filled by a storage class; keep creating volumes to the provisioner.",
    controls: &[(Framework::Cis, "5.1.9"), NSA, (Framework::Mitre, "T1611"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, VOLUMES)),
    ..RBAC
};

pub(super) const CUSTOM_RESOURCE_DEFINITIONS: Rule = Rule {
    id: "custom-resource-definitions-modify",
    title: "ClusterRole changes custom resource definitions",
    why: "Removing a definition removes every object of it; changing one lets objects pass that its validation refused, or \
          sends them through a conversion webhook of somebody else.",
    fix: "Name the definitions in resourceNames, or let the installation make them.",
    controls: &[NSA, SOC2, ISO, PCI],
    references: &["https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, DEFINITIONS)),
    ..RBAC
};

pub(super) const API_SERVICES: Rule = Rule {
    id: "api-services-modify",
    title: "ClusterRole changes where parts of the API are served",
    why: "An APIService sends the requests for an API group to a service of the cluster: who writes one answers for that \
          group, and reads what is sent to it.",
    fix: "Name the APIServices in resourceNames.",
    severity: Severity::High,
    controls: &[NSA, SOC2, ISO, PCI],
    references: &["https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/"],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, API_SERVICE_CHANGES)),
    ..RBAC
};

pub(super) const NAMESPACES: Rule = Rule {
    id: "namespaces-modify",
    title: "Role changes the labels of namespaces",
    why: "Pod Security Standards, network policies and webhooks are chosen by a namespace's labels: who changes these \
          switches them off for it.",
    fix: "Remove update and patch on namespaces, or name the namespaces in resourceNames.",
    controls: &[NSA, SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, NAMESPACE_CHANGES)),
    ..RBAC
};

pub(super) const NETWORK_POLICIES: Rule = Rule {
    id: "network-policies-modify",
    title: "Role changes or removes network policies",
    why: "Without its policies, what is in a namespace reaches everything and is reached by everything.",
    fix: "Keep it to what sets up namespaces.",
    severity: Severity::Low,
    controls: &[NSA, SOC2, (Framework::Iso27001, "A.8.22"), PCI],
    references: &["https://kubernetes.io/docs/concepts/services-networking/network-policies/"],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, POLICY_CHANGES)),
    ..RBAC
};

pub(super) const ENDPOINTS: Rule = Rule {
    id: "endpoints-modify",
    title: "Role changes where services lead",
    why: "Who writes endpoints sends a service's traffic to an address of their choice, also one in another namespace \
          that they cannot reach themselves (CVE-2021-25740).",
    fix: "Remove create, update and patch on endpoints and endpointslices.",
    severity: Severity::Low,
    controls: &[NSA, SOC2, ISO, PCI],
    references: &["https://github.com/kubernetes/kubernetes/issues/103675"],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, ENDPOINT_CHANGES)),
    ..RBAC
};
