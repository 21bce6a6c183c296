//! How many there are of what runs, and how many stay when some go.

use std::collections::{HashMap, HashSet};

use crate::{
    inventory::Inventory,
    node::Node,
    object::{Kind, Object},
    out::Out,
    selector,
};

/// Kinds whose replicas stand in for each other.
const REPLICATED: [Kind; 2] = [Kind::Deployment, Kind::StatefulSet];

/// Namespace, kind and name of a workload.
type Target<'a> = (&'a str, &'a str, &'a str);

/// What changes the number of replicas of workloads: to how many at least, and at most.
struct Scalers<'a>(HashMap<Target<'a>, (i64, i64)>);

impl<'a> Scalers<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let mut scalers = HashMap::new();
        for object in inventory.of(Kind::HorizontalPodAutoscaler) {
            let limits = (
                object.spec().get("minReplicas").as_i64().unwrap_or(1),
                object.spec().get("maxReplicas").as_i64().unwrap_or(i64::MAX),
            );
            scalers.insert(target(object), limits);
        }
        // KEDA's defaults.
        for object in inventory.of(Kind::Other).filter(|object| &*object.kind_name == "ScaledObject") {
            let limits = (
                object.spec().get("minReplicaCount").as_i64().unwrap_or(0),
                object.spec().get("maxReplicaCount").as_i64().unwrap_or(100),
            );
            scalers.insert(target(object), limits);
        }
        Self(scalers)
    }

    /// How many replicas a workload has, at least and at most.
    fn replicas(&self, workload: &'a Object) -> (i64, i64) {
        let key = (&*workload.namespace, &*workload.kind_name, &*workload.name);
        let written = written(workload);
        self.0.get(&key).copied().unwrap_or((written, written))
    }
}

/// What an autoscaler scales.
fn target(scaler: &Object) -> Target<'_> {
    let reference = scaler.spec().get("scaleTargetRef");
    let kind = reference.get("kind").as_str().unwrap_or("Deployment");
    (&scaler.namespace, kind, reference.get("name").str())
}

/// `spec.replicas`; the API's default is 1.
pub(super) fn written(workload: &Object) -> i64 {
    workload.spec().get("replicas").as_i64().unwrap_or(1)
}

/// Workloads of applications whose replicas stand in for each other.
fn replicated<'a>(out: &Out<'a>) -> impl Iterator<Item = &'a Object> + use<'a> {
    let inventory = out.inventory();
    let system = &out.parameters().system_namespaces;
    let all = REPLICATED.iter().flat_map(|kind| inventory.of(*kind));
    all.filter(|object| !system.iter().any(|name| **name == *object.namespace))
}

/// Objects whose pods Services select.
fn behind_services(inventory: &Inventory) -> HashSet<u32> {
    let services = inventory.of(Kind::Service).filter(|service| !service.spec().get("selector").is_empty());
    let pods = services.flat_map(|service| inventory.pods_with(&service.namespace, service.spec().get("selector")));
    pods.map(|pod| pod.object.index()).collect()
}

pub(super) fn too_few(out: &mut Out<'_>) {
    let scalers = Scalers::of(out.inventory());
    let served = behind_services(out.inventory());
    let least = i64::from(out.parameters().minimum_replicas);
    for workload in replicated(out) {
        let (replicas, most) = scalers.replicas(workload);
        // What is scaled to nothing is off, or comes when it is asked for.
        if replicas >= least || replicas < 1 {
            continue;
        }
        let has_ports = || workload.pod().is_some_and(|pod| pod.running().any(|c| !c.get("ports").is_empty()));
        // Who stops the old before the new starts says that the program cannot run twice. A port that no Service leads to
        // is then one for probes and metrics, as far as is known.
        let is_alone = workload.spec().get("strategy").get("type").str() == "Recreate";
        if served.contains(&workload.index()) || (!is_alone && has_ports()) {
            let at_least = if replicas == most { "" } else { "at least " };
            let message = format!("{} has {at_least}{replicas} of {least} replicas.", workload.title());
            out.fail(workload.spot("spec.replicas"), message);
        }
    }
}

pub(super) fn without_budget(out: &mut Out<'_>) {
    let inventory = out.inventory();
    if !inventory.is_manifests() && !inventory.is_whole(Kind::PodDisruptionBudget) {
        out.cannot("disruption budgets were not read");
        return;
    }
    let scalers = Scalers::of(inventory);
    let mut covered = HashSet::new();
    for budget in inventory.of(Kind::PodDisruptionBudget) {
        covered.extend(selected(budget, inventory).map(Object::index));
    }
    for workload in replicated(out) {
        let (replicas, _) = scalers.replicas(workload);
        if replicas >= 2 && workload.pod().is_some() && !covered.contains(&workload.index()) {
            let message = format!("No PodDisruptionBudget is for the {replicas} replicas of {}.", workload.title());
            out.fail(workload.spot("spec"), message);
        }
    }
}

/// What a budget is for. An empty selector is for all pods of the namespace; before `policy/v1`, for none.
fn selected<'a>(budget: &'a Object, inventory: &'a Inventory) -> impl Iterator<Item = &'a Object> {
    let selector = budget.spec().get("selector");
    let is_none = !selector.is_map() || (&*budget.api_version == "policy/v1beta1" && selector::is_empty(selector));
    let pods = (!is_none).then(|| inventory.pods_selected(&budget.namespace, selector));
    pods.into_iter().flatten().map(|pod| pod.object)
}

pub(super) fn budget_blocks(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let scalers = Scalers::of(inventory);
    for budget in inventory.of(Kind::PodDisruptionBudget) {
        let (most, least) = (budget.spec().get("maxUnavailable"), budget.spec().get("minAvailable"));
        if matches!(most.text().as_deref(), Some("0" | "0%")) {
            let message = format!("{} lets no pod be evicted (maxUnavailable: 0).", budget.title());
            out.fail(budget.spot("spec.maxUnavailable"), message);
        } else if least.str() == "100%" {
            let message = format!("{} lets no pod be evicted (minAvailable: 100%).", budget.title());
            out.fail(budget.spot("spec.minAvailable"), message);
        } else if let Some(least) = least.as_i64() {
            let workloads = || selected(budget, inventory).filter(|object| !object.is_made);
            let is_known = workloads().all(|object| REPLICATED.contains(&object.kind));
            let replicas = workloads().fold(0_i64, |sum, object| sum.saturating_add(scalers.replicas(object).1));
            if is_known && replicas > 0 && least >= replicas {
                let message = format!(
                    "{} lets no pod be evicted (minAvailable: {least} of {replicas} replicas).",
                    budget.title()
                );
                out.fail(budget.spot("spec.minAvailable"), message);
            }
        }
    }
}

pub(super) fn budget_for_no_pods(budget: &Object, out: &mut Out<'_>) {
    let selector = budget.spec().get("selector");
    if selector::is_empty(selector) || selected(budget, out.inventory()).next().is_some() {
        return;
    }
    if out.inventory().would_have_pods(&budget.namespace) {
        out.fail(budget.spot("spec.selector"), format!("{} selects no pods.", budget.title()));
    } else {
        out.cannot("the pods of the namespace are not known");
    }
}

pub(super) fn budgets_overlap(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let mut first: HashMap<u32, &Object> = HashMap::new();
    for budget in inventory.of(Kind::PodDisruptionBudget) {
        let mut other = None;
        for object in selected(budget, inventory) {
            let known = *first.entry(object.index()).or_insert(budget);
            if known.index() != budget.index() && known.name != budget.name {
                other = other.or(Some((known, object)));
            }
        }
        if let Some((other, object)) = other {
            let message =
                format!("{} and {} are both for the pods of {}.", budget.title(), other.title(), object.title());
            out.fail(budget.spot("spec.selector"), message);
        }
    }
}

pub(super) fn cannot_scale(scaler: &Object, out: &mut Out<'_>) {
    let most = scaler.spec().get("maxReplicas").as_i64();
    if most == Some(scaler.spec().get("minReplicas").as_i64().unwrap_or(1)) {
        let message = format!("{} scales from {1} to {1} replicas.", scaler.title(), most.unwrap_or(1));
        out.fail(scaler.spot("spec.maxReplicas"), message);
    }
}

pub(super) fn scales_nothing(scaler: &Object, out: &mut Out<'_>) {
    let (namespace, kind, name) = target(scaler);
    let group = scaler.spec().get("scaleTargetRef").get("apiVersion").str();
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let kind = Kind::find(group, kind);
    if !matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet | Kind::ReplicationController) {
        return;
    }
    let inventory = out.inventory();
    if inventory.find(kind, namespace, name).is_some() {
        return;
    }
    if inventory.would_have(kind, namespace) {
        let message = format!("{} scales {} \"{name}\", which there is not.", scaler.title(), kind.as_str());
        out.fail(scaler.spot("spec.scaleTargetRef"), message);
    } else {
        out.cannot("the workloads of the namespace are not known");
    }
}

pub(super) fn scaled_with_replicas(scaler: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let (namespace, kind, name) = target(scaler);
    if !inventory.is_manifests() {
        return;
    }
    for known in REPLICATED.iter().filter(|known| known.as_str() == kind) {
        if let Some(workload) = inventory.find(*known, namespace, name)
            && workload.spec().get("replicas").is_present()
        {
            let message = format!("{} sets the replicas that {} scales.", workload.title(), scaler.title());
            out.fail(workload.spot("spec.replicas"), message);
        }
    }
}

pub(super) fn not_spread(out: &mut Out<'_>) {
    let scalers = Scalers::of(out.inventory());
    for workload in replicated(out) {
        let (replicas, _) = scalers.replicas(workload);
        let Some(pod) = workload.pod() else { continue };
        let apart = pod.spec.at(&["affinity", "podAntiAffinity"]);
        if replicas >= 2 && apart.is_empty() && pod.spec.get("topologySpreadConstraints").is_empty() {
            let message = format!("Nothing keeps the {replicas} replicas of {} on different nodes.", workload.title());
            out.fail(pod.spot(""), message);
        }
    }
}

pub(super) fn on_one_node(out: &mut Out<'_>) {
    let inventory = out.inventory();
    if inventory.is_manifests() {
        out.cannot("where pods run is not known from manifests");
        return;
    }
    let mut usable = inventory.of(Kind::Node).filter(|node| !node.spec().get("unschedulable").is_true());
    if (usable.next(), usable.next()).1.is_none() {
        return;
    }
    let mut running: HashMap<Target<'_>, (usize, HashSet<&str>)> = HashMap::new();
    for pod in inventory.of(Kind::Pod) {
        let node = pod.spec().get("nodeName").str();
        if let (Some((kind, name)), "Running") = (pod.controller(), pod.status().get("phase").str())
            && !node.is_empty()
        {
            let (count, nodes) = running.entry((&pod.namespace, kind, name)).or_default();
            *count += 1;
            nodes.insert(node);
        }
    }
    for ((namespace, kind, name), (count, nodes)) in running {
        let of = |kind| inventory.find(kind, namespace, name);
        let workload = match kind {
            "StatefulSet" => of(Kind::StatefulSet),
            "ReplicaSet" => of(Kind::ReplicaSet).and_then(|set| match set.controller() {
                Some(("Deployment", deployment)) => inventory.find(Kind::Deployment, namespace, deployment),
                _ => None,
            }),
            _ => None,
        };
        if let (Some(workload), true, Some(node)) = (workload, count >= 2 && nodes.len() == 1, nodes.iter().next())
            && !out.is_system(namespace)
        {
            let message = format!("All {count} pods of {} run on node \"{node}\".", workload.title());
            out.fail(workload.spot("spec.replicas"), message);
        }
    }
}

pub(super) fn recreated(deployment: &Object, out: &mut Out<'_>) {
    if deployment.spec().get("strategy").get("type").str() == "Recreate" && written(deployment) >= 2 {
        let message =
            format!("{} stops all of its {} replicas to update them.", deployment.title(), written(deployment));
        out.fail(deployment.spot("spec.strategy.type"), message);
    }
}

pub(super) fn all_unavailable(deployment: &Object, out: &mut Out<'_>) {
    let most = deployment.spec().at(&["strategy", "rollingUpdate", "maxUnavailable"]);
    let replicas = written(deployment);
    let is_all = |most: &Node| most.str() == "100%" || most.as_i64().is_some_and(|most| most >= replicas);
    if replicas >= 2 && is_all(most) {
        let most = most.text().unwrap_or_default();
        let message =
            format!("{} may stop all {replicas} replicas at once (maxUnavailable: {most}).", deployment.title());
        out.fail(deployment.spot("spec.strategy.rollingUpdate.maxUnavailable"), message);
    }
}
