//! Who may do what: roles, bindings, service accounts.

mod bindings;
mod control;
mod data;
mod escalation;
mod pods;
mod rights;
mod subjects;
mod wildcards;
mod workloads;

use crate::{
    object::{Kind, Object},
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

/// The rules: of roles, of bindings, of what nobody uses, of what workloads may do by them.
pub static RULES: &[Rule] = &[
    wildcards::CLUSTER_ROLE_FULL_ACCESS,
    wildcards::ROLE_FULL_ACCESS,
    wildcards::VERBS,
    wildcards::RESOURCES,
    wildcards::GROUPS,
    data::SECRETS_READ_CLUSTER_WIDE,
    data::SECRETS_READ,
    data::SECRETS_WRITE_CLUSTER_WIDE,
    data::SECRETS_WRITE,
    data::KUBE_SYSTEM_CONFIG_MAPS,
    data::LOGS_READ,
    data::EVENTS_DELETE,
    pods::EXEC,
    pods::ATTACH,
    pods::PORT_FORWARD,
    pods::EPHEMERAL_CONTAINERS,
    pods::PROXY,
    pods::NODES_PROXY,
    pods::WORKLOADS_CREATE_CLUSTER_WIDE,
    pods::WORKLOADS_CREATE,
    pods::KUBE_SYSTEM_WRITE,
    escalation::ESCALATE,
    escalation::BIND,
    escalation::IMPERSONATE,
    escalation::IN_NAMESPACE,
    escalation::MODIFY,
    escalation::TOKEN_CREATE,
    escalation::CSR_APPROVE,
    control::ADMISSION,
    control::NODES,
    control::PERSISTENT_VOLUMES,
    control::CUSTOM_RESOURCE_DEFINITIONS,
    control::API_SERVICES,
    control::NAMESPACES,
    control::NETWORK_POLICIES,
    control::ENDPOINTS,
    bindings::EVERYONE_CLUSTER_ADMIN,
    bindings::SERVICE_ACCOUNT_CLUSTER_ADMIN,
    bindings::USER_CLUSTER_ADMIN,
    bindings::NAMESPACE_CLUSTER_ADMIN,
    bindings::CLUSTER_WIDE_ADMIN_OR_EDIT,
    bindings::MASTERS,
    bindings::ANONYMOUS,
    bindings::AUTHENTICATED,
    bindings::ALL_SERVICE_ACCOUNTS,
    bindings::DEFAULT_SERVICE_ACCOUNT,
    subjects::NO_SUBJECTS,
    subjects::MISSING_SERVICE_ACCOUNT,
    subjects::MISSING_ROLE,
    subjects::UNBOUND_ROLE,
    subjects::UNUSED_SERVICE_ACCOUNT,
    workloads::CLUSTER_ADMIN,
    workloads::TAKE_OVER,
    workloads::READ_SECRETS,
    workloads::CREATE_WORKLOADS,
    workloads::EXEC,
];

const ROLES: &[Kind] = &[Kind::Role, Kind::ClusterRole];
const CLUSTER_ROLES: &[Kind] = &[Kind::ClusterRole];
const BINDINGS: &[Kind] = &[Kind::RoleBinding, Kind::ClusterRoleBinding];

/// The API group of roles and bindings.
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

const NSA: (Framework, &str) = (Framework::Nsa, "Authentication and authorization");
const SOC2: (Framework, &str) = (Framework::Soc2, "CC6.3");
const ISO: (Framework, &str) = (Framework::Iso27001, "A.8.2");
const PCI: (Framework, &str) = (Framework::Pci, "7.2.2");

/// What the rules of this subject have in common.
const RBAC: Rule = Rule {
    id: "",
    title: "",
    why: "",
    fix: "",
    patch: Patch::None,
    severity: Severity::Medium,
    categories: &[Category::AccessControl],
    controls: &[NSA, SOC2, ISO, PCI],
    since: KubernetesVersion::new(1, 0),
    references: &["https://kubernetes.io/docs/concepts/security/rbac-good-practices/"],
    check: Check::Object(&[], |_, _| {}),
};

/// Whether a role or binding is one that Kubernetes or kubeadm makes in every cluster.
fn is_default(object: &Object) -> bool {
    object.labels().get("kubernetes.io/bootstrapping").str() == "rbac-defaults"
        || object.name.starts_with("system:")
        || object.name.starts_with("kubeadm:")
}
