//! What does not fit together in a pod.

use std::collections::HashSet;

use crate::{
    object::{Container, Kind, Object, Pod},
    out::Out,
    selector,
};

/// Up to so many items, comparing each with each is faster than a set.
const FEW: usize = 16;

pub(super) fn duplicate_env(container: Container<'_>, out: &mut Out<'_>) {
    let variables = container.get("env").items();
    let mut seen = HashSet::new();
    for (index, variable) in variables.iter().enumerate() {
        let name = variable.get("name").str();
        let is_second = if variables.len() <= FEW {
            variables[..index].iter().any(|other| other.get("name").str() == name)
        } else {
            !seen.insert(name)
        };
        if is_second && !name.is_empty() {
            let message = format!("{name} is set more than once in {}.", container.title());
            out.fail(container.spot(&format!("env[{index}]")).for_each(name), message);
        }
    }
}

pub(super) fn undefined_env(container: Container<'_>, out: &mut Out<'_>) {
    let variables = container.get("env").items();
    // What comes from elsewhere is defined before, and its names are not known.
    if variables.is_empty() || !container.get("envFrom").is_empty() {
        return;
    }
    if matches!(out.inventory().completeness(), crate::Completeness::Cluster { without_values: true, .. }) {
        out.cannot("values of variables are not known");
        return;
    }
    for (index, variable) in variables.iter().enumerate() {
        for name in references(variable.get("value").str()) {
            let is_defined = variables[..index].iter().any(|other| other.get("name").str() == name);
            // Kubernetes sets these for each Service.
            let is_of_service = name.contains("_SERVICE_") || name.contains("_PORT");
            if !is_defined && !is_of_service {
                let message = format!(
                    "{} of {} is made of $({name}), which is not set before it.",
                    variable.get("name").str(),
                    container.title()
                );
                out.fail(container.spot(&format!("env[{index}].value")).for_each(name), message);
            }
        }
    }
}

/// The names in `$(NAME)` of a value; `$$(NAME)` is none. Only capitals, as others are most often meant for a shell.
fn references(value: &str) -> impl Iterator<Item = &str> {
    value.match_indices("$(").filter_map(|(at, _)| {
        let (name, _) = value[at + 2..].split_once(')')?;
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        (is_name && !value[..at].ends_with('$')).then_some(name)
    })
}

pub(super) fn duplicate_port(pod: Pod<'_>, out: &mut Out<'_>) {
    let key = |port: &crate::Node| {
        let protocol =
            port.get("protocol").as_str().map_or("TCP", |protocol| if protocol.is_empty() { "TCP" } else { protocol });
        match (port.get("containerPort").as_i64(), protocol) {
            (Some(number), "TCP") => Some((number, 0)),
            (Some(number), "UDP") => Some((number, 1)),
            (Some(number), "SCTP") => Some((number, 2)),
            _ => None,
        }
    };
    let of = |pod: Pod<'_>| pod.running().map(|container| container.get("ports").len()).sum::<usize>();
    if of(pod) < 2 {
        return;
    }
    let mut seen = HashSet::new();
    for container in pod.running() {
        for (index, port) in container.get("ports").items().iter().enumerate() {
            if let Some((number, protocol)) = key(port)
                && !seen.insert((number, protocol))
            {
                let message = format!("Port {number} is declared again in {}.", container.title());
                out.fail(container.spot(&format!("ports[{index}]")), message);
            }
        }
    }
}

pub(super) fn duplicate_name(pod: Pod<'_>, out: &mut Out<'_>) {
    let count = pod.containers().count();
    let mut seen = HashSet::new();
    for (index, container) in pod.containers().enumerate() {
        let name = container.name();
        let is_second = if count <= FEW {
            pod.containers().take(index).any(|other| other.name() == name)
        } else {
            !seen.insert(name)
        };
        if is_second && !name.is_empty() {
            out.fail(container.spot("name"), format!("There is another container of the name \"{name}\" in the pod."));
        }
    }
}

pub(super) fn port_name_invalid(container: Container<'_>, out: &mut Out<'_>) {
    for (index, port) in container.get("ports").items().iter().enumerate() {
        let name = port.get("name").str();
        if !name.is_empty() && !is_port_name(name) {
            let message = format!("\"{name}\" cannot be the name of a port.");
            out.fail(container.spot(&format!("ports[{index}].name")), message);
        }
    }
}

/// RFC 6335, section 5.1: up to 15 small letters, digits and single hyphens, with a letter among them.
fn is_port_name(name: &str) -> bool {
    name.len() <= 15
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Whether a pod has a volume of this name, or its `StatefulSet` makes one.
fn has_volume(pod: Pod<'_>, name: &str) -> bool {
    pod.spec.get("volumes").items().iter().any(|volume| volume.get("name").str() == name)
        || (pod.object.kind == Kind::StatefulSet || pod.object.kind == Kind::Other)
            && pod
                .object
                .spec()
                .get("volumeClaimTemplates")
                .items()
                .iter()
                .any(|t| t.at(&["metadata", "name"]).str() == name)
}

pub(super) fn mount_without_volume(container: Container<'_>, out: &mut Out<'_>) {
    for field in ["volumeMounts", "volumeDevices"] {
        for (index, mount) in container.get(field).items().iter().enumerate() {
            let name = mount.get("name").str();
            if !name.is_empty() && !has_volume(container.pod, name) {
                let message = format!("The pod has no volume \"{name}\", which {} mounts.", container.title());
                out.fail(container.spot(&format!("{field}[{index}].name")), message);
            }
        }
    }
}

pub(super) fn volume_unused(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let name = volume.get("name").str();
        let mounts = |container: Container<'_>, field| {
            container.get(field).items().iter().any(|mount| mount.get("name").str() == name)
        };
        let is_used = pod.containers().any(|c| mounts(c, "volumeMounts") || mounts(c, "volumeDevices"));
        if !is_used && !name.is_empty() {
            out.fail(
                pod.spot(&format!("volumes[{index}]")).for_each(name),
                format!("No container mounts volume \"{name}\"."),
            );
        }
    }
}

pub(super) fn selector_mismatch(workload: &Object, out: &mut Out<'_>) {
    let Some(pod) = workload.pod() else { return };
    let selector = workload.spec().get("selector");
    // Before apps/v1, what is not said is the template's labels.
    if &*workload.api_version != "apps/v1" && !selector.is_present() {
        return;
    }
    if selector::is_empty(selector) {
        out.fail(workload.spot("spec.selector"), format!("{} has no selector.", workload.title()));
    } else if !selector::selects(selector, pod.labels()) {
        let message = format!("The selector of {} does not select the pods of its template.", workload.title());
        out.fail(workload.spot("spec.selector"), message);
    }
}

pub(super) fn selectors_overlap(out: &mut Out<'_>) {
    const KINDS: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
    let inventory = out.inventory();
    for kind in KINDS {
        for workload in inventory.of(kind) {
            let selector = workload.spec().get("selector");
            if selector::is_empty(selector) {
                continue;
            }
            let mut others = inventory.pods_selected(&workload.namespace, selector).filter(|pod| {
                KINDS.contains(&pod.object.kind)
                    && pod.object.index() != workload.index()
                    && pod.object.name != workload.name
            });
            if let Some(other) = others.next() {
                let message =
                    format!("The selector of {} selects the pods of {} too.", workload.title(), other.object.title());
                out.fail(workload.spot("spec.selector"), message);
            }
        }
    }
}

pub(super) fn without_controller(object: &Object, out: &mut Out<'_>) {
    let runs_once = matches!(object.spec().get("restartPolicy").str(), "Never" | "OnFailure");
    let is_owned = !object.metadata().get("ownerReferences").is_empty();
    if is_owned || runs_once || !object.annotation("helm.sh/hook").is_empty() || out.is_system(&object.namespace) {
        return;
    }
    out.fail(object.spot("spec"), format!("{} has no controller.", object.title()));
}

pub(super) fn replica_set_without_owner(object: &Object, out: &mut Out<'_>) {
    if object.metadata().get("ownerReferences").is_empty() && !out.is_system(&object.namespace) {
        out.fail(object.spot("spec"), format!("{} belongs to no Deployment.", object.title()));
    }
}

pub(super) fn left_over(pod: &Object, out: &mut Out<'_>) {
    if out.inventory().is_manifests() {
        out.cannot("how things are is not known from manifests");
        return;
    }
    let phase = pod.status().get("phase").str();
    let is_kept_by_nobody = matches!(
        pod.controller(),
        None | Some(("ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet", _))
    );
    if is_kept_by_nobody && matches!(phase, "Succeeded" | "Failed") {
        let reason = pod.status().get("reason").as_str().unwrap_or(phase);
        out.fail(pod.spot("status.phase"), format!("{} is done and still there ({reason}).", pod.title()));
    }
}
