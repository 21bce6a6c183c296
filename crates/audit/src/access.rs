//! Who may do what: roles, bindings and their subjects, put together.
//!
//! What a rule allows is decided as Kubernetes' RBAC authorizer does (`pkg/apis/rbac/v1/evaluation_helpers.go` and
//! `pkg/registry/rbac/validation/rule.go`).

mod policy;

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

pub use policy::{PolicyRule, Request};

use crate::{
    inventory::Inventory,
    node::Node,
    object::{Kind, Object},
    selector,
};

/// A role, and who is bound to it.
#[derive(Debug)]
pub struct Role {
    /// Its place in the inventory; none for one that every cluster has and that is not here.
    pub object: Option<u32>,
    /// [`Kind::Role`] or [`Kind::ClusterRole`]
    pub kind: Kind,
    /// Namespace; empty for a `ClusterRole`.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Its own rules, at their places in `rules`.
    pub rules: Vec<PolicyRule>,
    /// Whether its rules are those of other roles (`aggregationRule`).
    pub is_aggregated: bool,
    /// The roles that it selects.
    members: Vec<u32>,
    /// The roles whose rules it has as well as its own, where no controller copied them: those that it selects, and those
    /// that these select.
    parts: Vec<u32>,
    /// Whether another role selects it.
    is_member: bool,
    bindings: Vec<u32>,
    reach: Reach,
}

/// Whom a binding binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A user, by name.
    User(Box<str>),
    /// A group, by name.
    Group(Box<str>),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name:?}"),
            Self::Group(name) => write!(f, "group {name:?}"),
            Self::ServiceAccount { namespace, name } => write!(f, "service account \"{namespace}/{name}\""),
        }
    }
}

impl Subject {
    /// From a binding's `subjects`, in the binding's namespace. None for what binds nobody.
    fn parse(subject: &Node, binding_namespace: Option<&str>) -> Option<Self> {
        let name = subject.get("name").as_str().filter(|name| !name.is_empty())?;
        match subject.get("kind").str() {
            "User" => Some(Self::user(name)),
            "Group" => Some(Self::Group(name.into())),
            "ServiceAccount" => {
                let own = subject.get("namespace").str();
                // A ClusterRoleBinding's subject without a namespace binds nobody.
                let namespace = if own.is_empty() { binding_namespace? } else { own };
                Some(Self::ServiceAccount { namespace: namespace.into(), name: name.into() })
            }
            _ => None,
        }
    }

    /// A user; a service account where it is the user's name of one.
    pub fn user(name: &str) -> Self {
        match name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
            Some((namespace, name)) => Self::ServiceAccount { namespace: namespace.into(), name: name.into() },
            None => Self::User(name.into()),
        }
    }
}

/// A `RoleBinding` or `ClusterRoleBinding`.
#[derive(Debug)]
pub struct Binding {
    /// Its place in the inventory.
    pub object: u32,
    /// Where it holds: none for everywhere.
    pub namespace: Option<Box<str>>,
    /// [`Kind::Role`] or [`Kind::ClusterRole`], whatever else is written there.
    pub role_kind: Kind,
    /// The name of the role.
    pub role_name: Box<str>,
    /// The role, where it is known.
    role: Option<u32>,
    /// Whom it binds, and at which place in `subjects`.
    pub subjects: Vec<(usize, Subject)>,
}

/// A role that a subject has, and through what.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The role.
    pub role: &'a Role,
    /// What binds them.
    pub binding: &'a Binding,
    access: &'a Access,
}

impl<'a> Grant<'a> {
    /// Where it holds: none for everywhere.
    pub fn namespace(&self) -> Option<&'a str> {
        self.binding.namespace.as_deref()
    }

    /// What it allows.
    pub fn rules(&self) -> impl Iterator<Item = &'a PolicyRule> {
        self.access.rules(self.role)
    }

    /// Whether it allows a request, where it holds.
    pub fn allows(&self, request: &Request<'_>) -> bool {
        self.rules().any(|rule| rule.allows(request))
    }
}

/// Where a role's rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nobody has it.
    Nowhere,
    /// In the namespaces that it is bound in.
    Namespaces,
    /// In all, and for what is in no namespace.
    Everywhere,
}

/// Who may do what.
#[derive(Debug, Default)]
pub struct Access {
    roles: Vec<Role>,
    bindings: Vec<Binding>,
    role_of: HashMap<u32, u32>,
    binding_of: HashMap<u32, u32>,
    users: HashMap<Box<str>, Vec<u32>>,
    groups: HashMap<Box<str>, Vec<u32>>,
    /// Those of `system:serviceaccounts:<namespace>`.
    namespace_groups: HashMap<Box<str>, Vec<u32>>,
    service_accounts: HashMap<Box<str>, HashMap<Box<str>, Vec<u32>>>,
    workloads: HashMap<Box<str>, HashMap<Box<str>, Vec<u32>>>,
    /// Service accounts that objects name from which others make workloads.
    named: HashMap<Box<str>, HashSet<Box<str>>>,
    /// Whether there may be bindings that are not here.
    may_be_bound_elsewhere: bool,
}

const NONE: &[u32] = &[];

/// The group of all service accounts of a namespace, before its name.
pub(crate) const NAMESPACE_GROUP: &str = "system:serviceaccounts:";

/// Where manifests without a namespace are applied when nobody says otherwise.
pub(crate) fn namespace_or_default(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}

impl Access {
    pub(crate) fn new(inventory: &Inventory) -> Self {
        let is_known = inventory.is_whole(Kind::RoleBinding) && inventory.is_whole(Kind::ClusterRoleBinding);
        let mut access = Self { may_be_bound_elsewhere: !is_known, ..Self::default() };
        let by_name = access.add_roles(inventory);
        access.aggregate(inventory);
        access.add_bindings(inventory, &by_name);
        access.set_reach(inventory);
        for pod in inventory.workloads() {
            let namespace = namespace_or_default(&pod.object.namespace);
            let accounts = access.workloads.entry(namespace.into()).or_default();
            accounts.entry(pod.service_account().into()).or_default().push(pod.object.index);
        }
        for object in inventory.of(Kind::Other) {
            if let Some(name) = object.spec().get("serviceAccountName").as_str() {
                let namespace = namespace_or_default(&object.namespace);
                access.named.entry(namespace.into()).or_default().insert(name.into());
            }
        }
        access
    }

    fn add_roles(&mut self, inventory: &Inventory) -> HashMap<(Box<str>, Box<str>), u32> {
        let mut by_name: HashMap<(Box<str>, Box<str>), u32> = HashMap::new();
        let objects = inventory.of(Kind::Role).chain(inventory.of(Kind::ClusterRole));
        for (index, object) in (0_u32..).zip(objects) {
            let is_aggregated = object.kind == Kind::ClusterRole && object.root.get("aggregationRule").is_map();
            // A controller replaces the rules that the manifest of such a role has.
            let is_replaced = is_aggregated && inventory.is_manifests();
            let rules = if is_replaced { &[] } else { object.root.get("rules").items() };
            let namespace = if object.kind == Kind::Role { namespace_or_default(&object.namespace) } else { "" };
            by_name.insert((namespace.into(), object.name.clone()), index);
            self.role_of.insert(object.index, index);
            self.roles.push(Role {
                object: Some(object.index),
                kind: object.kind,
                namespace: namespace.into(),
                name: object.name.clone(),
                rules: rules.iter().map(PolicyRule::parse).collect(),
                is_aggregated,
                members: Vec::new(),
                parts: Vec::new(),
                is_member: false,
                bindings: Vec::new(),
                reach: Reach::Nowhere,
            });
        }
        for (index, (name, rules)) in (u32::try_from(self.roles.len()).unwrap_or(u32::MAX)..).zip(policy::well_known())
        {
            by_name.entry(("".into(), name.into())).or_insert(index);
            self.roles.push(Role {
                object: None,
                kind: Kind::ClusterRole,
                namespace: "".into(),
                name: name.into(),
                rules,
                is_aggregated: false,
                members: Vec::new(),
                parts: Vec::new(),
                is_member: false,
                bindings: Vec::new(),
                reach: Reach::Nowhere,
            });
        }
        by_name
    }

    /// Finds the roles that `aggregationRule`s select, by the label that the fewest have.
    fn aggregate(&mut self, inventory: &Inventory) {
        let mut by_label: HashMap<(&str, &str), Vec<&Object>> = HashMap::new();
        for object in inventory.of(Kind::ClusterRole) {
            for (key, value) in object.labels().entries() {
                by_label.entry((key, value.str())).or_default().push(object);
            }
        }
        let all: Vec<&Object> = inventory.of(Kind::ClusterRole).collect();
        for whole in &all {
            let selectors = whole.root.at(&["aggregationRule", "clusterRoleSelectors"]).items();
            let mut parts: Vec<u32> = Vec::new();
            for wanted in selectors {
                let labels = wanted.get("matchLabels").entries();
                let candidates = labels
                    .map(|(key, value)| by_label.get(&(key, value.str())).map_or(&[][..], Vec::as_slice))
                    .min_by_key(|found| found.len())
                    .unwrap_or(&all);
                let selected = candidates.iter().filter(|part| selector::selects(wanted, part.labels()));
                parts.extend(selected.filter(|part| part.index != whole.index).map(|part| part.index));
            }
            parts.sort_unstable();
            parts.dedup();
            let Some(&role) = self.role_of.get(&whole.index) else { continue };
            let members: Vec<u32> = parts.iter().filter_map(|part| self.role_of.get(part).copied()).collect();
            for member in &members {
                self.roles[*member as usize].is_member = true;
            }
            self.roles[role as usize].members = members;
        }
        if inventory.is_manifests() {
            for role in 0..self.roles.len() {
                self.roles[role].parts = self.parts_of(role);
            }
        }
    }

    /// What a role selects, and what that selects.
    fn parts_of(&self, role: usize) -> Vec<u32> {
        let mut parts = self.roles[role].members.clone();
        let mut seen: HashSet<u32> = parts.iter().copied().collect();
        let mut next = 0;
        while let Some(part) = parts.get(next).copied() {
            next += 1;
            let inner = self.roles[part as usize].members.iter().copied();
            parts.extend(inner.filter(|member| seen.insert(*member)));
        }
        // Two that select each other have the rules of one another, not their own twice.
        parts.retain(|part| *part as usize != role);
        parts
    }

    fn add_bindings(&mut self, inventory: &Inventory, by_name: &HashMap<(Box<str>, Box<str>), u32>) {
        let objects = inventory.of(Kind::RoleBinding).chain(inventory.of(Kind::ClusterRoleBinding));
        for (index, object) in (0_u32..).zip(objects) {
            let namespace: Option<Box<str>> =
                (object.kind == Kind::RoleBinding).then(|| Box::from(namespace_or_default(&object.namespace)));
            let reference = object.root.get("roleRef");
            let role_kind = if reference.get("kind").str() == "Role" { Kind::Role } else { Kind::ClusterRole };
            let role_namespace = match (&namespace, role_kind) {
                (Some(namespace), Kind::Role) => namespace.clone(),
                _ => "".into(),
            };
            // A ClusterRoleBinding to a Role is refused.
            let is_possible = namespace.is_some() || role_kind == Kind::ClusterRole;
            let role_name: Box<str> = reference.get("name").str().into();
            let role = by_name.get(&(role_namespace, role_name.clone())).copied().filter(|_| is_possible);
            if let Some(role) = role {
                self.roles[role as usize].bindings.push(index);
            }
            let subjects = object.root.get("subjects").items().iter().enumerate();
            let subjects: Vec<(usize, Subject)> = subjects
                .filter_map(|(place, subject)| Some((place, Subject::parse(subject, namespace.as_deref())?)))
                .collect();
            for (_, subject) in &subjects {
                self.index_of(subject).push(index);
            }
            self.binding_of.insert(object.index, index);
            self.bindings.push(Binding { object: object.index, namespace, role_kind, role_name, role, subjects });
        }
    }

    fn index_of(&mut self, subject: &Subject) -> &mut Vec<u32> {
        match subject {
            Subject::User(name) => self.users.entry(name.clone()).or_default(),
            Subject::Group(name) => match name.strip_prefix(NAMESPACE_GROUP) {
                Some(namespace) => self.namespace_groups.entry(namespace.into()).or_default(),
                None => self.groups.entry(name.clone()).or_default(),
            },
            Subject::ServiceAccount { namespace, name } => {
                self.service_accounts.entry(namespace.clone()).or_default().entry(name.clone()).or_default()
            }
        }
    }

    /// A role that is an object of the inventory.
    pub fn role(&self, object: &Object) -> Option<&Role> {
        self.role_of.get(&object.index).map(|index| &self.roles[*index as usize])
    }

    /// A binding that is an object of the inventory.
    pub fn binding(&self, object: &Object) -> Option<&Binding> {
        self.binding_of.get(&object.index).map(|index| &self.bindings[*index as usize])
    }

    /// The role that a binding binds to, where it is known: where it is in the inventory, or every cluster has it.
    pub fn role_bound_by(&self, binding: &Binding) -> Option<&Role> {
        binding.role.map(|index| &self.roles[index as usize])
    }

    /// What a role allows: its rules, and those of the roles that it is made of.
    pub fn rules<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = &'a PolicyRule> {
        let parts = role.parts.iter().flat_map(|part| &self.roles[*part as usize].rules);
        role.rules.iter().chain(parts)
    }

    /// What binds a role.
    pub fn bindings_of(&self, role: &Role) -> impl Iterator<Item = &Binding> {
        role.bindings.iter().map(|index| &self.bindings[*index as usize])
    }

    /// Whether a role's rules are also those of another one that collects them.
    pub fn is_part(&self, role: &Role) -> bool {
        role.is_member
    }

    /// Where a role's rules hold. A `ClusterRole` that nothing here binds, while there may be bindings elsewhere, is
    /// taken to be bound everywhere, except when it is made to be collected by `admin`, `edit` or `view`, which people
    /// have in their namespaces.
    pub fn reach(&self, role: &Role) -> Reach {
        role.reach
    }

    fn set_reach(&mut self, inventory: &Inventory) {
        let mut raised = Vec::new();
        for (index, role) in self.roles.iter_mut().enumerate() {
            let places = role.bindings.iter().map(|index| &self.bindings[*index as usize].namespace);
            let reach = places.map(|place| if place.is_some() { Reach::Namespaces } else { Reach::Everywhere }).max();
            role.reach = reach.unwrap_or(Reach::Nowhere);
            raised.push(index);
        }
        // What a role selects holds where it does.
        while let Some(index) = raised.pop() {
            let reach = self.roles[index].reach;
            for place in 0..self.roles[index].members.len() {
                let member = self.roles[index].members[place] as usize;
                if self.roles[member].reach < reach {
                    self.roles[member].reach = reach;
                    raised.push(member);
                }
            }
        }
        if !self.may_be_bound_elsewhere {
            return;
        }
        for role in self.roles.iter_mut().filter(|role| role.reach == Reach::Nowhere) {
            let object = role.object.map(|index| inventory.object(index));
            let is_namespaced = role.kind == Kind::Role || object.is_some_and(is_made_to_be_collected);
            role.reach = if is_namespaced { Reach::Namespaces } else { Reach::Everywhere };
        }
    }

    fn grants(&self, bindings: &[u32]) -> impl Iterator<Item = Grant<'_>> {
        bindings.iter().filter_map(|index| self.grant(&self.bindings[*index as usize]))
    }

    fn grant<'a>(&'a self, binding: &'a Binding) -> Option<Grant<'a>> {
        Some(Grant { role: self.role_bound_by(binding)?, binding, access: self })
    }

    /// What binds a service account, or a group that it is in.
    pub fn bindings_of_service_account(&self, namespace: &str, name: &str) -> impl Iterator<Item = &Binding> {
        let namespace = namespace_or_default(namespace);
        let own = self.service_accounts.get(namespace).and_then(|names| names.get(name));
        let of_namespace = self.namespace_groups.get(namespace);
        let groups = ["system:serviceaccounts", "system:authenticated"].map(|group| self.groups.get(group));
        let found = [own, of_namespace].into_iter().chain(groups).flatten().flatten();
        found.map(|index| &self.bindings[*index as usize])
    }

    /// Whether a binding names a service account itself, not a group that it is in.
    pub fn is_bound(&self, namespace: &str, name: &str) -> bool {
        self.service_accounts.get(namespace_or_default(namespace)).is_some_and(|names| names.contains_key(name))
    }

    /// The roles that a service account has, with those of the groups that it is in.
    pub fn grants_of_service_account(&self, namespace: &str, name: &str) -> impl Iterator<Item = Grant<'_>> {
        self.bindings_of_service_account(namespace, name).filter_map(|binding| self.grant(binding))
    }

    /// The roles that a subject has, with those of the groups that Kubernetes puts it in. The groups of users are
    /// known only to what authenticates them.
    pub fn grants_of(&self, subject: &Subject) -> Vec<Grant<'_>> {
        let list = |found: Option<&Vec<u32>>| found.map_or(NONE, Vec::as_slice).to_vec();
        match subject {
            Subject::ServiceAccount { namespace, name } => self.grants_of_service_account(namespace, name).collect(),
            Subject::Group(name) => {
                let found = match name.strip_prefix(NAMESPACE_GROUP) {
                    Some(namespace) => self.namespace_groups.get(namespace),
                    None => self.groups.get(name),
                };
                self.grants(&list(found)).collect()
            }
            Subject::User(name) => {
                let is_anonymous = &**name == "system:anonymous";
                let group = if is_anonymous { "system:unauthenticated" } else { "system:authenticated" };
                let mut bindings = list(self.users.get(name));
                bindings.extend(list(self.groups.get(group)));
                self.grants(&bindings).collect()
            }
        }
    }

    /// The workloads that run as a service account, by their places in the inventory: those that nothing else there
    /// makes.
    pub fn workloads_of(&self, namespace: &str, service_account: &str) -> &[u32] {
        let accounts = self.workloads.get(namespace_or_default(namespace));
        accounts.and_then(|accounts| accounts.get(service_account)).map_or(NONE, Vec::as_slice)
    }

    /// Whether a custom resource names a service account (`spec.serviceAccountName`), as those do from which an operator
    /// makes workloads.
    pub fn is_named(&self, namespace: &str, service_account: &str) -> bool {
        self.named.get(namespace_or_default(namespace)).is_some_and(|names| names.contains(service_account))
    }

    /// Who may do something in a namespace, or everywhere when none is said, and through what.
    pub fn what_can<'a>(
        &'a self,
        request: &'a Request<'a>,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Subject, Grant<'a>)> {
        self.bindings
            .iter()
            .filter(move |binding| binding.namespace.is_none() || binding.namespace.as_deref() == namespace)
            .filter_map(|binding| self.grant(binding))
            .filter(move |grant| grant.allows(request))
            .flat_map(|grant| grant.binding.subjects.iter().map(move |(_, subject)| (subject, grant)))
    }
}

/// Whether a role's labels say that `admin`, `edit` or `view` collect its rules.
pub(crate) fn is_made_to_be_collected(role: &Object) -> bool {
    role.labels().entries().any(|(key, _)| key.starts_with("rbac.authorization.k8s.io/aggregate-to-"))
}
