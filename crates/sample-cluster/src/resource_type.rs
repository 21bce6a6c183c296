//! What a resource type is: how the API addresses it and what its discovery document says of it.

use serde_json::{Value, json};

/// One served resource type: a group, a version and a plural.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceType {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) namespaced: bool,
    /// Defined by a `CustomResourceDefinition`. Lists of those repeat apiVersion and kind in each item, lists of
    /// built-in kinds do not.
    pub(crate) custom: bool,
}

impl ResourceType {
    pub(crate) fn builtin(
        group: &str,
        version: &str,
        plural: &str,
        kind: &str,
        namespaced: bool,
        short: &[&str],
    ) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_ascii_lowercase(),
            kind: kind.to_owned(),
            short_names: short.iter().map(|&s| s.to_owned()).collect(),
            namespaced,
            custom: false,
        }
    }

    /// The resource types that a `CustomResourceDefinition` brings: one per served version.
    pub(crate) fn of_definition(crd: &Value) -> Vec<Self> {
        let spec = &crd["spec"];
        let names = &spec["names"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let served = |v: &&Value| v["served"].as_bool().unwrap_or(true);
        let versions = spec["versions"].as_array().into_iter().flatten().filter(served);
        versions
            .map(|version| Self {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                plural: text(&names["plural"]),
                singular: text(&names["singular"]),
                kind: text(&names["kind"]),
                short_names: names["shortNames"].as_array().into_iter().flatten().map(text).collect(),
                namespaced: spec["scope"] == "Namespaced",
                custom: true,
            })
            .collect()
    }

    /// One entry of a recorded `APIResourceList`; none for subresources and for what cannot be listed.
    pub(crate) fn of_discovery(group: &str, version: &str, resource: &Value) -> Option<Self> {
        let plural = resource["name"].as_str()?;
        let listed = resource["verbs"].as_array()?.iter().any(|v| v == "list");
        if plural.contains('/') || !listed {
            return None;
        }
        let mut kind =
            Self::builtin(group, version, plural, resource["kind"].as_str()?, resource["namespaced"].as_bool()?, &[]);
        kind.short_names = resource["shortNames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|s| s.as_str().map(str::to_owned))
            .collect();
        Some(kind)
    }

    /// `v1`, `apps/v1`
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As Kubernetes writes a group-kind: `Pod`, `Deployment.apps`.
    pub(crate) fn group_kind(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// `pods`, `deployments.apps`: how messages name the resource.
    pub(crate) fn group_resource(&self) -> String {
        group_resource(&self.group, &self.plural)
    }

    /// The entry in the group-version's `APIResourceList`.
    pub(crate) fn discovery(&self) -> Value {
        let mut entry = json!({
            "name": self.plural, "singularName": self.singular, "namespaced": self.namespaced, "kind": self.kind,
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        });
        if !self.short_names.is_empty() {
            entry["shortNames"] = json!(self.short_names);
        }
        entry
    }
}

/// `pods`, `deployments.apps`
pub(crate) fn group_resource(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// True for what nobody may read here, as it is for an account that was granted no more than an inventory needs.
/// Nothing of these kinds is ever held.
pub(crate) fn is_forbidden(group: &str, resource: &str) -> bool {
    matches!((group, resource), ("", "secrets" | "configmaps" | "events") | ("events.k8s.io", "events"))
}

/// Group and version: of `apps/v1` they are `apps` and `v1`, of `v1` the empty group and `v1`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
