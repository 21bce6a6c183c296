//! What is completed rather than multiplied: namespaces, nodes, services, ingresses, definitions, and the objects that
//! report on workloads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    defaults,
    names::{digest, pick},
    scene::{Node, Scene},
};
use crate::{
    clock::{MINUTE, START, rfc3339},
    object::{self, default, list},
    resource_type::ResourceType,
};

/// The version of the sample clusters' Kubernetes.
pub(crate) const KUBERNETES_VERSION: &str = "1.35.4";

impl Scene {
    /// Anything from a manifest that needs no more than names, times and a status.
    pub(crate) fn simple(&self, mut value: Value) -> Value {
        let (_, created, applied) = self.begin(&mut value);
        let at = rfc3339(created);
        let mut status_manager = None;
        match object::kind(&value) {
            "Namespace" => {
                let name = object::name(&value).to_owned();
                object::map(&mut value["metadata"], "labels")
                    .insert("kubernetes.io/metadata.name".to_owned(), json!(name));
                value["spec"] = json!({"finalizers": ["kubernetes"]});
                value["status"] = json!({"phase": "Active"});
            }
            "Service" => {
                let name = format!("{}/{}", object::namespace(&value), object::name(&value));
                let ip = format!("10.96.{}.{}", pick(&name, 256), pick(&format!("{name} "), 254) + 1);
                defaults::service(&mut value, &ip, 30_000 + pick(&name, 2700) as u64);
                let outside = format!("203.0.113.{}", pick(&name, 254) + 1);
                value["status"] = json!({"loadBalancer": if value["spec"]["type"] == "LoadBalancer" {
                    json!({"ingress": [{"ip": outside, "ipMode": "VIP"}]})
                } else {
                    json!({})
                }});
            }
            "Ingress" => {
                value["metadata"]["generation"] = json!(1);
                value["status"] = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}});
                status_manager = Some("nginx-ingress-controller");
            }
            "CustomResourceDefinition" => complete_definition(&mut value, &at),
            "APIService" => complete_api_service(&mut value, &at),
            "ResourceQuota" => {
                value["status"] = json!({"hard": value["spec"]["hard"], "used": value["spec"]["hard"]});
                status_manager = Some("kube-controller-manager");
            }
            "NetworkPolicy" | "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
                value["metadata"]["generation"] = json!(1);
            }
            _ => {}
        }
        self.finish(&mut value, Some(&applied), status_manager);
        value
    }

    /// A node; `images` are those of the pods on it.
    pub(crate) fn node(&self, mut value: Value, node: &Node, images: &[String]) -> Value {
        let (directives, created, _) = self.begin(&mut value);
        let kubelet = directives.kubelet.unwrap_or_else(|| format!("v{KUBERNETES_VERSION}"));
        let instance = node.labels.get("node.kubernetes.io/instance-type").map_or("", String::as_str);
        let (cpu, memory_gib) = match instance {
            "m6i.2xlarge" => (8, 32),
            "r6i.2xlarge" => (8, 64),
            _ => (4, 16),
        };
        let zone = node.labels.get("topology.kubernetes.io/zone").map_or("", String::as_str);
        let id = digest(&node.name);
        let labels = node.labels.iter().map(|(label, text)| (label.clone(), json!(text)));
        object::map(&mut value["metadata"], "labels").extend(labels);
        object::map(&mut value["metadata"], "annotations").extend([
            ("node.alpha.kubernetes.io/ttl".to_owned(), json!("0")),
            ("volumes.kubernetes.io/controller-managed-attach-detach".to_owned(), json!("true")),
        ]);
        value["spec"]["podCIDR"] = json!(format!("{}.0/24", node.pod_network));
        value["spec"]["podCIDRs"] = json!([format!("{}.0/24", node.pod_network)]);
        value["spec"]["providerID"] = json!(format!("aws:///{zone}/i-0{}", &id[..16]));
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": rfc3339(START - 3 * MINUTE), "lastTransitionTime": rfc3339(created + MINUTE),
            })
        };
        value["status"] = json!({
            "addresses": [
                {"type": "InternalIP", "address": node.ip}, {"type": "Hostname", "address": node.name},
            ],
            "capacity": {
                "cpu": cpu.to_string(), "memory": format!("{memory_gib}Gi"), "pods": "110",
                "ephemeral-storage": "100Gi", "hugepages-2Mi": "0",
            },
            "allocatable": {
                "cpu": format!("{}m", cpu * 1000 - 80), "memory": format!("{}Mi", memory_gib * 1024 - 1100),
                "pods": "110", "ephemeral-storage": "89Gi", "hugepages-2Mi": "0",
            },
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": images.iter().map(|image| json!({
                "names": [image], "sizeBytes": 20_000_000 + pick(image, 400_000_000),
            })).collect::<Vec<_>>(),
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": kubelet, "kubeProxyVersion": "",
                "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.12.40-63.114.amzn2023.x86_64",
                "osImage": "Amazon Linux 2023.8.20250818", "machineID": &id[..32], "systemUUID": &id[32..],
                "bootID": &id[16..48],
            },
        });
        self.finish_made(&mut value, "kubelet", Some("kubelet"));
        value
    }

    /// A `HorizontalPodAutoscaler`; `replicas` are those of `Kind/namespace/name`.
    pub(crate) fn autoscaler(&self, mut value: Value, replicas: &BTreeMap<String, u64>) -> Value {
        let (_, created, applied) = self.begin(&mut value);
        let target = &value["spec"]["scaleTargetRef"];
        let (kind, name) = (object::kind(target), target["name"].as_str().unwrap_or_default());
        let current = replicas.get(&format!("{kind}/{}/{name}", object::namespace(&value)));
        let condition = |kind: &str, ok: bool, reason: &str, message: &str| {
            json!({
                "type": kind, "status": if ok { "True" } else { "False" }, "reason": reason, "message": message,
                "lastTransitionTime": rfc3339(created + MINUTE),
            })
        };
        value["status"] = match current {
            Some(current) => json!({
                "currentReplicas": current, "desiredReplicas": current, "lastScaleTime": rfc3339(START - 90 * MINUTE),
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {
                    "averageUtilization": 30 + pick(name, 40), "averageValue": format!("{}m", 40 + pick(name, 160)),
                }}}],
                "conditions": [
                    condition("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size"),
                    condition("ScalingActive", true, "ValidMetricFound", "the HPA was able to successfully calculate a replica count from cpu resource utilization"),
                    condition("ScalingLimited", false, "DesiredWithinRange", "the desired count is within the acceptable range"),
                ],
            }),
            None => json!({
                "currentReplicas": 0, "desiredReplicas": 0,
                "conditions": [condition("AbleToScale", false, "FailedGetScale", &format!(
                    "the HPA controller was unable to get the target's current scale: deployments.apps \"{name}\" not found"
                ))],
            }),
        };
        self.finish(&mut value, Some(&applied), Some("kube-controller-manager"));
        value
    }

    /// A `PodDisruptionBudget`; `pods` are all pods.
    pub(crate) fn disruption_budget(&self, mut value: Value, pods: &[Value]) -> Value {
        let (_, created, applied) = self.begin(&mut value);
        value["metadata"]["generation"] = json!(1);
        let selected = pods.iter().filter(|pod| {
            object::namespace(pod) == object::namespace(&value)
                && selects(&value["spec"]["selector"]["matchLabels"], &pod["metadata"]["labels"])
        });
        let ready =
            |pod: &&Value| list(&pod["status"]["conditions"]).any(|c| c["type"] == "Ready" && c["status"] == "True");
        let (expected, healthy) =
            selected.fold((0_i64, 0_i64), |(all, ok), pod| (all + 1, ok + i64::from(ready(&pod))));
        let desired = match (value["spec"]["minAvailable"].as_i64(), value["spec"]["maxUnavailable"].as_i64()) {
            (Some(min), _) => min,
            (None, Some(max)) => (expected - max).max(0),
            (None, None) => expected,
        };
        let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
        let reason = if allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
        value["status"] = json!({
            "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
            "expectedPods": expected, "observedGeneration": 1,
            "conditions": [{
                "type": "DisruptionAllowed", "status": if allowed > 0 { "True" } else { "False" }, "reason": reason,
                "message": "", "observedGeneration": 1, "lastTransitionTime": rfc3339(created),
            }],
        });
        self.finish(&mut value, Some(&applied), Some("kube-controller-manager"));
        value
    }

    /// The service account that every namespace gets.
    pub(crate) fn default_account(&self, namespace: &Value) -> Value {
        let mut account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": object::name(namespace)},
        });
        self.identify(&mut account, object::created(namespace));
        self.finish_made(&mut account, "kube-controller-manager", None);
        account
    }

    /// The `APIService` by which the API server serves one of its own group-versions.
    pub(crate) fn local_api_service(&self, kind: &ResourceType, created: i64) -> Value {
        let mut service = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {
                "name": format!("{}.{}", kind.version, kind.group),
                "labels": {"kube-aggregator.kubernetes.io/automanaged": if kind.custom { "true" } else { "onstart" }},
            },
            "spec": {"version": kind.version, "groupPriorityMinimum": if kind.group.is_empty() { 18_000 } else { 17_800 }, "versionPriority": 15},
        });
        if !kind.group.is_empty() {
            service["spec"]["group"] = json!(kind.group);
        }
        complete_api_service(&mut service, &rfc3339(created));
        self.identify(&mut service, created);
        self.finish_made(&mut service, "kube-apiserver", None);
        service
    }
}

/// True when every wanted label is there; an absent or empty selector selects all.
fn selects(wanted: &Value, labels: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
}

fn complete_definition(definition: &mut Value, at: &str) {
    definition["metadata"]["generation"] = json!(1);
    let spec = &mut definition["spec"];
    let kind = object::kind(&spec["names"]).to_owned();
    default(&mut spec["names"], "listKind", json!(format!("{kind}List")));
    default(&mut spec["names"], "singular", json!(kind.to_ascii_lowercase()));
    default(spec, "conversion", json!({"strategy": "None"}));
    let stored: Vec<Value> =
        list(&spec["versions"]).filter(|v| v["storage"] == true).map(|v| v["name"].clone()).collect();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": at});
    definition["status"] = json!({
        "acceptedNames": definition["spec"]["names"], "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
}

fn complete_api_service(service: &mut Value, at: &str) {
    let (status, reason, message) = if service["spec"]["service"].is_null() {
        ("True", "Local", "Local APIServices are always available".to_owned())
    } else {
        let behind = &service["spec"]["service"];
        let name = format!("{}/{}", object_text(&behind["namespace"]), object_text(&behind["name"]));
        ("False", "MissingEndpoints", format!("endpoints for service/{name} have no addresses"))
    };
    service["status"] = json!({"conditions": [{
        "type": "Available", "status": status, "reason": reason, "message": message, "lastTransitionTime": at,
    }]});
}

fn object_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
