//! Secrets planted anywhere in anything: none of them may come through.

use kubewise_agent::strip::strip;
use kubewise_protocol::KINDS;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that mean something to the stripping, and some that mean nothing.
const NAMES: &[&str] = &[
    "metadata",
    "annotations",
    "managedFields",
    "spec",
    "template",
    "containers",
    "initContainers",
    "env",
    "value",
    "name",
    "args",
    "command",
    "exec",
    "livenessProbe",
    "httpHeaders",
    "status",
    "message",
    "conditions",
    "parameters",
    "source",
    "sources",
    "helm",
    "operation",
    "versions",
    "schema",
    "data",
    "webhooks",
    "clientConfig",
    "caBundle",
    "requestHeaderModifier",
    "set",
    "volumeAttributes",
    "containerStatuses",
    "sync",
    "x",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(NAMES).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        "(--?[a-z-]{1,12}[= ]?)?\\PC{0,12}",
        "[a-z]{1,5}://[a-z:@/?=&]{0,20}",
        "(sh|mysql|curl|redis-cli|password|PASSWORD|token)[ =:'\"\\\\]{0,3}\\PC{0,12}",
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(KINDS.iter().map(|kind| kind.kind).collect::<Vec<_>>())
}

/// Hides a value under some names.
fn bury(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| {
        let mut fields = Map::new();
        fields.insert(name.clone(), json!([value]));
        Value::Object(fields)
    })
}

/// What no list of words has: 12 characters or more, so that nothing else contains it by chance.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9!#%+./:=@^_~-]{11,24}"
}

fn secret_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "password",
        "db-password",
        "passwd",
        "client-secret",
        "token",
        "api-key",
        "apikey",
        "access-key",
        "aws-credentials",
        "private-key",
        "basic-auth",
        "auth",
    ])
    .prop_map(str::to_owned)
}

fn stripped(kind: &str, mut object: Value) -> String {
    strip(kind, &mut object);
    object.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn anything_is_survived(kind in kind(), mut object in tree()) {
        strip(kind, &mut object);
    }

    #[test]
    fn variables(
        kind in kind(),
        path in prop::collection::vec(name(), 0..6),
        secret in secret(),
        list in prop::sample::select(vec!["containers", "initContainers", "ephemeralContainers", "anything"]),
    ) {
        let container = json!({"name": "a", "env": [{"name": "A", "value": secret}, {"name": "B", "valueFrom": {"x": 1}}]});
        let object = json!({"spec": bury(&path, json!({list: [container]})), "metadata": {"uid": "u"}});
        prop_assert!(!stripped(kind, object).contains(&secret));
    }

    #[test]
    fn annotations(kind in kind(), path in prop::collection::vec(name(), 0..6), key in "[a-z.]{1,20}/[a-z-]{1,20}", secret in secret()) {
        let metadata = json!({"metadata": {"annotations": {key: secret}}});
        let object = json!({"spec": bury(&path, metadata.clone()), "metadata": metadata["metadata"]});
        prop_assert!(!stripped(kind, object).contains(&secret));
    }

    #[test]
    fn arguments(
        kind in kind(),
        field in prop::sample::select(vec!["command", "args"]),
        name in secret_name(),
        secret in secret(),
        before in prop::collection::vec("[a-z]{1,8}", 0..3),
        form in 0..6,
    ) {
        let variable = name.to_uppercase().replace('-', "_");
        let mut line: Vec<String> = before;
        match form {
            0 => line.push(format!("--{name}={secret}")),
            1 => line.extend([format!("--{name}"), secret.clone()]),
            2 => line.push(format!("run --{name} {secret} --verbose")),
            3 => line.push(format!("export {variable}={secret} && run")),
            4 => line.push(format!("run --{name}='{secret}' --verbose")),
            _ => line.push(format!("{{\"{name}\": \"{secret}\"}}")),
        }
        line.push("--verbose".to_owned());
        let object = json!({"spec": {"containers": [{"name": "a", (field): line, "livenessProbe": {"exec": {"command": line}}}]}});
        let text = stripped(kind, object);
        prop_assert!(!text.contains(&secret), "{text}");
        // Of a report nothing stays but the report.
        prop_assert!(kind == "VulnerabilityReport" || text.contains("--verbose"));
    }
}
