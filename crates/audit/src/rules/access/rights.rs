//! What the rules of roles look for: verbs on resources, where the role holds.

use super::is_default;
use crate::{
    access::{PolicyRule, Reach, Request, Role},
    object::{Kind, Object},
    out::Out,
};

/// Verbs on a resource, any of which is what a rule looks for.
pub(super) struct Right {
    pub(super) verbs: &'static [&'static str],
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    pub(super) subresource: &'static str,
}

pub(super) const READ: &[&str] = &["get", "list", "watch"];
pub(super) const WRITE: &[&str] = &["create", "update", "patch"];
pub(super) const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

pub(super) const EVERYWHERE: &[Reach] = &[Reach::Everywhere];
pub(super) const NAMESPACES: &[Reach] = &[Reach::Namespaces];
pub(super) const ANYWHERE: &[Reach] = &[Reach::Everywhere, Reach::Namespaces];

/// Verbs on a resource: `pods` or `pods/exec`.
pub(super) const fn right(
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
) -> Right {
    Right { verbs, group, resource, subresource }
}

impl Right {
    fn request(&self, verb: &'static str) -> Request<'static> {
        Request { verb, group: self.group, resource: self.resource, subresource: self.subresource, name: "" }
    }

    /// Whether a rule gives it for all objects of the resource.
    pub(super) fn is_in(&self, rule: &PolicyRule) -> bool {
        self.verbs.iter().any(|verb| rule.allows(&self.request(verb)))
    }

    fn verbs_in(&self, rule: &PolicyRule) -> String {
        let verbs: Vec<&str> = self.verbs.iter().copied().filter(|verb| rule.allows(&self.request(verb))).collect();
        verbs.join(", ")
    }

    fn title(&self) -> String {
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", self.resource, self.subresource)
    }
}

/// `get, list on secrets and 2 other resources`; none when a rule gives no such right.
pub(super) fn found(rule: &PolicyRule, rights: &[Right]) -> Option<String> {
    let mut given = rights.iter().filter(|right| right.is_in(rule));
    let first = given.next()?;
    let others = match given.count() {
        0 => "",
        1 => " and one other resource",
        _ => " and other resources",
    };
    Some(format!("{} on {}{others}", first.verbs_in(rule), first.title()))
}

/// A role whose powers are judged, and where it holds: not Kubernetes' own, and not one that only collects the rules of
/// others, which are judged where they are written.
pub(super) fn judged<'a>(object: &Object, out: &Out<'a>) -> Option<(&'a Role, Reach)> {
    if is_default(object) {
        return None;
    }
    let access = out.inventory().access();
    let role = access.role(object).filter(|role| !role.is_aggregated)?;
    Some((role, access.reach(role)))
}

/// `in every namespace`, `in namespace "shop"`
pub(super) fn place(role: &Role, reach: Reach) -> String {
    match (role.kind, reach) {
        (Kind::Role, _) => format!("in namespace \"{}\"", role.namespace),
        (_, Reach::Everywhere) => "in every namespace".to_owned(),
        _ => "in the namespaces it is bound in".to_owned(),
    }
}

/// Reports each rule of a role that gives one of these rights, where the role holds in one of these ways. A rule that
/// allows everything is reported as that.
pub(super) fn report(object: &Object, out: &mut Out<'_>, reaches: &[Reach], rights: &[Right]) {
    let Some((role, reach)) = judged(object, out) else { return };
    if !reaches.contains(&reach) {
        return;
    }
    for (index, rule) in role.rules.iter().enumerate() {
        if rule.is_everything() {
            continue;
        }
        if let Some(found) = found(rule, rights) {
            let place = place(role, reach);
            let message = format!("{} \"{}\" allows {found} {place}.", object.kind_name, object.name);
            out.fail(object.spot(&format!("rules[{index}]")), message);
        }
    }
}

/// The same for what is in no namespace.
pub(super) fn report_cluster_scoped(object: &Object, out: &mut Out<'_>, rights: &[Right]) {
    let Some((role, Reach::Everywhere)) = judged(object, out) else { return };
    for (index, rule) in role.rules.iter().enumerate() {
        if rule.is_everything() {
            continue;
        }
        if let Some(found) = found(rule, rights) {
            let message = format!("{} \"{}\" allows {found}.", object.kind_name, object.name);
            out.fail(object.spot(&format!("rules[{index}]")), message);
        }
    }
}
