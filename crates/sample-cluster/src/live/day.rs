//! What happens to the bundled cluster in a day.

use anyhow::Result;
use serde_json::{Value, json};

use super::reconcile::{NOW, change_deployment, put, read, remove};
use crate::{clock::HOUR, store::Store};

/// A day's changes: always the same, and once only.
pub(crate) fn a_days_events(store: &mut Store) -> Result<()> {
    for (hours, deployment, image) in [
        (1, "shop/storefront", "registry.acme.example/shop/storefront:2026.11.2"),
        (2, "shop/checkout", "registry.acme.example/shop/checkout:4.19.0"),
        (
            3,
            "payments/payments-api",
            "registry.acme.example/payments/payments-api:7.3.1@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        ),
        (4, "monitoring/grafana", "docker.io/grafana/grafana:12.3.0"),
    ] {
        change_deployment(store, deployment, NOW + hours * HOUR, |d| {
            d["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        })?;
    }
    change_deployment(store, "shop/cart", NOW + 5 * HOUR, |d| d["spec"]["replicas"] = json!(5))?;
    change_deployment(store, "shop/search", NOW + 6 * HOUR, |d| d["spec"]["replicas"] = json!(1))?;
    // What points at it stays behind: its Service and its autoscaler.
    remove(store, "apps", "deployments", "shop/recommendations")?;
    remove(store, "", "namespaces", "sandbox")?;
    remove(store, "networking.k8s.io", "networkpolicies", "shop/allow-storefront")?;
    if let Some(mut node) = read(store, "", "nodes", "eu-prod-worker-3")? {
        node["spec"]["unschedulable"] = json!(true);
        node["spec"]["taints"] = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
        put(store, node)?;
    }
    if read(store, "", "pods", "shop/debug-shell")?.is_none() {
        put(store, debug_pod())?;
        put(store, debug_binding())?;
    }
    Ok(())
}

/// Somebody looks into a problem by hand, and leaves this behind.
fn debug_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "debug-shell", "namespace": "shop", "labels": {"run": "debug-shell"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration":
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"env\":[{\"name\":\"DB_PASSWORD\",\"value\":\"hunter2-demo\"}]}]}}\n"},
        },
        "spec": {
            "containers": [{
                "name": "shell", "image": "nicolaka/netshoot:latest", "imagePullPolicy": "Always",
                "command": ["sleep", "infinity"], "args": ["--db-password=hunter2-demo"],
                "env": [{"name": "DB_PASSWORD", "value": "hunter2-demo"}, {"name": "DB_HOST", "value": "postgres.data"}],
                "securityContext": {"privileged": true, "runAsUser": 0}, "resources": {},
                "volumeMounts": [{"name": "host", "mountPath": "/host"}],
            }],
            "volumes": [{"name": "host", "hostPath": {"path": "/", "type": ""}}],
            "hostPID": true, "hostNetwork": true, "restartPolicy": "Always", "nodeName": "eu-prod-worker-2",
            "serviceAccountName": "default", "serviceAccount": "default", "dnsPolicy": "ClusterFirst",
        },
        "status": {
            "phase": "Running", "qosClass": "BestEffort", "hostIP": "10.0.0.12", "podIP": "10.0.0.12",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "shell", "image": "docker.io/nicolaka/netshoot:latest", "imageID": "", "ready": true,
                "restartCount": 0, "started": true, "lastState": {}, "state": {"running": {}},
            }],
        },
    })
}

fn debug_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "debug-shell-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "shop"}],
    })
}
