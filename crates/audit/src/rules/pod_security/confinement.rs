//! What confines a container: profiles of the kernel's security modules and of seccomp, the masks of `/proc`,
//! sysctls, kinds of volumes.

use super::{
    context::{annotation, contexts, named, subject},
    privileges::{is_exempt, is_relaxed},
};
use crate::{
    object::{Container, Pod},
    out::Out,
    version::KubernetesVersion,
};

const APPARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// Types of profiles that `seccompProfile` and `appArmorProfile` may have.
fn is_profile(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

/// `check_appArmorProfile.go`: the field and the annotation, both at every version.
pub(super) fn apparmor(pod: Pod<'_>, out: &mut Out<'_>) {
    for context in contexts(pod) {
        let profile = context.node.get("appArmorProfile");
        let kind = profile.get("type").str();
        if profile.is_present() && !is_profile(kind) {
            let who = context.subject();
            out.fail(
                context.spot("appArmorProfile.type"),
                format!("{who} has the AppArmor profile \"{kind}\" instead of RuntimeDefault or Localhost."),
            );
        }
    }
    for (key, value) in pod.metadata.get("annotations").entries() {
        let Some(container) = key.strip_prefix(APPARMOR_ANNOTATION) else { continue };
        let profile = value.str();
        if !(profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/")) {
            out.fail(
                annotation(pod, key),
                format!("An annotation gives container \"{container}\" the AppArmor profile \"{profile}\"."),
            );
        }
    }
}

/// `check_seLinuxOptions.go`: `container_engine_t` from 1.31 on.
pub(super) fn selinux(pod: Pod<'_>, out: &mut Out<'_>) {
    for context in contexts(pod) {
        let options = context.node.get("seLinuxOptions");
        for field in ["type", "user", "role"] {
            let value = options.get(field).str();
            let is_allowed = match value {
                "" => true,
                "container_t" | "container_init_t" | "container_kvm_t" => field == "type",
                "container_engine_t" => field == "type" && out.version().is_at_least(31),
                _ => false,
            };
            if !is_allowed {
                let who = context.subject();
                out.fail(
                    context.spot(&format!("seLinuxOptions.{field}")),
                    format!("{who} sets the SELinux {field} \"{value}\"."),
                );
            }
        }
    }
}

/// `check_procMount_baseline.go`: any value for pods with a user namespace of their own from 1.35 on. Before, upstream
/// had that behind the feature gate `UserNamespacesPodSecurityStandards`, which never was on by default.
pub(super) fn proc_mount(container: Container<'_>, out: &mut Out<'_>) {
    if !is_relaxed(container.pod, out) {
        unmasked(container, out);
    }
}

/// `check_procMount_restricted.go`: whatever namespace the pod has; of those without one of their own the baseline says
/// it.
pub(super) fn proc_mount_restricted(container: Container<'_>, out: &mut Out<'_>) {
    if is_relaxed(container.pod, out) {
        unmasked(container, out);
    }
}

fn unmasked(container: Container<'_>, out: &mut Out<'_>) {
    let mount = container.security_context().get("procMount");
    let kind = mount.str();
    if mount.is_present() && kind != "Default" {
        let who = subject(container);
        out.fail(
            container.spot("securityContext.procMount"),
            format!("{who} has /proc without what masks it by default (procMount: \"{kind}\")."),
        );
    }
}

/// `check_seccompProfile_baseline.go`: annotations until 1.18, fields from 1.19 on.
pub(super) fn seccomp_baseline(pod: Pod<'_>, out: &mut Out<'_>) {
    if out.version().is_at_least(19) {
        seccomp_fields(pod, out);
        return;
    }
    for (key, value) in pod.metadata.get("annotations").entries() {
        let whose = match key.strip_prefix(SECCOMP_CONTAINER_ANNOTATION) {
            Some(name) if pod.containers().any(|container| container.name() == name) => name,
            None if key == SECCOMP_ANNOTATION => "",
            _ => continue,
        };
        let profile = value.str();
        if matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/") {
            continue;
        }
        let whose = if whose.is_empty() { "the pod".to_owned() } else { format!("container \"{whose}\"") };
        out.fail(annotation(pod, key), format!("An annotation gives {whose} the seccomp profile \"{profile}\"."));
    }
}

/// Profiles that are written and are none of those allowed, of the pod and of its containers.
fn seccomp_fields(pod: Pod<'_>, out: &mut Out<'_>) {
    for context in contexts(pod) {
        let profile = context.node.get("seccompProfile");
        let kind = profile.get("type").str();
        if profile.is_present() && !is_profile(kind) {
            let who = context.subject();
            out.fail(
                context.spot("seccompProfile.type"),
                format!("{who} has the seccomp profile \"{kind}\" instead of RuntimeDefault or Localhost."),
            );
        }
    }
}

/// `check_seccompProfile_restricted.go`: a profile is required, of the container or of the pod; not for pods for
/// Windows from 1.25 on. Of one that is not allowed the baseline says it.
pub(super) fn seccomp_restricted(pod: Pod<'_>, out: &mut Out<'_>) {
    if is_exempt(pod, out) {
        return;
    }
    if pod.spec.get("securityContext").get("seccompProfile").is_present() {
        return;
    }
    for container in pod.containers() {
        if !container.security_context().get("seccompProfile").is_present() {
            let who = subject(container);
            out.fail(
                container.spot("securityContext.seccompProfile"),
                format!("{who} has no seccomp profile, and neither has the pod."),
            );
        }
    }
}

/// `check_sysctls.go`
pub(super) fn sysctls(pod: Pod<'_>, out: &mut Out<'_>) {
    let sysctls = pod.spec.get("securityContext").get("sysctls");
    for (index, sysctl) in sysctls.items().iter().enumerate() {
        let name = sysctl.get("name").str();
        if !is_safe_sysctl(name, out.version()) {
            out.fail(
                named(pod, "securityContext.sysctls", index, name, "name"),
                format!("The pod sets the sysctl \"{name}\", which is not among the safe ones."),
            );
        }
    }
}

fn is_safe_sysctl(name: &str, version: KubernetesVersion) -> bool {
    match name {
        "kernel.shm_rmid_forced"
        | "net.ipv4.ip_local_port_range"
        | "net.ipv4.tcp_syncookies"
        | "net.ipv4.ping_group_range"
        | "net.ipv4.ip_unprivileged_port_start" => true,
        "net.ipv4.ip_local_reserved_ports" => version.is_at_least(27),
        "net.ipv4.tcp_keepalive_time"
        | "net.ipv4.tcp_fin_timeout"
        | "net.ipv4.tcp_keepalive_intvl"
        | "net.ipv4.tcp_keepalive_probes" => version.is_at_least(29),
        "net.ipv4.tcp_rmem" | "net.ipv4.tcp_wmem" => version.is_at_least(32),
        "net.ipv4.tcp_slow_start_after_idle" | "net.ipv4.tcp_notsent_lowat" => version.is_at_least(37),
        _ => false,
    }
}

/// `check_restrictedVolumes.go`; of `hostPath` the baseline says it.
pub(super) fn volume_types(pod: Pod<'_>, out: &mut Out<'_>) {
    const ALLOWED: [&str; 10] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "hostPath",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        if ALLOWED.iter().any(|kind| volume.get(kind).is_present()) {
            continue;
        }
        // The API server makes an `emptyDir` of a volume without a source (`SetDefaults_Volume`) before admission
        // sees it.
        let Some((kind, _)) = volume.entries().find(|(key, node)| *key != "name" && node.is_present()) else {
            continue;
        };
        let name = volume.get("name").str();
        out.fail(
            named(pod, "volumes", index, name, kind),
            format!("Volume \"{name}\" is of the type \"{kind}\", which is not among those allowed."),
        );
    }
}
