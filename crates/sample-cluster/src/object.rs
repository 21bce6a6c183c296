//! Small questions asked of a Kubernetes object held as JSON.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{clock, resource_type::ResourceType};

/// The namespace of this crate's version 5 UUIDs.
const UUIDS: Uuid = Uuid::from_u128(0x6b75_6265_7769_7365_5361_6d70_6c65_0001);

/// A UID that is the same on every start: made from what names the object.
pub(crate) fn uid(seed: &str, group: &str, kind: &str, namespace: &str, name: &str) -> String {
    Uuid::new_v5(&UUIDS, format!("{seed}/{group}/{kind}/{namespace}/{name}").as_bytes()).to_string()
}

/// The name; empty when there is none.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The namespace; empty when there is none.
pub(crate) fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// The kind; empty when there is none.
pub(crate) fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

/// The UID; empty when there is none.
pub(crate) fn uid_of(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// When it was created, in seconds since 1970.
pub(crate) fn created(object: &Value) -> i64 {
    object["metadata"]["creationTimestamp"].as_str().and_then(clock::parse_rfc3339).unwrap_or(clock::START)
}

/// `namespace/name`, or `name` for what lives in no namespace.
pub(crate) fn key(object: &Value, namespaced: bool) -> Result<Arc<str>> {
    let name = object["metadata"]["name"].as_str().filter(|n| !n.is_empty()).context("an object needs a name")?;
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    match (namespaced, namespace.is_empty()) {
        (true, true) => bail!("{name} needs a namespace"),
        (true, false) => Ok(format!("{namespace}/{name}").into()),
        (false, true) => Ok(name.into()),
        (false, false) => bail!("{name} is of a kind that lives in no namespace"),
    }
}

/// The key of an object by its names.
pub(crate) fn key_of(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// Makes what a client may leave out: uid, creationTimestamp, and a generation that counts changes of the spec.
pub(crate) fn complete(object: &mut Value, old: Option<&Value>, kind: &ResourceType, revision: u64) {
    let same_name = |o: &Value| {
        // Deleted and made again is another object: the revision goes into the UID.
        let seed = format!("revision {revision}");
        uid(&seed, &kind.group, &kind.kind, namespace(o), name(o))
    };
    let new_uid = same_name(object);
    let spec_changed = old.is_some_and(|o| o["spec"] != object["spec"]);
    let metadata = &mut object["metadata"];
    for (field, made) in [
        ("uid", json!(new_uid)),
        ("creationTimestamp", json!(clock::rfc3339(clock::START + i64::try_from(revision).unwrap_or(0)))),
    ] {
        if metadata[field].is_null() {
            metadata[field] = old.map(|o| o["metadata"][field].clone()).filter(|v| !v.is_null()).unwrap_or(made);
        }
    }
    if metadata["generation"].is_null()
        && let Some(generation) = old.and_then(|o| o["metadata"]["generation"].as_i64())
    {
        metadata["generation"] = json!(generation + i64::from(spec_changed));
    }
}

/// The map at a field, made when it is not there.
pub(crate) fn map<'a>(value: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let slot = &mut value[field];
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// Sets a field unless it is set.
pub(crate) fn default(value: &mut Value, field: &str, otherwise: Value) {
    if value[field].is_null() {
        value[field] = otherwise;
    }
}

/// The elements of a list; none when it is no list.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The elements of a list; none when it is no list.
pub(crate) fn list_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// A reference from what a controller made to what it made it for.
pub(crate) fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

/// True when one of the object's owners has this UID.
pub(crate) fn is_owned_by(object: &Value, uid: &str) -> bool {
    list(&object["metadata"]["ownerReferences"]).any(|owner| owner["uid"] == uid)
}
