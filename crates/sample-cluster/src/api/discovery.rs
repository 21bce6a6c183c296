//! `/version`, `/api`, `/apis` and what each group-version has.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::{Status, json_bytes};
use crate::store::Store;

/// The answer to one discovery path.
pub(crate) fn answer(store: &Store, path: &str) -> Response {
    if let Some(recorded) = store.recorded.get(path) {
        return json_bytes(recorded.clone());
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let body = match segments.as_slice() {
        ["version"] => Some(store.version.clone()),
        ["api"] => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        })),
        ["apis"] => {
            let groups: Vec<Value> = groups(store).into_iter().map(|(g, v)| group(g, &v)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => groups(store).remove(name).map(|versions| {
            let mut group = group(name, &versions);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }),
        ["api", version] => resources(store, "", version),
        ["apis", name, version] => {
            if store.unavailable_groups.iter().any(|group| group == name) {
                return Status::of_fault(503, None).into_response();
            }
            resources(store, name, version)
        }
        _ => None,
    };
    body.map_or_else(|| Status::no_such_resource().into_response(), |body| json_bytes(body.to_string()))
}

/// Named groups with their versions, the preferred one first.
fn groups(store: &Store) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in store.kinds().filter(|k| !k.group.is_empty()) {
        let versions = groups.entry(&kind.group).or_default();
        if !versions.contains(&kind.version.as_str()) {
            versions.push(&kind.version);
        }
    }
    for group in &store.unavailable_groups {
        groups.entry(group).or_insert_with(|| vec!["v1beta1"]);
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let version = |v: &&str| json!({"groupVersion": format!("{name}/{v}"), "version": v});
    json!({
        "name": name,
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(version),
    })
}

fn resources(store: &Store, group: &str, version: &str) -> Option<Value> {
    let mut resources: Vec<Value> =
        store.kinds().filter(|k| k.group == group && k.version == version).map(|k| k.discovery()).collect();
    if resources.is_empty() {
        return None;
    }
    if group.is_empty() {
        // They exist in every cluster, even where nobody may read them.
        for (name, kind) in [("configmaps", "ConfigMap"), ("events", "Event"), ("secrets", "Secret")] {
            let singular = kind.to_ascii_lowercase();
            resources.push(json!({
                "name": name, "singularName": singular, "namespaced": true, "kind": kind,
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            }));
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}
