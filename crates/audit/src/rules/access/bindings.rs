//! Bindings that give much, or to many.

use super::{BINDINGS, ISO, NSA, PCI, RBAC, SOC2, is_default};
use crate::{
    access::{Binding, NAMESPACE_GROUP, PolicyRule, Subject},
    object::{Kind, Object},
    out::Out,
    rule::{Check, Framework, Rule, Severity},
};

const CLUSTER_BINDINGS: &[Kind] = &[Kind::ClusterRoleBinding];

/// The role that allows everything.
const CLUSTER_ADMIN: &str = "cluster-admin";

/// Administrators, whom every API server lets do everything.
const MASTERS_GROUP: &str = "system:masters";

/// Roles that only show what everybody may know, or let everybody ask what they may do.
const HARMLESS: &[&str] =
    &["system:basic-user", "system:discovery", "system:public-info-viewer", "system:service-account-issuer-discovery"];

pub(super) const EVERYONE_CLUSTER_ADMIN: Rule = Rule {
    id: "cluster-admin-everyone",
    title: "Everybody is cluster-admin",
    why: "Whoever reaches the API server, or runs in any pod, has the whole cluster.",
    fix: "Remove the binding now, and find out what was done by it.",
    severity: Severity::Critical,
    controls: &[(Framework::Cis, "5.1.1"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_BINDINGS, |binding, out| {
        to_cluster_admin(binding, out, is_everyone);
    }),
    ..RBAC
};

pub(super) const SERVICE_ACCOUNT_CLUSTER_ADMIN: Rule = Rule {
    id: "cluster-admin-service-account",
    title: "Service account is cluster-admin",
    why: "Whoever gets into a pod that runs as the service account, or reads its token, has the whole cluster.",
    fix: "Bind it to a role with the rights that it needs.",
    severity: Severity::Critical,
    controls: &[(Framework::Cis, "5.1.1"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, (Framework::Pci, "7.2.5")],
    check: Check::Object(CLUSTER_BINDINGS, |binding, out| {
        to_cluster_admin(binding, out, |subject| matches!(subject, Subject::ServiceAccount { .. }));
    }),
    ..RBAC
};

pub(super) const USER_CLUSTER_ADMIN: Rule = Rule {
    id: "cluster-admin-user",
    title: "User or group is cluster-admin",
    why: "What is done by mistake or with stolen credentials of a cluster-admin is done to the whole cluster.",
    fix: "Give people the rights for their work, and cluster-admin for emergencies to few.",
    controls: &[(Framework::Cis, "5.1.1"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_BINDINGS, |binding, out| {
        to_cluster_admin(binding, out, |subject| {
            !is_everyone(subject) && !matches!(subject, Subject::ServiceAccount { .. }) && !is_masters(subject)
        });
    }),
    ..RBAC
};

pub(super) const NAMESPACE_CLUSTER_ADMIN: Rule = Rule {
    id: "cluster-admin-in-namespace",
    title: "RoleBinding gives cluster-admin in its namespace",
    why: "In its namespace, cluster-admin is more than admin is: it also changes quotas and the namespace's labels, by \
          which Pod Security Standards are chosen.",
    fix: "Bind to admin or edit, or to a role with the rights that are needed.",
    controls: &[(Framework::Cis, "5.1.1"), NSA, SOC2, ISO, PCI],
    check: Check::Object(&[Kind::RoleBinding], |binding, out| to_cluster_admin(binding, out, |_| true)),
    ..RBAC
};

pub(super) const CLUSTER_WIDE_ADMIN_OR_EDIT: Rule = Rule {
    id: "cluster-wide-admin-or-edit",
    title: "ClusterRoleBinding gives admin or edit in all namespaces",
    why: "The roles admin and edit are for a namespace: in all of them, kube-system included, they read every secret and \
          act as every service account, which is the whole cluster.",
    fix: "Bind to the role in the namespaces that are needed, by RoleBindings.",
    severity: Severity::High,
    controls: &[NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    references: &["https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles"],
    check: Check::Object(CLUSTER_BINDINGS, |object, out| {
        each(
            object,
            out,
            |binding| matches!(&*binding.role_name, "admin" | "edit"),
            |_| true,
            |binding, subject, _| format!("The {subject} has the role {} in all namespaces.", binding.role_name),
        );
    }),
    ..RBAC
};

pub(super) const MASTERS: Rule = Rule {
    id: "system-masters-binding",
    title: "Binding to the group system:masters",
    why: "Members of system:masters may do everything, whatever bindings say: the binding changes nothing, and shows that \
          the group is used, whose rights nobody can take away from a certificate.",
    fix: "Remove the binding; bind a group of your own for administrators.",
    controls: &[(Framework::Cis, "5.1.7"), NSA, SOC2, ISO, PCI],
    check: Check::Object(BINDINGS, |object, out| {
        each(
            object,
            out,
            |_| true,
            is_masters,
            |binding, subject, _| format!("The {subject} is bound to {}.", role_title(binding)),
        );
    }),
    ..RBAC
};

pub(super) const ANONYMOUS: Rule = Rule {
    id: "anonymous-binding",
    title: "Rights for whoever reaches the API server",
    why: "Requests without credentials are those of system:anonymous and system:unauthenticated: what they may do, anybody \
          on the network may.",
    fix: "Remove the subject from the binding.",
    severity: Severity::High,
    controls: &[NSA, (Framework::Mitre, "T1133"), SOC2, (Framework::Iso27001, "A.5.15"), PCI],
    check: Check::Object(BINDINGS, |object, out| {
        each(
            object,
            out,
            |binding| !is_harmless(binding),
            is_anonymous,
            |binding, subject, _| format!("The {subject} is bound to {}.", role_title(binding)),
        );
    }),
    ..RBAC
};

pub(super) const AUTHENTICATED: Rule = Rule {
    id: "authenticated-binding",
    title: "Rights for everybody who is authenticated",
    why: "The group system:authenticated is every user and every pod's service account; on some platforms it is whoever \
          has an account with the provider.",
    fix: "Bind the groups and service accounts that need it.",
    controls: &[NSA, SOC2, (Framework::Iso27001, "A.5.15"), PCI],
    check: Check::Object(BINDINGS, |object, out| {
        each(
            object,
            out,
            |binding| !is_harmless(binding),
            |subject| is_group(subject, "system:authenticated"),
            |binding, subject, _| format!("The {subject} is bound to {}.", role_title(binding)),
        );
    }),
    ..RBAC
};

pub(super) const ALL_SERVICE_ACCOUNTS: Rule = Rule {
    id: "all-service-accounts-binding",
    title: "Rights for all service accounts",
    why: "Every pod has a service account: what all of them may do, whoever gets into any one pod may.",
    fix: "Bind the service accounts that need it.",
    controls: &[NSA, SOC2, (Framework::Iso27001, "A.5.15"), (Framework::Pci, "7.2.5")],
    check: Check::Object(BINDINGS, |object, out| {
        each(
            object,
            out,
            |binding| !is_harmless(binding),
            is_all_service_accounts,
            |binding, subject, _| format!("The {subject} is bound to {}.", role_title(binding)),
        );
    }),
    ..RBAC
};

pub(super) const DEFAULT_SERVICE_ACCOUNT: Rule = Rule {
    id: "default-service-account-binding",
    title: "Default service account has rights",
    why: "Every pod that names no service account runs as its namespace's default one: rights that are given to it are \
          given to all of them, present and future.",
    fix: "Make a service account for the workload and bind that.",
    controls: &[(Framework::Cis, "5.1.5"), NSA, SOC2, ISO, (Framework::Pci, "7.2.5")],
    check: Check::Object(BINDINGS, |object, out| {
        let is_default_account =
            |subject: &Subject| matches!(subject, Subject::ServiceAccount { name, .. } if &**name == "default");
        each(
            object,
            out,
            |_| true,
            is_default_account,
            |binding, subject, users| format!("The {subject}, {users}, is bound to {}.", role_title(binding)),
        );
    }),
    ..RBAC
};

fn is_group(subject: &Subject, name: &str) -> bool {
    matches!(subject, Subject::Group(own) if &**own == name)
}

fn is_masters(subject: &Subject) -> bool {
    is_group(subject, MASTERS_GROUP)
}

fn is_anonymous(subject: &Subject) -> bool {
    is_group(subject, "system:unauthenticated")
        || matches!(subject, Subject::User(name) if &**name == "system:anonymous")
}

fn is_all_service_accounts(subject: &Subject) -> bool {
    matches!(subject, Subject::Group(name) if &**name == "system:serviceaccounts" || name.starts_with(NAMESPACE_GROUP))
}

fn is_everyone(subject: &Subject) -> bool {
    is_anonymous(subject) || is_group(subject, "system:authenticated") || is_all_service_accounts(subject)
}

fn is_harmless(binding: &Binding) -> bool {
    binding.role_kind == Kind::ClusterRole && HARMLESS.contains(&&*binding.role_name)
}

/// `ClusterRole view`
pub(super) fn role_title(binding: &Binding) -> String {
    format!("{} {}", binding.role_kind.as_str(), binding.role_name)
}

/// Reports each subject of a binding that is not Kubernetes' own. The message is made of the binding, the subject and
/// what runs as it.
fn each(
    object: &Object,
    out: &mut Out<'_>,
    is_binding: impl Fn(&Binding) -> bool,
    is_subject: impl Fn(&Subject) -> bool,
    message: impl Fn(&Binding, &Subject, &str) -> String,
) {
    if is_default(object) {
        return;
    }
    let inventory = out.inventory();
    let Some(binding) = inventory.access().binding(object).filter(|binding| is_binding(binding)) else { return };
    for (place, subject) in binding.subjects.iter().filter(|(_, subject)| is_subject(subject)) {
        let message = message(binding, subject, &users(subject, out));
        out.fail(object.spot(&format!("subjects[{place}]")), message);
    }
}

/// `which Deployment/shop/web runs as`
fn users(subject: &Subject, out: &Out<'_>) -> String {
    let Subject::ServiceAccount { namespace, name } = subject else { return String::new() };
    let inventory = out.inventory();
    match inventory.access().workloads_of(namespace, name) {
        [] => "which no workload here runs as".to_owned(),
        [one] => format!("which {} runs as", inventory.object(*one).title()),
        [one, rest @ ..] => format!("which {} and {} more run as", inventory.object(*one).title(), rest.len()),
    }
}

/// By the role of this name, or by one of another name that allows as much.
fn to_cluster_admin(object: &Object, out: &mut Out<'_>, is_subject: impl Fn(&Subject) -> bool) {
    let access = out.inventory().access();
    let is_admin = |binding: &Binding| {
        binding.role_kind == Kind::ClusterRole
            && (&*binding.role_name == CLUSTER_ADMIN
                || access.role_bound_by(binding).is_some_and(|role| access.rules(role).any(PolicyRule::is_everything)))
    };
    each(object, out, is_admin, is_subject, |binding, subject, users| {
        let place = match &binding.namespace {
            Some(namespace) => format!(" in namespace \"{namespace}\""),
            None => String::new(),
        };
        let users = if users.is_empty() { String::new() } else { format!(", {users},") };
        if &*binding.role_name == CLUSTER_ADMIN {
            format!("The {subject}{users} is cluster-admin{place}.")
        } else {
            let role = &binding.role_name;
            format!("The {subject}{users} may do as much as cluster-admin{place} by ClusterRole {role}.")
        }
    });
}
