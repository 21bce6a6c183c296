//! The walk through an object.

use serde_json::{Map, Value};

use super::text::redact_text;
use super::{REMOVED, annotations, argo, arguments, names, report, status};

/// Takes out of an object of this kind what must not leave the cluster, and what only costs.
///
/// - contents: `data`, `binaryData`, `stringData`; every literal `value` in any `env`; values of HTTP headers of
///   probes and routes; values that Argo CD hands to Helm, Kustomize and plugins;
/// - what looks like a secret in command lines, addresses and elsewhere;
/// - annotations outside of a list;
/// - what is large and says nothing here: `managedFields`, certificates of webhooks, schemas of custom resources;
/// - what changes without meaning: `resourceVersion`, heartbeat times, messages.
///
/// Stripping twice gives what stripping once gives.
pub fn strip(kind: &str, object: &mut Value) {
    let Value::Object(fields) = object else { return };
    for field in ["data", "binaryData", "stringData"] {
        fields.remove(field);
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.remove("resourceVersion");
        metadata.remove("selfLink");
    }
    match kind {
        "Application" => argo::strip(fields),
        "CustomResourceDefinition" => drop_schemas(fields),
        "VulnerabilityReport" => report::strip(fields),
        _ => {}
    }
    if let Some(status) = fields.get_mut("status") {
        status::prune(kind, status);
    }
    walk_fields(fields);
}

/// Schemas are most of what a cluster's custom resource definitions weigh.
fn drop_schemas(fields: &mut Map<String, Value>) {
    let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
    spec.remove("validation");
    if let Some(Value::Array(versions)) = spec.get_mut("versions") {
        for version in versions.iter_mut().filter_map(Value::as_object_mut) {
            version.remove("schema");
            version.remove("additionalPrinterColumns");
        }
    }
}

fn walk(value: &mut Value) {
    match value {
        Value::Object(fields) => walk_fields(fields),
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::String(text) => {
            if let Some(redacted) = redact_text(text) {
                *text = redacted;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn walk_fields(fields: &mut Map<String, Value>) {
    fields.remove("managedFields");
    fields.remove("caBundle");
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), &mut *value) {
            ("annotations", Value::Object(annotations)) => {
                annotations::filter(annotations);
                continue;
            }
            ("env", env) => empty_env(env),
            ("command" | "args", Value::Array(line)) => arguments::redact(line),
            ("command" | "args", Value::String(_)) => {
                let mut line = [value.take()];
                arguments::redact(&mut line);
                let [redacted] = line;
                *value = redacted;
            }
            ("httpHeaders", Value::Array(headers)) => empty_values(headers),
            ("requestHeaderModifier" | "responseHeaderModifier", Value::Object(modifier)) => {
                for headers in modifier.values_mut().filter_map(Value::as_array_mut) {
                    empty_values(headers);
                }
            }
            ("volumeAttributes" | "parameters" | "options", Value::Object(settings)) => empty_secrets(settings),
            _ => {}
        }
        walk(value);
    }
}

/// Names of variables and where they come from stay; what they are goes.
fn empty_env(env: &mut Value) {
    match env {
        Value::Array(variables) => {
            for variable in variables {
                match variable {
                    Value::Object(variable) => {
                        variable.remove("value");
                    }
                    // `NAME=value`, as some custom resources have it.
                    Value::String(text) => {
                        let name = text.split('=').next().unwrap_or_default().len();
                        text.truncate(name);
                    }
                    _ => {}
                }
            }
        }
        Value::Object(variables) => {
            for variable in variables.values_mut().filter(|variable| !variable.is_object()) {
                *variable = Value::String(REMOVED.to_owned());
            }
        }
        Value::String(text) => REMOVED.clone_into(text),
        _ => {}
    }
}

/// `[{name, value}]` without the values.
fn empty_values(items: &mut [Value]) {
    for value in items.iter_mut().filter_map(|item| item.get_mut("value")) {
        *value = Value::String(REMOVED.to_owned());
    }
}

/// A map of settings without those that are named like secrets.
fn empty_secrets(settings: &mut Map<String, Value>) {
    for (name, value) in settings {
        // Classes of storage refer to secrets by `csi.storage.k8s.io/provisioner-secret-name`.
        if value.is_string() && names::is_secret(name.rsplit('/').next().unwrap_or(name)) {
            *value = Value::String(REMOVED.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stripped(kind: &str, mut object: Value) -> Value {
        strip(kind, &mut object);
        let mut twice = object.clone();
        strip(kind, &mut twice);
        assert_eq!(object, twice, "stripping twice changes nothing");
        object
    }

    #[test]
    fn metadata() {
        let before = json!({"metadata": {
            "name": "x", "uid": "u", "resourceVersion": "12", "managedFields": [{"manager": "kubectl"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"},
            "labels": {"app": "x"},
        }, "data": {"a": "hunter2"}, "binaryData": {}, "stringData": {"b": "hunter2"}});
        let after = json!({"metadata": {"name": "x", "uid": "u", "annotations": {}, "labels": {"app": "x"}}});
        assert_eq!(stripped("ConfigMap", before), after);
    }

    #[test]
    fn containers_of_every_sort_at_any_depth() {
        let container = json!({
            "name": "app", "image": "shop:1",
            "env": [{"name": "A", "value": "hunter2"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "args": ["--password=hunter2"], "command": ["sh", "-c", "login --token hunter2"],
            "livenessProbe": {"exec": {"command": ["check", "--password", "hunter2"]}},
            "readinessProbe": {"httpGet": {"path": "/", "httpHeaders": [{"name": "X-Key", "value": "hunter2"}]}},
            "lifecycle": {"preStop": {"exec": {"command": ["stop", "--token=hunter2"]}}},
        });
        let pod = json!({"containers": [container], "initContainers": [container], "ephemeralContainers": [container]});
        let after = stripped("CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}));
        assert!(!after.to_string().contains("hunter2"), "{after}");
        let container = &after["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"][0];
        assert_eq!(container["env"][0], json!({"name": "A"}));
        assert_eq!(container["env"][1]["valueFrom"]["secretKeyRef"]["key"], "k");
        assert_eq!(
            container["readinessProbe"]["httpGet"]["httpHeaders"][0],
            json!({"name": "X-Key", "value": REMOVED})
        );
        assert_eq!(container["livenessProbe"]["exec"]["command"], json!(["check", "--password", REMOVED]));
    }

    #[test]
    fn webhooks_and_definitions() {
        let before = json!({"webhooks": [{"clientConfig": {"caBundle": "LS0t", "service": {"name": "s"}}}]});
        let after = json!({"webhooks": [{"clientConfig": {"service": {"name": "s"}}}]});
        assert_eq!(stripped("ValidatingWebhookConfiguration", before), after);

        let before = json!({"spec": {
            "conversion": {"webhook": {"clientConfig": {"caBundle": "LS0t"}}},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }});
        let after = json!({"spec": {
            "conversion": {"webhook": {"clientConfig": {}}},
            "versions": [{"name": "v1", "served": true}],
        }});
        assert_eq!(stripped("CustomResourceDefinition", before), after);
    }

    #[test]
    fn settings_of_volumes() {
        let before = json!({"parameters": {
            "type": "gp3", "restuserkey": "k", "secretAccessKey": "hunter2",
            "csi.storage.k8s.io/provisioner-secret-name": "aws",
        }});
        let after = json!({"parameters": {
            "type": "gp3", "restuserkey": "k", "secretAccessKey": REMOVED,
            "csi.storage.k8s.io/provisioner-secret-name": "aws",
        }});
        assert_eq!(stripped("StorageClass", before), after);
    }

    #[test]
    fn headers_of_routes() {
        let before = json!({"spec": {"rules": [{
            "matches": [{"headers": [{"name": "version", "value": "two"}]}],
            "filters": [{"requestHeaderModifier": {"set": [{"name": "X-Api-Key", "value": "hunter2"}]}}],
        }]}});
        let after = stripped("HTTPRoute", before);
        let rule = &after["spec"]["rules"][0];
        assert_eq!(rule["matches"][0]["headers"][0]["value"], "two");
        assert_eq!(rule["filters"][0]["requestHeaderModifier"]["set"][0]["value"], REMOVED);
    }

    #[test]
    fn not_an_object() {
        for value in [json!(null), json!([1]), json!("x"), json!({}), json!({"metadata": [], "spec": 1, "status": "x"})]
        {
            stripped("Pod", value);
        }
    }
}
