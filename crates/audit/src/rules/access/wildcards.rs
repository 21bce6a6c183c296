//! Roles that allow what nobody listed.

use super::{
    CLUSTER_ROLES, ISO, NSA, PCI, RBAC, ROLES, SOC2,
    rights::{judged, place},
};
use crate::{
    access::{PolicyRule, Reach},
    object::Object,
    out::Out,
    rule::{Check, Framework, Rule, Severity},
};

pub(super) const CLUSTER_ROLE_FULL_ACCESS: Rule = Rule {
    id: "cluster-role-full-access",
    title: "ClusterRole allows everything in the cluster",
    why: "A rule with all verbs on all resources of all API groups is what cluster-admin has: whoever is bound to it \
          reads every secret, runs anything on every node and gives these rights to others.",
    fix: "List the API groups, resources and verbs that are needed.",
    severity: Severity::Critical,
    controls: &[(Framework::Cis, "5.1.1"), (Framework::Cis, "5.1.3"), NSA, (Framework::Mitre, "T1078"), SOC2, ISO, PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| full(role, out, Reach::Everywhere)),
    ..RBAC
};

pub(super) const ROLE_FULL_ACCESS: Rule = Rule {
    id: "role-full-access",
    title: "Role allows everything in its namespace",
    why: "Whoever is bound to it reads all secrets of the namespace, runs commands in its containers, takes over its \
          service accounts and gives these rights to others.",
    fix: "List the API groups, resources and verbs that are needed.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.3"), NSA, SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| full(role, out, Reach::Namespaces)),
    ..RBAC
};

pub(super) const VERBS: Rule = Rule {
    id: "role-wildcard-verbs",
    title: "Role allows all verbs",
    why: "All verbs are also those that nobody thinks of, as deletecollection, escalate, bind and impersonate, and those \
          that a later version brings.",
    fix: "List the verbs that are needed.",
    severity: Severity::Low,
    controls: &[(Framework::Cis, "5.1.3"), NSA, SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| {
        wildcard(role, out, "all verbs (verbs: *)", |rule| has_star(&rule.verbs) && !rule.resources.is_empty());
    }),
    ..RBAC
};

pub(super) const RESOURCES: Rule = Rule {
    id: "role-wildcard-resources",
    title: "Role allows access to all resources",
    why: "All resources of a group are also its secrets and subresources, as pods/exec, and whatever resources are added \
          to it later.",
    fix: "List the resources that are needed.",
    controls: &[(Framework::Cis, "5.1.3"), NSA, SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| {
        wildcard(role, out, "access to all resources (resources: *)", |rule| has_star(&rule.resources));
    }),
    ..RBAC
};

pub(super) const GROUPS: Rule = Rule {
    id: "role-wildcard-api-groups",
    title: "Role allows access to resources of all API groups",
    why: "A resource is known by its group: with all groups, the rule holds for what any custom resource definition or \
          aggregated API calls by the same name.",
    fix: "List the API groups that are needed; the core group is the empty one.",
    controls: &[(Framework::Cis, "5.1.3"), NSA, SOC2, ISO, PCI],
    check: Check::Object(ROLES, |role, out| {
        wildcard(role, out, "access to all API groups (apiGroups: *)", |rule| has_star(&rule.groups));
    }),
    ..RBAC
};

fn has_star(list: &[Box<str>]) -> bool {
    list.iter().any(|item| &**item == "*")
}

fn full(object: &Object, out: &mut Out<'_>, wanted: Reach) {
    let Some((role, reach)) = judged(object, out) else { return };
    if reach != wanted {
        return;
    }
    for (index, _) in role.rules.iter().enumerate().filter(|(_, rule)| rule.is_everything()) {
        let place = if reach == Reach::Everywhere { "in the cluster".to_owned() } else { place(role, reach) };
        let message = format!("{} \"{}\" allows all verbs on all resources {place}.", object.kind_name, object.name);
        out.fail(object.spot(&format!("rules[{index}]")), message);
    }
}

fn wildcard(object: &Object, out: &mut Out<'_>, what: &str, is_one: fn(&PolicyRule) -> bool) {
    let Some((role, reach)) = judged(object, out) else { return };
    if reach == Reach::Nowhere {
        return;
    }
    for (index, rule) in role.rules.iter().enumerate() {
        if is_one(rule) && !rule.is_everything() {
            let message = format!("{} \"{}\" allows {what}.", object.kind_name, object.name);
            out.fail(object.spot(&format!("rules[{index}]")), message);
        }
    }
}
