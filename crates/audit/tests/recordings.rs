//! Audits of recorded clusters. They are not part of the project: without them (`KUBEWISE_CLUSTERS_DIR`, or
//! `../shared/clusters` beside the repository) nothing is audited here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use kubewise_audit::{
    Completeness, Finding, Fingerprint, Inventory, Kind, Node, Object, Options, Report, Severity, audit, flatten,
};
use serde_json::Value;

const DAYS: [&str; 2] = ["acme-prod-day1", "acme-prod-day2"];

/// Group-version and plural of what the agent reads; a test of the agent holds its list.
const KINDS: &[&str] = &[
    "api/v1/limitranges",
    "api/v1/namespaces",
    "api/v1/nodes",
    "api/v1/persistentvolumeclaims",
    "api/v1/persistentvolumes",
    "api/v1/pods",
    "api/v1/replicationcontrollers",
    "api/v1/resourcequotas",
    "api/v1/serviceaccounts",
    "api/v1/services",
    "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "apis/apiregistration.k8s.io/v1/apiservices",
    "apis/apps/v1/daemonsets",
    "apis/apps/v1/deployments",
    "apis/apps/v1/replicasets",
    "apis/apps/v1/statefulsets",
    "apis/argoproj.io/v1alpha1/applications",
    "apis/autoscaling/v2/horizontalpodautoscalers",
    "apis/batch/v1/cronjobs",
    "apis/batch/v1/jobs",
    "apis/gateway.networking.k8s.io/v1/gatewayclasses",
    "apis/gateway.networking.k8s.io/v1/gateways",
    "apis/gateway.networking.k8s.io/v1/httproutes",
    "apis/networking.k8s.io/v1/ingressclasses",
    "apis/networking.k8s.io/v1/ingresses",
    "apis/networking.k8s.io/v1/networkpolicies",
    "apis/policy/v1/poddisruptionbudgets",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "apis/rbac.authorization.k8s.io/v1/rolebindings",
    "apis/rbac.authorization.k8s.io/v1/roles",
    "apis/scheduling.k8s.io/v1/priorityclasses",
    "apis/storage.k8s.io/v1/csidrivers",
    "apis/storage.k8s.io/v1/storageclasses",
];

/// How the annotations begin that the agent sends; others stay in the cluster.
const ANNOTATIONS: &[&str] = &[
    "app.kubernetes.io/",
    "argocd.argoproj.io/",
    "cert-manager.io/",
    "container.apparmor.security.beta.kubernetes.io",
    "deployment.kubernetes.io/revision",
    "helm.sh/",
    "ingressclass.kubernetes.io/",
    "kubernetes.io/",
    "meta.helm.sh/",
    "networking.gke.io/load-balancer-type",
    "nginx.ingress.kubernetes.io/",
    "pod-security.kubernetes.io/",
    "rbac.authorization.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
    "service.beta.kubernetes.io/",
    "storageclass.kubernetes.io/",
    "volume.kubernetes.io/",
];

/// Where the recordings are, if they are.
pub fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/clusters");
    let folder = std::env::var_os("KUBEWISE_CLUSTERS_DIR").map_or_else(beside, PathBuf::from);
    if DAYS.iter().all(|day| folder.join(day).is_dir()) {
        return Some(folder);
    }
    println!("no recorded clusters in {}: nothing is audited", folder.display());
    None
}

/// What the agent takes out and rules could see: values of variables, certificates of webhooks, and annotations.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            fields.remove("caBundle");
            for (name, value) in fields {
                match (name.as_str(), &mut *value) {
                    ("annotations", Value::Object(annotations)) => {
                        annotations.retain(|key, _| ANNOTATIONS.iter().any(|listed| key.starts_with(listed)));
                    }
                    ("env", Value::Array(variables)) => {
                        for variable in variables.iter_mut().filter_map(Value::as_object_mut) {
                            variable.remove("value");
                        }
                    }
                    _ => strip(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// A cluster as it was recorded: its objects as the agent would send them.
pub struct Recording {
    objects: Vec<Value>,
    completeness: Completeness,
    options: Options,
}

impl Recording {
    pub fn read(folder: &Path) -> Self {
        let mut objects = Vec::new();
        let mut whole = BTreeSet::new();
        for path in KINDS {
            let Ok(text) = fs::read_to_string(folder.join(path).with_extension("json")) else { continue };
            let mut list: Value = serde_json::from_str(&text).expect("a list of objects");
            let kind = list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).expect("a list").to_owned();
            let api_version = list["apiVersion"].as_str().expect("a version").to_owned();
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            whole.insert(Kind::find(group, &kind));
            for mut object in list["items"].as_array_mut().map(std::mem::take).unwrap_or_default() {
                object["kind"] = kind.clone().into();
                object["apiVersion"] = api_version.clone().into();
                strip(&mut object);
                objects.push(object);
            }
        }
        whole.remove(&Kind::Other);
        let text = fs::read_to_string(folder.join("version.json")).expect("the version");
        let said: Value = serde_json::from_str(&text).expect("JSON");
        let version = format!("{}.{}", said["major"].as_str().unwrap(), said["minor"].as_str().unwrap());
        let version = version.parse().expect("a version");
        let completeness = Completeness::Cluster { whole, without_values: true, version: Some(version) };
        Self { objects, completeness, options: Options { version, ..Options::default() } }
    }

    pub fn inventory(&self) -> Inventory {
        let nodes = self.objects.iter().map(|value| serde_json::from_value::<Node>(value.clone()).expect("a tree"));
        let objects = nodes.flat_map(flatten).filter_map(|node| Object::new(node, None));
        Inventory::new(objects, self.completeness.clone())
    }

    pub fn audit(&self, inventory: &Inventory) -> Report {
        audit(inventory, &self.options)
    }
}
