//! The deployment controller's work after a change, in one step.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::garbage::{is_same, owned_by};
use crate::{
    clock::START,
    controllers::{Directives, PodState, Scene, deployment_status, replica_set_name, replica_set_status},
    object,
    store::Store,
};

/// An object as the API gives it, with apiVersion and kind.
pub(crate) fn read(store: &Store, group: &str, resource: &str, key: &str) -> Result<Option<Value>> {
    let Some(collection) = store.find_any_version(group, resource) else { return Ok(None) };
    let Some(bytes) = store.objects(collection).get(key) else { return Ok(None) };
    Ok(Some(typed(store, collection, serde_json::from_slice(bytes)?)))
}

fn typed(store: &Store, collection: usize, mut object: Value) -> Value {
    let kind = store.kind(collection);
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    object
}

/// Adds or replaces an object unless it is there already as it is.
pub(crate) fn put(store: &mut Store, object: Value) -> Result<()> {
    let collection = store.find_of(&object)?;
    let key = object::key(&object, store.kind(collection).namespaced)?;
    if let Some(old) = store.objects(collection).get(&key) {
        let old = typed(store, collection, serde_json::from_slice(old)?);
        if is_same(&old, &object) {
            return Ok(());
        }
    }
    store.apply(collection, object)
}

/// A scene made of what the store holds; new names differ from all that were made before.
fn scene(store: &Store) -> Result<Scene> {
    let mut manifests = Vec::new();
    for (group, resource) in [("", "nodes"), ("", "serviceaccounts"), ("scheduling.k8s.io", "priorityclasses")] {
        let Some(collection) = store.find_any_version(group, resource) else { continue };
        for bytes in store.objects(collection).values() {
            manifests.push(typed(store, collection, serde_json::from_slice(bytes)?));
        }
    }
    Ok(Scene::of(&format!("revision {}", store.revision()), &manifests))
}

/// Changes a Deployment and does what its controllers would do; false when it is not there.
/// `now` is in seconds since 1970.
pub(crate) fn change_deployment(
    store: &mut Store,
    key: &str,
    now: i64,
    change: impl FnOnce(&mut Value),
) -> Result<bool> {
    let Some(before) = read(store, "apps", "deployments", key)? else { return Ok(false) };
    let mut deployment = before.clone();
    change(&mut deployment);
    if deployment == before {
        return Ok(true);
    }
    let generation = before["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
    deployment["metadata"]["generation"] = json!(generation);
    let revision = before["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
    let mut revision: u64 = revision.and_then(|r| r.parse().ok()).unwrap_or(1);
    if before["spec"]["template"] != deployment["spec"]["template"] {
        revision += 1;
        let annotations = object::map(&mut deployment["metadata"], "annotations");
        annotations.insert("deployment.kubernetes.io/revision".to_owned(), json!(revision.to_string()));
    }
    let scene = scene(store)?;
    let current = replica_set_name(&deployment);
    let mut found = false;
    let namespace = object::namespace(&deployment).to_owned();
    for (collection, _, set) in owned_by(store, object::uid_of(&deployment), &namespace)? {
        let set = typed(store, collection, set);
        let is_current = object::name(&set) == current;
        found |= is_current;
        let wanted = if is_current { deployment["spec"]["replicas"].as_u64().unwrap_or(1) } else { 0 };
        scale_set(store, &scene, set, wanted, now)?;
    }
    if !found {
        let template = deployment["spec"]["template"].clone();
        for made in scene.replica_set(&deployment, &template, revision, now, &Directives::default()) {
            put(store, made)?;
        }
    }
    deployment["status"] = deployment_status(&deployment, PodState::Running, now);
    put(store, deployment)?;
    Ok(true)
}

/// Gives a `ReplicaSet` so many pods.
fn scale_set(store: &mut Store, scene: &Scene, mut set: Value, wanted: u64, now: i64) -> Result<()> {
    let pods = owned_by(store, object::uid_of(&set), object::namespace(&set))?;
    let have = pods.len() as u64;
    if have == wanted && set["spec"]["replicas"] == wanted {
        return Ok(());
    }
    for (collection, key, _) in pods.iter().skip(usize::try_from(wanted)?) {
        store.remove(*collection, key)?;
    }
    for i in have..wanted {
        put(store, scene.pod_of_set(&set, i, now, &Directives::default()))?;
    }
    let generation = set["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
    set["metadata"]["generation"] = json!(generation);
    set["spec"]["replicas"] = json!(wanted);
    set["status"] = replica_set_status(wanted, PodState::Running, generation);
    put(store, set)
}

/// Keys of a resource's objects, in order.
pub(crate) fn keys(store: &Store, group: &str, resource: &str) -> Vec<Arc<str>> {
    let collection = store.find_any_version(group, resource);
    collection.map(|c| store.objects(c).keys().cloned().collect()).unwrap_or_default()
}

/// Deletes an object if it is there.
pub(crate) fn remove(store: &mut Store, group: &str, resource: &str, key: &str) -> Result<bool> {
    let collection = store.find_any_version(group, resource).with_context(|| format!("no {resource} are served"))?;
    super::garbage::delete(store, collection, key)
}

/// The start of the sample, as the moment at which things happen that nobody gives a time.
pub(crate) const NOW: i64 = START;
