//! Clusters, as the pages show them.

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Timestamp};

/// Whether a cluster's agent is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterStatus {
    /// No agent has ever connected with this cluster's token.
    Waiting,
    /// The agent is sending its first full synchronisation.
    Syncing,
    /// The agent was heard within three heartbeat intervals.
    Live,
    /// The agent was not heard for three heartbeat intervals or more.
    Silent,
}

/// One line of the cluster list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSummary {
    /// Id.
    pub id: ClusterId,
    /// Name given by the team.
    pub name: String,
    /// Whether its agent is heard.
    pub status: ClusterStatus,
    /// When its agent was last heard.
    pub last_heard: Option<Timestamp>,
    /// As the API server says it, without the leading `v`: `1.35.4`.
    pub kubernetes_version: Option<String>,
    /// Nodes.
    pub nodes: i64,
    /// Nodes that are ready.
    pub nodes_ready: i64,
    /// Deployments, stateful sets, daemon sets, cron jobs, and bare replica sets, jobs and pods.
    pub workloads: i64,
    /// Pods.
    pub pods: i64,
    /// Namespaces.
    pub namespaces: i64,
    /// Distinct images.
    pub images: i64,
}

/// How many objects of one kind are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    /// Group-kind: `Pod`, `Deployment.apps`.
    pub kind: String,
    /// Objects.
    pub count: i64,
}

/// A kind that the agent could not read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableKind {
    /// Group-kind: `Pod`, `Deployment.apps`.
    pub kind: String,
    /// What the Kubernetes API answered, in one word: `forbidden` or `unavailable`.
    pub reason: String,
}

/// The cluster page's overview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDetail {
    /// What the list shows too.
    pub summary: ClusterSummary,
    /// Version of the agent that was heard last.
    pub agent_version: Option<String>,
    /// When the cluster was added to Kubewise.
    pub created_at: Timestamp,
    /// When the last full synchronisation was published.
    pub synced_at: Option<Timestamp>,
    /// Objects held per kind, most first.
    pub totals: Vec<KindCount>,
    /// Kinds that the agent could not read.
    pub unreadable: Vec<UnreadableKind>,
    /// Images with a tag that can move (`latest`, or none) and no digest.
    pub mutable_images: i64,
    /// Applications.
    pub applications: i64,
    /// Whether the cluster has a token that is accepted.
    pub has_token: bool,
    /// Whether the viewer may rename, delete, rotate and revoke.
    pub can_manage: bool,
}

/// An organisation's first page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Name of the organisation.
    pub organisation: String,
    /// All clusters, by name; at most 200 (the list has the rest).
    pub clusters: Vec<ClusterSummary>,
    /// How many clusters there are in all.
    pub cluster_count: i64,
    /// Clusters whose agent is not heard.
    pub silent: i64,
    /// Nodes in all clusters.
    pub nodes: i64,
    /// Workloads in all clusters.
    pub workloads: i64,
    /// Pods in all clusters.
    pub pods: i64,
    /// Distinct images per cluster, summed.
    pub images: i64,
    /// Images with a tag that can move.
    pub mutable_images: i64,
    /// Whether the viewer may add clusters.
    pub can_manage: bool,
}

/// What the install page needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallInfo {
    /// Id.
    pub id: ClusterId,
    /// Name given by the team.
    pub name: String,
    /// Whether its agent is heard.
    pub status: ClusterStatus,
    /// The token, exactly once: on the first view after it was made.
    pub token: Option<String>,
    /// Where agents reach this server.
    pub server_url: String,
    /// Whether a token exists that is accepted.
    pub has_token: bool,
    /// Objects held so far (what makes "connected" tangible).
    pub resources: i64,
}

/// What a page is told when something changed: it asks again for what it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEvent {
    /// The cluster that changed.
    pub cluster: ClusterId,
    /// True when its objects changed, false when only its status did.
    pub inventory: bool,
}
