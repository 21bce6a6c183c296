//! The Pod Security Standards, as `k8s.io/pod-security-admission` judges them, by version.

use crate::{
    object::Pod,
    out::Out,
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

/// The rules, baseline first.
pub static RULES: &[Rule] = &[Rule {
    id: "pss-host-namespaces",
    title: "Pod shares the host's namespaces",
    why: "A pod in the node's network, process or IPC namespace reaches what other pods and the node itself keep to \
          themselves: it sees and signals every process, and listens on the node's addresses.",
    fix: "Remove hostNetwork, hostPID and hostIPC, or set them to false.",
    patch: Patch::Pod("hostNetwork: false\nhostPID: false\nhostIPC: false\n"),
    severity: Severity::Critical,
    categories: &[Category::PodSecurity, Category::Security],
    controls: &[
        (Framework::PssBaseline, "Host Namespaces"),
        (Framework::Cis, "5.2.3"),
        (Framework::Cis, "5.2.4"),
        (Framework::Cis, "5.2.5"),
        (Framework::Nsa, "Kubernetes Pod security"),
        (Framework::Mitre, "T1611"),
    ],
    since: KubernetesVersion::new(1, 0),
    references: &["https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline"],
    check: Check::Pod(host_namespaces),
}];

fn host_namespaces(pod: Pod<'_>, out: &mut Out<'_>) {
    for (field, what) in
        [("hostNetwork", "network"), ("hostPID", "process"), ("hostIPC", "inter-process communication")]
    {
        if pod.spec.get(field).is_true() {
            out.fail(pod.spot(field), format!("The pod shares the node's {what} namespace ({field}: true)."));
        }
    }
}
