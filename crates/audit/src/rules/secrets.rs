//! Secrets in the wrong place.

use crate::{
    credential::{REMOVED, is_secret, is_secret_name, known},
    inventory::Completeness,
    node::Node,
    object::{Container, Kind, Object},
    out::Out,
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

/// The first version: the rule is for all.
const ALWAYS: KubernetesVersion = KubernetesVersion::new(1, 0);

/// The rules.
pub static RULES: &[Rule] = &[
    Rule {
        id: "secret-in-environment",
        title: "Secret in an environment variable, in plain text",
        why: "Whoever may read the workload, its manifest in a repository or a dump of the process has the secret; it \
              cannot be changed without rolling the workload out.",
        fix: "Put the value into a Secret, change it, and refer to it, best as a file.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Secrets],
        controls: &[(Framework::Nsa, "Secrets"), (Framework::Mitre, "T1552"), (Framework::Pci, "8.6.2")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/security/secrets-good-practices/"],
        check: Check::Container(environment),
    },
    Rule {
        id: "secret-in-arguments",
        title: "Secret in a command line",
        why: "Command lines are in the manifest, and every process on the node, and in the pod, sees them in its list \
              of processes.",
        fix: "Put the value into a Secret, change it, and let the program read a file.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Secrets],
        controls: &[(Framework::Nsa, "Secrets"), (Framework::Mitre, "T1552"), (Framework::Pci, "8.6.2")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/security/secrets-good-practices/"],
        check: Check::Container(arguments),
    },
    Rule {
        id: "secret-as-environment-variable",
        title: "Secret is handed over as a variable",
        why: "Variables are inherited by every process that the container starts, are written into crash reports and \
              logs, and stay as they were when the secret is changed.",
        fix: "Mount the secret as a file, if the program can read one.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Secrets],
        controls: &[(Framework::Cis, "5.4.1")],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
            "https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/",
        ],
        check: Check::Container(from_environment),
    },
    Rule {
        id: "secret-as-whole-environment",
        title: "Whole secret is handed over as variables",
        why: "The container gets every key of the secret, also those that are added later and are not for it, in \
              variables that every process inherits.",
        fix: "Name the keys that are needed, and mount them as files.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Secrets],
        controls: &[(Framework::Cis, "5.4.1")],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
            "https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/",
        ],
        check: Check::Container(whole),
    },
    Rule {
        id: "config-map-secret",
        title: "Secret in a configuration map",
        why: "Configuration maps are read by far more people and programs than secrets are, are not encrypted at rest \
              by the usual configuration, and are in repositories.",
        fix: "Put the value into a Secret, and change it.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Secrets],
        controls: &[(Framework::Nsa, "Secrets"), (Framework::Mitre, "T1552"), (Framework::Pci, "8.6.2")],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
            "https://kubernetes.io/docs/concepts/configuration/configmap/",
        ],
        check: Check::Object(&[Kind::ConfigMap], config_map),
    },
    Rule {
        id: "secret-in-manifest",
        title: "Values of a secret in a manifest",
        why: "Base64 is no encryption: whoever may read the file, its repository or any of its old versions has the \
              values.",
        fix: "Change the values, and keep them in a secret store: External Secrets, Sealed Secrets, SOPS or the \
              secrets CSI driver.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Secrets],
        controls: &[(Framework::Nsa, "Secrets"), (Framework::Mitre, "T1552"), (Framework::Pci, "8.6.2")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/security/secrets-good-practices/"],
        check: Check::Object(&[Kind::Secret], manifest),
    },
    Rule {
        id: "service-account-token-secret",
        title: "Token of a service account that never expires",
        why: "Tokens in secrets are good until the secret is deleted: one that was copied once, to a laptop or a \
              pipeline, keeps its rights for years.",
        fix: "Delete the secret; ask for tokens that expire (kubectl create token, or a projected volume).",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Secrets, Category::AccessControl],
        controls: &[(Framework::Mitre, "T1528")],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/security/service-accounts/",
            "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/",
        ],
        check: Check::Object(&[Kind::Secret, Kind::ServiceAccount], long_lived_token),
    },
    Rule {
        id: "secret-in-metadata",
        title: "Secret in a label or an annotation",
        why: "Whoever may list objects sees their labels and annotations, and monitoring copies them into its own \
              database.",
        fix: "Put the value into a Secret, and change it.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Secrets],
        controls: &[(Framework::Nsa, "Secrets"), (Framework::Mitre, "T1552"), (Framework::Pci, "8.6.2")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/security/secrets-good-practices/"],
        check: Check::Object(Kind::ALL, metadata),
    },
];

const NO_VALUES: &str = "Values of environment variables are not read from the cluster";
const REMOVED_ARGUMENT: &str = "A part of a command line was not read from the cluster";
const NO_ANNOTATIONS: &str = "Most annotations are not read from the cluster";

fn has_no_values(out: &Out<'_>) -> bool {
    matches!(out.inventory().completeness(), Completeness::Cluster { without_values: true, .. })
}

fn environment(container: Container<'_>, out: &mut Out<'_>) {
    for (index, variable) in container.get("env").items().iter().enumerate() {
        let name = variable.get("name").str();
        let Some(value) = variable.get("value").as_str().filter(|value| *value != REMOVED) else {
            // What an agent took out may have been one.
            if has_no_values(out) && !variable.get("valueFrom").is_present() && is_secret_name(name) {
                out.cannot(NO_VALUES);
            }
            continue;
        };
        let what = known(value).or_else(|| is_secret(name, value).then_some("what looks like a secret"));
        if let Some(what) = what {
            let message = format!("Variable {name} of {} has {what} in plain text.", container.title());
            out.fail(container.spot(&format!("env[{index}].value")), message);
        }
    }
}

fn arguments(container: Container<'_>, out: &mut Out<'_>) {
    for field in ["command", "args"] {
        let mut flag = "";
        for (index, argument) in container.get(field).items().iter().enumerate() {
            let text = argument.str();
            let before = std::mem::take(&mut flag);
            let what = if text.contains(REMOVED) {
                if !was_secret(before, text) {
                    out.cannot(REMOVED_ARGUMENT);
                    continue;
                }
                Some("held what looks like a secret by its name")
            } else if known(text).is_some() || has_assignment(text) {
                Some("holds what looks like a secret")
            } else if !before.is_empty() && !text.starts_with('-') && is_secret(before, text) {
                Some("is what looks like a secret")
            } else {
                None
            };
            if let Some(what) = what {
                let message = format!("The command line of {} {what} ({field}[{index}]).", container.title());
                out.fail(container.spot(&format!("{field}[{index}]")), message);
            } else if text.starts_with("--") && !text.contains(['=', ' ']) {
                flag = text;
            }
        }
    }
}

/// Whether what an agent took out is named as a secret. It takes out much else: hashes, addresses of people.
fn was_secret(flag: &str, text: &str) -> bool {
    if text == REMOVED {
        return is_secret_name(flag);
    }
    let mut words = text.split_whitespace().filter_map(|word| word.trim_matches(['"', '\'', ';']).split_once('='));
    words.any(|(name, value)| value == REMOVED && is_secret_name(name))
}

/// `--password=hunter2`, alone or in a script.
fn has_assignment(text: &str) -> bool {
    text.contains('=')
        && text.split_whitespace().any(|word| {
            let word = word.trim_matches(['"', '\'', ';']);
            word.split_once('=').is_some_and(|(name, value)| {
                let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                name.bytes().all(is_name) && is_secret(name, value)
            })
        })
}

fn from_environment(container: Container<'_>, out: &mut Out<'_>) {
    let variables = container.get("env").items().iter();
    let secret = variables.filter(|variable| variable.at(&["valueFrom", "secretKeyRef"]).is_present());
    let names: Vec<&str> = secret.map(|variable| variable.get("name").str()).collect();
    if !names.is_empty() {
        let message = format!("Secrets are variables of {}: {}.", container.title(), names.join(", "));
        out.fail(container.spot("env"), message);
    }
}

fn whole(container: Container<'_>, out: &mut Out<'_>) {
    for (index, source) in container.get("envFrom").items().iter().enumerate() {
        let secret = source.get("secretRef");
        if secret.is_present() {
            let message = format!(
                "Every key of the secret \"{}\" is a variable of {}.",
                secret.get("name").str(),
                container.title()
            );
            out.fail(container.spot(&format!("envFrom[{index}].secretRef")), message);
        }
    }
}

fn config_map(object: &Object, out: &mut Out<'_>) {
    if !out.inventory().is_manifests() {
        out.cannot("Contents of configuration maps are not read from the cluster");
        return;
    }
    for (key, node) in object.root.get("data").entries() {
        let value = node.str();
        // Files have many lines, and their names say little of what is in them.
        let is_value = !value.trim_end().contains('\n');
        let what = known(value).or_else(|| (is_value && is_secret(key, value)).then_some("what looks like a secret"));
        if let Some(what) = what {
            out.fail(
                object.spot(&format!("data[\"{key}\"]")),
                format!("The configuration map has {what} under {key}."),
            );
        }
    }
}

fn manifest(object: &Object, out: &mut Out<'_>) {
    if !out.inventory().is_manifests() {
        out.skip();
        return;
    }
    // Encrypted by SOPS: the keys are readable, the values are not.
    if object.root.get("sops").is_present() {
        return;
    }
    for field in ["data", "stringData"] {
        let is_written = |node: &Node| {
            node.as_str().is_some_and(|text| !text.is_empty() && !text.starts_with(['<', '$']) && !text.contains("{{"))
        };
        let values = object.root.get(field);
        let keys: Vec<&str> = values.entries().filter(|(_, node)| is_written(node)).map(|(key, _)| key).collect();
        if !keys.is_empty() {
            let message = format!("The manifest has values of the secret in it ({}).", keys.join(", "));
            out.fail(object.spot(field), message);
        }
    }
}

fn long_lived_token(object: &Object, out: &mut Out<'_>) {
    if object.kind == Kind::Secret {
        if object.root.get("type").str() == "kubernetes.io/service-account-token" {
            let message = "The secret is a token of a service account that never expires.";
            out.fail(object.spot("type"), message);
        }
        return;
    }
    if out.is_system(&object.namespace) {
        return;
    }
    for (index, secret) in object.root.get("secrets").items().iter().enumerate() {
        let name = secret.get("name").str();
        // As Kubernetes named those that it made up to 1.23.
        if name.strip_prefix(&*object.name).is_some_and(|rest| rest.starts_with("-token-")) {
            let message = format!("The service account has a token that never expires (secret \"{name}\").");
            out.fail(object.spot(&format!("secrets[{index}]")), message);
        }
    }
}

fn metadata(object: &Object, out: &mut Out<'_>) {
    for field in ["labels", "annotations"] {
        for (key, node) in object.metadata().get(field).entries() {
            let name = key.rsplit('/').next().unwrap_or(key);
            let value = node.str();
            // Names of annotations say what a controller is to do with a secret; only passwords are never that.
            let is_password = || {
                let ending = name.len().checked_sub(8).and_then(|start| name.get(start..));
                value.len() <= 64
                    && ending.is_some_and(|ending| ending.eq_ignore_ascii_case("password"))
                    && is_secret(name, value)
            };
            let what = known(value).or_else(|| is_password().then_some("what looks like a password"));
            if let Some(what) = what {
                out.fail(
                    object.spot(&format!("metadata.{field}[\"{key}\"]")),
                    format!("{key} has {what} in plain text."),
                );
            }
        }
    }
    if has_no_values(out) {
        out.cannot(NO_ANNOTATIONS);
    }
}
