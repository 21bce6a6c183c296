//! What runs in a cluster, as the pages show it.

use serde::{Deserialize, Serialize};

use crate::{ClusterId, ResourceUid, Scan, Timestamp};

/// How an object is doing, judged from its own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As many replicas ready as asked for; a node that is ready; a job that completed.
    Healthy,
    /// On its way: some replicas not ready yet, a pod pending, a job running.
    Progressing,
    /// None ready, crash loop, failed, node not ready.
    Failing,
    /// Switched off on purpose: scaled to zero, suspended, cordoned.
    Idle,
    /// The kind has no status to judge by.
    Unknown,
}

impl Health {
    /// As the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Progressing => "progressing",
            Self::Failing => "failing",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }

    /// The inverse of [`Health::as_str`]; anything else is `Unknown`.
    pub fn parse(s: &str) -> Self {
        [Self::Healthy, Self::Progressing, Self::Failing, Self::Idle]
            .into_iter()
            .find(|h| h.as_str() == s)
            .unwrap_or(Self::Unknown)
    }
}

/// Where an application's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppSource {
    /// Argo CD: its tracking annotation or label.
    ArgoCd,
    /// Helm: the chart and release labels.
    Helm,
    /// The recommended labels, `app.kubernetes.io/name` and its kin, or `app`.
    Labels,
    /// No label names one: the workload stands for itself.
    Workload,
}

impl AppSource {
    /// As the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ArgoCd => "argocd",
            Self::Helm => "helm",
            Self::Labels => "labels",
            Self::Workload => "workload",
        }
    }

    /// The inverse of [`AppSource::as_str`].
    pub fn parse(s: &str) -> Self {
        match s {
            "argocd" => Self::ArgoCd,
            "helm" => Self::Helm,
            "labels" => Self::Labels,
            _ => Self::Workload,
        }
    }
}

/// An application: workloads of one namespace that carry the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationRow {
    /// Name.
    pub name: String,
    /// Namespace its workloads are in.
    pub namespace: String,
    /// Where the name comes from.
    pub source: AppSource,
    /// Versions its workloads say they are; usually one. Empty: none says.
    pub versions: Vec<String>,
    /// How many workloads.
    pub workloads: i64,
    /// How many of them are failing.
    pub failing: i64,
    /// Images, repository and tag.
    pub images: Vec<String>,
    /// What is known to be wrong with its images, all together; none when nothing is known of any of them.
    pub scan: Option<Scan>,
    /// Images of which nothing is known.
    pub unscanned: i64,
}

/// A workload: what a person deployed, not what a controller made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadRow {
    /// UID.
    pub uid: ResourceUid,
    /// Group-kind: `Deployment.apps`.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// How it is doing.
    pub health: Health,
    /// Replicas ready, where the kind has replicas.
    pub ready: Option<i32>,
    /// Replicas asked for, where the kind has replicas.
    pub desired: Option<i32>,
    /// Images of its pod template.
    pub images: Vec<String>,
    /// Application it belongs to.
    pub application: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// An image that something in the cluster runs or would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRow {
    /// Registry and repository, as written: `ghcr.io/acme/shop`.
    pub repository: String,
    /// Tag, if it has one.
    pub tag: Option<String>,
    /// Digest, if it is pinned by one.
    pub digest: Option<String>,
    /// True when the same reference can mean something else tomorrow: tag `latest` or none, no digest.
    pub mutable: bool,
    /// The whole reference, as written.
    pub reference: String,
    /// Workloads that name it.
    pub workloads: i64,
    /// Pods that run it.
    pub pods: i64,
    /// Namespaces it is used in (at most 5 are listed).
    pub namespaces: Vec<String>,
    /// What is known to be wrong with it; none when nobody looked.
    pub scan: Option<Scan>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// UID.
    pub uid: ResourceUid,
    /// Name.
    pub name: String,
    /// Ready, not ready, or cordoned.
    pub health: Health,
    /// Roles by label: `control-plane`.
    pub roles: Vec<String>,
    /// `1.35.4`
    pub kubelet_version: Option<String>,
    /// `Debian GNU/Linux 12 (bookworm)`
    pub os_image: Option<String>,
    /// `amd64`
    pub architecture: Option<String>,
    /// `containerd://2.1.4`
    pub container_runtime: Option<String>,
    /// Allocatable CPU, as Kubernetes writes a quantity: `3920m`.
    pub cpu: Option<String>,
    /// Allocatable memory, as Kubernetes writes a quantity: `15842828Ki`.
    pub memory: Option<String>,
    /// When it joined.
    pub created_at: Option<Timestamp>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRow {
    /// UID; none when only its contents are known (the agent may not read namespaces).
    pub uid: Option<ResourceUid>,
    /// Name.
    pub name: String,
    /// Workloads in it.
    pub workloads: i64,
    /// How many of them are failing.
    pub failing: i64,
    /// Pods in it.
    pub pods: i64,
    /// Objects of all kinds in it.
    pub resources: i64,
    /// Level enforced by Pod Security admission: the label `pod-security.kubernetes.io/enforce`.
    pub pod_security: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// Any object, as a list of all kinds shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRow {
    /// UID.
    pub uid: ResourceUid,
    /// Group-kind.
    pub kind: String,
    /// Namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// How it is doing.
    pub health: Health,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// An object found by searching the whole organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRow {
    /// Cluster it is in.
    pub cluster: ClusterId,
    /// That cluster's name.
    pub cluster_name: String,
    /// The object.
    pub resource: ResourceRow,
}

/// A link to another object of the same cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// UID; none when the object is named but not held.
    pub uid: Option<ResourceUid>,
    /// Group-kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// How it is doing.
    pub health: Health,
}

/// One object's page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDetail {
    /// What lists show too.
    pub row: ResourceRow,
    /// Name of the cluster it is in.
    pub cluster_name: String,
    /// API version: `apps/v1`.
    pub api_version: String,
    /// Replicas ready, where the kind has replicas.
    pub ready: Option<i32>,
    /// Replicas asked for, where the kind has replicas.
    pub desired: Option<i32>,
    /// Application it belongs to.
    pub application: Option<String>,
    /// Node it runs on (pods).
    pub node: Option<String>,
    /// Images.
    pub images: Vec<String>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// What owns it, nearest first, up to the top.
    pub owners: Vec<ResourceRef>,
    /// What it owns directly; at most 100.
    pub owned: Vec<ResourceRef>,
    /// How many it owns in all.
    pub owned_count: i64,
    /// The manifest as the agent sent it (values that could be secret were removed there), as YAML.
    pub yaml: String,
    /// When the agent last sent it.
    pub updated_at: Timestamp,
}
