//! Objects that are misnamed, given twice, stuck or of no use.

use std::collections::{HashMap, HashSet};

use crate::{
    node::Node,
    object::{Kind, Object},
    out::Out,
};

const UNKNOWN: &str = "how things are is not known from manifests";

pub(super) fn default_namespace(object: &Object, out: &mut Out<'_>) {
    let is_given =
        matches!((object.kind, &*object.name), (Kind::Service, "kubernetes") | (Kind::ConfigMap, "kube-root-ca.crt"));
    if &*object.namespace == "default" && !object.is_made && object.controller().is_none() && !is_given {
        out.fail(object.spot("metadata.namespace"), format!("{} is in the namespace \"default\".", object.title()));
    }
}

pub(super) fn duplicate(out: &mut Out<'_>) {
    let inventory = out.inventory();
    if !inventory.is_manifests() {
        return;
    }
    // Only those with the same hash are compared: nearly all objects are given once.
    let named = inventory.objects().iter().filter(|object| !object.name.is_empty() && !object.name.ends_with('*'));
    let mut hashes: Vec<(u64, u32)> = named.map(|object| (hash(object), object.index())).collect();
    hashes.sort_unstable();
    for alike in hashes.chunk_by(|(a, _), (b, _)| a == b).filter(|alike| alike.len() > 1) {
        let mut seen = HashSet::new();
        for object in alike.iter().map(|(_, index)| inventory.object(*index)) {
            // Other files may be for other environments.
            let key = (object.source.as_deref(), object.group(), &*object.kind_name, &*object.namespace, &*object.name);
            if !seen.insert(key) {
                out.fail(object.spot("metadata.name"), format!("{} is given more than once.", object.title()));
            }
        }
    }
}

/// FNV-1a, of 64 bits, over what names an object.
fn hash(object: &Object) -> u64 {
    let parts = [&*object.kind_name, &*object.namespace, &*object.name];
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0xFF]))
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

pub(super) fn label_missing(object: &Object, out: &mut Out<'_>) {
    if out.parameters().required_labels.is_empty() {
        out.skip();
        return;
    }
    if object.is_made || object.controller().is_some() || out.is_system(&object.namespace) {
        return;
    }
    for label in &out.parameters().required_labels {
        if object.labels().get(label).text().is_none_or(|value| value.is_empty()) {
            let message = format!("{} has no label \"{label}\".", object.title());
            out.fail(object.spot("metadata.labels").for_each(label), message);
        }
    }
}

pub(super) fn label_invalid(object: &Object, out: &mut Out<'_>) {
    labels_invalid(object, "metadata", object.metadata(), out);
    if object.kind != Kind::Pod
        && let Some(pod) = object.pod()
    {
        labels_invalid(object, &pod.metadata_path(), pod.metadata, out);
    }
}

fn labels_invalid(object: &Object, at: &str, metadata: &Node, out: &mut Out<'_>) {
    for (key, value) in metadata.get("labels").entries() {
        let is_valid = value.as_str().map_or(!value.is_present(), is_label_value);
        if !is_valid {
            let shown = value.text().unwrap_or_default();
            let message = format!("Label \"{key}\" of {} cannot be {}.", object.title(), quoted(value, &shown));
            out.fail(object.spot(&format!("{at}.labels[\"{key}\"]")), message);
        }
    }
    for (key, value) in metadata.get("annotations").entries() {
        if value.is_present() && value.as_str().is_none() {
            let shown = value.text().unwrap_or_default();
            let message = format!("Annotation \"{key}\" of {} cannot be {}.", object.title(), quoted(value, &shown));
            out.fail(object.spot(&format!("{at}.annotations[\"{key}\"]")), message);
        }
    }
}

fn quoted(value: &Node, shown: &str) -> String {
    if value.as_str().is_some() {
        format!("\"{}\"", shown.escape_debug())
    } else if shown.is_empty() {
        "a map or a list".to_owned()
    } else {
        format!("{shown}, which is no string")
    }
}

/// Up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at either end (documentation, "Labels and
/// Selectors", syntax).
fn is_label_value(value: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    value.is_empty()
        || value.len() <= 63
            && value.starts_with(is_end)
            && value.ends_with(is_end)
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

pub(super) fn name_invalid(object: &Object, out: &mut Out<'_>) {
    let Some(name) = object.metadata().get("name").as_str() else { return };
    // RFC 1123: these become names in DNS, of one label or of several.
    let is_label = matches!(object.kind, Kind::Namespace | Kind::Service);
    let is_part = |part: &str| {
        let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(is_end)
            && part.ends_with(is_end)
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let (most, is_valid) = if is_label { (63, is_part(name)) } else { (253, name.split('.').all(is_part)) };
    // What Helm 2 and 3 put in for the name of the release.
    if (!is_valid || name.len() > most) && !name.contains("RELEASE-NAME") {
        let message = format!("\"{}\" cannot be the name of a {}.", name.escape_debug(), object.kind.as_str());
        out.fail(object.spot("metadata.name"), message);
    }
}

pub(super) fn stuck_in_deletion(object: &Object, out: &mut Out<'_>) {
    let finalizers = object.metadata().get("finalizers");
    if object.metadata().get("deletionTimestamp").is_present() && !finalizers.is_empty() {
        let listed = finalizers.strings().collect::<Vec<_>>().join(", ");
        let message = format!("{} is deleted and waits for {listed}.", object.title());
        out.fail(object.spot("metadata.finalizers"), message);
    }
}

pub(super) fn namespace_terminating(namespace: &Object, out: &mut Out<'_>) {
    if out.inventory().is_manifests() {
        out.cannot(UNKNOWN);
    } else if namespace.status().get("phase").str() == "Terminating" {
        let message = format!("Namespace \"{}\" is deleted and not gone.", namespace.name);
        out.fail(namespace.spot("status.phase"), message);
    }
}

pub(super) fn namespace_empty(out: &mut Out<'_>) {
    let inventory = out.inventory();
    if inventory.is_manifests() {
        out.cannot("what is in a namespace is not known from manifests");
        return;
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for object in inventory.objects() {
        // What a namespace is given when it is made, and what only says what others in it may do.
        let is_given = match object.kind {
            Kind::ServiceAccount => &*object.name == "default",
            Kind::ConfigMap => &*object.name == "kube-root-ca.crt",
            Kind::LimitRange | Kind::NetworkPolicy | Kind::ResourceQuota | Kind::Role | Kind::RoleBinding => true,
            _ => false,
        };
        *counts.entry(&object.namespace).or_default() += u32::from(!is_given);
    }
    for namespace in inventory.of(Kind::Namespace) {
        let name = &*namespace.name;
        if name != "default" && !out.is_system(name) && counts.get(name).is_none_or(|count| *count == 0) {
            out.fail(namespace.spot("metadata.name"), format!("Nothing is known to be in namespace \"{name}\"."));
        }
    }
}

/// The first condition of a kind that is not as it should be.
fn without_condition(object: &Object, kind: &str, out: &mut Out<'_>) {
    if out.inventory().is_manifests() {
        out.cannot(UNKNOWN);
        return;
    }
    let mut conditions = object.status().get("conditions").items().iter();
    let found = conditions.find(|condition| condition.get("type").str() == kind);
    if let Some(condition) = found.filter(|condition| condition.get("status").str() != "True") {
        let reason = condition.get("reason").as_str().unwrap_or("no reason is given");
        let message = format!("{} is not {} ({reason}).", object.title(), kind.to_ascii_lowercase());
        out.fail(object.spot("status.conditions"), message);
    }
}

pub(super) fn crd_not_established(object: &Object, out: &mut Out<'_>) {
    without_condition(object, "Established", out);
}

pub(super) fn api_service_unavailable(object: &Object, out: &mut Out<'_>) {
    without_condition(object, "Available", out);
}

fn is_application(object: &Object) -> bool {
    &*object.kind_name == "Application" && object.group() == "argoproj.io"
}

pub(super) fn application_out_of_sync(object: &Object, out: &mut Out<'_>) {
    if is_application(object) && object.status().at(&["sync", "status"]).str() == "OutOfSync" {
        out.fail(object.spot("status.sync.status"), format!("{} is not as its repository says.", object.title()));
    }
}

pub(super) fn application_unhealthy(object: &Object, out: &mut Out<'_>) {
    let health = object.status().at(&["health", "status"]).str();
    if is_application(object) && matches!(health, "Degraded" | "Missing") {
        out.fail(object.spot("status.health.status"), format!("Argo CD finds {} {health}.", object.title()));
    }
}
