//! What the processes of containers may do.

use crate::{
    object::{Container, ContainerGroup, Pod},
    out::Out,
};

use super::mounts::{capitalised, may_be_root};

/// Whether two names of a capability are the same: runtimes take either case, and some the kernel's `CAP_`.
fn is_capability(text: &str, name: &str) -> bool {
    let bytes = text.as_bytes();
    let short = if bytes.len() > 4 && bytes[..4].eq_ignore_ascii_case(b"CAP_") { &bytes[4..] } else { bytes };
    short.eq_ignore_ascii_case(name.as_bytes())
}

fn added(container: Container<'_>, out: &mut Out<'_>, names: &[&str], what: &str) {
    let capabilities = container.security_context().get("capabilities");
    for (index, item) in capabilities.get("add").items().iter().enumerate() {
        let name = item.str();
        if names.iter().any(|known| is_capability(name, known)) {
            let message = format!("{} has the capability {name}: {what}.", capitalised(&container.title()));
            out.fail(container.spot(&format!("securityContext.capabilities.add[{index}]")), message);
        }
    }
}

pub(super) fn all(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["ALL"], "root in it is root as the kernel knows it");
}

pub(super) fn sys_admin(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["SYS_ADMIN"], "it may mount file systems and change namespaces");
}

pub(super) fn sys_module(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["SYS_MODULE"], "it may load code into the node's kernel");
}

pub(super) fn sys_rawio(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["SYS_RAWIO"], "it may talk to the node's hardware and memory");
}

pub(super) fn dac_read_search(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["DAC_READ_SEARCH"], "it may open files of the node by their inode numbers");
}

pub(super) fn bpf(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["BPF", "PERFMON"], "it may run programs in the node's kernel or watch it");
}

pub(super) fn net_admin(container: Container<'_>, out: &mut Out<'_>) {
    added(container, out, &["NET_ADMIN"], "it may change addresses, routes and firewall rules");
}

pub(super) fn sys_ptrace(container: Container<'_>, out: &mut Out<'_>) {
    if container.pod.spec.get("hostPID").is_true() {
        added(container, out, &["SYS_PTRACE"], "with hostPID it may take over every process of the node");
    }
}

pub(super) fn root_file_system(container: Container<'_>, out: &mut Out<'_>) {
    let is_set = container.security_context().get("readOnlyRootFilesystem").is_true();
    if !is_set && container.group != ContainerGroup::Ephemeral && !container.pod.is_windows() {
        let message = format!("{} may change the files of its image.", capitalised(&container.title()));
        out.fail(container.spot("securityContext.readOnlyRootFilesystem"), message);
    }
}

pub(super) fn share_process_namespace(pod: Pod<'_>, out: &mut Out<'_>) {
    if pod.spec.get("shareProcessNamespace").is_true() {
        let message = "Every container of the pod sees the processes of the others (shareProcessNamespace: true).";
        out.fail(pod.spot("shareProcessNamespace"), message);
    }
}

pub(super) fn user_namespace(pod: Pod<'_>, out: &mut Out<'_>) {
    // The API server lets no pod have both.
    let shares = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|field| pod.spec.get(field).is_true());
    let has_devices = || pod.containers().any(|container| !container.get("volumeDevices").is_empty());
    let may_become_root = || pod.containers().any(may_become_root);
    if !pod.has_user_namespace() && !shares && !pod.is_windows() && !has_devices() && may_become_root() {
        out.fail(pod.spot("hostUsers"), "The pod has no user namespace of its own (hostUsers is not false).");
    }
}

/// By its own user, or by a program of its image that gains rights (setuid, or with capabilities of its file).
fn may_become_root(container: Container<'_>) -> bool {
    may_be_root(container) || !container.security_context().get("allowPrivilegeEscalation").is_false()
}

pub(super) fn interactive(container: Container<'_>, out: &mut Out<'_>) {
    if container.group == ContainerGroup::Ephemeral {
        return;
    }
    for field in ["stdin", "tty"] {
        if container.get(field).is_true() {
            let message =
                format!("{} is set up for somebody at a terminal ({field}: true).", capitalised(&container.title()));
            out.fail(container.spot(field), message);
        }
    }
}

pub(super) fn ephemeral(container: Container<'_>, out: &mut Out<'_>) {
    if container.group == ContainerGroup::Ephemeral {
        let message = format!("{} was put into the running pod.", capitalised(&container.title()));
        out.fail(container.spot(""), message);
    }
}
