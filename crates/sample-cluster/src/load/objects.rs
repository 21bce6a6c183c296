//! A generated cluster as an agent would send it: without what it drops for its size. What it strips for secrecy stays,
//! since the values here are made up.

use anyhow::{Context, Result};
use kubewise_protocol::KINDS;
use serde_json::{Value, json, value::RawValue};

use crate::{generated, object};

/// What agents never send.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Pods that are kept to be changed later.
const CHANGED_PODS: usize = 5;

/// One cluster's objects.
pub(super) struct Objects {
    /// Each as it is sent.
    pub(super) all: Vec<Box<RawValue>>,
    /// A few pods, to be changed.
    pub(super) pods: Vec<Box<RawValue>>,
    /// UID of the namespace `kube-system`.
    pub(super) cluster_uid: String,
}

impl Objects {
    /// Generates a cluster. Takes a second for ten thousand pods: for a thread of its own.
    pub(super) fn generate(pods: usize, seed: u64) -> Result<Self> {
        let store = generated::store(pods, seed);
        let mut objects = Self { all: Vec::new(), pods: Vec::new(), cluster_uid: String::new() };
        for watched in KINDS {
            let Some(collection) = store.find_any_version(watched.group, watched.plural) else { continue };
            let api_version = store.kind(collection).api_version();
            let kind = store.kind(collection).kind.clone();
            for bytes in store.objects(collection).values() {
                let mut value: Value = serde_json::from_slice(bytes)?;
                value["apiVersion"] = json!(api_version);
                value["kind"] = json!(kind);
                if let Some(metadata) = value["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                        annotations.remove(LAST_APPLIED);
                    }
                }
                if kind == "Namespace" && object::name(&value) == "kube-system" {
                    object::uid_of(&value).clone_into(&mut objects.cluster_uid);
                }
                let raw = serde_json::value::to_raw_value(&value)?;
                if kind == "Pod" && objects.pods.len() < CHANGED_PODS {
                    objects.pods.push(raw.clone());
                }
                objects.all.push(raw);
            }
        }
        Ok(objects)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

/// The pod after its container was started again for the `n`th time.
pub(super) fn restarted(pod: &RawValue, n: u64) -> Result<Value> {
    let mut pod: Value = serde_json::from_str(pod.get())?;
    let status = pod.pointer_mut("/status/containerStatuses/0").context("a pod without the status of a container")?;
    status["restartCount"] = json!(n);
    pod["metadata"]["resourceVersion"] = json!(format!("9{n:09}"));
    Ok(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_as_agents_send_them() {
        let objects = Objects::generate(20, 1).unwrap();
        let values: Vec<Value> = objects.all.iter().map(|o| serde_json::from_str(o.get()).unwrap()).collect();
        assert_eq!(values.iter().filter(|v| v["kind"] == "Pod").count(), 20);
        assert!(values.iter().all(|v| v["apiVersion"].is_string() && v["metadata"]["uid"].is_string()));
        assert!(values.iter().all(|v| v["metadata"]["managedFields"].is_null()));
        assert!(objects.all.iter().all(|o| !o.get().contains(LAST_APPLIED)));
        assert_eq!(objects.pods.len(), CHANGED_PODS);
        assert!(!objects.cluster_uid.is_empty());
    }

    #[test]
    fn a_pod_changes_each_time() {
        let objects = Objects::generate(20, 1).unwrap();
        let (once, twice) = (restarted(&objects.pods[0], 1).unwrap(), restarted(&objects.pods[0], 2).unwrap());
        assert_ne!(once, twice);
        assert_eq!(once["metadata"]["uid"], twice["metadata"]["uid"]);
    }
}
