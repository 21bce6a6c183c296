//! Workloads whose service accounts may do what takes over the cluster.

use super::{
    ISO, NSA, RBAC, SOC2,
    data::SECRETS,
    escalation::TAKE_OVER as TAKE_OVER_RIGHTS,
    pods::{WORKLOADS, reaches},
    rights::{Right, found},
};
use crate::{
    access::{Binding, Grant, PolicyRule},
    object::{Kind, Pod},
    out::Out,
    rule::{Category, Check, Framework, Rule, Severity},
};

const CATEGORIES: &[Category] = &[Category::AccessControl, Category::Security];
const PCI: (Framework, &str) = (Framework::Pci, "7.2.5");

pub(super) const CLUSTER_ADMIN: Rule = Rule {
    id: "workload-cluster-admin",
    title: "Workload may do everything in the cluster",
    why: "Whoever gets into one of its containers, by a fault of the application or of a library, finds a token that opens \
          the whole cluster.",
    fix: "Give its service account a role with what it needs, or set automountServiceAccountToken: false where it does not \
          speak to the API server.",
    severity: Severity::Critical,
    categories: CATEGORIES,
    controls: &[(Framework::Cis, "5.1.1"), (Framework::Cis, "5.1.6"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    check: Check::Pod(cluster_admin),
    ..RBAC
};

pub(super) const TAKE_OVER: Rule = Rule {
    id: "workload-can-take-over-cluster",
    title: "Workload may give itself all rights",
    why: "With escalate, bind, impersonate or tokens of all service accounts in the whole cluster, whoever gets into one of its containers makes themselves \
          cluster-admin.",
    fix: "Remove these rights from its role, or name what they are for in resourceNames.",
    severity: Severity::Critical,
    categories: CATEGORIES,
    controls: &[(Framework::Cis, "5.1.8"), NSA, (Framework::Mitre, "T1098"), SOC2, ISO, PCI],
    check: Check::Pod(|pod, out| everywhere(pod, out, TAKE_OVER_RIGHTS)),
    ..RBAC
};

pub(super) const READ_SECRETS: Rule = Rule {
    id: "workload-can-read-all-secrets",
    title: "Workload may read all secrets of the cluster",
    why: "Whoever gets into one of its containers reads the credentials of all others.",
    fix: "Bind its role in the namespaces that are needed, or name the secrets in resourceNames.",
    severity: Severity::High,
    categories: CATEGORIES,
    controls: &[(Framework::Cis, "5.1.2"), NSA, (Framework::Mitre, "T1552.007"), SOC2, ISO, PCI],
    check: Check::Pod(|pod, out| everywhere(pod, out, SECRETS)),
    ..RBAC
};

pub(super) const CREATE_WORKLOADS: Rule = Rule {
    id: "workload-can-create-pods",
    title: "Workload may create pods in all namespaces",
    why: "Whoever gets into one of its containers starts pods as any service account, with any secret mounted, and on nodes \
          of their choice.",
    fix: "Bind its role in the namespaces that are needed.",
    severity: Severity::High,
    categories: CATEGORIES,
    controls: &[(Framework::Cis, "5.1.4"), NSA, (Framework::Mitre, "T1610"), SOC2, ISO, PCI],
    check: Check::Pod(|pod, out| everywhere(pod, out, WORKLOADS)),
    ..RBAC
};

pub(super) const EXEC: Rule = Rule {
    id: "workload-can-exec",
    title: "Workload may run commands in all pods",
    why: "Whoever gets into one of its containers gets into all others.",
    fix: "Remove pods/exec and nodes/proxy from its role, or bind it in the namespaces that are needed.",
    severity: Severity::High,
    categories: CATEGORIES,
    controls: &[NSA, (Framework::Mitre, "T1609"), SOC2, ISO, PCI],
    check: Check::Pod(|pod, out| everywhere(pod, out, reaches(out.version()))),
    ..RBAC
};

/// Whether its containers get a token of its service account.
fn has_token(pod: Pod<'_>, out: &Out<'_>) -> bool {
    let account = out.inventory().find(Kind::ServiceAccount, &pod.object.namespace, pod.service_account());
    let of_account = account.and_then(|account| account.root.get("automountServiceAccountToken").as_bool());
    let is_mounted = pod.spec.get("automountServiceAccountToken").as_bool().or(of_account).unwrap_or(true);
    is_mounted
        || pod.spec.get("volumes").items().iter().any(|volume| {
            let sources = volume.at(&["projected", "sources"]).items();
            sources.iter().any(|source| source.get("serviceAccountToken").is_map())
        })
}

/// What its service account has everywhere.
fn grants<'a>(pod: Pod<'_>, out: &Out<'a>) -> impl Iterator<Item = Grant<'a>> {
    let access = out.inventory().access();
    let grants = access.grants_of_service_account(&pod.object.namespace, pod.service_account());
    grants.filter(|grant| grant.namespace().is_none())
}

/// Whether its service account has a role everywhere of which nothing is known. Those whose names begin with `system:`
/// are Kubernetes' own, for its parts.
fn has_unknown_role(pod: Pod<'_>, out: &Out<'_>) -> bool {
    let inventory = out.inventory();
    let access = inventory.access();
    let mut bindings = access.bindings_of_service_account(&pod.object.namespace, pod.service_account());
    let is_unknown = |binding: &Binding| {
        binding.namespace.is_none()
            && access.role_bound_by(binding).is_none()
            && !binding.role_name.starts_with("system:")
    };
    !inventory.is_whole(Kind::ClusterRole) && bindings.any(is_unknown)
}

fn is_everything(grant: &Grant<'_>) -> bool {
    grant.rules().any(PolicyRule::is_everything)
}

fn cluster_admin(pod: Pod<'_>, out: &mut Out<'_>) {
    let found = grants(pod, out).find(is_everything);
    report(pod, out, found.map(|grant| (grant, "all rights".to_owned())));
}

fn everywhere(pod: Pod<'_>, out: &mut Out<'_>, rights: &[Right]) {
    // A workload that may do everything is reported as that.
    if grants(pod, out).any(|grant| is_everything(&grant)) {
        return;
    }
    let found = grants(pod, out).find_map(|grant| Some((grant, grant.rules().find_map(|rule| found(rule, rights))?)));
    report(pod, out, found);
}

fn report(pod: Pod<'_>, out: &mut Out<'_>, found: Option<(Grant<'_>, String)>) {
    if let Some((grant, what)) = found {
        if has_token(pod, out) {
            let binding = &out.inventory().object(grant.binding.object).name;
            let message = format!(
                "Its service account \"{}\" has {what} in the whole cluster by ClusterRole {} (bound by {binding}).",
                pod.service_account(),
                grant.role.name,
            );
            out.fail(pod.spot("serviceAccountName"), message);
        }
    } else if has_unknown_role(pod, out) && has_token(pod, out) {
        out.cannot("The ClusterRole of its service account is not among what is audited.");
    }
}
