//! What a sample manifest says about its past and present: annotations that begin with `sample-cluster/`, taken out
//! before the object is served.

use serde_json::Value;

use super::names::pick;
use crate::clock::{self, DAY, START};

/// How the pods of a workload are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PodState {
    /// As they should.
    #[default]
    Running,
    /// Running again after having used more memory than allowed.
    OomKilled,
    /// Ending with an error soon after each start.
    CrashLoop,
    /// Waiting for an image that cannot be pulled.
    ImagePull,
    /// Fitting on no node.
    Pending,
    /// Ended as they should.
    Succeeded,
    /// Ended with an error.
    Failed,
}

impl PodState {
    /// True when the pod serves.
    pub(crate) const fn is_ready(self) -> bool {
        matches!(self, Self::Running | Self::OomKilled)
    }
}

/// What a sample manifest says about its past and present.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directives {
    /// `sample-cluster/age`: how long before the start it was created (`41d`, `6h`, `90m`).
    pub(crate) age: Option<i64>,
    /// `sample-cluster/state`: `oom-killed`, `crash-loop`, `image-pull`, `pending`, `failed`.
    pub(crate) state: PodState,
    /// `sample-cluster/restarts`: how often each container was restarted.
    pub(crate) restarts: u64,
    /// `sample-cluster/previous`: images that the first container ran before, oldest first.
    pub(crate) previous: Vec<String>,
    /// `sample-cluster/runs`: how the last jobs of a `CronJob` ended, the last one last.
    pub(crate) runs: Option<Vec<PodState>>,
    /// `sample-cluster/kubelet`: a node's kubelet version, where it is not the cluster's.
    pub(crate) kubelet: Option<String>,
}

impl Directives {
    /// Takes the directives out of an object.
    pub(crate) fn take(object: &mut Value) -> Self {
        let mut found = Self::default();
        let Some(annotations) = object["metadata"].get_mut("annotations").and_then(Value::as_object_mut) else {
            return found;
        };
        annotations.retain(|key, value| {
            let Some(directive) = key.strip_prefix("sample-cluster/") else { return true };
            found.read(directive, value.as_str().unwrap_or_default());
            false
        });
        if annotations.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("annotations");
        }
        found
    }

    fn read(&mut self, directive: &str, value: &str) {
        match directive {
            "age" => self.age = clock::parse_age(value),
            "state" => self.state = state(value),
            "restarts" => self.restarts = value.parse().unwrap_or(0),
            "previous" => self.previous = value.split(',').map(|image| image.trim().to_owned()).collect(),
            "runs" => self.runs = Some(value.split(',').map(|run| state(run.trim())).collect()),
            "kubelet" => self.kubelet = Some(value.to_owned()),
            other => tracing::warn!(directive = other, "an unknown directive in a sample manifest"),
        }
    }

    /// When the object was created, in seconds since 1970: as said, or some weeks or months ago.
    pub(crate) fn created(&self, name: &str) -> i64 {
        let days = i64::try_from(pick(name, 150)).unwrap_or(0) + 20;
        let seconds = i64::try_from(pick(name, 80_000)).unwrap_or(0);
        START - self.age.unwrap_or(days * DAY + seconds)
    }
}

fn state(text: &str) -> PodState {
    match text {
        "oom-killed" => PodState::OomKilled,
        "crash-loop" => PodState::CrashLoop,
        "image-pull" => PodState::ImagePull,
        "pending" => PodState::Pending,
        "succeeded" => PodState::Succeeded,
        "failed" => PodState::Failed,
        _ => PodState::Running,
    }
}
