//! What namespaces may use, and what nodes are promised.

use std::collections::HashMap;

use crate::{
    inventory::Inventory,
    node::Node,
    object::{Container, Kind, Object, Pod},
    out::Out,
};

use super::resources::{self, has_request};

/// Percent of what a node has, below which nearly nothing was requested of it.
const NEARLY_NOTHING: i128 = 20;

fn without(object: &Object, out: &mut Out<'_>, kind: Kind) {
    let inventory = out.inventory();
    if !inventory.is_whole(kind) {
        out.cannot(format!("Not every {} of the cluster is known", kind.as_str()));
        return;
    }
    let name = &object.name;
    let has_pods = inventory.pods_with(name, Node::absent()).next().is_some();
    if has_pods && !out.is_system(name) && inventory.in_namespace(kind, name).next().is_none() {
        out.fail(object.spot("metadata.name"), format!("Namespace {name} has no {}.", kind.as_str()));
    }
}

pub(super) fn without_quota(object: &Object, out: &mut Out<'_>) {
    without(object, out, Kind::ResourceQuota);
}

pub(super) fn without_limit_range(object: &Object, out: &mut Out<'_>) {
    without(object, out, Kind::LimitRange);
}

fn amount(node: &Node) -> i128 {
    resources::amount(node).unwrap_or_default()
}

/// What a container asks for; what it may use where it asks for nothing.
fn requested(container: Container<'_>, resource: &str) -> i128 {
    let resources = container.get("resources");
    let request = resources.get("requests").get(resource);
    amount(if request.is_present() { request } else { resources.get("limits").get(resource) })
}

/// What the scheduler counts for a pod: what runs together, or what the largest step of its start takes.
///
/// Source: Kubernetes' documentation of init and sidecar containers, "Resource sharing within containers".
fn of_pod(pod: Pod<'_>, resource: &str) -> i128 {
    let own = pod.spec.get("resources").get("requests").get(resource);
    let overhead = amount(pod.spec.get("overhead").get(resource));
    if own.is_present() {
        return amount(own) + overhead;
    }
    let (mut sidecars, mut largest_step) = (0, 0);
    for container in pod.containers().filter(|c| c.group == crate::ContainerGroup::Init) {
        let asked = requested(container, resource);
        if container.is_sidecar() {
            sidecars += asked;
            largest_step = largest_step.max(sidecars);
        } else {
            largest_step = largest_step.max(sidecars + asked);
        }
    }
    let main: i128 = pod
        .containers()
        .filter(|c| c.group == crate::ContainerGroup::Main)
        .map(|container| requested(container, resource))
        .sum();
    largest_step.max(main + sidecars) + overhead
}

/// Of each node, thousandths of processors and of bytes that its pods ask for.
fn promised(inventory: &Inventory) -> HashMap<&str, [i128; 2]> {
    let mut nodes: HashMap<&str, [i128; 2]> = HashMap::new();
    for pod in inventory.of(Kind::Pod).filter_map(Object::pod) {
        let is_over = matches!(pod.object.status().get("phase").str(), "Succeeded" | "Failed");
        let node = pod.spec.get("nodeName").str();
        if !is_over && !node.is_empty() {
            let sums = nodes.entry(node).or_default();
            for (sum, resource) in sums.iter_mut().zip(["cpu", "memory"]) {
                *sum = sum.saturating_add(of_pod(pod, resource));
            }
        }
    }
    nodes
}

/// Says of each node what `judge` says of what is promised and what there is, of processors and of memory.
fn nodes(out: &mut Out<'_>, judge: fn(&Object, [(i128, i128); 2], &mut Out<'_>)) {
    let inventory = out.inventory();
    if !inventory.is_whole(Kind::Pod) {
        out.cannot("Not every Pod of the cluster is known");
        return;
    }
    let promised = promised(inventory);
    for node in inventory.of(Kind::Node) {
        let has = node.status().get("allocatable");
        let of = |resource| amount(has.get(resource));
        let asked = promised.get(&*node.name).copied().unwrap_or_default();
        if of("cpu") > 0 && of("memory") > 0 {
            judge(node, [(asked[0], of("cpu")), (asked[1], of("memory"))], out);
        }
    }
}

fn percent((asked, has): (i128, i128)) -> i128 {
    asked.saturating_mul(100) / has
}

pub(super) fn over_allocated(out: &mut Out<'_>) {
    nodes(out, |node, resources, out| {
        for (resource, (asked, has)) in ["cpu", "memory"].into_iter().zip(resources) {
            if asked > has {
                let share = percent((asked, has));
                let message = format!("Pods on {} request {share} % of the {resource} that it has.", node.name);
                out.fail(node.spot(&format!("status.allocatable.{resource}")), message);
            }
        }
    });
}

pub(super) fn under_used(out: &mut Out<'_>) {
    nodes(out, |node, resources, out| {
        let [cpu, memory] = resources.map(percent);
        let takes_pods = !node.spec().get("unschedulable").is_true() && node.spec().get("taints").is_empty();
        if takes_pods && cpu < NEARLY_NOTHING && memory < NEARLY_NOTHING {
            let message = format!("Pods on {} request {cpu} % of its cpu and {memory} % of its memory.", node.name);
            out.fail(node.spot("status.allocatable"), message);
        }
    });
}

/// What an autoscaler is to scale, where its pods are known.
fn target<'a>(object: &Object, inventory: &'a Inventory) -> Option<Pod<'a>> {
    let target = object.spec().get("scaleTargetRef");
    let (name, kind) = (target.get("name").str(), target.get("kind").str());
    let kind = Kind::WITH_PODS.iter().find(|known| known.as_str() == kind)?;
    inventory.find(*kind, &object.namespace, name)?.pod()
}

pub(super) fn autoscaler(object: &Object, out: &mut Out<'_>) {
    let spec = object.spec();
    let mut metrics: Vec<(String, &str, Option<&str>)> = Vec::new();
    if spec.get("targetCPUUtilizationPercentage").is_present() {
        metrics.push(("spec.targetCPUUtilizationPercentage".to_owned(), "cpu", None));
    }
    for (index, metric) in spec.get("metrics").items().iter().enumerate() {
        let (field, of_container) = match metric.get("type").str() {
            "Resource" => ("resource", false),
            "ContainerResource" => ("containerResource", true),
            _ => continue,
        };
        let resource = metric.get(field);
        let is_share = resource.at(&["target", "type"]).str() == "Utilization"
            || resource.get("targetAverageUtilization").is_present();
        if is_share {
            let container = of_container.then(|| resource.get("container").str());
            metrics.push((format!("spec.metrics[{index}]"), resource.get("name").str(), container));
        }
    }
    if metrics.is_empty() {
        return;
    }
    let Some(pod) = target(object, out.inventory()) else {
        out.cannot("What is scaled is not among what is audited");
        return;
    };
    for (path, resource, container) in metrics {
        let asked_of = |name: &str| container.is_none_or(|wanted| wanted == name);
        let silent = pod.running().find(|c| asked_of(c.name()) && !has_request(*c, out, resource));
        if let Some(silent) = silent {
            let message = format!("Utilization of {resource} cannot be told: {} does not request any.", silent.title());
            out.fail(object.spot(&path), message);
        }
    }
}
