//! No rule falls over what is not as Kubernetes has it: every object of the fixtures, with one value after the other
//! replaced by one of another type or at the edge of it, by all rules.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::PathBuf};

use kubewise_audit::{Completeness, Inventory, Kind, KubernetesVersion, Node, Object, Options, audit, flatten, yaml};
use serde_json::{Value, json};

/// The objects of all fixtures, without what is said of their cases.
fn objects() -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let is_heading = |line: &str| ["# fail", "# pass", "# unknown", "# skip"].iter().any(|word| line.starts_with(word));
    texts
        .flat_map(|text| {
            let lines: Vec<&str> = text.lines().map(|line| if is_heading(line) { "---" } else { line }).collect();
            serde_saphyr::from_multiple::<Value>(&lines.join("\n")).unwrap()
        })
        .filter(Value::is_object)
        .collect()
}

/// Every place in a value, as `serde_json` points to it.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in entries {
        let place = format!("{at}/{key}");
        places(value, &place, found);
        // Without these it is no object, and nothing is judged.
        if !matches!(&*place, "/kind" | "/apiVersion") {
            found.push(place);
        }
    }
}

fn strange() -> Vec<Value> {
    let deep = (0..50).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(""),
        json!("x"),
        json!("ä€𝄞\u{0}/:@%$(*)"),
        json!("-"),
        json!("1e999999999"),
        json!("99999999999999999999Ei"),
        json!(-1),
        json!(0),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5e300),
        json!(true),
        json!([]),
        json!({}),
        json!([null, 7, "", [], {}]),
        json!({"": null, "a.b/c": [{}]}),
        deep,
    ]
}

#[test]
fn no_rule_falls_over_what_is_of_another_type() {
    let strange = strange();
    let mut variants: Vec<Value> = Vec::new();
    for object in objects() {
        let mut found = Vec::new();
        places(&object, "", &mut found);
        // All values at each place would take minutes. Over all fixtures, each kind of place has most of them.
        for place in found.into_iter().step_by(2) {
            let value = &strange[variants.len() % strange.len()];
            let mut variant = object.clone();
            *variant.pointer_mut(&place).unwrap() = value.clone();
            variants.push(variant);
        }
    }
    assert!(variants.len() > 10_000, "{}", variants.len());
    let whole = Kind::ALL.iter().copied().collect();
    let cluster = Completeness::Cluster { whole, without_values: false, version: Some(KubernetesVersion::new(1, 30)) };
    for completeness in [Completeness::Manifests, cluster] {
        // Some at a time, as what is in one namespace is compared with each other.
        for some in variants.chunks(500) {
            let nodes = some.iter().map(|variant| serde_json::from_value::<Node>(variant.clone()).unwrap());
            let objects = nodes.flat_map(flatten).filter_map(|node| Object::new(node, None));
            let inventory = Inventory::new(objects, completeness.clone());
            let report = audit(&inventory, &Options::default());
            for finding in &report.findings {
                assert!(!finding.message.is_empty(), "{}", finding.rule.id);
                let patch = finding.patch(inventory.object(finding.object));
                assert!(yaml::documents(&patch).is_ok(), "{}: {patch}", finding.rule.id);
            }
        }
    }
}
