//! Roles that reach into pods, or make them.

use super::{
    CLUSTER_ROLES, ISO, NSA, PCI, RBAC, ROLES, SOC2,
    rights::{ANYWHERE, EVERYWHERE, NAMESPACES, Right, WRITE, report, report_cluster_scoped, right},
};
use crate::{
    object::Object,
    out::Out,
    rule::{Check, Framework, Rule, Severity},
    version::KubernetesVersion,
};

/// Since 1.35 a connection that is upgraded needs create, where get was enough before.
///
/// Source: feature gate `AuthorizePodWebsocketUpgradeCreatePermission`.
const EXEC_NEEDS_CREATE: u16 = 35;

const EXECS: &[Right] = &[right(&["create"], "", "pods", "exec")];
const EXECS_BY_GET: &[Right] = &[right(&["create", "get"], "", "pods", "exec")];
const ATTACHES: &[Right] = &[right(&["create"], "", "pods", "attach")];
const ATTACHES_BY_GET: &[Right] = &[right(&["create", "get"], "", "pods", "attach")];
const FORWARDS: &[Right] = &[right(&["create"], "", "pods", "portforward")];
const FORWARDS_BY_GET: &[Right] = &[right(&["create", "get"], "", "pods", "portforward")];
const EPHEMERAL: &[Right] = &[right(&["update", "patch"], "", "pods", "ephemeralcontainers")];
const ANY_REQUEST: &[&str] = &["get", "create", "update", "patch", "delete"];
const PROXIES: &[Right] = &[right(ANY_REQUEST, "", "pods", "proxy"), right(ANY_REQUEST, "", "services", "proxy")];
const NODE_PROXY: &[Right] = &[right(&["get", "create"], "", "nodes", "proxy")];
/// What leads into containers, by the API server or by a node's kubelet.
const REACHES: &[Right] = &[right(&["create"], "", "pods", "exec"), right(&["get", "create"], "", "nodes", "proxy")];
const REACHES_BY_GET: &[Right] =
    &[right(&["create", "get"], "", "pods", "exec"), right(&["get", "create"], "", "nodes", "proxy")];
pub(super) const WORKLOADS: &[Right] = &[
    right(&["create"], "", "pods", ""),
    right(WRITE, "apps", "deployments", ""),
    right(WRITE, "apps", "daemonsets", ""),
    right(WRITE, "apps", "statefulsets", ""),
    right(WRITE, "apps", "replicasets", ""),
    right(WRITE, "batch", "cronjobs", ""),
    right(&["create"], "batch", "jobs", ""),
    right(WRITE, "", "replicationcontrollers", ""),
];
const KUBE_SYSTEM: &[Right] = &[
    right(WRITE, "", "pods", ""),
    right(WRITE, "apps", "deployments", ""),
    right(WRITE, "apps", "daemonsets", ""),
    right(WRITE, "apps", "statefulsets", ""),
    right(WRITE, "apps", "replicasets", ""),
    right(WRITE, "batch", "cronjobs", ""),
    right(WRITE, "batch", "jobs", ""),
    right(WRITE, "", "secrets", ""),
    // Making one is what the election of a leader needs.
    right(&["update", "patch"], "", "configmaps", ""),
];

/// What opens a shell in every container.
pub(super) fn reaches(version: KubernetesVersion) -> &'static [Right] {
    if version.is_at_least(EXEC_NEEDS_CREATE) { REACHES } else { REACHES_BY_GET }
}

/// What opens a shell in a container.
fn execs(version: KubernetesVersion) -> &'static [Right] {
    if version.is_at_least(EXEC_NEEDS_CREATE) { EXECS } else { EXECS_BY_GET }
}

pub(super) const EXEC: Rule = Rule {
    id: "pods-exec",
    title: "Role runs commands in containers",
    why: "Whoever runs commands in a container has its files, its credentials and its network, and everything that its \
          service account may do.",
    fix: "Remove create and get on pods/exec, or give it for the time of an investigation only.",
    severity: Severity::High,
    controls: &[NSA, (Framework::Mitre, "T1609"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, execs(out.version()))),
    ..RBAC
};

pub(super) const ATTACH: Rule = Rule {
    id: "pods-attach",
    title: "Role attaches to containers",
    why: "Attaching to a container reads what its process writes and, where it reads input, tells it what to do.",
    fix: "Remove create and get on pods/attach.",
    controls: &[NSA, (Framework::Mitre, "T1609"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| {
        let rights = if out.version().is_at_least(EXEC_NEEDS_CREATE) { ATTACHES } else { ATTACHES_BY_GET };
        report(role, out, ANYWHERE, rights);
    }),
    ..RBAC
};

pub(super) const PORT_FORWARD: Rule = Rule {
    id: "pods-port-forward",
    title: "Role forwards ports of pods",
    why: "A forwarded port is reached past network policies and also when it listens on the pod's own address only, as \
          debug and administration ports do.",
    fix: "Remove create and get on pods/portforward, or give it in namespaces for development only.",
    severity: Severity::Low,
    controls: &[NSA, SOC2, ISO, PCI],
    references: &[
        "https://kubernetes.io/docs/tasks/access-application-cluster/port-forward-access-application-cluster/",
    ],
    check: Check::Object(ROLES, |role, out| {
        let rights = if out.version().is_at_least(EXEC_NEEDS_CREATE) { FORWARDS } else { FORWARDS_BY_GET };
        report(role, out, ANYWHERE, rights);
    }),
    ..RBAC
};

pub(super) const EPHEMERAL_CONTAINERS: Rule = Rule {
    id: "pods-ephemeral-containers",
    title: "Role adds containers to running pods",
    why: "An ephemeral container may share the processes of the others in the pod, mount their volumes and run any image: \
          whoever adds one has the pod.",
    fix: "Remove update and patch on pods/ephemeralcontainers, or give them for the time of an investigation only.",
    severity: Severity::High,
    controls: &[NSA, (Framework::Mitre, "T1609"), SOC2, ISO, PCI],
    references: &["https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/"],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, EPHEMERAL)),
    ..RBAC
};

pub(super) const PROXY: Rule = Rule {
    id: "pods-services-proxy",
    title: "Role reaches pods or services through the API server",
    why: "What the API server proxies comes from its own address, which network policies seldom hold off, and reaches \
          ports that nothing exposes.",
    fix: "Remove pods/proxy and services/proxy, or name the services in resourceNames.",
    controls: &[NSA, SOC2, ISO, PCI],
    references: &["https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/"],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, PROXIES)),
    ..RBAC
};

pub(super) const NODES_PROXY: Rule = Rule {
    id: "nodes-proxy",
    title: "ClusterRole reaches the kubelets through nodes/proxy",
    why: "Whoever has nodes/proxy talks to the kubelets: they run commands in every pod of their nodes and, asked \
          directly, leave no trace of it in the API server's audit log.",
    fix: "Use nodes/metrics, nodes/stats, nodes/log or, since 1.33, nodes/pods and nodes/healthz instead.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.10"), NSA, (Framework::Mitre, "T1609"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, NODE_PROXY)),
    ..RBAC
};

pub(super) const WORKLOADS_CREATE_CLUSTER_WIDE: Rule = Rule {
    id: "workloads-create-cluster-wide",
    title: "ClusterRole creates pods in all namespaces",
    why: "A pod runs as any service account of its namespace and mounts any of its secrets. In all namespaces that is \
          every service account, those of kube-system included.",
    fix: "Bind it in the namespaces that are needed, and enforce Pod Security Standards there.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.4"), NSA, (Framework::Mitre, "T1610"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report(role, out, EVERYWHERE, WORKLOADS)),
    ..RBAC
};

pub(super) const WORKLOADS_CREATE: Rule = Rule {
    id: "workloads-create",
    title: "Role creates pods in a namespace",
    why: "A pod runs as any service account of its namespace and mounts any of its secrets and volumes, whatever whoever \
          made it may read otherwise.",
    fix: "Keep it to what deploys, and enforce Pod Security Standards in the namespace.",
    controls: &[(Framework::Cis, "5.1.4"), NSA, (Framework::Mitre, "T1610"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| report(role, out, NAMESPACES, WORKLOADS)),
    ..RBAC
};

pub(super) const KUBE_SYSTEM_WRITE: Rule = Rule {
    id: "kube-system-write",
    title: "Role changes workloads, secrets or config maps of kube-system",
    why: "What runs in kube-system holds the cluster together and has rights all over it: a changed workload or its \
          configuration there is the cluster taken over, or down.",
    fix: "Name the objects in resourceNames, or move the application out of kube-system.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.4"), NSA, (Framework::Mitre, "T1610"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| {
        if holds_in_kube_system(role, out) {
            report(role, out, NAMESPACES, KUBE_SYSTEM);
        }
    }),
    ..RBAC
};

/// Whether a role is bound, or to be bound, in kube-system.
pub(super) fn holds_in_kube_system(object: &Object, out: &Out<'_>) -> bool {
    let access = out.inventory().access();
    let Some(role) = access.role(object) else { return false };
    &*role.namespace == "kube-system"
        || access.bindings_of(role).any(|binding| binding.namespace.as_deref() == Some("kube-system"))
}
