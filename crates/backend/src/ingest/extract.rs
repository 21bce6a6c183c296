//! From a stripped object's JSON to a [`Record`].

use std::borrow::Cow;

use kubewise_contract::AppSource;
use kubewise_protocol::{VULNERABILITY_REPORT, group_kind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    application::{ApplicationAnnotations, ApplicationLabels},
    health::{self, Asked, Status, null_is_empty},
    record::{Owner, Record, Unfit},
    report::About,
};

/// zstd's fastest ordinary level: a few per cent larger than its default, at half the time.
const LEVEL: i32 = 1;
/// Containers and images of one object that are listed; more would be an attack, not a workload.
const MOST_IMAGES: usize = 64;

/// What a node's list shows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeInfo {
    /// Roles by label.
    pub roles: Vec<String>,
    /// Kubelet's version without its `v`.
    pub kubelet_version: Option<String>,
    /// OS image.
    pub os_image: Option<String>,
    /// CPU architecture.
    pub architecture: Option<String>,
    /// Container runtime and its version.
    pub container_runtime: Option<String>,
    /// Allocatable CPU.
    pub cpu: Option<String>,
    /// Allocatable memory.
    pub memory: Option<String>,
}

/// What a namespace's list shows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceInfo {
    /// Level enforced by Pod Security admission.
    pub pod_security: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    report: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    uid: Uuid,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    owner_references: Vec<OwnerReference<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference<'a> {
    uid: Uuid,
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    controller: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec<'a> {
    #[serde(borrow, deserialize_with = "null_is_empty")]
    containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "null_is_empty")]
    init_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "null_is_empty")]
    ephemeral_containers: Vec<Container<'a>>,
    #[serde(borrow)]
    node_name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow, default)]
    image: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodTemplate<'a> {
    #[serde(borrow)]
    spec: PodSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Templated<'a> {
    #[serde(borrow)]
    template: PodTemplate<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CronJobSpec<'a> {
    #[serde(borrow)]
    job_template: JobTemplate<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JobTemplate<'a> {
    #[serde(borrow)]
    spec: Templated<'a>,
}

/// Reads objects, one after another.
pub(super) struct Extractor {
    // Making one for each object takes as long as all the rest.
    compressor: zstd::bulk::Compressor<'static>,
}

impl Extractor {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(LEVEL)? })
    }

    /// Reads what lists need; compresses the whole.
    pub(super) fn extract(&mut self, json: &RawValue) -> Result<Record, Unfit> {
        let record = read(json.get())?;
        let manifest = self.compressor.compress(json.get().as_bytes()).map_err(|_| Unfit::NotAnObject(0))?;
        Ok(Record { manifest, ..record })
    }
}

/// All but the manifest, which is left empty.
fn read(text: &str) -> Result<Record, Unfit> {
    let object: Object<'_> = serde_json::from_str(text).map_err(|e| Unfit::NotAnObject(e.column()))?;
    let meta = &object.metadata;
    check("apiVersion", &object.api_version, 317)?;
    check("kind", &object.kind, 63)?;
    check("metadata.name", &meta.name, 253)?;
    let namespace = match &meta.namespace {
        Some(namespace) => {
            check("metadata.namespace", namespace, 63)?;
            namespace.to_string()
        }
        None => String::new(),
    };
    let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
    for never in ["Secret", "ConfigMap"] {
        if group.is_empty() && object.kind == never {
            return Err(Unfit::Secret(never));
        }
    }
    let kind = group_kind(group, &object.kind);

    // Odd labels, specs and statuses are stored and shown as they are, but nothing is read out of them.
    let labels: ApplicationLabels<'_> = parse(meta.labels);
    let annotations: ApplicationAnnotations<'_> = parse(meta.annotations);
    let asked: Asked = parse(object.spec);
    let status: Status<'_> = parse(object.status);
    let (health, ready, desired) = health::judge(&kind, &asked, &status);

    let pod: PodSpec<'_> = match kind.as_str() {
        "Pod" => parse(object.spec),
        "CronJob.batch" => parse::<CronJobSpec<'_>>(object.spec).job_template.spec.template.spec,
        "Deployment.apps"
        | "StatefulSet.apps"
        | "DaemonSet.apps"
        | "ReplicaSet.apps"
        | "Job.batch"
        | "ReplicationController" => parse::<Templated<'_>>(object.spec).template.spec,
        _ => PodSpec::default(),
    };
    let owner = meta.owner_references.iter().find(|o| o.controller == Some(true)).map(|o| Owner {
        uid: o.uid,
        kind: clean(&group_kind(o.api_version.split_once('/').map_or("", |(group, _)| group), &o.kind), 317),
        name: clean(&o.name, 253),
    });
    let workload = match kind.as_str() {
        "Deployment.apps" | "StatefulSet.apps" | "DaemonSet.apps" | "CronJob.batch" => true,
        "ReplicaSet.apps" | "Job.batch" | "Pod" | "ReplicationController" => owner.is_none(),
        _ => false,
    };
    let mut images: Vec<String> = pod
        .containers
        .iter()
        .chain(&pod.init_containers)
        .chain(&pod.ephemeral_containers)
        .filter(|c| !c.image.is_empty())
        .map(|c| clean(&c.image, 1024))
        .take(MOST_IMAGES)
        .collect();
    images.sort_unstable();
    images.dedup();

    let named = labels.application(&annotations);
    let (application, app_source) = match named {
        Some((name, source)) => (Some(clean(name, 253)), Some(source)),
        None if workload => (Some(meta.name.to_string()), Some(AppSource::Workload)),
        None => (None, None),
    };
    let created_at = meta.creation_timestamp.as_deref().and_then(|t| OffsetDateTime::parse(t, &Rfc3339).ok());
    let info = match kind.as_str() {
        "Node" => serde_json::to_value(node_info(meta.labels, object.status)).ok(),
        "Namespace" => {
            let pod_security = labels.pod_security.as_deref().map(|level| clean(level, 63));
            serde_json::to_value(NamespaceInfo { pod_security }).ok()
        }
        VULNERABILITY_REPORT => {
            About::read(object.report, created_at).and_then(|about| serde_json::to_value(about).ok())
        }
        _ => None,
    };
    let digest = Sha256::digest(text.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    Ok(Record {
        uid: meta.uid,
        api_version: object.api_version.to_string(),
        name: meta.name.to_string(),
        created_at,
        health: health.as_str(),
        ready,
        desired,
        application,
        app_source: app_source.map(AppSource::as_str),
        app_version: labels.version().map(|version| clean(version, 128)),
        images,
        owner,
        node: pod.node_name.map(|node| clean(&node, 253)),
        info,
        hash,
        manifest: Vec::new(),
        kind,
        namespace,
        workload,
    })
}

/// A part of an object; its default when it is missing or not of the shape that is known.
fn parse<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn check(field: &'static str, value: &str, max: usize) -> Result<(), Unfit> {
    if value.is_empty() || value.len() > max || value.chars().any(char::is_control) {
        return Err(Unfit::Field(field));
    }
    Ok(())
}

/// Text that PostgreSQL can hold (no NUL) and that does not fill pages.
fn clean(text: &str, max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max).collect()
}

fn node_info(labels: Option<&RawValue>, status: Option<&RawValue>) -> NodeInfo {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct NodeStatus {
        node_info: SystemInfo,
        allocatable: Quantities,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct SystemInfo {
        kubelet_version: Option<String>,
        os_image: Option<String>,
        architecture: Option<String>,
        container_runtime_version: Option<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Quantities {
        cpu: Option<String>,
        memory: Option<String>,
    }
    let status: NodeStatus = status.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let labels: serde_json::Map<String, serde_json::Value> =
        labels.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let roles = labels
        .keys()
        .filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"))
        .map(|role| clean(role, 63))
        .take(16)
        .collect();
    let said = |text: Option<String>| text.map(|t| clean(&t, 253)).filter(|t| !t.is_empty());
    let system = status.node_info;
    NodeInfo {
        roles,
        kubelet_version: said(system.kubelet_version).map(|v| v.trim_start_matches('v').to_owned()),
        os_image: said(system.os_image),
        architecture: said(system.architecture),
        container_runtime: said(system.container_runtime_version),
        cpu: said(status.allocatable.cpu),
        memory: said(status.allocatable.memory),
    }
}
