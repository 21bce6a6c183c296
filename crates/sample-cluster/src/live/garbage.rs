//! Adding and deleting single objects, with what hangs on them.

use std::{collections::VecDeque, ops::Bound, sync::Arc};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{object, resource_type::ResourceType, store::Store};

/// Adds an object or replaces it.
pub(crate) fn upsert(store: &mut Store, object: Value) -> Result<()> {
    let collection = store.find_of(&object)?;
    let definition =
        (store.kind(collection).kind == "CustomResourceDefinition").then(|| ResourceType::of_definition(&object));
    store.apply(collection, object)?;
    for kind in definition.into_iter().flatten() {
        store.add_kind(kind);
    }
    Ok(())
}

/// Deletes an object and what it owned or held; false when it is not there.
pub(crate) fn delete(store: &mut Store, collection: usize, key: &str) -> Result<bool> {
    let Some(bytes) = store.objects(collection).get(key) else { return Ok(false) };
    let object: Value = serde_json::from_slice(bytes)?;
    match store.kind(collection).kind.as_str() {
        "Namespace" => empty_namespace(store, key)?,
        "CustomResourceDefinition" => {
            let of = |field: &Value| field.as_str().unwrap_or_default().to_owned();
            store.remove_kind(&of(&object["spec"]["group"]), &of(&object["spec"]["names"]["plural"]))?;
        }
        _ => {}
    }
    store.remove(collection, key)?;
    // Dependents of dependents are found in turn: Deployment, ReplicaSet, Pod.
    let namespace = object::namespace(&object);
    let mut owners = VecDeque::from([object::uid_of(&object).to_owned()]);
    while let Some(owner) = owners.pop_front() {
        for (collection, key, dependent) in owned_by(store, &owner, namespace)? {
            owners.push_back(object::uid_of(&dependent).to_owned());
            store.remove(collection, &key)?;
        }
    }
    Ok(true)
}

/// Every object that has the owner, with its place. An owner that lives in a namespace owns only within it.
pub(crate) fn owned_by(store: &Store, owner: &str, namespace: &str) -> Result<Vec<(usize, Arc<str>, Value)>> {
    let mut found = Vec::new();
    if owner.is_empty() {
        return Ok(found);
    }
    let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    for collection in collections(store) {
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let within = store.objects(collection).range::<str, _>(from).take_while(|(key, _)| key.starts_with(&prefix));
        for (key, bytes) in within {
            // Cheap before exact: most objects do not mention the UID at all.
            if !contains(bytes, owner.as_bytes()) {
                continue;
            }
            let object: Value = serde_json::from_slice(bytes).context("a kept object is JSON")?;
            if object::is_owned_by(&object, owner) {
                found.push((collection, Arc::clone(key), object));
            }
        }
    }
    Ok(found)
}

fn empty_namespace(store: &mut Store, namespace: &str) -> Result<()> {
    let prefix = format!("{namespace}/");
    for collection in collections(store) {
        if !store.kind(collection).namespaced {
            continue;
        }
        let keys: Vec<Arc<str>> =
            store.objects(collection).keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        for key in keys {
            store.remove(collection, &key)?;
        }
    }
    Ok(())
}

fn collections(store: &Store) -> Vec<usize> {
    store.kinds().filter_map(|k| store.find(&k.group, &k.version, &k.plural)).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// True when two objects differ in nothing but their resourceVersion and who wrote which field.
pub(crate) fn is_same(old: &Value, new: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        let metadata = object::map(&mut object, "metadata");
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        object
    };
    old == new || without(old) == without(new)
}
