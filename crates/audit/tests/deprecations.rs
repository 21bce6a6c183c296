//! Every API of the table is judged as it says, at each version where that changes.

use kubewise_audit::{
    Completeness, Inventory, KubernetesVersion, Object, Options, Report, audit_by,
    rules::{self, deprecation},
    yaml,
};

fn report(version: &str, kind: &str, target: KubernetesVersion) -> Report {
    let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n");
    let object = Object::new(yaml::documents(&text).expect("is YAML").remove(0), None).expect("is an object");
    let inventory = Inventory::new([object], Completeness::Manifests);
    let options = Options { version: target, ..Options::default() };
    let judges = ["api-removed", "api-deprecated", "api-not-yet-served"].map(|id| rules::find(id).expect("is a rule"));
    audit_by(&inventory, &options, judges)
}

/// The rules that say something of an object with this API version, kind and target version.
fn said(version: &str, kind: &str, target: KubernetesVersion) -> Vec<&'static str> {
    report(version, kind, target).findings.iter().map(|finding| finding.rule.id).collect()
}

fn before(version: KubernetesVersion) -> KubernetesVersion {
    KubernetesVersion::new(1, version.minor - 1)
}

#[test]
fn each_entry_is_judged_at_each_version_where_it_changes() {
    for api in deprecation::apis::APIS {
        let says = |target| said(api.version, api.kind, target);
        let name = format!("{} {}", api.version, api.kind);
        if api.introduced.minor > 0 {
            assert_eq!(says(before(api.introduced)), ["api-not-yet-served"], "{name}");
        }
        if api.deprecated != Some(api.introduced) {
            assert_eq!(says(api.introduced), [""; 0], "{name}");
        }
        if let Some(deprecated) = api.deprecated {
            assert_eq!(says(before(deprecated)), [""; 0], "{name}");
            if api.removed != Some(deprecated) {
                assert_eq!(says(deprecated), ["api-deprecated"], "{name}");
            }
        }
        if let Some(removed) = api.removed {
            if api.deprecated != Some(removed) {
                assert_eq!(says(before(removed)), ["api-deprecated"], "{name}");
            }
            assert_eq!(says(removed), ["api-removed"], "{name}");
            assert_eq!(says(KubernetesVersion::new(1, removed.minor + 5)), ["api-removed"], "{name}");
        }
    }
}

#[test]
fn the_table_can_be_searched_and_says_what_to_do() {
    let apis = deprecation::apis::APIS;
    assert!(apis.is_sorted_by(|a, b| (a.version, a.kind) < (b.version, b.kind)));
    assert!(apis.iter().filter(|api| api.deprecated.is_some()).count() >= 100);
    for api in apis {
        let name = format!("{} {}", api.version, api.kind);
        assert!(api.deprecated.is_none_or(|deprecated| deprecated > api.introduced), "{name}");
        assert!(api.removed.is_none_or(|removed| api.deprecated.is_some_and(|d| d <= removed)), "{name}");
        assert!(api.deprecated.is_none() || !(api.replacement.is_empty() && api.change.is_empty()), "{name}");
        let kinds = apis.iter().filter(|other| other.version == api.replacement).count();
        assert!(api.replacement.is_empty() || kinds > 0, "{name}: {} is not known", api.replacement);
    }
}

/// Version, kind, and the minor versions that introduce, deprecate and remove it, from the deprecation guide.
const KNOWN: &[(&str, &str, u16, u16, u16)] = &[
    ("extensions/v1beta1", "Deployment", 1, 8, 16),
    ("extensions/v1beta1", "Ingress", 1, 14, 22),
    ("apps/v1beta2", "DaemonSet", 8, 9, 16),
    ("batch/v1beta1", "CronJob", 8, 21, 25),
    ("policy/v1beta1", "PodSecurityPolicy", 10, 21, 25),
    ("policy/v1beta1", "PodDisruptionBudget", 5, 21, 25),
    ("networking.k8s.io/v1beta1", "Ingress", 14, 19, 22),
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding", 6, 17, 22),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", 7, 16, 22),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", 8, 22, 25),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", 12, 23, 26),
    ("discovery.k8s.io/v1beta1", "EndpointSlice", 17, 21, 25),
    ("node.k8s.io/v1beta1", "RuntimeClass", 14, 22, 25),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", 21, 24, 27),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 26, 29, 32),
    ("networking.k8s.io/v1beta1", "ServiceCIDR", 31, 34, 37),
];

#[test]
fn what_the_guide_says() {
    for (version, kind, introduced, deprecated, removed) in KNOWN {
        let api = deprecation::apis::find(version, kind).expect(kind);
        let minor = |version: Option<KubernetesVersion>| version.map(|version| version.minor);
        let written = (api.introduced.minor, minor(api.deprecated), minor(api.removed));
        assert_eq!(written, (*introduced, Some(*deprecated), Some(*removed)), "{version} {kind}");
    }
    let stable = [
        ("apps/v1", "Deployment", 9),
        ("policy/v1", "PodDisruptionBudget", 21),
        ("autoscaling/v2", "HorizontalPodAutoscaler", 23),
    ];
    for (version, kind, introduced) in stable {
        let api = deprecation::apis::find(version, kind).expect(kind);
        assert_eq!((api.introduced.minor, api.deprecated, api.removed), (introduced, None, None));
    }
    assert!(deprecation::apis::find("v1", "Pod").is_none());
}

#[test]
fn messages_say_what_to_use_and_from_when() {
    for (version, kind, minor, message) in [
        (
            "extensions/v1beta1",
            "Ingress",
            18,
            "Ingress of extensions/v1beta1 is deprecated since Kubernetes 1.14 and removed in 1.22; use \
             networking.k8s.io/v1 from Kubernetes 1.19 on, where every path has a pathType and a backend names \
             service.name and service.port.",
        ),
        (
            "batch/v1beta1",
            "CronJob",
            25,
            "CronJob of batch/v1beta1 is no longer served as of Kubernetes 1.25; use batch/v1.",
        ),
        (
            "networking.k8s.io/v1beta1",
            "IngressClass",
            19,
            "IngressClass of networking.k8s.io/v1beta1 is deprecated since Kubernetes 1.19 and removed in 1.22; use \
             networking.k8s.io/v1.",
        ),
        (
            "policy/v1beta1",
            "PodSecurityPolicy",
            36,
            "PodSecurityPolicy of policy/v1beta1 is no longer served as of Kubernetes 1.25; set Pod Security Admission \
             labels on namespaces, or use a policy engine.",
        ),
        (
            "v1",
            "Endpoints",
            36,
            "Endpoints of v1 is deprecated since Kubernetes 1.33; use discovery.k8s.io/v1, which has EndpointSlice instead.",
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            22,
            "HorizontalPodAutoscaler of autoscaling/v2 is served from Kubernetes 1.23 on; the target is 1.22.",
        ),
    ] {
        let report = report(version, kind, KubernetesVersion::new(1, minor));
        assert_eq!(report.findings[0].message, message);
    }
}

#[test]
fn add_ons_are_known_once() {
    let addons = deprecation::addons::ADDONS;
    for (index, api) in addons.iter().enumerate() {
        let is_again = |other: &deprecation::addons::AddonApi| {
            let shares = other.kinds.is_empty() || api.kinds.is_empty();
            other.version == api.version && (shares || other.kinds.iter().any(|kind| api.kinds.contains(kind)))
        };
        assert!(!addons[index + 1..].iter().any(is_again), "{}", api.version);
        let kind = api.kinds.first().copied().unwrap_or("Any");
        let found = deprecation::addons::find(api.version, kind).expect(api.version);
        assert_eq!((found.addon, found.removed), (api.addon, api.removed));
        assert!(!api.deprecated.is_empty() && !api.removed.is_empty() && !api.replacement.is_empty());
    }
}
