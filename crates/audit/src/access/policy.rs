//! What a rule of a role allows.

use crate::node::Node;

/// What somebody wants to do to resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// `get`, `create`, `escalate`
    pub verb: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// `pods`
    pub resource: &'a str,
    /// `exec`; empty for the resource itself.
    pub subresource: &'a str,
    /// Empty for all of them: what rules with `resourceNames` do not allow.
    pub name: &'a str,
}

/// One of the rules of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRule {
    /// `verbs`
    pub verbs: Vec<Box<str>>,
    /// `apiGroups`
    pub groups: Vec<Box<str>>,
    /// `resources`, with their subresources: `pods/exec`
    pub resources: Vec<Box<str>>,
    /// `resourceNames`: all when it is empty.
    pub names: Vec<Box<str>>,
    /// `nonResourceURLs`
    pub urls: Vec<Box<str>>,
}

fn has(list: &[Box<str>], text: &str) -> bool {
    list.iter().any(|item| &**item == text)
}

impl PolicyRule {
    /// From a role's `rules`.
    pub fn parse(rule: &Node) -> Self {
        let list = |key| rule.get(key).strings().map(Box::from).collect();
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            urls: list("nonResourceURLs"),
        }
    }

    fn of(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Self {
        let list = |items: &[&str]| items.iter().map(|item| Box::from(*item)).collect();
        Self { verbs: list(verbs), groups: list(groups), resources: list(resources), ..Self::default() }
    }

    fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|own| &**own == "*" || &**own == verb)
    }

    fn has_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|own| {
            if &**own == "*" {
                return true;
            }
            match own.split_once('/') {
                None => subresource.is_empty() && &**own == resource,
                // `*/scale` is that subresource of everything; `pods/*` is nothing.
                Some((of, sub)) => !subresource.is_empty() && sub == subresource && (of == "*" || of == resource),
            }
        })
    }

    /// Whether it allows a request.
    pub fn allows(&self, request: &Request<'_>) -> bool {
        self.allows_for_some(request) && (self.names.is_empty() || has(&self.names, request.name))
    }

    /// Whether it allows a request, whatever the name.
    pub fn allows_for_some(&self, request: &Request<'_>) -> bool {
        self.has_verb(request.verb)
            && (has(&self.groups, "*") || has(&self.groups, request.group))
            && self.has_resource(request.resource, request.subresource)
    }

    /// Whether it allows a request to what is no resource: `/metrics`.
    pub fn allows_url(&self, verb: &str, url: &str) -> bool {
        self.has_verb(verb)
            && self.urls.iter().any(|own| {
                let stem = own.trim_end_matches('*');
                &**own == url || (own.len() > stem.len() && url.starts_with(stem))
            })
    }

    /// Whether it allows everything that can be done to any resource.
    pub fn is_everything(&self) -> bool {
        has(&self.verbs, "*") && has(&self.groups, "*") && has(&self.resources, "*") && self.names.is_empty()
    }
}

/// The roles for people that every cluster has, as far as rules ask about them.
///
/// Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`.
pub(super) fn well_known() -> [(&'static str, Vec<PolicyRule>); 4] {
    const READ: &[&str] = &["get", "list", "watch"];
    const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
    let view = || {
        vec![
            PolicyRule::of(READ, &[""], &["configmaps", "endpoints", "events", "pods", "pods/log", "services"]),
            PolicyRule::of(READ, &["apps"], &["daemonsets", "deployments", "replicasets", "statefulsets"]),
            PolicyRule::of(READ, &["batch"], &["cronjobs", "jobs"]),
        ]
    };
    let edit = || {
        let mut rules = view();
        let reached = ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"];
        rules.extend([
            PolicyRule::of(READ, &[""], &reached),
            PolicyRule::of(WRITE, &[""], &reached),
            PolicyRule::of(
                WRITE,
                &[""],
                &["configmaps", "pods", "replicationcontrollers", "serviceaccounts", "services"],
            ),
            PolicyRule::of(WRITE, &["apps"], &["daemonsets", "deployments", "replicasets", "statefulsets"]),
            PolicyRule::of(WRITE, &["batch"], &["cronjobs", "jobs"]),
            PolicyRule::of(&["impersonate"], &[""], &["serviceaccounts"]),
            PolicyRule::of(&["create"], &[""], &["serviceaccounts/token"]),
        ]);
        rules
    };
    let mut admin = edit();
    for verbs in [READ, WRITE] {
        admin.push(PolicyRule::of(verbs, &["rbac.authorization.k8s.io"], &["rolebindings", "roles"]));
    }
    let all = vec![PolicyRule::of(&["*"], &["*"], &["*"])];
    [("cluster-admin", all), ("admin", admin), ("edit", edit()), ("view", view())]
}
