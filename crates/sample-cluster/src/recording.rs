//! A cluster as it was recorded: a folder in which a GET of `/apis/apps/v1/deployments` is
//! `apis/apps/v1/deployments.json`, a group-version's discovery document is `_resources.json` in its folder, and
//! `/version`, `/api` and `/apis` are files at the top.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value;

use crate::{
    live, object,
    resource_type::{ResourceType, is_forbidden},
    store::Store,
};

/// Reads a recording.
pub(crate) fn load(dir: &Path) -> Result<Store> {
    let mut store = Store::default();
    for path in ["version", "api", "apis"] {
        let bytes = read(&dir.join(format!("{path}.json")))?;
        store.recorded.insert(format!("/{path}"), bytes);
    }
    let groups: Value = serde_json::from_slice(&store.recorded["/apis"])?;
    let mut revision = load_group_version(&mut store, &dir.join("api/v1"), "", "v1")?;
    for group in object::list(&groups["groups"]) {
        let name = group["name"].as_str().context("a group without a name in apis.json")?;
        let mut recorded = false;
        for version in object::list(&group["versions"]) {
            let version = version["version"].as_str().context("a version without a name in apis.json")?;
            let folder = dir.join("apis").join(name).join(version);
            if folder.is_dir() {
                recorded = true;
                revision = revision.max(load_group_version(&mut store, &folder, name, version)?);
            }
        }
        if !recorded {
            // It is announced but did not answer when it was recorded, as metrics.k8s.io often does not.
            store.unavailable_groups.push(name.to_owned());
        }
    }
    store.begin(revision);
    Ok(store)
}

/// Reads one group-version; returns the highest resourceVersion of its lists.
fn load_group_version(store: &mut Store, folder: &Path, group: &str, version: &str) -> Result<u64> {
    let resources_file = folder.join("_resources.json");
    let discovery = read(&resources_file)?;
    let resources: Value = parse(&discovery, &resources_file)?;
    let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    store.recorded.insert(path, discovery);
    let mut revision = 0;
    for resource in object::list(&resources["resources"]) {
        let Some(mut kind) = ResourceType::of_discovery(group, version, resource) else { continue };
        let file = folder.join(format!("{}.json", kind.plural));
        if is_forbidden(group, &kind.plural) || !file.is_file() {
            continue;
        }
        let mut list: Value = parse(&read(&file)?, &file)?;
        // The API server writes an empty continue token into lists of custom resources alone.
        kind.custom = list["metadata"].get("continue").is_some();
        let listed = list["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok());
        revision = revision.max(listed.unwrap_or(0));
        let collection = store.add_kind(kind);
        for item in object::list_mut(&mut list["items"]) {
            store.load(collection, item.take()).with_context(|| format!("in {}", file.display()))?;
        }
    }
    Ok(revision)
}

/// Turns one store into another by changes that its watchers see.
pub(crate) fn become_store(store: &mut Store, target: Store) -> Result<()> {
    let kinds: Vec<Arc<ResourceType>> = target.kinds().cloned().collect();
    for kind in &kinds {
        let to = store.add_kind(ResourceType::clone(kind));
        let Some(from) = target.find(&kind.group, &kind.version, &kind.plural) else { continue };
        let wanted = target.objects(from);
        let known: BTreeSet<Arc<str>> = store.objects(to).keys().cloned().collect();
        for key in known.iter().filter(|key| !wanted.contains_key(*key)) {
            store.remove(to, key)?;
        }
        for (key, bytes) in wanted.iter() {
            let new: Value = serde_json::from_slice(bytes)?;
            if let Some(old) = store.objects(to).get(key) {
                let old: Value = serde_json::from_slice(old)?;
                if live::is_same(&old, &new) {
                    continue;
                }
                if object::uid_of(&old) != object::uid_of(&new) {
                    store.remove(to, key)?;
                }
            }
            store.apply(to, new)?;
        }
    }
    let gone: Vec<(String, String)> = store
        .kinds()
        .filter(|kind| target.find(&kind.group, &kind.version, &kind.plural).is_none())
        .map(|kind| (kind.group.clone(), kind.plural.clone()))
        .collect();
    for (group, plural) in gone {
        if target.find_any_version(&group, &plural).is_none() {
            store.remove_kind(&group, &plural)?;
        }
    }
    store.recorded = target.recorded;
    store.unavailable_groups = target.unavailable_groups;
    store.version = target.version;
    Ok(())
}

fn read(path: &PathBuf) -> Result<Bytes> {
    fs::read(path).map(Bytes::from).with_context(|| format!("cannot read {}", path.display()))
}

fn parse(bytes: &[u8], path: &Path) -> Result<Value> {
    serde_json::from_slice(bytes).with_context(|| format!("{} is not JSON", path.display()))
}
