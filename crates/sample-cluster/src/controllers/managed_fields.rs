//! `metadata.managedFields`: who wrote which field. The larger half of what an API server sends, so that whoever
//! reads it can be seen to drop it.

use serde_json::{Map, Value, json};

use crate::object;

/// Notes that `manager` wrote everything but the status, and `status_manager` the status; down to a depth, if given.
pub(crate) fn set(object: &mut Value, manager: &str, status_manager: Option<&str>, time: &str, depth: Option<usize>) {
    let depth = depth.unwrap_or(usize::MAX);
    let api_version = object["apiVersion"].clone();
    let operation = if manager == "argocd-controller" { "Apply" } else { "Update" };
    let mut written = Map::new();
    let mut metadata = Map::new();
    for field in ["annotations", "generateName", "labels", "ownerReferences"] {
        if let Some(value) = object["metadata"].get(field).filter(|v| !v.is_null()) {
            metadata.insert(format!("f:{field}"), fields(value, depth));
        }
    }
    if !metadata.is_empty() {
        written.insert("f:metadata".to_owned(), Value::Object(metadata));
    }
    for (field, value) in object.as_object().into_iter().flatten() {
        if !matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            written.insert(format!("f:{field}"), fields(value, depth));
        }
    }
    let entry = |manager: &str, operation: &str, fields: Value| {
        json!({
            "apiVersion": api_version, "fieldsType": "FieldsV1", "fieldsV1": fields, "manager": manager,
            "operation": operation, "time": time,
        })
    };
    let mut entries = vec![entry(manager, operation, Value::Object(written))];
    if let (Some(manager), Some(status)) = (status_manager, object.get("status")) {
        let mut status_entry = entry(manager, "Update", json!({"f:status": fields(status, depth)}));
        status_entry["subresource"] = json!("status");
        entries.push(status_entry);
    }
    object["metadata"]["managedFields"] = Value::Array(entries);
}

/// The fields of a value as `FieldsV1` writes them.
fn fields(value: &Value, depth: usize) -> Value {
    let mut out = Map::new();
    match value {
        _ if depth == 0 => {}
        Value::Object(map) => {
            for (key, value) in map {
                out.insert(format!("f:{key}"), fields(value, depth - 1));
            }
        }
        Value::Array(items) => {
            let keys: Option<Vec<String>> = items.iter().map(list_key).collect();
            // Lists without keys are written as a whole.
            for (key, item) in keys.into_iter().flatten().zip(items) {
                let mut item = fields(item, depth - 1);
                object::default(&mut item, ".", json!({}));
                out.insert(key, item);
            }
        }
        _ => {}
    }
    Value::Object(out)
}

/// The key by which a list's elements are told apart (the `listMapKeys` of the API's types).
fn list_key(item: &Value) -> Option<String> {
    let Value::Object(key) = item else { return None };
    if key.contains_key("containerPort") {
        return Some(format!("k:{}", json!({"containerPort": key["containerPort"], "protocol": "TCP"})));
    }
    let by = ["uid", "mountPath", "name", "type", "port", "ip"].into_iter().find(|by| key.contains_key(*by))?;
    Some(format!("k:{}", json!({by: key[by]})))
}
