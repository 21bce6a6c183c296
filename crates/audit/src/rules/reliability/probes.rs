//! Probes.

use std::collections::HashMap;

use crate::{
    node::Node,
    object::{Container, ContainerGroup, Kind, Pod},
    out::Out,
};

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const HANDLERS: [&str; 4] = ["httpGet", "tcpSocket", "grpc", "exec"];

/// Whether a workload is meant to run on and on, rather than to its end.
pub(super) fn runs_on(pod: Pod<'_>) -> bool {
    match pod.object.kind {
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::ReplicationController => true,
        Kind::Pod => matches!(pod.spec.get("restartPolicy").str(), "" | "Always") && pod.object.controller().is_none(),
        Kind::Other => &*pod.object.kind_name == "Rollout",
        _ => false,
    }
}

pub(super) fn without_liveness(container: Container<'_>, out: &mut Out<'_>) {
    let pod = container.pod;
    if container.group != ContainerGroup::Main || !runs_on(pod) || out.is_system(&pod.object.namespace) {
        return;
    }
    if !container.get("livenessProbe").is_present() {
        let message = format!("Container \"{}\" has no liveness probe.", container.name());
        out.fail(container.spot(""), message);
    }
}

pub(super) fn without_readiness(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let mut served = HashMap::new();
    for service in inventory.of(Kind::Service) {
        let selector = service.spec().get("selector");
        if selector.is_empty() || service.spec().get("publishNotReadyAddresses").is_true() {
            continue;
        }
        for pod in inventory.pods_with(&service.namespace, selector) {
            served.entry(pod.object.index()).or_insert(service);
        }
    }
    for pod in inventory.workloads().filter(|pod| runs_on(*pod)) {
        if out.is_system(&pod.object.namespace) || pod.running().any(|c| c.get("readinessProbe").is_present()) {
            continue;
        }
        if let Some(service) = served.get(&pod.object.index()) {
            let message = format!(
                "No container of {} has a readiness probe, and Service \"{}\" sends it requests.",
                pod.object.title(),
                service.name
            );
            out.fail(pod.spot("containers"), message);
        } else if !inventory.would_have(Kind::Service, &pod.object.namespace) {
            out.cannot("whether a Service sends requests to the pods is not known");
        }
    }
}

pub(super) fn identical(container: Container<'_>, out: &mut Out<'_>) {
    let (liveness, readiness) = (container.get("livenessProbe"), container.get("readinessProbe"));
    let same_handler =
        HANDLERS.iter().any(|name| liveness.get(name).is_present() && is_same(liveness.get(name), readiness.get(name)));
    // As the documentation advises: the same check is well when liveness gives up later.
    if same_handler && patience(liveness) <= patience(readiness) {
        let message = format!(
            "The liveness probe of container \"{}\" is no more patient than its readiness probe.",
            container.name()
        );
        out.fail(container.spot("livenessProbe"), message);
    }
}

/// For how many seconds a probe may fail: the defaults are those of the API.
fn patience(probe: &Node) -> i64 {
    let period = probe.get("periodSeconds").as_i64().unwrap_or(10);
    period.saturating_mul(probe.get("failureThreshold").as_i64().unwrap_or(3))
}

/// The same value, wherever it is written.
fn is_same(a: &Node, b: &Node) -> bool {
    a.is_map() == b.is_map()
        && a.is_list() == b.is_list()
        && a.len() == b.len()
        && a.text() == b.text()
        && a.entries().all(|(key, value)| is_same(value, b.get(key)))
        && a.items().iter().zip(b.items()).all(|(a, b)| is_same(a, b))
}

pub(super) fn single_failure(container: Container<'_>, out: &mut Out<'_>) {
    if container.get("livenessProbe").get("failureThreshold").as_i64() == Some(1) {
        let message = format!("Container \"{}\" is restarted when its liveness probe fails once.", container.name());
        out.fail(container.spot("livenessProbe.failureThreshold"), message);
    }
}

pub(super) fn timeout_over_period(container: Container<'_>, out: &mut Out<'_>) {
    for name in PROBES {
        let probe = container.get(name);
        let (timeout, period) =
            (probe.get("timeoutSeconds").as_i64(), probe.get("periodSeconds").as_i64().unwrap_or(10));
        if let Some(timeout) = timeout.filter(|timeout| *timeout > period) {
            let message =
                format!("{name} of container \"{}\" waits {timeout} s and begins every {period} s.", container.name());
            out.fail(container.spot(&format!("{name}.timeoutSeconds")), message);
        }
    }
}

pub(super) fn port_missing(container: Container<'_>, out: &mut Out<'_>) {
    for name in PROBES {
        for handler in ["httpGet", "tcpSocket"] {
            let port = container.get(name).get(handler).get("port").str();
            let is_name = port.bytes().any(|b| b.is_ascii_alphabetic());
            if is_name && !container.get("ports").items().iter().any(|known| known.get("name").str() == port) {
                let message = format!("{name} asks port \"{port}\", which container \"{}\" has not.", container.name());
                out.fail(container.spot(&format!("{name}.{handler}.port")), message);
            }
        }
    }
}
