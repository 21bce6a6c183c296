//! The place in which workloads run: nodes, accounts, and the names of everything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    directives::Directives,
    managed_fields,
    names::{self, pick},
};
use crate::{
    clock::{MINUTE, rfc3339},
    object::{self, default, list},
    resource_type::split_api_version,
};

/// A node that pods run on.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Address of the node.
    pub(crate) ip: String,
    /// The first three numbers of its pods' addresses.
    pub(crate) pod_network: String,
    /// Labels, for node selectors.
    pub(crate) labels: BTreeMap<String, String>,
    /// Keys of its taints.
    pub(crate) taints: Vec<String>,
}

/// The labels that a kubelet gives its node: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
const WELL_KNOWN_LABELS: &[(&str, &str)] = &[
    ("kubernetes.io/arch", "amd64"),
    ("kubernetes.io/os", "linux"),
    ("beta.kubernetes.io/arch", "amd64"),
    ("beta.kubernetes.io/os", "linux"),
];

/// Where workloads run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    /// What makes this cluster's UIDs differ from another's.
    pub(crate) seed: String,
    pub(crate) nodes: Vec<Node>,
    /// `namespace/name` of service accounts that do not mount their token.
    pub(crate) quiet_accounts: BTreeSet<String>,
    /// Values of priority classes.
    pub(crate) priorities: BTreeMap<String, i64>,
    /// How deep `managedFields` go; everything if none.
    pub(crate) fields_depth: Option<usize>,
    /// When each namespace was created: nothing in it is older.
    namespaces: BTreeMap<String, i64>,
}

impl Scene {
    /// A scene made of the nodes, accounts and priority classes among some manifests.
    pub(crate) fn of(seed: &str, manifests: &[Value]) -> Self {
        let mut scene = Self { seed: seed.to_owned(), ..Self::default() };
        for object in manifests {
            match object::kind(object) {
                "Node" => {
                    let number = scene.nodes.len() + 1;
                    scene.nodes.push(node(object, number));
                }
                "ServiceAccount" if object["automountServiceAccountToken"] == false => {
                    scene.quiet_accounts.insert(format!("{}/{}", object::namespace(object), object::name(object)));
                }
                "PriorityClass" => {
                    let value = object["value"].as_i64().unwrap_or_default();
                    scene.priorities.insert(object::name(object).to_owned(), value);
                }
                "Namespace" => {
                    let mut namespace = object.clone();
                    let created = Directives::take(&mut namespace).created(&place(&namespace));
                    scene.namespaces.insert(object::name(object).to_owned(), created);
                }
                _ => {}
            }
        }
        scene
    }

    /// The UID of an object.
    pub(crate) fn uid(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
        let (group, _) = split_api_version(api_version);
        object::uid(&self.seed, group, kind, namespace, name)
    }

    /// Gives an object a UID, and its time of creation in seconds since 1970.
    pub(crate) fn identify(&self, value: &mut Value, created: i64) {
        let api_version = value["apiVersion"].as_str().unwrap_or_default();
        let uid = self.uid(api_version, object::kind(value), object::namespace(value), object::name(value));
        value["metadata"]["uid"] = uid.into();
        default(&mut value["metadata"], "creationTimestamp", rfc3339(created).into());
    }

    /// The nodes that a pod may run on.
    pub(crate) fn candidates(&self, pod_spec: &Value) -> Vec<&Node> {
        self.nodes.iter().filter(|node| node.takes(pod_spec)).collect()
    }

    /// The node that a pod runs on.
    pub(crate) fn schedule(&self, pod_spec: &Value, pod: &str) -> Option<&Node> {
        if let Some(chosen) = pod_spec["nodeName"].as_str() {
            return self.nodes.iter().find(|node| node.name == chosen);
        }
        let candidates = self.candidates(pod_spec);
        candidates.get(pick(pod, candidates.len())).copied()
    }

    /// Ends an object that came from a manifest: last-applied-configuration and managed fields as its tool leaves them.
    pub(crate) fn finish(&self, value: &mut Value, applied: Option<&str>, status_manager: Option<&str>) {
        let helm = value["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm";
        let argo = !value["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].is_null();
        let manager = match (helm, argo) {
            (_, true) => "argocd-controller",
            (true, _) => "helm",
            _ => "kubectl-client-side-apply",
        };
        if let (Some(applied), "kubectl-client-side-apply") = (applied, manager) {
            let annotations = object::map(&mut value["metadata"], "annotations");
            annotations.insert("kubectl.kubernetes.io/last-applied-configuration".to_owned(), applied.into());
        }
        let time = value["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
        managed_fields::set(value, manager, status_manager, &time, self.fields_depth);
    }

    /// Ends an object that a controller made.
    pub(crate) fn finish_made(&self, value: &mut Value, manager: &str, status_manager: Option<&str>) {
        let time = value["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
        managed_fields::set(value, manager, status_manager, &time, self.fields_depth);
    }

    /// Begins with an object from a manifest: its directives, when it was created, and the text that `kubectl apply`
    /// would keep of it.
    pub(crate) fn begin(&self, value: &mut Value) -> (Directives, i64, String) {
        let directives = Directives::take(value);
        let applied = format!("{value}\n");
        let namespace_created = self.namespaces.get(object::namespace(value)).map_or(i64::MIN, |at| at + 5 * MINUTE);
        let created = directives.created(&place(value)).max(namespace_created);
        self.identify(value, created);
        (directives, created, applied)
    }
}

impl Node {
    fn takes(&self, pod_spec: &Value) -> bool {
        let selected = pod_spec["nodeSelector"]
            .as_object()
            .into_iter()
            .flatten()
            .all(|(key, value)| self.labels.get(key).map(String::as_str) == value.as_str());
        let tolerated = |taint: &String| {
            list(&pod_spec["tolerations"])
                .any(|t| t["key"].is_null() && t["operator"] == "Exists" || t["key"].as_str() == Some(taint))
        };
        selected && self.taints.iter().all(tolerated)
    }

    /// The address of a pod on this node.
    pub(crate) fn pod_ip(&self, pod: &str) -> String {
        format!("{}.{}", self.pod_network, names::pick(pod, 250) + 3)
    }
}

/// What an object's age is derived from.
fn place(object: &Value) -> String {
    format!("{}/{}", object::namespace(object), object::name(object))
}

fn node(object: &Value, number: usize) -> Node {
    let name = object::name(object).to_owned();
    let mut labels: BTreeMap<String, String> =
        WELL_KNOWN_LABELS.iter().map(|&(label, text)| (label.to_owned(), text.to_owned())).collect();
    labels.insert("kubernetes.io/hostname".to_owned(), name.clone());
    let written = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels.extend(written.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))));
    Node {
        name,
        ip: format!("10.0.{}.{}", number / 200, number % 200 + 10),
        pod_network: format!("10.{}.{}", 200 + number / 250, number % 250),
        labels,
        taints: list(&object["spec"]["taints"]).filter_map(|t| t["key"].as_str().map(str::to_owned)).collect(),
    }
}
