//! Roles that lead to more rights than they give.

use super::{
    CLUSTER_ROLES, ISO, NSA, PCI, RBAC, RBAC_GROUP, ROLES, SOC2,
    rights::{ANYWHERE, EVERYWHERE, NAMESPACES, Right, WRITE, found, judged, report, report_cluster_scoped, right},
};
use crate::{
    access::{PolicyRule, Reach, Request},
    object::Object,
    out::Out,
    rule::{Check, Framework, Rule, Severity},
};

const ESCALATES: &[Right] =
    &[right(&["escalate"], RBAC_GROUP, "clusterroles", ""), right(&["escalate"], RBAC_GROUP, "roles", "")];
const BINDS: &[Right] = &[right(&["bind"], RBAC_GROUP, "clusterroles", ""), right(&["bind"], RBAC_GROUP, "roles", "")];
const IMPERSONATES: &[Right] = &[
    right(&["impersonate"], "", "users", ""),
    right(&["impersonate"], "", "groups", ""),
    right(&["impersonate"], "", "serviceaccounts", ""),
];
/// What leads to the rights of others, everywhere.
pub(super) const TAKE_OVER: &[Right] = &[
    right(&["escalate"], RBAC_GROUP, "clusterroles", ""),
    right(&["bind"], RBAC_GROUP, "clusterroles", ""),
    right(&["impersonate"], "", "users", ""),
    right(&["impersonate"], "", "groups", ""),
    right(&["impersonate"], "", "serviceaccounts", ""),
    right(&["create"], "", "serviceaccounts", "token"),
];
const IN_NAMESPACES: &[Right] = &[
    right(&["escalate"], RBAC_GROUP, "roles", ""),
    right(&["bind"], RBAC_GROUP, "clusterroles", ""),
    right(&["bind"], RBAC_GROUP, "roles", ""),
    right(&["impersonate"], "", "serviceaccounts", ""),
];
const MODIFIES: &[Right] = &[
    right(WRITE, RBAC_GROUP, "clusterrolebindings", ""),
    right(WRITE, RBAC_GROUP, "clusterroles", ""),
    right(WRITE, RBAC_GROUP, "rolebindings", ""),
    right(WRITE, RBAC_GROUP, "roles", ""),
];
/// In a namespace, a role that names cluster roles changes none.
const MODIFIES_IN_NAMESPACE: &[Right] =
    &[right(WRITE, RBAC_GROUP, "rolebindings", ""), right(WRITE, RBAC_GROUP, "roles", "")];
const TOKENS: &[Right] = &[right(&["create"], "", "serviceaccounts", "token")];
const APPROVALS: &[Right] =
    &[right(&["update", "patch"], "certificates.k8s.io", "certificatesigningrequests", "approval")];
const APPROVE: Request<'static> =
    Request { verb: "approve", group: "certificates.k8s.io", resource: "signers", subresource: "", name: "" };

pub(super) const ESCALATE: Rule = Rule {
    id: "rbac-escalate",
    title: "ClusterRole may put any rights into roles",
    why: "Kubernetes lets nobody write rights into a role that they do not have themselves, except who has the verb \
          escalate: they make their own role one that allows everything.",
    fix: "Remove the verb escalate, or name the roles in resourceNames.",
    severity: Severity::Critical,
    controls: &[(Framework::Cis, "5.1.8"), NSA, (Framework::Mitre, "T1098"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report_cluster_scoped(role, out, ESCALATES)),
    ..RBAC
};

pub(super) const BIND: Rule = Rule {
    id: "rbac-bind",
    title: "ClusterRole may bind anybody to any role",
    why: "Kubernetes lets nobody bind to a role with more rights than they have themselves, except who has the verb bind: \
          they bind themselves to cluster-admin.",
    fix: "Name the roles that may be bound in resourceNames, without cluster-admin.",
    severity: Severity::Critical,
    controls: &[(Framework::Cis, "5.1.8"), NSA, (Framework::Mitre, "T1098"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| {
        let to_admin = Request {
            verb: "bind",
            group: RBAC_GROUP,
            resource: "clusterroles",
            subresource: "",
            name: "cluster-admin",
        };
        cluster_wide(role, out, BINDS, &to_admin, "bind on ClusterRole cluster-admin");
    }),
    ..RBAC
};

pub(super) const IMPERSONATE: Rule = Rule {
    id: "rbac-impersonate",
    title: "ClusterRole may act as any user, group or service account",
    why: "Whoever impersonates has all rights of whom they name: a group of administrators, or a controller's service \
          account.",
    fix: "Name whom it may impersonate in resourceNames, without groups of administrators.",
    severity: Severity::Critical,
    controls: &[(Framework::Cis, "5.1.8"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| {
        let masters =
            Request { verb: "impersonate", group: "", resource: "groups", subresource: "", name: "system:masters" };
        cluster_wide(role, out, IMPERSONATES, &masters, "impersonate on group system:masters");
    }),
    ..RBAC
};

pub(super) const IN_NAMESPACE: Rule = Rule {
    id: "rbac-escalation-in-namespace",
    title: "Role leads to all rights in its namespace",
    why: "With escalate, bind or impersonate in a namespace, a role that allows little gives everything in it, by a role \
          that is changed, a binding to cluster-admin or the service account of somebody else.",
    fix: "Remove escalate, bind and impersonate, or name what they are for in resourceNames.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.8"), NSA, (Framework::Mitre, "T1098"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| report(role, out, NAMESPACES, IN_NAMESPACES)),
    ..RBAC
};

pub(super) const MODIFY: Rule = Rule {
    id: "rbac-modify",
    title: "Role changes roles or bindings",
    why: "Whoever writes bindings hands on every right they have, to accounts that nobody looks at, and so stays when \
          their own are taken away.",
    fix: "Keep it to what administers access; let what deploys have its roles made for it.",
    controls: &[NSA, (Framework::Mitre, "T1098"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| {
        report(role, out, EVERYWHERE, MODIFIES);
        report(role, out, NAMESPACES, MODIFIES_IN_NAMESPACE);
    }),
    ..RBAC
};

pub(super) const TOKEN_CREATE: Rule = Rule {
    id: "service-account-token-create",
    title: "Role issues tokens for any service account",
    why: "A token that is issued for a service account has all its rights: whoever issues them is every service account \
          that the role reaches.",
    fix: "Name the service accounts in resourceNames.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.13"), NSA, (Framework::Mitre, "T1528"), SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, TOKENS)),
    ..RBAC
};

pub(super) const CSR_APPROVE: Rule = Rule {
    id: "csr-approve",
    title: "ClusterRole approves certificate signing requests",
    why: "An approved request of the signer kubernetes.io/kube-apiserver-client is a certificate for any user and group \
          that it names, which nobody can revoke.",
    fix: "Name the signers in a rule for signers, without those of Kubernetes.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.11"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, csr_approve),
    ..RBAC
};

/// Rights for all objects, or for one that is as good as all.
fn cluster_wide(object: &Object, out: &mut Out<'_>, rights: &[Right], named: &Request<'_>, what: &str) {
    report_cluster_scoped(object, out, rights);
    let Some((role, Reach::Everywhere)) = judged(object, out) else { return };
    for (index, rule) in role.rules.iter().enumerate() {
        if !rule.names.is_empty() && rule.allows(named) {
            let message = format!("{} \"{}\" allows {what}.", object.kind_name, object.name);
            out.fail(object.spot(&format!("rules[{index}]")), message);
        }
    }
}

fn csr_approve(object: &Object, out: &mut Out<'_>) {
    let Some((role, Reach::Everywhere)) = judged(object, out) else { return };
    let mut signers = role.rules.iter().filter(|rule| rule.allows_for_some(&APPROVE)).peekable();
    let says_signers = signers.peek().is_some();
    let approves_ours = signers.any(is_for_kubernetes);
    for (index, rule) in role.rules.iter().enumerate().filter(|(_, rule)| !rule.is_everything()) {
        let Some(found) = found(rule, APPROVALS) else { continue };
        // To approve takes a right on the signer as well. A role that names requests without it is one part of two;
        // one that has all resources for another verb is not about them.
        let is_named = rule.resources.iter().any(|resource| resource.starts_with("certificatesigningrequests/"));
        if approves_ours || (is_named && !says_signers) {
            let message = format!("{} \"{}\" allows {found}.", object.kind_name, object.name);
            out.fail(object.spot(&format!("rules[{index}]")), message);
        }
    }
}

/// Whether a rule for signers is for one of Kubernetes' own too.
fn is_for_kubernetes(rule: &PolicyRule) -> bool {
    rule.names.is_empty() || rule.names.iter().any(|name| name.starts_with("kubernetes.io/"))
}
