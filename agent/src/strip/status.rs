//! `status`: what the pages need of it, without what changes all the time.

use serde_json::{Map, Value};

/// Fields of a pod's status that are kept. Not kept: addresses, and what repeats the specification.
const POD: &[&str] = &[
    "conditions",
    "containerStatuses",
    "ephemeralContainerStatuses",
    "initContainerStatuses",
    "phase",
    "qosClass",
    "reason",
    "startTime",
];

/// Fields of a container's status that are kept.
const CONTAINER: &[&str] = &["image", "imageID", "lastState", "name", "ready", "restartCount", "started", "state"];

/// Fields of a node's status that are kept.
const NODE: &[&str] = &["addresses", "allocatable", "capacity", "conditions", "nodeInfo", "phase"];

/// Fields of an Argo CD Application's status that are kept.
const APPLICATION: &[&str] = &["health", "sourceType", "sourceTypes", "summary", "sync"];

/// Prunes the status of an object of this kind.
pub(super) fn prune(kind: &str, status: &mut Value) {
    if let Value::Object(fields) = status {
        match kind {
            "Pod" => {
                keep(fields, POD);
                for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
                    if let Some(Value::Array(containers)) = fields.get_mut(list) {
                        containers.iter_mut().filter_map(Value::as_object_mut).for_each(|c| keep(c, CONTAINER));
                    }
                }
            }
            "Node" => {
                keep(fields, NODE);
                if let Some(Value::Object(info)) = fields.get_mut("nodeInfo") {
                    for id in ["bootID", "machineID", "systemUUID"] {
                        info.remove(id);
                    }
                }
            }
            "Application" => {
                keep(fields, APPLICATION);
                if let Some(Value::Object(sync)) = fields.get_mut("sync") {
                    sync.remove("comparedTo");
                }
            }
            "HorizontalPodAutoscaler" => {
                fields.remove("currentMetrics");
            }
            "PodDisruptionBudget" => {
                fields.remove("disruptedPods");
            }
            "Job" => {
                fields.remove("uncountedTerminatedPods");
            }
            _ => {}
        }
    }
    drop_churn(status);
}

/// Messages can quote what a program printed; the times are of heartbeats; the identifiers name nothing that is shown.
fn drop_churn(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["containerID", "lastHeartbeatTime", "lastProbeTime", "lastUpdateTime", "message"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(drop_churn);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_churn),
        _ => {}
    }
}

fn keep(fields: &mut Map<String, Value>, names: &[&str]) {
    fields.retain(|name, _| names.contains(&name.as_str()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pruned(kind: &str, mut status: Value) -> Value {
        prune(kind, &mut status);
        status
    }

    #[test]
    fn a_pod() {
        let before = json!({
            "phase": "Running", "podIP": "10.1.2.3", "podIPs": [], "hostIP": "10.0.0.1", "message": "hunter2",
            "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null, "message": "hunter2",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "containerStatuses": [{
                "name": "a", "image": "a:1", "imageID": "a@sha256:1", "containerID": "containerd://1", "ready": true,
                "restartCount": 2, "allocatedResources": {"cpu": "1"}, "volumeMounts": [],
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "hunter2", "containerID": "x"}},
            }],
        });
        let after = json!({
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "containerStatuses": [{
                "name": "a", "image": "a:1", "imageID": "a@sha256:1", "ready": true, "restartCount": 2,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            }],
        });
        assert_eq!(pruned("Pod", before), after);
    }

    #[test]
    fn a_node() {
        let before = json!({
            "images": [{"names": ["a"]}], "volumesInUse": ["v"], "capacity": {"cpu": "4"},
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z", "reason": "K"}],
            "nodeInfo": {"kubeletVersion": "v1.35.4", "machineID": "m", "bootID": "b", "systemUUID": "s"},
        });
        let after = json!({
            "capacity": {"cpu": "4"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "K"}],
            "nodeInfo": {"kubeletVersion": "v1.35.4"},
        });
        assert_eq!(pruned("Node", before), after);
    }

    #[test]
    fn counters_stay() {
        let status = json!({"replicas": 3, "readyReplicas": 2, "observedGeneration": 4});
        assert_eq!(pruned("Deployment", status.clone()), status);
    }
}
