//! The Pod Security Standards by version: each boundary of each check, and what holds at every version.

use std::{collections::BTreeSet, fs, path::PathBuf};

use kubewise_audit::{
    Completeness, Finding, Framework, Inventory, Kind, KubernetesVersion, Object, Options, Profile, Report, audit,
    rules, yaml,
};
use proptest::prelude::*;

/// One later than the newest, which already has a boundary.
const VERSIONS: std::ops::RangeInclusive<u16> = 0..=KubernetesVersion::NEWEST.minor + 1;

/// Whether a rule finds something in a pod, from which minor version on.
struct Walk {
    rule: &'static str,
    /// `metadata` and `spec` of the pod.
    pod: &'static str,
    /// From this version on, until the next.
    finds: &'static [(u16, bool)],
}

const fn walk(rule: &'static str, pod: &'static str, finds: &'static [(u16, bool)]) -> Walk {
    Walk { rule, pod, finds }
}

const ALWAYS: &[(u16, bool)] = &[(0, true)];
const NEVER: &[(u16, bool)] = &[(0, false)];

const WALKS: &[Walk] = &[
    walk(
        "pss-windows-host-process",
        "{spec: {securityContext: {windowsOptions: {hostProcess: true}}, containers: [{name: a}]}}",
        ALWAYS,
    ),
    walk("pss-host-namespaces", "{spec: {hostPID: true, containers: [{name: a}]}}", ALWAYS),
    walk("pss-privileged-containers", "{spec: {containers: [{name: a, securityContext: {privileged: true}}]}}", ALWAYS),
    // The baseline does not exempt pods for Windows.
    walk(
        "pss-capabilities-baseline",
        "{spec: {os: {name: windows}, containers: [{name: a, securityContext: {capabilities: {add: [NET_RAW]}}}]}}",
        ALWAYS,
    ),
    walk(
        "pss-host-path-volumes",
        "{spec: {volumes: [{name: v, hostPath: {path: /}}], containers: [{name: a}]}}",
        ALWAYS,
    ),
    walk("pss-host-ports", "{spec: {containers: [{name: a, ports: [{containerPort: 1, hostPort: 1}]}]}}", ALWAYS),
    walk(
        "pss-host-probes",
        "{spec: {containers: [{name: a, livenessProbe: {httpGet: {host: x, port: 1}}}]}}",
        &[(0, false), (34, true)],
    ),
    // Upstream judges the field, which came with 1.30, at every version.
    walk(
        "pss-apparmor",
        "{spec: {securityContext: {appArmorProfile: {type: Unconfined}}, containers: [{name: a}]}}",
        ALWAYS,
    ),
    walk(
        "pss-apparmor",
        "{metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/a: unconfined}}, \
         spec: {containers: [{name: a}]}}",
        ALWAYS,
    ),
    walk("pss-selinux", "{spec: {containers: [{name: a, securityContext: {seLinuxOptions: {type: spc_t}}}]}}", ALWAYS),
    walk(
        "pss-selinux",
        "{spec: {containers: [{name: a, securityContext: {seLinuxOptions: {type: container_engine_t}}}]}}",
        &[(0, true), (31, false)],
    ),
    walk("pss-proc-mount", "{spec: {containers: [{name: a, securityContext: {procMount: Unmasked}}]}}", ALWAYS),
    walk(
        "pss-proc-mount",
        "{spec: {hostUsers: false, containers: [{name: a, securityContext: {procMount: Unmasked}}]}}",
        &[(0, true), (35, false)],
    ),
    walk(
        "pss-proc-mount-restricted",
        "{spec: {hostUsers: false, containers: [{name: a, securityContext: {procMount: Unmasked}}]}}",
        &[(0, false), (35, true)],
    ),
    walk(
        "pss-seccomp-baseline",
        "{metadata: {annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined}}, \
         spec: {containers: [{name: a}]}}",
        &[(0, true), (19, false)],
    ),
    walk(
        "pss-seccomp-baseline",
        "{metadata: {annotations: {container.seccomp.security.alpha.kubernetes.io/a: unconfined}}, \
         spec: {containers: [{name: a}]}}",
        &[(0, true), (19, false)],
    ),
    walk(
        "pss-seccomp-baseline",
        "{spec: {os: {name: windows}, containers: [{name: a, securityContext: {seccompProfile: {type: Unconfined}}}]}}",
        &[(0, false), (19, true)],
    ),
    walk(
        "pss-sysctls",
        "{spec: {securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start}]}, containers: [{name: a}]}}",
        NEVER,
    ),
    walk(
        "pss-sysctls",
        "{spec: {securityContext: {sysctls: [{name: net.ipv4.ip_local_reserved_ports}]}, containers: [{name: a}]}}",
        &[(0, true), (27, false)],
    ),
    walk(
        "pss-sysctls",
        "{spec: {securityContext: {sysctls: [{name: net.ipv4.tcp_keepalive_time}, {name: net.ipv4.tcp_fin_timeout}, \
         {name: net.ipv4.tcp_keepalive_intvl}, {name: net.ipv4.tcp_keepalive_probes}]}, containers: [{name: a}]}}",
        &[(0, true), (29, false)],
    ),
    walk(
        "pss-sysctls",
        "{spec: {securityContext: {sysctls: [{name: net.ipv4.tcp_rmem}, {name: net.ipv4.tcp_wmem}]}, \
         containers: [{name: a}]}}",
        &[(0, true), (32, false)],
    ),
    walk(
        "pss-sysctls",
        "{spec: {securityContext: {sysctls: [{name: net.ipv4.tcp_slow_start_after_idle}, \
         {name: net.ipv4.tcp_notsent_lowat}]}, containers: [{name: a}]}}",
        &[(0, true), (37, false)],
    ),
    walk("pss-volume-types", "{spec: {volumes: [{name: v, nfs: {server: a}}], containers: [{name: a}]}}", ALWAYS),
    walk("pss-volume-types", "{spec: {volumes: [{name: v, image: {reference: a}}], containers: [{name: a}]}}", NEVER),
    walk("pss-privilege-escalation", "{spec: {containers: [{name: a}]}}", &[(0, false), (8, true)]),
    walk(
        "pss-privilege-escalation",
        "{spec: {os: {name: windows}, containers: [{name: a}]}}",
        &[(0, false), (8, true), (25, false)],
    ),
    walk("pss-run-as-non-root", "{spec: {os: {name: windows}, containers: [{name: a}]}}", ALWAYS),
    walk("pss-run-as-non-root", "{spec: {hostUsers: false, containers: [{name: a}]}}", &[(0, true), (35, false)]),
    walk(
        "pss-run-as-user",
        "{spec: {containers: [{name: a, securityContext: {runAsUser: 0}}]}}",
        &[(0, false), (23, true)],
    ),
    walk(
        "pss-run-as-user",
        "{spec: {hostUsers: false, securityContext: {runAsUser: 0}, containers: [{name: a}]}}",
        &[(0, false), (23, true), (35, false)],
    ),
    walk("pss-seccomp-restricted", "{spec: {containers: [{name: a}]}}", &[(0, false), (19, true)]),
    walk(
        "pss-seccomp-restricted",
        "{spec: {os: {name: windows}, containers: [{name: a}]}}",
        &[(0, false), (19, true), (25, false)],
    ),
    walk("pss-capabilities-restricted", "{spec: {containers: [{name: a}]}}", &[(0, false), (22, true)]),
    walk(
        "pss-capabilities-restricted",
        "{spec: {os: {name: windows}, containers: [{name: a}]}}",
        &[(0, false), (22, true), (25, false)],
    ),
];

fn inventory(text: &str) -> Inventory {
    let documents = yaml::documents(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Inventory::new(documents.into_iter().filter_map(|node| Object::new(node, None)), Completeness::Manifests)
}

/// An object of this kind that is, or makes, the pod of `{metadata, spec}`.
fn object(kind: Kind, pod: &str) -> Inventory {
    let text = match kind {
        Kind::Pod => format!("{{apiVersion: v1, kind: Pod, {}", &pod[1..]),
        Kind::PodTemplate => format!("{{apiVersion: v1, kind: PodTemplate, template: {pod}}}"),
        Kind::ReplicationController => {
            format!("{{apiVersion: v1, kind: ReplicationController, spec: {{template: {pod}}}}}")
        }
        Kind::Job => format!("{{apiVersion: batch/v1, kind: Job, spec: {{template: {pod}}}}}"),
        Kind::CronJob => {
            format!("{{apiVersion: batch/v1, kind: CronJob, spec: {{jobTemplate: {{spec: {{template: {pod}}}}}}}}}")
        }
        kind => format!("{{apiVersion: apps/v1, kind: {}, spec: {{template: {pod}}}}}", kind.as_str()),
    };
    inventory(&text)
}

fn judged(inventory: &Inventory, minor: u16, framework: Framework) -> Report {
    let version = KubernetesVersion::new(1, minor);
    let options = Options { version, profile: Profile::Framework(framework), ..Options::default() };
    audit(inventory, &options)
}

/// What a finding says, whatever kind of object the pod is in.
fn said(finding: &Finding, inventory: &Inventory) -> String {
    let pod = inventory.object(finding.object).pod().expect("a pod");
    let metadata = pod.metadata_path();
    let place = match (finding.path.strip_prefix(pod.path), finding.path.strip_prefix(metadata.as_str())) {
        (Some(place), _) => format!("spec{place}"),
        (_, Some(place)) => format!("metadata{place}"),
        _ => panic!("{} is not in the pod", finding.path),
    };
    format!("{} {place} {:?} {}", finding.rule.id, finding.container, finding.message)
}

#[test]
fn every_check_changes_at_its_boundaries_and_nowhere_else() {
    let mut faults = Vec::new();
    for Walk { rule, pod, finds } in WALKS {
        let inventory = object(Kind::Pod, pod);
        for minor in VERSIONS {
            let expected = finds.iter().rev().find(|(from, _)| *from <= minor).is_some_and(|(_, found)| *found);
            let report = judged(&inventory, minor, Framework::PssRestricted);
            let found = report.findings.iter().any(|finding| finding.rule.id == *rule);
            if found != expected {
                faults.push(format!("{rule} at 1.{minor}: {pod}: found {found}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_sets_are_whole_and_each_rule_is_walked_and_documented() {
    let of = |framework: Framework| {
        let is_of = move |rule: &&kubewise_audit::Rule| rule.controls.iter().any(|(f, _)| *f == framework);
        rules::all().filter(is_of).map(|rule| rule.id).collect::<BTreeSet<_>>()
    };
    let (baseline, restricted) = (of(Framework::PssBaseline), of(Framework::PssRestricted));
    assert_eq!((baseline.len(), restricted.len()), (12, 7));
    assert!(baseline.is_disjoint(&restricted));
    let all: BTreeSet<_> = baseline.union(&restricted).copied().collect();
    let walked: BTreeSet<_> = WALKS.iter().map(|walk| walk.rule).collect();
    assert_eq!(all, walked);
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit/pod-security-standards.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let missing: Vec<_> = all.iter().filter(|id| !page.contains(&format!("`{id}`"))).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

#[test]
fn a_secure_pod_passes_the_restricted_profile_at_every_version() {
    const OWN: &str = "{spec: {initContainers: [{name: i, securityContext: SECURE}], containers: [{name: a, \
                       securityContext: SECURE, ports: [{containerPort: 8080}], livenessProbe: {httpGet: {port: 8080}}}], \
                       ephemeralContainers: [{name: e, securityContext: SECURE}], volumes: [{name: v, emptyDir: {}}]}}";
    const SECURE: &str = "{runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, \
                          seccompProfile: {type: RuntimeDefault}}";
    const BY_POD: &str = "{spec: {securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: \
                          [{name: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: \
                          [NET_BIND_SERVICE]}}}]}}";
    // Without containers there is nothing that asks for anything.
    for pod in [&OWN.replace("SECURE", SECURE), BY_POD, "{spec: {containers: []}}"] {
        for kind in Kind::WITH_PODS {
            let inventory = object(*kind, pod);
            for minor in VERSIONS {
                let report = judged(&inventory, minor, Framework::PssRestricted);
                assert!(report.findings.is_empty(), "{kind:?} at 1.{minor}: {:?}", report.findings);
                assert!(report.not_assessable.is_empty(), "{kind:?} at 1.{minor}");
                let version = KubernetesVersion::new(1, minor);
                let expected = rules::all()
                    .filter(|rule| Profile::Framework(Framework::PssRestricted).has(rule) && rule.since <= version)
                    .count();
                assert_eq!(report.tallies.len(), expected, "{kind:?} at 1.{minor}");
            }
        }
    }
}

#[test]
fn what_is_put_before_something_leaves_its_findings_the_same() {
    let findings = |volumes: &str, sysctls: &str, ports: &str| {
        let pod = format!(
            "{{spec: {{volumes: [{volumes}{{name: v, hostPath: {{path: /v}}}}, {{name: s, nfs: {{}}}}], securityContext: {{sysctls: \
             [{sysctls}{{name: kernel.msgmax}}]}}, containers: [{{name: a, ports: [{ports}{{hostPort: 8}}]}}]}}}}"
        );
        let report = judged(&object(Kind::Pod, &pod), 36, Framework::PssRestricted);
        let listed = ["pss-host-path-volumes", "pss-volume-types", "pss-sysctls", "pss-host-ports"];
        let of_lists = report.findings.into_iter().filter(|finding| listed.contains(&finding.rule.id));
        of_lists.map(|finding| (finding.fingerprint, finding.message)).collect::<BTreeSet<_>>()
    };
    let before = findings("", "", "");
    assert_eq!(before.len(), 4);
    for word in ["\"v\" is \"/v\"", "\"s\" is of", "\"kernel.msgmax\"", "port 8 "] {
        assert!(before.iter().any(|(_, message)| message.contains(word)), "{word}: {before:?}");
    }
    let after =
        findings("{name: w, hostPath: {path: /w}}, {name: t, nfs: {}}, ", "{name: kernel.sem}, ", "{hostPort: 9}, ");
    assert_eq!((after.len(), after.intersection(&before).count()), (8, 4));
}

/// One of these, or nothing.
fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), prop::sample::select(choices).prop_map(|choice| format!("{choice}, "))]
}

/// Fields of a `securityContext` that pods and containers share.
fn shared() -> impl Strategy<Value = String> {
    let fields = (
        one_of(&["runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot: yes please"]),
        one_of(&["runAsUser: 0", "runAsUser: 1000", "runAsUser: \"0\""]),
        one_of(&["seccompProfile: {type: Unconfined}", "seccompProfile: {type: Localhost}", "seccompProfile: {}"]),
        one_of(&["appArmorProfile: {type: Unconfined}", "appArmorProfile: {type: RuntimeDefault}"]),
        one_of(&["seLinuxOptions: {type: container_engine_t}", "seLinuxOptions: {user: u, role: r, type: spc_t}"]),
        one_of(&["windowsOptions: {hostProcess: true}", "windowsOptions: {hostProcess: false}", "windowsOptions: []"]),
    );
    fields.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].concat())
}

fn container(name: &'static str) -> impl Strategy<Value = String> {
    let fields = (
        shared(),
        one_of(&["privileged: true", "privileged: false"]),
        one_of(&["allowPrivilegeEscalation: true", "allowPrivilegeEscalation: false"]),
        one_of(&[
            "capabilities: {drop: [ALL]}",
            "capabilities: {drop: [ALL], add: [NET_BIND_SERVICE, CHOWN]}",
            "capabilities: {add: [SYS_ADMIN, 7, NET_RAW]}",
            "capabilities: x",
        ]),
        one_of(&["procMount: Unmasked", "procMount: Default", "procMount: \"\""]),
        one_of(&["ports: [{containerPort: 1, hostPort: 1}, {hostPort: 0}]", "ports: {}"]),
        one_of(&[
            "livenessProbe: {httpGet: {host: x}}",
            "lifecycle: {preStop: {tcpSocket: {host: x}}, postStart: {httpGet: {host: \"\"}}}",
        ]),
    );
    fields.prop_map(move |(shared, privileged, escalation, capabilities, mount, ports, probes)| {
        format!(
            "{{{ports}{probes}name: {name}, \
             securityContext: {{{shared}{privileged}{escalation}{capabilities}{mount}x: y}}}}"
        )
    })
}

fn pods() -> impl Strategy<Value = String> {
    let fields = (
        one_of(&["hostNetwork: true", "hostPID: true, hostIPC: true", "hostPID: false"]),
        one_of(&["hostUsers: false", "hostUsers: true"]),
        one_of(&["os: {name: windows}", "os: {name: linux}"]),
        one_of(&[
            "volumes: [{name: a, hostPath: {path: /}}, {name: b, nfs: {}}]",
            "volumes: [{name: a}, null, {name: b, emptyDir: null}, {name: c, image: {}}]",
        ]),
        one_of(&[
            "seccomp.security.alpha.kubernetes.io/pod: unconfined",
            "container.seccomp.security.alpha.kubernetes.io/a: unconfined, \
             container.apparmor.security.beta.kubernetes.io/z: unconfined",
        ]),
        (
            shared(),
            one_of(&[
                "sysctls: [{name: kernel.msgmax}, {name: net.ipv4.tcp_rmem}]",
                "sysctls: [{name: net.ipv4.tcp_keepalive_time}, {}]",
            ]),
        ),
        (container("i"), container("a"), container("e")),
    );
    fields.prop_map(|(host, users, os, volumes, annotations, (shared, sysctls), (init, main, ephemeral))| {
        format!(
            "{{metadata: {{annotations: {{{annotations}x: \"\"}}}}, spec: {{{host}{users}{os}{volumes}\
             securityContext: {{{shared}{sysctls}x: y}}, initContainers: [{init}], containers: [{main}], \
             ephemeralContainers: [{ephemeral}]}}}}"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_restricted_profile_finds_what_the_baseline_finds(pod in pods()) {
        let inventory = object(Kind::Pod, &pod);
        for minor in VERSIONS {
            let baseline = judged(&inventory, minor, Framework::PssBaseline);
            let restricted = judged(&inventory, minor, Framework::PssRestricted);
            let found: BTreeSet<_> = restricted.findings.iter().map(|finding| finding.fingerprint).collect();
            for finding in &baseline.findings {
                prop_assert!(found.contains(&finding.fingerprint), "1.{minor}: {}", finding.message);
            }
        }
    }

    #[test]
    fn a_pod_is_judged_alike_whatever_makes_it(pod in pods(), minor in VERSIONS) {
        let all = |kind: Kind| {
            let inventory = object(kind, &pod);
            let report = judged(&inventory, minor, Framework::PssRestricted);
            let mut all: Vec<_> = report.findings.iter().map(|finding| said(finding, &inventory)).collect();
            all.sort();
            all
        };
        let expected = all(Kind::Pod);
        for kind in Kind::WITH_PODS {
            prop_assert_eq!(&all(*kind), &expected, "{:?}", kind);
        }
    }
}
