//! The change that mends a finding, as YAML.

use crate::{
    object::{ContainerGroup, Object},
    out::Finding,
    rule::Patch,
};

impl Finding {
    /// A whole object to merge (`kubectl patch --type strategic`); empty where the rule has no change that is right for
    /// everybody.
    pub fn patch(&self, object: &Object) -> String {
        let pod = || object.pod().map(|pod| pod.path.split('.').map(|key| format!("{key}:")).collect());
        let (fields, around): (&str, Vec<String>) = match (self.rule.patch, self.container) {
            (Patch::Object(fields), _) => (fields, Vec::new()),
            (Patch::Pod(fields), _) => (fields, pod().unwrap_or_default()),
            // Ephemeral containers cannot be changed once they are there.
            (Patch::Container(fields), Some((group, index))) if group != ContainerGroup::Ephemeral => {
                let containers = object.pod().map_or(&[][..], |pod| pod.spec.get(group.field()).items());
                let name = containers.get(index as usize).map_or("", |container| container.get("name").str());
                let mut around: Vec<String> = pod().unwrap_or_default();
                around.extend([format!("{}:", group.field()), format!("- name: {}", scalar(name))]);
                (fields, around)
            }
            (Patch::None | Patch::Container(_), _) => return String::new(),
        };
        let depth = around.len();
        let mut lines = vec![
            format!("apiVersion: {}", scalar(&object.api_version)),
            format!("kind: {}", scalar(&object.kind_name)),
            "metadata:".to_owned(),
            format!("  name: {}", scalar(&object.name)),
        ];
        if !object.namespace.is_empty() {
            lines.push(format!("  namespace: {}", scalar(&object.namespace)));
        }
        lines.extend(around.iter().enumerate().map(|(depth, line)| indented(depth, line)));
        lines.extend(fields.lines().map(|line| indented(depth, line)));
        lines.join("\n") + "\n"
    }
}

fn indented(depth: usize, line: &str) -> String {
    format!("{}{line}", "  ".repeat(depth))
}

/// A string as YAML: JSON's form is one of YAML's.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/' | b'_'))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use crate::{Completeness, Inventory, Object, Options, audit, yaml};

    #[test]
    fn a_patch_names_what_it_changes() {
        let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: \"on\", namespace: shop}\nspec: {jobTemplate: {spec: \
                    {template: {spec: {hostPID: true, containers: [{name: a, image: b}]}}}}}\n";
        let object = Object::new(yaml::documents(text).unwrap().remove(0), None);
        let inventory = Inventory::new(object, Completeness::Manifests);
        let report = audit(&inventory, &Options::default());
        let finding = report.findings.iter().find(|f| f.rule.id == "pss-host-namespaces").unwrap();
        let patch = finding.patch(inventory.object(finding.object));
        let patch = &yaml::documents(&patch).unwrap()[0];
        assert_eq!(patch.at(&["metadata", "name"]).as_str(), Some("on"));
        let spec = patch.at(&["spec", "jobTemplate", "spec", "template", "spec"]);
        assert!(spec.get("hostPID").is_false());
    }
}
