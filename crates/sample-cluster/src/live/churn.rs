//! Small harmless changes, so that a cluster looks alive.

use anyhow::Result;
use serde_json::{Value, json};

use super::reconcile::{change_deployment, keys, put, read};
use crate::{clock::rfc3339, controllers::pick, object, store::Store};

/// The `n`th change. `now` is in seconds since 1970.
pub(crate) fn churn(store: &mut Store, n: u64, now: i64) -> Result<()> {
    let (resource, group) =
        if n.is_multiple_of(2) { ("pods", "") } else { ("horizontalpodautoscalers", "autoscaling") };
    let keys = keys(store, group, resource);
    // Which one is chosen looks random and is the same in every run.
    let Some(key) = keys.get(pick(&format!("churn {}", n / 2), keys.len())) else { return Ok(()) };
    if resource == "pods" { restart(store, key, now) } else { scale(store, key, n, now) }
}

/// A container of a running pod restarts.
fn restart(store: &mut Store, key: &str, now: i64) -> Result<()> {
    let Some(mut pod) = read(store, "", "pods", key)? else { return Ok(()) };
    let Some(container) = pod["status"].get_mut("containerStatuses").and_then(|statuses| statuses.get_mut(0)) else {
        return Ok(());
    };
    if container["state"]["running"].is_null() {
        return Ok(());
    }
    let restarts = container["restartCount"].as_u64().unwrap_or(0) + 1;
    let started = container["state"]["running"]["startedAt"].clone();
    container["lastState"] = json!({"terminated": {
        "exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": rfc3339(now - 2),
        "containerID": container["containerID"],
    }});
    container["state"] = json!({"running": {"startedAt": rfc3339(now)}});
    container["restartCount"] = json!(restarts);
    put(store, pod)
}

/// An autoscaler gives its Deployment one pod more, and takes it back the next time.
fn scale(store: &mut Store, key: &str, n: u64, now: i64) -> Result<()> {
    let Some(autoscaler) = read(store, "autoscaling", "horizontalpodautoscalers", key)? else { return Ok(()) };
    let target = &autoscaler["spec"]["scaleTargetRef"];
    let deployment = format!("{}/{}", object::namespace(&autoscaler), target["name"].as_str().unwrap_or_default());
    let bound = |field: &str| autoscaler["spec"][field].as_u64().unwrap_or(1);
    let (least, most) = (bound("minReplicas"), bound("maxReplicas"));
    change_deployment(store, &deployment, now, |d: &mut Value| {
        let have = d["spec"]["replicas"].as_u64().unwrap_or(1);
        let wanted = if n % 4 == 1 { have + 1 } else { have.saturating_sub(1) };
        d["spec"]["replicas"] = json!(wanted.clamp(least, most));
    })?;
    Ok(())
}
