//! How an object is doing, judged from its own status.

use std::borrow::Cow;

use kubewise_contract::Health;
use serde::Deserialize;

/// The parts of `spec` that say what was asked for.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Asked {
    pub(super) replicas: Option<i32>,
    pub(super) suspend: Option<bool>,
    pub(super) unschedulable: Option<bool>,
    pub(super) completions: Option<i32>,
}

/// The parts of `status` that say how it is going.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "null_is_empty")]
    conditions: Vec<Condition<'a>>,
    #[serde(borrow, deserialize_with = "null_is_empty")]
    container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "null_is_empty")]
    init_container_statuses: Vec<ContainerStatus<'a>>,
    ready_replicas: Option<i32>,
    number_ready: Option<i32>,
    desired_number_scheduled: Option<i32>,
    succeeded: Option<i32>,
}

#[derive(Deserialize)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ContainerStatus<'a> {
    #[serde(default)]
    ready: bool,
    #[serde(borrow, default)]
    state: State<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State<'a> {
    #[serde(borrow)]
    waiting: Option<Waiting<'a>>,
}

#[derive(Deserialize)]
struct Waiting<'a> {
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
}

/// Kubernetes writes an empty list as `null` or not at all.
pub(super) fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(d)?.unwrap_or_default())
}

impl Status<'_> {
    fn condition(&self, kind: &str) -> Option<&str> {
        self.conditions.iter().find(|c| c.kind == kind).map(|c| c.status.as_ref())
    }
}

/// Health, and replicas ready and asked for where the kind has replicas.
pub(super) fn judge(kind: &str, asked: &Asked, status: &Status<'_>) -> (Health, Option<i32>, Option<i32>) {
    let replicas = |ready: Option<i32>, desired: i32| {
        let ready = ready.unwrap_or(0);
        let health = match (ready, desired) {
            (_, 0) => Health::Idle,
            (0, _) => Health::Failing,
            _ if ready >= desired => Health::Healthy,
            _ => Health::Progressing,
        };
        (health, Some(ready), Some(desired))
    };
    let plain = |health| (health, None, None);
    let by_condition = |kind| match status.condition(kind) {
        Some("True") => Health::Healthy,
        Some(_) => Health::Failing,
        None => Health::Unknown,
    };
    match kind {
        "Deployment.apps" | "StatefulSet.apps" | "ReplicaSet.apps" | "ReplicationController" => {
            replicas(status.ready_replicas, asked.replicas.unwrap_or(1))
        }
        "DaemonSet.apps" => replicas(status.number_ready, status.desired_number_scheduled.unwrap_or(0)),
        "CronJob.batch" => plain(if asked.suspend == Some(true) { Health::Idle } else { Health::Healthy }),
        "Job.batch" => {
            let health = if status.condition("Failed") == Some("True") {
                Health::Failing
            } else if status.condition("Complete") == Some("True") {
                Health::Healthy
            } else if asked.suspend == Some(true) {
                Health::Idle
            } else {
                Health::Progressing
            };
            (health, Some(status.succeeded.unwrap_or(0)), Some(asked.completions.unwrap_or(1)))
        }
        "Pod" => plain(pod(status)),
        "Node" => plain(match (status.condition("Ready"), asked.unschedulable) {
            (Some("True"), Some(true)) => Health::Idle,
            (Some("True"), _) => Health::Healthy,
            (Some(_), _) => Health::Failing,
            (None, _) => Health::Unknown,
        }),
        "Namespace" | "PersistentVolumeClaim" | "PersistentVolume" => plain(match status.phase.as_deref() {
            Some("Active" | "Bound" | "Available") => Health::Healthy,
            Some("Terminating" | "Pending" | "Released") => Health::Progressing,
            Some("Lost" | "Failed") => Health::Failing,
            _ => Health::Unknown,
        }),
        "APIService.apiregistration.k8s.io" => plain(by_condition("Available")),
        "CustomResourceDefinition.apiextensions.k8s.io" => plain(by_condition("Established")),
        _ => plain(Health::Unknown),
    }
}

fn pod(status: &Status<'_>) -> Health {
    // Reasons with which the kubelet says that waiting will not help by itself.
    let stuck = |c: &ContainerStatus<'_>| {
        c.state.waiting.as_ref().is_some_and(|w| {
            matches!(
                w.reason.as_ref(),
                "CrashLoopBackOff"
                    | "ImagePullBackOff"
                    | "ErrImagePull"
                    | "InvalidImageName"
                    | "CreateContainerConfigError"
                    | "CreateContainerError"
                    | "RunContainerError"
            )
        })
    };
    if status.container_statuses.iter().chain(&status.init_container_statuses).any(stuck) {
        return Health::Failing;
    }
    match status.phase.as_deref() {
        Some("Succeeded") => Health::Healthy,
        Some("Running") if status.container_statuses.iter().all(|c| c.ready) => Health::Healthy,
        Some("Running" | "Pending") => Health::Progressing,
        Some("Failed") => Health::Failing,
        _ => Health::Unknown,
    }
}
