//! The Pod Security Standards once more, as plainly as the specification has them: whether a check forbids a pod.
//! Written from the specification and not from the rules, over JSON, without places and messages.
//!
//! Source: `k8s.io/pod-security-admission/policy`, and docs/audit/pod-security-standards.md.

use serde_json::Value;

/// A check of the specification.
pub(super) struct Check {
    /// As upstream calls it.
    pub(super) id: &'static str,
    /// The rules that judge it: a stricter check is what the baseline's rule finds and what its own one does.
    pub(super) rules: &'static [&'static str],
    /// Whether it forbids a pod at a minor version.
    pub(super) forbids: fn(Pod<'_>, u16) -> bool,
}

const fn check(id: &'static str, rules: &'static [&'static str], forbids: fn(Pod<'_>, u16) -> bool) -> Check {
    Check { id, rules, forbids }
}

pub(super) const CHECKS: &[Check] = &[
    check("windowsHostProcess", &["pss-windows-host-process"], windows_host_process),
    check("hostNamespaces", &["pss-host-namespaces"], host_namespaces),
    check("privileged", &["pss-privileged-containers"], privileged),
    check("capabilities_baseline", &["pss-capabilities-baseline"], capabilities_baseline),
    check("hostPathVolumes", &["pss-host-path-volumes"], host_path_volumes),
    check("hostPorts", &["pss-host-ports"], host_ports),
    check("hostProbesAndHostLifecycle", &["pss-host-probes"], host_probes),
    check("appArmorProfile", &["pss-apparmor"], apparmor),
    check("seLinuxOptions", &["pss-selinux"], selinux),
    check("procMount_baseline", &["pss-proc-mount"], proc_mount_baseline),
    check("seccompProfile_baseline", &["pss-seccomp-baseline"], seccomp_baseline),
    check("sysctls", &["pss-sysctls"], sysctls),
    check("restrictedVolumes", &["pss-volume-types", "pss-host-path-volumes"], restricted_volumes),
    check("allowPrivilegeEscalation", &["pss-privilege-escalation"], privilege_escalation),
    check("runAsNonRoot", &["pss-run-as-non-root"], run_as_non_root),
    check("runAsUser", &["pss-run-as-user"], run_as_user),
    check("seccompProfile_restricted", &["pss-seccomp-restricted", "pss-seccomp-baseline"], seccomp_restricted),
    check(
        "capabilities_restricted",
        &["pss-capabilities-restricted", "pss-capabilities-baseline"],
        capabilities_restricted,
    ),
    check("procMount_restricted", &["pss-proc-mount-restricted", "pss-proc-mount"], proc_mount_restricted),
];

/// `metadata` and `spec` of a pod.
#[derive(Clone, Copy)]
pub(super) struct Pod<'a>(pub(super) &'a Value);

impl<'a> Pod<'a> {
    fn spec(self) -> &'a Value {
        &self.0["spec"]
    }

    fn annotations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let annotations = self.0["metadata"]["annotations"].as_object().into_iter().flatten();
        annotations.map(|(key, value)| (key.as_str(), text(value)))
    }

    fn containers(self) -> Vec<&'a Value> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.iter().flat_map(|list| items(&self.spec()[list])).collect()
    }

    /// `securityContext` of the pod and of its containers.
    fn contexts(self) -> Vec<&'a Value> {
        let own = &self.spec()["securityContext"];
        let of_containers = self.containers().into_iter().map(|container| &container["securityContext"]);
        std::iter::once(own).chain(of_containers).collect()
    }

    fn is_for_windows(self) -> bool {
        self.spec()["os"]["name"] == "windows"
    }

    /// Whether the API server refuses it, as it says that it is for Windows and has what Windows has not.
    pub(super) fn is_refused(self) -> bool {
        let fields = ["capabilities", "seccompProfile"];
        self.is_for_windows()
            && self.contexts().iter().any(|context| fields.iter().any(|field| !context[field].is_null()))
    }

    fn has_user_namespace(self) -> bool {
        self.spec()["hostUsers"] == false
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn windows_host_process(pod: Pod<'_>, _minor: u16) -> bool {
    pod.contexts().iter().any(|context| context["windowsOptions"]["hostProcess"] == true)
}

fn host_namespaces(pod: Pod<'_>, _minor: u16) -> bool {
    ["hostNetwork", "hostPID", "hostIPC"].iter().any(|field| pod.spec()[field] == true)
}

fn privileged(pod: Pod<'_>, _minor: u16) -> bool {
    pod.containers().iter().any(|container| container["securityContext"]["privileged"] == true)
}

fn adds_other_than(pod: Pod<'_>, allowed: &str) -> bool {
    let mut containers = pod.containers().into_iter();
    containers.any(|container| {
        let added = items(&container["securityContext"]["capabilities"]["add"]);
        added.iter().any(|name| !allowed.split(' ').any(|allowed| *name == allowed))
    })
}

fn capabilities_baseline(pod: Pod<'_>, _minor: u16) -> bool {
    const ALLOWED: &str = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID \
                           SETPCAP SETUID SYS_CHROOT";
    adds_other_than(pod, ALLOWED)
}

fn host_path_volumes(pod: Pod<'_>, _minor: u16) -> bool {
    items(&pod.spec()["volumes"]).iter().any(|volume| !volume["hostPath"].is_null())
}

fn host_ports(pod: Pod<'_>, _minor: u16) -> bool {
    let ports = pod.containers().into_iter().flat_map(|container| items(&container["ports"]));
    ports.filter_map(|port| port["hostPort"].as_i64()).any(|port| port != 0)
}

fn host_probes(pod: Pod<'_>, minor: u16) -> bool {
    let handlers = pod.containers().into_iter().flat_map(|container| {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
        probes.into_iter().chain(hooks)
    });
    let mut hosts = handlers.flat_map(|handler| ["httpGet", "tcpSocket"].map(|action| text(&handler[action]["host"])));
    minor >= 34 && hosts.any(|host| !host.is_empty())
}

fn is_profile(profile: &Value) -> bool {
    profile["type"] == "RuntimeDefault" || profile["type"] == "Localhost"
}

fn apparmor(pod: Pod<'_>, _minor: u16) -> bool {
    let by_field = pod.contexts().into_iter().map(|context| &context["appArmorProfile"]);
    let mut by_annotation = pod
        .annotations()
        .filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
        .map(|(_, value)| value);
    by_field.filter(|profile| !profile.is_null()).any(|profile| !is_profile(profile))
        || by_annotation
            .any(|value| !value.is_empty() && value != "runtime/default" && !value.starts_with("localhost/"))
}

fn selinux(pod: Pod<'_>, minor: u16) -> bool {
    pod.contexts().iter().any(|context| {
        let options = &context["seLinuxOptions"];
        let is_allowed = match text(&options["type"]) {
            "" | "container_t" | "container_init_t" | "container_kvm_t" => true,
            "container_engine_t" => minor >= 31,
            _ => false,
        };
        !is_allowed || !text(&options["user"]).is_empty() || !text(&options["role"]).is_empty()
    })
}

/// Before 1.35 the restricted profile has the baseline's check, which is the same then.
fn proc_mount_restricted(pod: Pod<'_>, _minor: u16) -> bool {
    let mounts = pod.containers().into_iter().map(|container| &container["securityContext"]["procMount"]);
    mounts.filter(|mount| !mount.is_null()).any(|mount| mount != "Default")
}

fn proc_mount_baseline(pod: Pod<'_>, minor: u16) -> bool {
    !(minor >= 35 && pod.has_user_namespace()) && proc_mount_restricted(pod, minor)
}

fn seccomp_baseline(pod: Pod<'_>, minor: u16) -> bool {
    if minor >= 19 {
        let profiles = pod.contexts().into_iter().map(|context| &context["seccompProfile"]);
        return profiles.filter(|profile| !profile.is_null()).any(|profile| !is_profile(profile));
    }
    let mut keys = vec!["seccomp.security.alpha.kubernetes.io/pod".to_owned()];
    keys.extend(
        (pod.containers().iter())
            .map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", text(&container["name"]))),
    );
    pod.annotations()
        .filter(|(key, _)| keys.iter().any(|known| known == key))
        .any(|(_, value)| value != "runtime/default" && value != "docker/default" && !value.starts_with("localhost/"))
}

fn seccomp_restricted(pod: Pod<'_>, minor: u16) -> bool {
    if minor < 19 {
        // The baseline's check is what the restricted profile has.
        return seccomp_baseline(pod, minor);
    }
    if minor >= 25 && pod.is_for_windows() {
        return false;
    }
    let of_pod = &pod.spec()["securityContext"]["seccompProfile"];
    let is_bad = |profile: &Value| !profile.is_null() && !is_profile(profile);
    is_bad(of_pod)
        || pod.containers().iter().any(|container| {
            let own = &container["securityContext"]["seccompProfile"];
            if own.is_null() { !is_profile(of_pod) } else { is_bad(own) }
        })
}

fn sysctls(pod: Pod<'_>, minor: u16) -> bool {
    const SAFE: &[(u16, &str)] = &[
        (0, "kernel.shm_rmid_forced"),
        (0, "net.ipv4.ip_local_port_range"),
        (0, "net.ipv4.tcp_syncookies"),
        (0, "net.ipv4.ping_group_range"),
        (0, "net.ipv4.ip_unprivileged_port_start"),
        (27, "net.ipv4.ip_local_reserved_ports"),
        (29, "net.ipv4.tcp_keepalive_time"),
        (29, "net.ipv4.tcp_fin_timeout"),
        (29, "net.ipv4.tcp_keepalive_intvl"),
        (29, "net.ipv4.tcp_keepalive_probes"),
        (32, "net.ipv4.tcp_rmem"),
        (32, "net.ipv4.tcp_wmem"),
        (37, "net.ipv4.tcp_slow_start_after_idle"),
        (37, "net.ipv4.tcp_notsent_lowat"),
    ];
    let sysctls = items(&pod.spec()["securityContext"]["sysctls"]).iter();
    let is_safe = |name: &str| SAFE.iter().any(|(since, safe)| *safe == name && minor >= *since);
    sysctls.map(|sysctl| text(&sysctl["name"])).any(|name| !is_safe(name))
}

fn restricted_volumes(pod: Pod<'_>, _minor: u16) -> bool {
    const ALLOWED: &str = "configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret";
    items(&pod.spec()["volumes"]).iter().any(|volume| {
        let fields = volume.as_object().into_iter().flatten();
        let sources: Vec<&str> =
            fields.filter(|(key, value)| *key != "name" && !value.is_null()).map(|(key, _)| key.as_str()).collect();
        // Without a source the API server makes it an `emptyDir` before admission.
        !sources.is_empty() && !sources.iter().any(|source| ALLOWED.split(' ').any(|allowed| allowed == *source))
    })
}

fn privilege_escalation(pod: Pod<'_>, minor: u16) -> bool {
    let is_judged = minor >= 8 && !(minor >= 25 && pod.is_for_windows());
    is_judged
        && pod.containers().iter().any(|container| container["securityContext"]["allowPrivilegeEscalation"] != false)
}

fn run_as_non_root(pod: Pod<'_>, minor: u16) -> bool {
    if minor >= 35 && pod.has_user_namespace() {
        return false;
    }
    let of_pod = &pod.spec()["securityContext"]["runAsNonRoot"];
    *of_pod == false
        || pod.containers().iter().any(|container| {
            let own = &container["securityContext"]["runAsNonRoot"];
            *own == false || (own.is_null() && *of_pod != true)
        })
}

fn run_as_user(pod: Pod<'_>, minor: u16) -> bool {
    let is_judged = minor >= 23 && !(minor >= 35 && pod.has_user_namespace());
    is_judged && pod.contexts().iter().any(|context| context["runAsUser"] == 0)
}

fn capabilities_restricted(pod: Pod<'_>, minor: u16) -> bool {
    if minor < 22 {
        // The baseline's check is what the restricted profile has.
        return capabilities_baseline(pod, minor);
    }
    if minor >= 25 && pod.is_for_windows() {
        return false;
    }
    adds_other_than(pod, "NET_BIND_SERVICE")
        || pod.containers().iter().any(|container| {
            !items(&container["securityContext"]["capabilities"]["drop"]).iter().any(|name| name == "ALL")
        })
}
