//! The Pod Security Standards, as `k8s.io/pod-security-admission/policy` judges them, by version.
//!
//! `docs/audit/pod-security-standards.md` says what each check allows from which version on. Upstream replaces some
//! checks of the baseline by stricter ones in the restricted profile (`OverrideCheckIDs`); here both are judged, and the
//! stricter one says only what the baseline does not: each fault is found once, and under either profile.

mod confinement;
mod context;
mod host;
mod privileges;

use crate::{
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

const ALWAYS: KubernetesVersion = KubernetesVersion::new(1, 0);
const ABOUT: &[Category] = &[Category::PodSecurity, Category::Security];
const BASELINE: &str = "https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline";
const RESTRICTED: &str = "https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted";
/// The heading of the NSA's guide that all of these are under.
const NSA: (Framework, &str) = (Framework::Nsa, "Kubernetes Pod security");
/// Escape to Host.
const ESCAPE: (Framework, &str) = (Framework::Mitre, "T1611");
/// Exploitation for Privilege Escalation.
const ESCALATION: (Framework, &str) = (Framework::Mitre, "T1068");
/// Configuration management: hardened configurations are established and monitored.
const ISO_CONFIGURATION: (Framework, &str) = (Framework::Iso27001, "A.8.9");
/// Privileged access rights are restricted.
const ISO_PRIVILEGES: (Framework, &str) = (Framework::Iso27001, "A.8.2");
/// System security parameters are configured to prevent misuse.
const PCI_PARAMETERS: (Framework, &str) = (Framework::Pci, "2.2.6");
/// Logical access security over protected assets.
const SOC2_ACCESS: (Framework, &str) = (Framework::Soc2, "CC6.1");

/// The rules, baseline first.
pub static RULES: &[Rule] = &[
    Rule {
        id: "pss-windows-host-process",
        title: "Windows container runs as a process of its node",
        why: "A HostProcess container is no container: it runs on the Windows node with the rights of an account of the \
              node, and reaches its files, its network and every other container on it.",
        fix: "Remove windowsOptions.hostProcess, or set it to false, unless the workload manages the node.",
        patch: Patch::None,
        severity: Severity::Critical,
        categories: ABOUT,
        controls: &[
            (Framework::PssBaseline, "HostProcess"),
            (Framework::Cis, "5.2.10"),
            NSA,
            ESCAPE,
            ISO_PRIVILEGES,
            PCI_PARAMETERS,
            SOC2_ACCESS,
        ],
        since: ALWAYS,
        references: &[BASELINE, "https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/"],
        check: Check::Pod(host::host_process),
    },
    Rule {
        id: "pss-host-namespaces",
        title: "Pod shares the host's namespaces",
        why: "A pod in the node's network, process or IPC namespace reaches what other pods and the node itself keep to \
              themselves: it sees and signals every process, and listens on the node's addresses.",
        fix: "Remove hostNetwork, hostPID and hostIPC, or set them to false.",
        patch: Patch::Pod("hostNetwork: false\nhostPID: false\nhostIPC: false\n"),
        severity: Severity::Critical,
        categories: ABOUT,
        controls: &[
            (Framework::PssBaseline, "Host Namespaces"),
            (Framework::Cis, "5.2.3"),
            (Framework::Cis, "5.2.4"),
            (Framework::Cis, "5.2.5"),
            NSA,
            ESCAPE,
            ISO_CONFIGURATION,
            PCI_PARAMETERS,
            SOC2_ACCESS,
        ],
        since: ALWAYS,
        references: &[BASELINE],
        check: Check::Pod(host::host_namespaces),
    },
    Rule {
        id: "pss-privileged-containers",
        title: "Privileged container",
        why: "A privileged container has all capabilities, the node's devices, and none of the filters that confine \
              others. Whoever is in it mounts the node's disk and is root on the node.",
        fix: "Remove privileged, or set it to false. Give the container the one capability or device that it needs instead.",
        patch: Patch::Container("securityContext:\n  privileged: false\n"),
        severity: Severity::Critical,
        categories: ABOUT,
        controls: &[
            (Framework::PssBaseline, "Privileged Containers"),
            (Framework::Cis, "5.2.2"),
            NSA,
            ESCAPE,
            ISO_PRIVILEGES,
            PCI_PARAMETERS,
            SOC2_ACCESS,
        ],
        since: ALWAYS,
        references: &[
            BASELINE,
            "https://kubernetes.io/docs/concepts/security/linux-kernel-security-constraints/#privileged-containers",
        ],
        check: Check::Container(privileges::privileged),
    },
    Rule {
        id: "pss-capabilities-baseline",
        title: "Container adds capabilities beyond the default set",
        why: "Capabilities beyond those that container runtimes give by default are powers of root on the node: with \
              SYS_ADMIN, SYS_PTRACE, SYS_MODULE or BPF whoever is in the container gets out of it, with NET_ADMIN or \
              NET_RAW they read or redirect what other pods send.",
        fix: "Remove from capabilities.add what the workload does not need. NET_BIND_SERVICE is enough to listen on ports \
              below 1024.",
        patch: Patch::None,
        severity: Severity::High,
        categories: ABOUT,
        controls: &[
            (Framework::PssBaseline, "Capabilities"),
            (Framework::Cis, "5.2.8"),
            (Framework::Cis, "5.2.9"),
            NSA,
            ESCAPE,
            ISO_PRIVILEGES,
            PCI_PARAMETERS,
            SOC2_ACCESS,
        ],
        since: ALWAYS,
        references: &[BASELINE, "https://man7.org/linux/man-pages/man7/capabilities.7.html"],
        check: Check::Container(privileges::capabilities_baseline),
    },
    Rule {
        id: "pss-host-path-volumes",
        title: "Volume is a path of the node",
        why: "Files of the node hold credentials of its kubelet, sockets of its container runtime and data of other pods. \
              Whoever writes to them is root on the node; whoever reads them often becomes it.",
        fix: "Use a persistentVolumeClaim, an emptyDir, a configMap or a CSI volume instead of hostPath.",
        patch: Patch::None,
        severity: Severity::High,
        categories: ABOUT,
        controls: &[
            (Framework::PssBaseline, "HostPath Volumes"),
            (Framework::Cis, "5.2.11"),
            NSA,
            ESCAPE,
            ISO_CONFIGURATION,
            PCI_PARAMETERS,
            SOC2_ACCESS,
        ],
        since: ALWAYS,
        references: &[BASELINE, "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath"],
        check: Check::Pod(host::host_path_volumes),
    },
    Rule {
        id: "pss-host-ports",
        title: "Container takes a port of its node",
        why: "A host port is reached at the node's addresses, past Services and often past network policies, and only one \
              pod on a node can have it.",
        fix: "Remove hostPort and publish the port by a Service.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::PodSecurity, Category::Security, Category::Network],
        controls: &[
            (Framework::PssBaseline, "Host Ports"),
            (Framework::Cis, "5.2.12"),
            NSA,
            ISO_CONFIGURATION,
            PCI_PARAMETERS,
        ],
        since: ALWAYS,
        references: &[BASELINE, "https://kubernetes.io/docs/concepts/configuration/overview/#services"],
        check: Check::Container(host::host_ports),
    },
    Rule {
        id: "pss-host-probes",
        title: "Probe or lifecycle hook connects to a host of its choice",
        why: "The kubelet makes these connections from the node's network: who may write the pod makes nodes reach \
              addresses that pods cannot, as those of the cloud's metadata or of the node itself, and sees in the pod's \
              status whether something answers.",
        fix: "Remove host from the handler: without it, the kubelet connects to the pod itself.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::PodSecurity, Category::Security, Category::Network],
        controls: &[(Framework::PssBaseline, "Host Probes / Lifecycle Hooks"), NSA, ISO_CONFIGURATION, PCI_PARAMETERS],
        since: KubernetesVersion::new(1, 34),
        references: &[BASELINE, "https://www.kubernetes.dev/resources/keps/4940/"],
        check: Check::Container(host::host_probes),
    },
    Rule {
        id: "pss-apparmor",
        title: "AppArmor profile is turned off",
        why: "Without the container runtime's AppArmor profile, a process in the container may write to places of /proc \
              and /sys, mount file systems and trace others where only the profile forbids it.",
        fix: "Set appArmorProfile.type to RuntimeDefault, or to Localhost with a profile of your own, or remove it.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[(Framework::PssBaseline, "AppArmor"), NSA, ESCAPE, ISO_CONFIGURATION, PCI_PARAMETERS],
        since: ALWAYS,
        references: &[BASELINE, "https://kubernetes.io/docs/tutorials/security/apparmor/"],
        check: Check::Pod(confinement::apparmor),
    },
    Rule {
        id: "pss-selinux",
        title: "SELinux options beyond those for containers",
        why: "SELinux keeps a process that got out of its container from the node's files, as long as it has a type for \
              containers. A type as spc_t, or a user or role of one's own, lifts that.",
        fix: "Remove user and role from seLinuxOptions, and set type to container_t, container_init_t or container_kvm_t, \
              or remove it.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[(Framework::PssBaseline, "SELinux"), NSA, ESCAPE, ISO_CONFIGURATION, PCI_PARAMETERS],
        since: ALWAYS,
        references: &[
            BASELINE,
            "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#assign-selinux-labels-to-a-container",
        ],
        check: Check::Pod(confinement::selinux),
    },
    Rule {
        id: "pss-proc-mount",
        title: "Container has /proc without its masks",
        why: "The container runtime hides or write-protects the places of /proc by which root in a container changes the \
              node's kernel. With procMount: Unmasked they are open.",
        fix: "Remove procMount, or set it to Default. Containers that make containers give the pod a user namespace of its \
              own (hostUsers: false), which is allowed from Kubernetes 1.35 on.",
        patch: Patch::Container("securityContext:\n  procMount: Default\n"),
        severity: Severity::High,
        categories: ABOUT,
        controls: &[(Framework::PssBaseline, "/proc Mount Type"), NSA, ESCAPE, ISO_CONFIGURATION, PCI_PARAMETERS],
        since: ALWAYS,
        references: &[
            BASELINE,
            "https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/#integration-with-pod-security-admission-checks",
        ],
        check: Check::Container(confinement::proc_mount),
    },
    Rule {
        id: "pss-seccomp-baseline",
        title: "Seccomp is turned off",
        why: "A process without a seccomp filter reaches every system call of the node's kernel, and so every fault in \
              them.",
        fix: "Set seccompProfile.type to RuntimeDefault, or to Localhost with a profile of your own.",
        patch: Patch::Container("securityContext:\n  seccompProfile:\n    type: RuntimeDefault\n"),
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[
            (Framework::PssBaseline, "Seccomp"),
            (Framework::Cis, "5.6.2"),
            NSA,
            ESCALATION,
            ISO_CONFIGURATION,
            PCI_PARAMETERS,
        ],
        since: ALWAYS,
        references: &[BASELINE, "https://kubernetes.io/docs/tutorials/security/seccomp/"],
        check: Check::Pod(confinement::seccomp_baseline),
    },
    Rule {
        id: "pss-sysctls",
        title: "Pod sets sysctls that are not safe",
        why: "Sysctls outside of the safe set are not known to be kept apart between pods: they may change how other pods \
              on the node work, take its memory, or turn off protections of its kernel.",
        fix: "Remove the sysctl, or set it on the nodes of this workload.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[(Framework::PssBaseline, "Sysctls"), NSA, ISO_CONFIGURATION, PCI_PARAMETERS],
        since: ALWAYS,
        references: &[BASELINE, "https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/"],
        check: Check::Pod(confinement::sysctls),
    },
    Rule {
        id: "pss-volume-types",
        title: "Volume of a type outside of the restricted set",
        why: "Volumes that name their storage in the pod let whoever writes pods mount any share or disk that the nodes \
              reach, and run old drivers with the node's rights; through claims an administrator decides.",
        fix: "Use configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected or secret.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: ABOUT,
        controls: &[(Framework::PssRestricted, "Volume Types"), NSA, ISO_CONFIGURATION],
        since: ALWAYS,
        references: &[RESTRICTED, "https://kubernetes.io/docs/concepts/storage/volumes/"],
        check: Check::Pod(confinement::volume_types),
    },
    Rule {
        id: "pss-privilege-escalation",
        title: "Container may gain privileges while it runs",
        why: "A program that is owned by root and has its set-user-ID bit, as sudo or one that was left in the image, \
              makes whoever runs it in the container root there.",
        fix: "Set securityContext.allowPrivilegeEscalation to false.",
        patch: Patch::Container("securityContext:\n  allowPrivilegeEscalation: false\n"),
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[
            (Framework::PssRestricted, "Privilege Escalation"),
            (Framework::Cis, "5.2.6"),
            (Framework::Cis, "5.6.3"),
            NSA,
            ESCALATION,
            ISO_CONFIGURATION,
            PCI_PARAMETERS,
        ],
        since: KubernetesVersion::new(1, 8),
        references: &[RESTRICTED, "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"],
        check: Check::Container(privileges::privilege_escalation),
    },
    Rule {
        id: "pss-run-as-non-root",
        title: "Container may run as root",
        why: "Without runAsNonRoot: true, the container runs as whatever user its image names, which is root for most. A \
              fault that leads out of the container then leads to root on the node.",
        fix: "Set runAsNonRoot: true for the pod or each container, and use an image whose user is a number other than 0, \
              or set runAsUser.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[
            (Framework::PssRestricted, "Running as Non-root"),
            (Framework::Cis, "5.2.7"),
            (Framework::Cis, "5.6.3"),
            NSA,
            ISO_PRIVILEGES,
            PCI_PARAMETERS,
        ],
        since: ALWAYS,
        references: &[RESTRICTED],
        check: Check::Pod(privileges::run_as_non_root),
    },
    Rule {
        id: "pss-run-as-user",
        title: "Container is set to run as root",
        why: "With runAsUser: 0 the container runs as root, whatever user its image names. A fault that leads out of the \
              container then leads to root on the node.",
        fix: "Set runAsUser to a number other than 0, or remove it.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[
            (Framework::PssRestricted, "Running as Non-root user"),
            (Framework::Cis, "5.2.7"),
            NSA,
            ISO_PRIVILEGES,
            PCI_PARAMETERS,
        ],
        since: KubernetesVersion::new(1, 23),
        references: &[RESTRICTED],
        check: Check::Pod(privileges::run_as_user),
    },
    Rule {
        id: "pss-seccomp-restricted",
        title: "No seccomp profile",
        why: "Unless its kubelet is set to give profiles by default, a container without one reaches every system call of \
              the node's kernel, and so every fault in them.",
        fix: "Set securityContext.seccompProfile.type to RuntimeDefault for the pod or each container.",
        patch: Patch::Container("securityContext:\n  seccompProfile:\n    type: RuntimeDefault\n"),
        severity: Severity::Low,
        categories: ABOUT,
        controls: &[
            (Framework::PssRestricted, "Seccomp"),
            (Framework::Cis, "5.6.2"),
            NSA,
            ESCALATION,
            ISO_CONFIGURATION,
            PCI_PARAMETERS,
        ],
        since: KubernetesVersion::new(1, 19),
        references: &[RESTRICTED, "https://kubernetes.io/docs/tutorials/security/seccomp/"],
        check: Check::Pod(confinement::seccomp_restricted),
    },
    Rule {
        id: "pss-capabilities-restricted",
        title: "Container keeps or adds capabilities",
        why: "Container runtimes give capabilities that few programs need: with them, root in a container changes owners \
              of files and users of processes, and with NET_RAW, where the runtime gives it, forges packets.",
        fix: "Set capabilities.drop to [ALL], and add nothing but NET_BIND_SERVICE.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: ABOUT,
        controls: &[
            (Framework::PssRestricted, "Capabilities"),
            (Framework::Cis, "5.2.8"),
            (Framework::Cis, "5.2.9"),
            NSA,
            ISO_PRIVILEGES,
            PCI_PARAMETERS,
        ],
        since: KubernetesVersion::new(1, 22),
        references: &[RESTRICTED, "https://man7.org/linux/man-pages/man7/capabilities.7.html"],
        check: Check::Container(privileges::capabilities_restricted),
    },
    Rule {
        id: "pss-proc-mount-restricted",
        title: "Container has /proc without its masks in the restricted profile",
        why: "From Kubernetes 1.35 on, the baseline lets pods with a user namespace of their own have /proc without what \
              masks it; the restricted profile does not, so such a pod is refused where it is enforced.",
        fix: "Remove procMount, or set it to Default.",
        patch: Patch::Container("securityContext:\n  procMount: Default\n"),
        severity: Severity::Low,
        categories: ABOUT,
        controls: &[(Framework::PssRestricted, "/proc Mount Type"), NSA, ISO_CONFIGURATION],
        since: KubernetesVersion::new(1, 35),
        references: &[
            RESTRICTED,
            "https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/#integration-with-pod-security-admission-checks",
        ],
        check: Check::Container(confinement::proc_mount_restricted),
    },
];
