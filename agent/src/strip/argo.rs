//! Argo CD's Application: parameters for Helm, Kustomize and plugins are the environment variables of `GitOps`.

use serde_json::{Map, Value};

/// Fields of a source that are kept; of each tool's settings, those named after it.
const SOURCE: &[(&str, Option<&[&str]>)] = &[
    ("chart", None),
    ("directory", Some(&["exclude", "include", "recurse"])),
    ("helm", Some(&["parameters", "releaseName", "valueFiles", "version"])),
    ("kustomize", Some(&["images", "namePrefix", "nameSuffix", "namespace", "version"])),
    ("path", None),
    ("plugin", Some(&["name"])),
    ("ref", None),
    ("repoURL", None),
    ("targetRevision", None),
];

/// Strips everything that an Application says beside where its manifests come from and where they go.
/// Its status is pruned apart.
pub(super) fn strip(fields: &mut Map<String, Value>) {
    fields.remove("operation");
    let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
    spec.remove("info");
    if let Some(source) = spec.get_mut("source") {
        strip_source(source);
    }
    if let Some(Value::Array(sources)) = spec.get_mut("sources") {
        sources.iter_mut().for_each(strip_source);
    }
    if let Some(Value::Object(hydrator)) = spec.get_mut("sourceHydrator") {
        hydrator.values_mut().for_each(strip_source);
    }
}

fn strip_source(source: &mut Value) {
    let Value::Object(source) = source else {
        // Nothing else can be a source.
        *source = Value::Null;
        return;
    };
    source.retain(|name, value| match SOURCE.iter().find(|(kept, _)| kept == name) {
        None => false,
        Some((_, None)) => value.is_string(),
        Some((_, Some(settings))) => {
            if let Value::Object(value) = value {
                value.retain(|setting, _| settings.contains(&setting.as_str()));
                true
            } else {
                false
            }
        }
    });
    // The names of parameters, without their values.
    if let Some(parameters) = source.get_mut("helm").and_then(|helm| helm.get_mut("parameters")) {
        if let Value::Array(parameters) = parameters {
            for parameter in parameters {
                if let Value::Object(parameter) = parameter {
                    parameter.retain(|name, _| name == "name");
                } else {
                    *parameter = Value::Null;
                }
            }
        } else {
            *parameters = Value::Null;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_application() {
        let mut application = json!({
            "operation": {"sync": {"source": {"helm": {"values": "hunter2"}}}},
            "spec": {
                "destination": {"namespace": "shop", "server": "https://kubernetes.default.svc"},
                "info": [{"name": "password", "value": "hunter2"}],
                "source": {
                    "repoURL": "https://git.example.com/shop.git", "path": "deploy", "targetRevision": "main",
                    "helm": {"values": "p: hunter2", "valuesObject": {"p": "hunter2"}, "releaseName": "shop",
                        "parameters": [{"name": "p", "value": "hunter2", "forceString": true}], "valueFiles": ["v.yaml"]},
                    "kustomize": {"images": ["a:1"], "patches": [{"patch": "hunter2"}]},
                    "plugin": {"name": "x", "env": [{"name": "P", "value": "hunter2"}], "parameters": [{"string": "hunter2"}]},
                    "directory": {"recurse": true, "jsonnet": {"extVars": [{"name": "a", "value": "hunter2"}]}},
                },
                "sources": [{"chart": "c", "helm": {"values": "hunter2"}}, "hunter2"],
                "sourceHydrator": {"drySource": {"repoURL": "r", "helm": {"parameters": "hunter2"}}},
            },
        });
        let Value::Object(fields) = &mut application else { panic!("an object") };
        strip(fields);
        let text = application.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        let source = &application["spec"]["source"];
        assert_eq!(
            source["helm"],
            json!({"releaseName": "shop", "parameters": [{"name": "p"}], "valueFiles": ["v.yaml"]})
        );
        assert_eq!(source["kustomize"], json!({"images": ["a:1"]}));
        assert_eq!(source["plugin"], json!({"name": "x"}));
        assert_eq!(application["spec"]["destination"]["namespace"], "shop");
    }
}
