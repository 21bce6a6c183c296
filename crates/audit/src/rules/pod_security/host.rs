//! What the node keeps to itself: its processes, namespaces, files, addresses.

use super::context::{contexts, named, subject};
use crate::{
    object::{Container, Pod},
    out::Out,
    spot::Spot,
};

/// `check_windowsHostProcess.go`
pub(super) fn host_process(pod: Pod<'_>, out: &mut Out<'_>) {
    for context in contexts(pod) {
        if context.node.get("windowsOptions").get("hostProcess").is_true() {
            let who = context.subject();
            out.fail(
                context.spot("windowsOptions.hostProcess"),
                format!("{who} runs as a process of the Windows node itself (windowsOptions.hostProcess: true)."),
            );
        }
    }
}

/// `check_hostNamespaces.go`
pub(super) fn host_namespaces(pod: Pod<'_>, out: &mut Out<'_>) {
    for (field, what) in
        [("hostNetwork", "network"), ("hostPID", "process"), ("hostIPC", "inter-process communication")]
    {
        if pod.spec.get(field).is_true() {
            out.fail(pod.spot(field), format!("The pod shares the node's {what} namespace ({field}: true)."));
        }
    }
}

/// `check_hostPathVolumes.go`
pub(super) fn host_path_volumes(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let source = volume.get("hostPath");
        if source.is_present() {
            let name = volume.get("name").str();
            let path = source.get("path").str();
            out.fail(
                named(pod, "volumes", index, name, "hostPath"),
                format!("Volume \"{name}\" is \"{path}\" of the node (hostPath)."),
            );
        }
    }
}

/// `check_hostPorts.go`
pub(super) fn host_ports(container: Container<'_>, out: &mut Out<'_>) {
    for (index, port) in container.get("ports").items().iter().enumerate() {
        // 0 is what the field is when it is not written.
        if let Some(number) = port.get("hostPort").as_i64().filter(|number| *number != 0) {
            let key = container.spot("ports").for_each(&number.to_string()).key;
            let spot = Spot { key, ..container.spot(&format!("ports[{index}].hostPort")) };
            out.fail(spot, format!("{} takes port {number} of its node (hostPort).", subject(container)));
        }
    }
}

/// `check_hostProbesAndhostLifecycle.go`
pub(super) fn host_probes(container: Container<'_>, out: &mut Out<'_>) {
    const PROBES: [[&str; 2]; 5] = [
        ["livenessProbe", ""],
        ["readinessProbe", ""],
        ["startupProbe", ""],
        ["lifecycle", "postStart"],
        ["lifecycle", "preStop"],
    ];
    for [field, inner] in PROBES {
        let node = container.get(field);
        let handler = if inner.is_empty() { node } else { node.get(inner) };
        for action in ["httpGet", "tcpSocket"] {
            let host = handler.get(action).get("host").str();
            if !host.is_empty() {
                let dot = if inner.is_empty() { "" } else { "." };
                let who = subject(container);
                out.fail(
                    container.spot(&format!("{field}{dot}{inner}.{action}.host")),
                    format!("{who} has the kubelet connect to \"{host}\" ({field}{dot}{inner}.{action}.host)."),
                );
            }
        }
    }
}
