//! Workloads whose service accounts may do what takes over the cluster.

use super::{
    ISO, NSA, RBAC, SOC2,
    data::SECRETS,
    escalation::TAKE_OVER as TAKE_OVER_RIGHTS,
    pods::{WORKLOADS, reaches},
    rights::{Right, found},
};
use crate::{
    access::Grant,
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

fn grants<'a>(pod: Pod<'_>, out: &Out<'a>) -> impl Iterator<Item = Grant<'a>> {
    let access = out.inventory().access();
    let grants = access.grants_of_service_account(&pod.object.namespace, pod.service_account());
    grants.filter(|grant| grant.namespace().is_none())
}

fn is_everything(grant: &Grant<'_>) -> bool {
    grant.rules().any(crate::access::PolicyRule::is_everything)
}

fn through(grant: &Grant<'_>, out: &Out<'_>) -> String {
    format!("ClusterRole {} (bound by {})", grant.role.name, out.inventory().object(grant.binding.object).name)
}

fn cluster_admin(pod: Pod<'_>, out: &mut Out<'_>) {
    let found = grants(pod, out).find(is_everything);
    if let Some(grant) = found.filter(|_| has_token(pod, out)) {
        let message = format!(
            "Its service account \"{}\" may do everything in the cluster by {}.",
            pod.service_account(),
            through(&grant, out)
        );
        out.fail(pod.spot("serviceAccountName"), message);
    }
}

fn everywhere(pod: Pod<'_>, out: &mut Out<'_>, rights: &[Right]) {
    let given = grants(pod, out).find_map(|grant| Some((grant, grant.rules().find_map(|rule| found(rule, rights))?)));
    let Some((grant, what)) = given else { return };
    // A workload that may do everything is reported as that.
    if has_token(pod, out) && !grants(pod, out).any(|grant| is_everything(&grant)) {
        let message = format!(
            "Its service account \"{}\" has {what} in the whole cluster by {}.",
            pod.service_account(),
            through(&grant, out)
        );
        out.fail(pod.spot("serviceAccountName"), message);
    }
}
