//! Pods: what the scheduler and the kubelet add to a template.

use serde_json::{Map, Value, json};

use super::{
    directives::PodState,
    names::{digest, suffix},
    scene::{Node, Scene},
};
use crate::{
    clock::{HOUR, MINUTE, rfc3339},
    object::{self, default, list, list_mut, owner_reference},
};

/// One pod to be.
pub(crate) struct PodRequest<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: String,
    /// Set for what is named by the API server: all but the pods of a `StatefulSet`.
    pub(crate) generate_name: Option<String>,
    /// The controller; none for a bare pod.
    pub(crate) owner: Option<&'a Value>,
    /// The template, with its defaults.
    pub(crate) template: &'a Value,
    /// When it was created, in seconds since 1970.
    pub(crate) created: i64,
    /// The node; none: the scheduler chooses.
    pub(crate) node: Option<&'a Node>,
    pub(crate) state: PodState,
    pub(crate) restarts: u64,
}

impl Scene {
    /// Makes a pod.
    pub(crate) fn pod(&self, request: &PodRequest<'_>) -> Value {
        let mut metadata = request.template["metadata"].as_object().cloned().unwrap_or_default();
        metadata.insert("name".to_owned(), json!(request.name));
        metadata.insert("namespace".to_owned(), json!(request.namespace));
        metadata.insert("generation".to_owned(), json!(1));
        if let Some(prefix) = &request.generate_name {
            metadata.insert("generateName".to_owned(), json!(prefix));
        }
        if let Some(owner) = request.owner {
            metadata.insert("ownerReferences".to_owned(), json!([owner_reference(owner)]));
        }
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": request.template["spec"],
        });
        self.identify(&mut pod, request.created);
        self.complete_pod(&mut pod, request);
        let manager = if request.owner.is_some() { "kube-controller-manager" } else { "kubectl-run" };
        self.finish_made(&mut pod, manager, Some("kubelet"));
        pod
    }

    /// What scheduler and kubelet write.
    pub(crate) fn complete_pod(&self, pod: &mut Value, request: &PodRequest<'_>) {
        let spec = &mut pod["spec"];
        let node = match request.state {
            PodState::Pending => None,
            _ => request.node.or_else(|| self.schedule(&request.template["spec"], &request.name)),
        };
        if let Some(node) = node {
            spec["nodeName"] = json!(node.name);
        }
        default(spec, "serviceAccountName", json!("default"));
        spec["serviceAccount"] = spec["serviceAccountName"].clone();
        spec["enableServiceLinks"] = json!(true);
        spec["preemptionPolicy"] = json!("PreemptLowerPriority");
        let class = spec["priorityClassName"].as_str().unwrap_or_default();
        spec["priority"] = json!(self.priorities.get(class).copied().unwrap_or(0));
        if spec["tolerations"].is_null() {
            spec["tolerations"] = json!([]);
        }
        if let Some(tolerations) = spec["tolerations"].as_array_mut() {
            for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
                tolerations.push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
                }));
            }
        }
        self.mount_token(spec, request);
        pod["status"] = status(pod, request, node);
    }

    /// The projected token volume that the service account admission controller adds.
    fn mount_token(&self, spec: &mut Value, request: &PodRequest<'_>) {
        let account = format!("{}/{}", request.namespace, spec["serviceAccountName"].as_str().unwrap_or_default());
        let mounts = spec["automountServiceAccountToken"].as_bool().unwrap_or(!self.quiet_accounts.contains(&account));
        if !mounts {
            return;
        }
        let volume = format!("kube-api-access-{}", suffix(&format!("token {}", request.name), 5));
        for field in ["containers", "initContainers"] {
            let Some(containers) = spec.get_mut(field) else { continue };
            for container in list_mut(containers) {
                default(container, "volumeMounts", json!([]));
                if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                    mounts.push(json!({
                        "name": volume, "readOnly": true,
                        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                    }));
                }
            }
        }
        default(spec, "volumes", json!([]));
        if let Some(volumes) = spec["volumes"].as_array_mut() {
            volumes.push(json!({"name": volume, "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ]}}));
        }
    }
}

fn status(pod: &Value, request: &PodRequest<'_>, node: Option<&Node>) -> Value {
    let state = request.state;
    let started = rfc3339(request.created + 4);
    let ready = if state.is_ready() { "True" } else { "False" };
    let Some(node) = node else { return unscheduled(qos(&pod["spec"]), &started) };
    let phase = match state {
        PodState::Pending | PodState::ImagePull => "Pending",
        PodState::Succeeded => "Succeeded",
        PodState::Failed => "Failed",
        PodState::Running | PodState::OomKilled | PodState::CrashLoop => "Running",
    };
    let reason = match state {
        PodState::Succeeded => Some("PodCompleted"),
        PodState::Failed => Some("PodFailed"),
        _ if state.is_ready() => None,
        _ => Some("ContainersNotReady"),
    };
    let condition = |kind: &str, status: &str, reason: Option<&str>| {
        let mut condition =
            json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": started});
        if let Some(reason) = reason {
            condition["reason"] = json!(reason);
        }
        condition
    };
    let host_network = pod["spec"]["hostNetwork"] == true;
    let ip = if host_network { node.ip.clone() } else { node.pod_ip(&request.name) };
    let mut status = json!({
        "phase": phase, "qosClass": qos(&pod["spec"]), "startTime": rfc3339(request.created),
        "hostIP": node.ip, "hostIPs": [{"ip": node.ip}], "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": [
            condition("PodReadyToStartContainers", "True", None),
            condition("Initialized", "True", reason.filter(|r| *r == "PodCompleted")),
            condition("Ready", ready, reason),
            condition("ContainersReady", ready, reason),
            condition("PodScheduled", "True", None),
        ],
        "containerStatuses": container_statuses(&pod["spec"]["containers"], request),
    });
    if let Some(init) = pod["spec"].get("initContainers") {
        let done =
            PodRequest { state: PodState::Succeeded, name: request.name.clone(), generate_name: None, ..*request };
        status["initContainerStatuses"] = container_statuses(init, &done);
    }
    status
}

fn unscheduled(qos: &str, at: &str) -> Value {
    let message = "0/4 nodes are available: 4 Insufficient memory. preemption: 0/4 nodes are available: 4 No preemption victims found for incoming pod.";
    json!({"phase": "Pending", "qosClass": qos, "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastProbeTime": null, "lastTransitionTime": at,
    }]})
}

fn container_statuses(containers: &Value, request: &PodRequest<'_>) -> Value {
    list(containers).map(|container| container_status(container, request)).collect()
}

fn container_status(container: &Value, request: &PodRequest<'_>) -> Value {
    let name = container["name"].as_str().unwrap_or_default();
    let image = container["image"].as_str().unwrap_or_default();
    let id = format!("containerd://{}", digest(&format!("{}/{}/{name}", request.namespace, request.name)));
    let started = rfc3339(request.created + 4);
    let terminated = |code: i64, reason: &str, at: i64| {
        json!({"terminated": {
            "containerID": id, "exitCode": code, "reason": reason, "startedAt": started, "finishedAt": rfc3339(at),
        }})
    };
    let ended = request.created + 90;
    let (state, last_state) = match request.state {
        PodState::Succeeded => (terminated(0, "Completed", ended), json!({})),
        PodState::Failed => (terminated(1, "Error", ended), json!({})),
        PodState::CrashLoop => (
            json!({"waiting": {
                "reason": "CrashLoopBackOff",
                "message": format!("back-off 5m0s restarting failed container={name} pod={}", request.name),
            }}),
            terminated(1, "Error", request.created + 3 * HOUR),
        ),
        PodState::ImagePull => (
            json!({"waiting": {
                "reason": "ImagePullBackOff", "message": format!("Back-off pulling image \"{image}\""),
            }}),
            json!({}),
        ),
        PodState::OomKilled => (
            json!({"running": {"startedAt": rfc3339(request.created + 6 * HOUR)}}),
            terminated(137, "OOMKilled", request.created + 6 * HOUR - MINUTE),
        ),
        PodState::Running | PodState::Pending if request.restarts > 0 => (
            json!({"running": {"startedAt": rfc3339(request.created + 2 * HOUR)}}),
            terminated(1, "Error", request.created + 2 * HOUR - MINUTE),
        ),
        PodState::Running | PodState::Pending => (json!({"running": {"startedAt": started}}), json!({})),
    };
    let ready = request.state.is_ready();
    let mut status = json!({
        "name": name, "image": full_image(image), "ready": ready, "started": ready, "restartCount": request.restarts,
        "state": state, "lastState": last_state, "imageID": "",
    });
    if request.state != PodState::ImagePull {
        status["imageID"] = json!(image_id(image));
        status["containerID"] = json!(id);
    }
    status
}

/// An image's name as the container runtime writes it: with its registry and tag.
fn full_image(image: &str) -> String {
    let first = image.split('/').next().unwrap_or_default();
    let registry = image.contains('/') && (first.contains('.') || first.contains(':') || first == "localhost");
    let path = match (registry, image.contains('/')) {
        (true, _) => image.to_owned(),
        (false, true) => format!("docker.io/{image}"),
        (false, false) => format!("docker.io/library/{image}"),
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.contains(':') || path.contains('@') { path } else { format!("{path}:latest") }
}

/// An image's name by digest.
fn image_id(image: &str) -> String {
    let full = full_image(image);
    if full.contains('@') {
        return full;
    }
    let name_starts = full.rfind('/').map_or(0, |slash| slash + 1);
    let tag = full[name_starts..].find(':').map_or(full.len(), |colon| name_starts + colon);
    format!("{}@sha256:{}", &full[..tag], digest(&full))
}

/// The quality of service class:
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>
fn qos(spec: &Value) -> &'static str {
    let empty = Map::new();
    let mut any = false;
    let mut guaranteed = true;
    for container in list(&spec["containers"]).chain(list(&spec["initContainers"])) {
        let of = |field: &str| container["resources"][field].as_object().unwrap_or(&empty);
        let (limits, requests) = (of("limits"), of("requests"));
        any |= !limits.is_empty() || !requests.is_empty();
        guaranteed &= ["cpu", "memory"].iter().all(|r| limits.contains_key(*r) && limits.get(*r) == requests.get(*r));
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// A bare pod from a manifest.
pub(crate) fn bare(scene: &Scene, mut pod: Value) -> Value {
    let (directives, created, applied) = scene.begin(&mut pod);
    super::defaults::pod_template(&mut pod);
    pod["metadata"]["generation"] = json!(1);
    let template = pod.clone();
    let request = PodRequest {
        namespace: object::namespace(&template),
        name: object::name(&template).to_owned(),
        generate_name: None,
        owner: None,
        template: &template,
        created,
        node: None,
        state: directives.state,
        restarts: directives.restarts,
    };
    scene.complete_pod(&mut pod, &request);
    scene.finish(&mut pod, Some(&applied), Some("kubelet"));
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_get_their_registry_and_tag() {
        assert_eq!(full_image("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(full_image("grafana/grafana:12.1"), "docker.io/grafana/grafana:12.1");
        assert_eq!(full_image("localhost:5000/a"), "localhost:5000/a:latest");
        assert!(image_id("quay.io/a/b:1").starts_with("quay.io/a/b@sha256:"));
    }

    #[test]
    fn quality_of_service_follows_requests_and_limits() {
        let spec = |resources: Value| json!({"containers": [{"resources": resources}]});
        assert_eq!(qos(&spec(json!({}))), "BestEffort");
        assert_eq!(qos(&spec(json!({"requests": {"cpu": "1"}}))), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(qos(&spec(json!({"requests": both, "limits": both}))), "Guaranteed");
    }
}
