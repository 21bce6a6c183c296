//! Who a container is, and what it may do more than others.

use super::context::{contexts, subject};
use crate::{
    object::{Container, Pod},
    out::Out,
};

/// `capabilities_allowed_1_0` of `check_capabilities_baseline.go`: what container runtimes give by default, without
/// `NET_RAW`.
const ADDED_BY_BASELINE: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// `check_privileged.go`
pub(super) fn privileged(container: Container<'_>, out: &mut Out<'_>) {
    if container.security_context().get("privileged").is_true() {
        let who = subject(container);
        out.fail(container.spot("securityContext.privileged"), format!("{who} is privileged (privileged: true)."));
    }
}

/// `check_capabilities_baseline.go`
pub(super) fn capabilities_baseline(container: Container<'_>, out: &mut Out<'_>) {
    added(container, |name| ADDED_BY_BASELINE.contains(&name), out);
}

/// `check_capabilities_restricted.go`: a pod for Windows has no capabilities, and is exempt from 1.25 on.
pub(super) fn capabilities_restricted(container: Container<'_>, out: &mut Out<'_>) {
    if is_exempt(container.pod, out) {
        return;
    }
    // As upstream: in capitals, and nothing but ALL stands for all of them.
    if !container.security_context().get("capabilities").get("drop").has("ALL") {
        let who = subject(container);
        out.fail(
            container.spot("securityContext.capabilities.drop"),
            format!("{who} does not drop all capabilities (capabilities.drop has no ALL)."),
        );
    }
    // What the baseline does not allow, it says itself.
    added(container, |name| name == "NET_BIND_SERVICE" || !ADDED_BY_BASELINE.contains(&name), out);
}

/// Each capability that is added and not allowed.
fn added(container: Container<'_>, is_allowed: impl Fn(&str) -> bool, out: &mut Out<'_>) {
    for capability in container.security_context().get("capabilities").get("add").strings() {
        if !is_allowed(capability) {
            let who = subject(container);
            out.fail(
                container.spot("securityContext.capabilities.add").for_each(capability),
                format!("{who} adds the capability \"{capability}\"."),
            );
        }
    }
}

/// `check_allowPrivilegeEscalation.go`: not for pods for Windows from 1.25 on.
pub(super) fn privilege_escalation(container: Container<'_>, out: &mut Out<'_>) {
    let allow = container.security_context().get("allowPrivilegeEscalation");
    if allow.is_false() || is_exempt(container.pod, out) {
        return;
    }
    let how = if allow.is_present() { "is true" } else { "is not set, which allows it" };
    let who = subject(container);
    out.fail(
        container.spot("securityContext.allowPrivilegeEscalation"),
        format!("{who} may gain more privileges than its parent process (allowPrivilegeEscalation {how})."),
    );
}

/// What has no meaning on Windows is not asked of pods that say they are for it from 1.25 on. Kubelets before 1.24 do not
/// heed `spec.os`, so that before a pod could say so and run on Linux.
pub(super) fn is_exempt(pod: Pod<'_>, out: &Out<'_>) -> bool {
    out.version().is_at_least(25) && pod.is_windows()
}

/// `check_runAsNonRoot.go`: not for pods with a user namespace of their own from 1.35 on. Before, upstream had that
/// behind the feature gate `UserNamespacesPodSecurityStandards`, which never was on by default.
///
/// What the pod says is found at the pod, and what it does not say at each container that does not say it either. A
/// pod that says `false` fails even when all of its containers say `true`.
pub(super) fn run_as_non_root(pod: Pod<'_>, out: &mut Out<'_>) {
    if is_relaxed(pod, out) {
        return;
    }
    let of_pod = pod.spec.get("securityContext").get("runAsNonRoot").as_bool();
    for context in contexts(pod) {
        let message = match context.node.get("runAsNonRoot").as_bool() {
            Some(false) => format!("{} may run as root (runAsNonRoot: false).", context.subject()),
            None if context.is_of_container() && of_pod.is_none() => {
                format!("{} may run as root: neither it nor the pod sets runAsNonRoot: true.", context.subject())
            }
            _ => continue,
        };
        out.fail(context.spot("runAsNonRoot"), message);
    }
}

/// `check_runAsUser.go`: not for pods with a user namespace of their own from 1.35 on, as
/// [`run_as_non_root`].
pub(super) fn run_as_user(pod: Pod<'_>, out: &mut Out<'_>) {
    if is_relaxed(pod, out) {
        return;
    }
    for context in contexts(pod) {
        if context.node.get("runAsUser").as_i64() == Some(0) {
            out.fail(context.spot("runAsUser"), format!("{} runs as root (runAsUser: 0).", context.subject()));
        }
    }
}

/// `relaxPolicyForUserNamespacePod` of `helpers.go`, for what upstream relaxes from 1.35 on.
pub(super) fn is_relaxed(pod: Pod<'_>, out: &Out<'_>) -> bool {
    out.version().is_at_least(35) && pod.has_user_namespace()
}
