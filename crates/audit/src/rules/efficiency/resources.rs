//! Requests and limits of containers.

use crate::{
    node::Node,
    object::{Container, ContainerGroup, Kind, Pod},
    out::Out,
    quantity::thousandths,
};

/// What a container may use at least and at most, by kind of resource.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// In thousandths of bytes. Runtimes refuse to start a container with less: runc's own start takes some megabytes.
const LEAST_MEMORY: i128 = 4 * 1024 * 1024 * 1000;

/// Thousandths of a processor: more than most nodes have.
const MOST_CPU: i128 = 64 * 1000;

/// In thousandths of bytes: more than most nodes have.
const MOST_MEMORY: i128 = 512 * 1024 * 1024 * 1024 * 1000;

/// In thousandths; none for what is no quantity.
pub(super) fn amount(node: &Node) -> Option<i128> {
    match node.as_str() {
        Some(text) => thousandths(text),
        // Written without quotes: `cpu: 2`.
        None => thousandths(&node.text()?),
    }
}

fn resources<'a>(container: Container<'a>, field: &str, resource: &str) -> &'a Node {
    container.get("resources").get(field).get(resource)
}

/// Whether the namespace gives this to containers that say nothing of their own.
fn is_given(pod: Pod<'_>, out: &Out<'_>, field: &str, resource: &str) -> bool {
    // Most audits have none, and looking one up costs more than this.
    let inventory = out.inventory();
    inventory.of(Kind::LimitRange).len() > 0
        && inventory.in_namespace(Kind::LimitRange, &pod.object.namespace).any(|range| {
            range
                .spec()
                .get("limits")
                .items()
                .iter()
                .any(|limit| limit.get("type").str() == "Container" && limit.get(field).get(resource).is_present())
        })
}

/// Whether the container asks for some, in any of the ways there are. A limit is a request where none is written.
pub(super) fn has_request(container: Container<'_>, out: &Out<'_>, resource: &str) -> bool {
    let of_pod = container.pod.spec.get("resources");
    resources(container, "requests", resource).is_present()
        || resources(container, "limits", resource).is_present()
        || of_pod.get("requests").get(resource).is_present()
        || of_pod.get("limits").get(resource).is_present()
        || is_given(container.pod, out, "defaultRequest", resource)
        || is_given(container.pod, out, "default", resource)
}

pub(super) fn has_limit(container: Container<'_>, out: &Out<'_>, resource: &str) -> bool {
    resources(container, "limits", resource).is_present()
        || container.pod.spec.get("resources").get("limits").get(resource).is_present()
        || is_given(container.pod, out, "default", resource)
}

/// Main containers and sidecars: others are done before the pod runs, or cannot have resources.
fn is_running(container: Container<'_>) -> bool {
    container.group == ContainerGroup::Main || container.is_sidecar()
}

fn request_missing(container: Container<'_>, out: &mut Out<'_>, resource: &str) {
    if is_running(container) && !has_request(container, out, resource) {
        let message = format!("Nothing is requested of {resource} for {}.", container.title());
        out.fail(container.spot(&format!("resources.requests.{resource}")), message);
    }
}

fn limit_missing(container: Container<'_>, out: &mut Out<'_>, resource: &str) {
    if is_running(container) && !has_limit(container, out, resource) {
        let message = format!("There is no limit of {resource} for {}.", container.title());
        out.fail(container.spot(&format!("resources.limits.{resource}")), message);
    }
}

pub(super) fn cpu_request(container: Container<'_>, out: &mut Out<'_>) {
    request_missing(container, out, "cpu");
}

pub(super) fn memory_request(container: Container<'_>, out: &mut Out<'_>) {
    request_missing(container, out, "memory");
}

pub(super) fn cpu_limit(container: Container<'_>, out: &mut Out<'_>) {
    limit_missing(container, out, "cpu");
}

pub(super) fn memory_limit(container: Container<'_>, out: &mut Out<'_>) {
    limit_missing(container, out, "memory");
}

pub(super) fn storage_limit(container: Container<'_>, out: &mut Out<'_>) {
    limit_missing(container, out, "ephemeral-storage");
}

/// Requests and limits of a resource, where both are written.
fn both(container: Container<'_>, resource: &str) -> Option<(i128, i128)> {
    let request = amount(resources(container, "requests", resource))?;
    Some((request, amount(resources(container, "limits", resource))?))
}

/// As they are written: for messages.
fn written(container: Container<'_>, field: &str, resource: &str) -> String {
    resources(container, field, resource).text().unwrap_or_default()
}

pub(super) fn request_above_limit(container: Container<'_>, out: &mut Out<'_>) {
    for (resource, _) in container.get("resources").get("requests").entries() {
        if both(container, resource).is_some_and(|(request, limit)| request > limit) {
            let message = format!(
                "The request of {resource} ({}) is above the limit ({}).",
                written(container, "requests", resource),
                written(container, "limits", resource)
            );
            out.fail(container.spot(&format!("resources.requests[\"{resource}\"]")), message);
        }
    }
}

pub(super) fn limit_far_above(container: Container<'_>, out: &mut Out<'_>) {
    let most = i128::from(out.parameters().maximum_limit_ratio_percent);
    for resource in ["cpu", "memory"] {
        let Some((request, limit)) = both(container, resource) else { continue };
        if request > 0 && limit.saturating_mul(100) > request.saturating_mul(most) {
            let message = format!(
                "The limit of {resource} ({}) is more than {most} % of the request ({}).",
                written(container, "limits", resource),
                written(container, "requests", resource)
            );
            out.fail(container.spot(&format!("resources.limits.{resource}")), message);
        }
    }
}

pub(super) fn memory_differs(container: Container<'_>, out: &mut Out<'_>) {
    if both(container, "memory").is_some_and(|(request, limit)| request < limit) {
        let message = format!(
            "{} of memory are kept for {}, which may use {}.",
            written(container, "requests", "memory"),
            container.title(),
            written(container, "limits", "memory")
        );
        out.fail(container.spot("resources.requests.memory"), message);
    }
}

pub(super) fn not_a_quantity(container: Container<'_>, out: &mut Out<'_>) {
    for field in ["requests", "limits"] {
        for (resource, node) in container.get("resources").get(field).entries() {
            // A placeholder of a template is not what will be applied.
            let is_placeholder = node.str().contains(['{', '$', '<']);
            if node.is_present() && !is_placeholder && amount(node).is_none_or(|amount| amount < 0) {
                let text = node.text().unwrap_or_default();
                let message = format!("\"{text}\" is no quantity that Kubernetes takes for {resource}.");
                out.fail(container.spot(&format!("resources.{field}[\"{resource}\"]")), message);
            }
        }
    }
}

/// Each amount that is written of these resources.
fn amounts(container: Container<'_>, names: &[&'static str], mut found: impl FnMut(&'static str, &'static str, i128)) {
    for field in ["requests", "limits"] {
        for resource in names {
            if let Some(amount) = amount(resources(container, field, resource)) {
                found(field, resource, amount);
            }
        }
    }
}

pub(super) fn memory_too_small(container: Container<'_>, out: &mut Out<'_>) {
    amounts(container, &["memory"], |field, resource, amount| {
        if (1..LEAST_MEMORY).contains(&amount) {
            let text = written(container, field, resource);
            let meant = if text.ends_with('m') { ": m is for thousandths, not for millions" } else { "" };
            let message = format!("{text} of memory are too few for any program{meant}.");
            out.fail(container.spot(&format!("resources.{field}.{resource}")), message);
        }
    });
}

pub(super) fn very_large(container: Container<'_>, out: &mut Out<'_>) {
    amounts(container, &RESOURCES[..2], |field, resource, amount| {
        let most = if resource == "cpu" { MOST_CPU } else { MOST_MEMORY };
        if amount > most {
            let text = written(container, field, resource);
            let message = format!("{text} of {resource} are more than most nodes have.");
            out.fail(container.spot(&format!("resources.{field}.{resource}")), message);
        }
    });
}

/// Volumes that are made with the pod, with the containers that mount them.
fn empty_dirs(pod: Pod<'_>) -> impl Iterator<Item = (usize, &Node, impl Iterator<Item = Container<'_>>)> {
    pod.spec.get("volumes").items().iter().enumerate().filter_map(move |(index, volume)| {
        let directory = volume.get("emptyDir");
        let name = volume.get("name").str();
        let users = pod.containers().filter(move |container| {
            container.get("volumeMounts").items().iter().any(|mount| mount.get("name").str() == name)
        });
        (directory.is_present() && !directory.get("sizeLimit").is_present()).then_some((index, directory, users))
    })
}

pub(super) fn empty_dir(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, directory, mut users) in empty_dirs(pod) {
        if directory.get("medium").str().is_empty() && users.any(|user| !has_limit(user, out, "ephemeral-storage")) {
            let message =
                format!("Volume \"{}\" may fill the node's disk (emptyDir without sizeLimit).", name(pod, index));
            out.fail(pod.spot(&format!("volumes[{index}].emptyDir")), message);
        }
    }
}

pub(super) fn empty_dir_memory(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, directory, mut users) in empty_dirs(pod) {
        if directory.get("medium").str() == "Memory" && users.any(|user| !has_limit(user, out, "memory")) {
            let message = format!(
                "Volume \"{}\" may fill the node's memory (emptyDir of medium Memory without any limit).",
                name(pod, index)
            );
            out.fail(pod.spot(&format!("volumes[{index}].emptyDir")), message);
        }
    }
}

fn name(pod: Pod<'_>, index: usize) -> &str {
    pod.spec.get("volumes").items().get(index).map_or("", |volume| volume.get("name").str())
}
