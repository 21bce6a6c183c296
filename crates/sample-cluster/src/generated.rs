//! A cluster of any size: the same shapes again and again, with names, numbers and ages of their own.

mod shapes;

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::{
    bundled,
    clock::START,
    controllers::{Scene, pick},
    object,
    resource_type::ResourceType,
    store::Store,
};
use shapes::App;

/// Pods per node, and per namespace.
const PODS_PER_NODE: usize = 50;
const PODS_PER_NAMESPACE: usize = 100;
/// Most pods of one workload.
const MAX_REPLICAS: usize = 7;
/// How deep managed fields go.
const FIELDS_DEPTH: usize = 1;

/// A cluster with exactly `pods` pods.
pub(crate) fn store(pods: usize, seed: u64) -> Store {
    let kinds = bundled::builtin_kinds();
    let mut store = Store::new(bundled::version(), &kinds);
    if let Err(error) = fill(&mut store, &kinds, pods, seed) {
        // What is loaded is made here, so this says that this file is wrong.
        tracing::error!(error = format!("{error:#}"), "the generated cluster is not complete");
    }
    store.begin(0);
    store
}

fn fill(store: &mut Store, kinds: &[ResourceType], pods: usize, seed: u64) -> Result<()> {
    let seed = format!("generated {seed}");
    let nodes: Vec<Value> = (0..pods.div_ceil(PODS_PER_NODE).max(3)).map(shapes::node).collect();
    let mut cluster = nodes.clone();
    cluster.extend(shapes::cluster());
    let namespaces: Vec<String> =
        (0..pods.div_ceil(PODS_PER_NAMESPACE).max(2)).map(|i| shapes::namespace_name(&seed, i)).collect();
    for namespace in &namespaces {
        cluster.extend(shapes::namespace(namespace));
    }
    let mut scene = Scene::of(&seed, &nodes);
    // Enough to be dropped by whoever reads it, and pods of about 5 KB.
    scene.fields_depth = Some(FIELDS_DEPTH);
    for object in scene.expand(cluster, kinds) {
        load(store, object)?;
    }
    let mut left = pods;
    let mut number = 0;
    // One workload at a time: only what is serialised stays in memory.
    while left > 0 {
        let replicas = (1 + pick(&format!("{seed} replicas {number}"), MAX_REPLICAS)).min(left);
        let namespace = &namespaces[number % namespaces.len()];
        let app = App::new(&seed, number, namespace, replicas);
        for manifest in app.manifests() {
            for object in expand(&scene, manifest, &app) {
                load(store, object)?;
            }
        }
        left -= replicas;
        number += 1;
    }
    Ok(())
}

fn expand(scene: &Scene, manifest: Value, app: &App<'_>) -> Vec<Value> {
    match scene.workload(manifest) {
        Ok(expanded) => {
            let mut made = expanded.dependents;
            made.push(expanded.workload);
            made
        }
        Err(other) if object::kind(&other) == "HorizontalPodAutoscaler" => {
            vec![scene.autoscaler(other, &BTreeMap::from([app.scaled()]))]
        }
        Err(other) => vec![scene.simple(other)],
    }
}

fn load(store: &mut Store, object: Value) -> Result<()> {
    debug_assert!(object::created(&object) <= START, "nothing is created after the start");
    let collection = store.find_of(&object)?;
    store.load(collection, object)
}
