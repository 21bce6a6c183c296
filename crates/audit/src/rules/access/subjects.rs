//! Bindings that lead nowhere, and what nobody uses.

use super::{BINDINGS, ISO, NSA, RBAC, ROLES, SOC2, bindings::role_title, is_default};
use crate::{
    access::{Subject, is_made_to_be_collected},
    object::{Kind, Object},
    out::Out,
    rule::{Category, Check, Rule, Severity},
};

const CATEGORIES: &[Category] = &[Category::AccessControl, Category::Hygiene];
const REFERENCES: &[&str] = &["https://kubernetes.io/docs/reference/access-authn-authz/rbac/"];

pub(super) const NO_SUBJECTS: Rule = Rule {
    id: "binding-without-subjects",
    title: "Binding binds nobody",
    why: "A binding without subjects gives no rights; it is left over, or who should have been bound was forgotten.",
    fix: "Add the subjects, or remove the binding.",
    severity: Severity::Info,
    categories: CATEGORIES,
    controls: &[NSA, SOC2],
    references: REFERENCES,
    check: Check::Object(BINDINGS, |object, out| {
        if !is_default(object) && object.root.get("subjects").is_empty() {
            out.fail(object.spot("subjects"), format!("{} has no subjects.", object.title()));
        }
    }),
    ..RBAC
};

pub(super) const MISSING_SERVICE_ACCOUNT: Rule = Rule {
    id: "binding-to-missing-service-account",
    title: "Binding to a service account that does not exist",
    why: "Whoever may create a service account of that name gets the rights that wait for it, and what should have them \
          runs without.",
    fix: "Correct the name or the namespace of the subject, or remove it.",
    severity: Severity::Low,
    categories: CATEGORIES,
    controls: &[NSA, SOC2, ISO],
    references: REFERENCES,
    check: Check::Object(BINDINGS, missing_service_account),
    ..RBAC
};

pub(super) const MISSING_ROLE: Rule = Rule {
    id: "binding-to-missing-role",
    title: "Binding to a role that does not exist",
    why: "The binding gives nothing, so that what relies on it is refused; whoever may create a role of that name decides \
          what its subjects may do.",
    fix: "Correct the name in roleRef by making the binding anew, or create the role.",
    categories: CATEGORIES,
    controls: &[NSA, SOC2],
    references: REFERENCES,
    check: Check::Object(BINDINGS, missing_role),
    ..RBAC
};

pub(super) const UNBOUND_ROLE: Rule = Rule {
    id: "role-unbound",
    title: "Role that nobody is bound to",
    why: "Roles that nothing uses hide those that matter, and are bound by mistake one day.",
    fix: "Remove the role, or bind who needs it.",
    severity: Severity::Info,
    categories: CATEGORIES,
    controls: &[NSA, SOC2],
    references: REFERENCES,
    check: Check::Object(ROLES, unbound_role),
    ..RBAC
};

pub(super) const UNUSED_SERVICE_ACCOUNT: Rule = Rule {
    id: "service-account-unused",
    title: "Service account that no workload uses",
    why: "A service account that nothing runs as is left over, or its token is used from outside of the cluster.",
    fix: "Remove it, unless something outside of the cluster uses it.",
    severity: Severity::Info,
    categories: CATEGORIES,
    controls: &[NSA, SOC2],
    references: &["https://kubernetes.io/docs/concepts/security/service-accounts/"],
    check: Check::Object(&[Kind::ServiceAccount], unused_service_account),
    ..RBAC
};

fn missing_service_account(object: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let Some(binding) = inventory.access().binding(object).filter(|_| !is_default(object)) else { return };
    let accounts = binding.subjects.iter().filter_map(|(place, subject)| match subject {
        Subject::ServiceAccount { namespace, name } => Some((place, namespace, name)),
        Subject::User(_) | Subject::Group(_) => None,
    });
    for (place, namespace, name) in accounts {
        if inventory.find(Kind::ServiceAccount, namespace, name).is_some() {
            continue;
        }
        if inventory.is_whole(Kind::ServiceAccount) {
            let message = format!("There is no service account \"{name}\" in namespace \"{namespace}\".");
            out.fail(object.spot(&format!("subjects[{place}]")), message);
        } else {
            out.cannot("Service accounts may exist that are not among what is audited.");
        }
    }
}

fn missing_role(object: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let access = inventory.access();
    let Some(binding) = access.binding(object).filter(|_| !is_default(object)) else { return };
    // Kubernetes has these in every cluster.
    let is_shipped =
        binding.role_name.starts_with("system:") || &*binding.role_name == "extension-apiserver-authentication-reader";
    if access.role_bound_by(binding).is_some() || is_shipped {
        return;
    }
    // Of roles, others in the namespace show that what belongs to it is here. Of cluster roles nothing does.
    let is_missing = match binding.role_kind {
        Kind::Role => inventory.would_have(Kind::Role, &object.namespace),
        _ => inventory.is_whole(Kind::ClusterRole),
    };
    if is_missing {
        out.fail(object.spot("roleRef"), format!("There is no {}.", role_title(binding)));
    } else {
        out.cannot("Roles may exist that are not among what is audited.");
    }
}

fn unbound_role(object: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let access = inventory.access();
    let Some(role) = access.role(object) else { return };
    let is_used = access.bindings_of(role).next().is_some() || access.is_part(role);
    if is_used || is_default(object) || is_made_to_be_collected(object) {
        return;
    }
    if inventory.is_whole(Kind::RoleBinding) && inventory.is_whole(Kind::ClusterRoleBinding) {
        out.fail(object.spot("metadata.name"), format!("Nobody is bound to {}.", object.title()));
    } else {
        out.cannot("Bindings may exist that are not among what is audited.");
    }
}

fn unused_service_account(object: &Object, out: &mut Out<'_>) {
    // Kubernetes makes one of that name in every namespace, and its controllers use those of its own namespaces.
    if &*object.name == "default" || out.is_system(&object.namespace) {
        return;
    }
    let inventory = out.inventory();
    let access = inventory.access();
    let has_workloads = !access.workloads_of(&object.namespace, &object.name).is_empty();
    if has_workloads || access.is_named(&object.namespace, &object.name) {
        return;
    }
    let knows_jobs = inventory.is_whole(Kind::CronJob) && inventory.is_whole(Kind::Job);
    if knows_jobs && inventory.would_have_pods(&object.namespace) {
        let message = format!("No workload runs as service account \"{}/{}\".", object.namespace, object.name);
        out.fail(object.spot("metadata.name"), message);
    } else {
        out.cannot("Workloads may exist that are not among what is audited.");
    }
}
