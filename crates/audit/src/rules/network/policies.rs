//! Network policies: whom they isolate, and whom they let through.

use std::collections::HashSet;

use crate::{
    inventory::Inventory,
    node::Node,
    object::{Kind, Object},
    out::Out,
    selector,
};

const OTHER_KINDS: &str = "policies of other kinds hold for the whole cluster, and what they allow is not judged";
const NOT_READ: &str = "network policies were not read";

/// What a policy isolates pods from.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// As `policyTypes` names it.
    const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The field with its rules, and the field of a rule with its peers.
    const fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Ingress => ("ingress", "from"),
            Self::Egress => ("egress", "to"),
        }
    }

    /// Whether a policy is about it. Without `policyTypes` it is about ingress always, and about egress when it has
    /// rules for it (API reference, `NetworkPolicySpec`).
    fn is_of(self, policy: &Object) -> bool {
        let types = policy.spec().get("policyTypes");
        if types.is_empty() {
            self == Self::Ingress || !policy.spec().get("egress").is_empty()
        } else {
            types.has(self.name())
        }
    }
}

/// Namespaces that have policies, of Kubernetes' kind or of a network plugin's.
struct Policies<'a> {
    of_kubernetes: HashSet<&'a str>,
    of_plugins: HashSet<&'a str>,
    /// A policy of another kind is for all namespaces.
    has_cluster_wide: bool,
}

impl<'a> Policies<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let of_kubernetes = inventory.of(Kind::NetworkPolicy).map(|policy| &*policy.namespace).collect();
        let (mut of_plugins, mut has_cluster_wide) = (HashSet::new(), false);
        for object in inventory.of(Kind::Other) {
            match &*object.kind_name {
                "CiliumNetworkPolicy" | "NetworkPolicy" => {
                    of_plugins.insert(&*object.namespace);
                }
                "CiliumClusterwideNetworkPolicy"
                | "GlobalNetworkPolicy"
                | "AdminNetworkPolicy"
                | "BaselineAdminNetworkPolicy"
                | "ClusterNetworkPolicy" => has_cluster_wide = true,
                _ => {}
            }
        }
        Self { of_kubernetes, of_plugins, has_cluster_wide }
    }

    /// Those of the inventory; none, and it is said why, when they do not say all.
    fn judged(out: &mut Out<'a>) -> Option<Self> {
        let inventory = out.inventory();
        if !inventory.is_manifests() && !inventory.is_whole(Kind::NetworkPolicy) {
            out.cannot(NOT_READ);
            return None;
        }
        let policies = Self::of(inventory);
        if policies.has_cluster_wide {
            out.cannot(OTHER_KINDS);
            return None;
        }
        Some(policies)
    }

    fn has(&self, namespace: &str) -> bool {
        self.of_kubernetes.contains(namespace) || self.of_plugins.contains(namespace)
    }
}

pub(super) fn namespace_without_policy(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let Some(policies) = Policies::judged(out) else { return };
    for namespace in inventory.of(Kind::Namespace) {
        let name = &*namespace.name;
        if out.is_system(name) || policies.has(name) {
            continue;
        }
        if inventory.pods_with(name, Node::absent()).next().is_some() {
            out.fail(
                namespace.spot("metadata.name"),
                format!("Namespace \"{name}\" has workloads and no NetworkPolicy."),
            );
        } else if inventory.is_manifests() {
            out.cannot("the workloads of the namespace are not among the manifests");
        }
    }
}

pub(super) fn namespace_without_default_deny(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let Some(policies) = Policies::judged(out) else { return };
    let isolated = |direction: Direction| -> HashSet<&str> {
        let all = inventory.of(Kind::NetworkPolicy);
        all.filter(|policy| selector::is_empty(policy.spec().get("podSelector")) && direction.is_of(policy))
            .map(|policy| &*policy.namespace)
            .collect()
    };
    let (ingress, egress) = (isolated(Direction::Ingress), isolated(Direction::Egress));
    for namespace in inventory.of(Kind::Namespace) {
        let name = &*namespace.name;
        if out.is_system(name) || policies.of_plugins.contains(name) || !policies.of_kubernetes.contains(name) {
            continue;
        }
        let missing = match (ingress.contains(name), egress.contains(name)) {
            (true, true) => continue,
            (false, true) => "ingress",
            (true, false) => "egress",
            (false, false) => "ingress or egress",
        };
        let message = format!("No NetworkPolicy of namespace \"{name}\" selects all of its pods for {missing}.");
        out.fail(namespace.spot("metadata.name"), message);
    }
}

pub(super) fn workload_without_ingress_policy(out: &mut Out<'_>) {
    workload_without_policy(Direction::Ingress, out);
}

pub(super) fn workload_without_egress_policy(out: &mut Out<'_>) {
    workload_without_policy(Direction::Egress, out);
}

fn workload_without_policy(direction: Direction, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let Some(policies) = Policies::judged(out) else { return };
    let mut covered = HashSet::new();
    for policy in inventory.of(Kind::NetworkPolicy).filter(|policy| direction.is_of(policy)) {
        let pods = inventory.pods_selected(&policy.namespace, policy.spec().get("podSelector"));
        covered.extend(pods.filter(|pod| !pod.object.is_made).map(|pod| pod.object.index()));
    }
    for pod in inventory.workloads() {
        let namespace = &*pod.object.namespace;
        // What is in the node's network is not isolated by any policy; a namespace without any has a finding of its own.
        let is_said_elsewhere = pod.spec.get("hostNetwork").is_true()
            || (!policies.has(namespace) && inventory.find(Kind::Namespace, "", namespace).is_some());
        if covered.contains(&pod.object.index())
            || is_said_elsewhere
            || policies.of_plugins.contains(namespace)
            || out.is_system(namespace)
        {
            continue;
        }
        let what = direction.fields().0;
        out.fail(pod.spot(""), format!("No NetworkPolicy selects the pods of {} for {what}.", pod.object.title()));
    }
}

pub(super) fn selects_no_pods(policy: &Object, out: &mut Out<'_>) {
    let pods = policy.spec().get("podSelector");
    if selector::is_empty(pods) {
        return;
    }
    let inventory = out.inventory();
    if inventory.pods_selected(&policy.namespace, pods).next().is_some() {
        return;
    }
    if inventory.would_have_pods(&policy.namespace) {
        out.fail(policy.spot("spec.podSelector"), format!("{} selects no pods.", policy.title()));
    } else {
        out.cannot("the pods of the namespace are not known");
    }
}

pub(super) fn selects_host_network(policy: &Object, out: &mut Out<'_>) {
    let pods = policy.spec().get("podSelector");
    if selector::is_empty(pods) {
        return;
    }
    let mut pods = out.inventory().pods_selected(&policy.namespace, pods);
    if let Some(pod) = pods.find(|pod| !pod.object.is_made && pod.spec.get("hostNetwork").is_true()) {
        let message = format!(
            "{} selects the pods of {}, which use the node's network (hostNetwork: true).",
            policy.title(),
            pod.object.title()
        );
        out.fail(policy.spot("spec.podSelector"), message);
    }
}

pub(super) fn allows_all_ingress(policy: &Object, out: &mut Out<'_>) {
    allows_all(Direction::Ingress, policy, out);
}

pub(super) fn allows_all_egress(policy: &Object, out: &mut Out<'_>) {
    allows_all(Direction::Egress, policy, out);
}

fn allows_all(direction: Direction, policy: &Object, out: &mut Out<'_>) {
    if !direction.is_of(policy) {
        return;
    }
    let (field, peers) = direction.fields();
    for (index, rule) in policy.spec().get(field).items().iter().enumerate() {
        // Some ports for everybody is what a web server does.
        if !rule.get("ports").is_empty() {
            continue;
        }
        if rule.get(peers).is_empty() {
            let message =
                format!("{} has an {field} rule without `{peers}` and `ports`, which allows all.", policy.title());
            out.fail(policy.spot(&format!("spec.{field}[{index}]")), message);
            continue;
        }
        for (at, peer) in rule.get(peers).items().iter().enumerate() {
            let block = peer.get("ipBlock");
            let cidr = block.get("cidr").str();
            if is_everywhere(cidr) && block.get("except").is_empty() {
                let path = format!("spec.{field}[{index}].{peers}[{at}].ipBlock.cidr");
                let message = format!("{} allows {field} on every port for {cidr}.", policy.title());
                out.fail(policy.spot(&path), message);
            }
        }
    }
}

/// Whether a block of addresses is all of IPv4 or of IPv6.
pub(super) fn is_everywhere(cidr: &str) -> bool {
    cidr.ends_with("/0")
}

pub(super) fn from_all_namespaces(policy: &Object, out: &mut Out<'_>) {
    if !Direction::Ingress.is_of(policy) {
        return;
    }
    for (index, rule) in policy.spec().get("ingress").items().iter().enumerate() {
        for (at, peer) in rule.get("from").items().iter().enumerate() {
            let namespaces = peer.get("namespaceSelector");
            let is_any = namespaces.is_map() && selector::is_empty(namespaces);
            if is_any && selector::is_empty(peer.get("podSelector")) {
                let path = format!("spec.ingress[{index}].from[{at}].namespaceSelector");
                out.fail(policy.spot(&path), format!("{} allows ingress from every namespace.", policy.title()));
            }
        }
    }
}

pub(super) fn peer_matches_no_namespace(policy: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    for direction in [Direction::Ingress, Direction::Egress] {
        let (field, peers) = direction.fields();
        for (index, rule) in policy.spec().get(field).items().iter().enumerate() {
            for (at, peer) in rule.get(peers).items().iter().enumerate() {
                let namespaces = peer.get("namespaceSelector");
                if selector::is_empty(namespaces) || inventory.namespaces_selected(namespaces).next().is_some() {
                    continue;
                }
                if !inventory.is_whole(Kind::Namespace) {
                    out.cannot("the labels of all namespaces are not known");
                    continue;
                }
                let path = format!("spec.{field}[{index}].{peers}[{at}].namespaceSelector");
                out.fail(policy.spot(&path), format!("No namespace has the labels that {} names.", policy.title()));
            }
        }
    }
}

pub(super) fn types_missing(policy: &Object, out: &mut Out<'_>) {
    for direction in [Direction::Ingress, Direction::Egress] {
        let (field, _) = direction.fields();
        let rules = policy.spec().get(field);
        if !rules.is_empty() && !direction.is_of(policy) {
            let message =
                format!("{} has {field} rules, and policyTypes without {}.", policy.title(), direction.name());
            out.fail(policy.spot(&format!("spec.{field}")), message);
        }
    }
}
