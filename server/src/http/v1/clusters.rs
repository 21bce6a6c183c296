//! Clusters, read.

use axum::{Json, extract::State};
use kubewise_backend::{Authorized, Cluster as Subject, Web, permission::ViewInventory};
use kubewise_contract::{ClusterDetail, ClusterStatus, ClusterSummary, Cursor, ListQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asks::{Asks, AsksCluster},
    input::Query,
    page::{List, Moment},
    problem::Problem,
};

/// Which clusters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClustersQuery {
    /// Only those whose name contains this text.
    #[param(nullable = false)]
    q: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
}

/// Whether a cluster's agent is heard.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// No agent has connected yet.
    Waiting,
    /// The agent is sending its first full synchronisation.
    Syncing,
    /// The agent is heard.
    Live,
    /// The agent is not heard any more.
    Silent,
}

impl From<ClusterStatus> for Status {
    fn from(status: ClusterStatus) -> Self {
        match status {
            ClusterStatus::Waiting => Self::Waiting,
            ClusterStatus::Syncing => Self::Syncing,
            ClusterStatus::Live => Self::Live,
            ClusterStatus::Silent => Self::Silent,
        }
    }
}

/// A cluster, as the list has it.
#[derive(Serialize, ToSchema)]
pub(super) struct Cluster {
    /// Its id in Kubewise, which is not a UID of Kubernetes.
    id: Uuid,
    /// Its name.
    #[schema(example = "eu-prod")]
    name: String,
    /// Whether its agent is heard.
    status: Status,
    /// When its agent was last heard.
    #[schema(required)]
    last_heard_at: Option<Moment>,
    /// As the API server says it, without the leading `v`.
    #[schema(required, example = "1.35.4")]
    kubernetes_version: Option<String>,
    /// Nodes.
    nodes: i64,
    /// Nodes that are ready.
    nodes_ready: i64,
    /// Deployments, stateful sets, daemon sets, cron jobs, and bare replica sets, jobs and pods.
    workloads: i64,
    /// Pods.
    pods: i64,
    /// Namespaces.
    namespaces: i64,
    /// Distinct images.
    images: i64,
}

impl From<ClusterSummary> for Cluster {
    fn from(cluster: ClusterSummary) -> Self {
        Self {
            id: cluster.id.0,
            name: cluster.name,
            status: cluster.status.into(),
            last_heard_at: cluster.last_heard.map(Moment),
            kubernetes_version: cluster.kubernetes_version,
            nodes: cluster.nodes,
            nodes_ready: cluster.nodes_ready,
            workloads: cluster.workloads,
            pods: cluster.pods,
            namespaces: cluster.namespaces,
            images: cluster.images,
        }
    }
}

/// How many objects of one kind there are.
#[derive(Serialize, ToSchema)]
pub(super) struct KindCount {
    /// Group-kind.
    #[schema(example = "Deployment.apps")]
    kind: String,
    /// Objects.
    count: i64,
}

/// A kind that the agent could not read.
#[derive(Serialize, ToSchema)]
pub(super) struct UnreadableKind {
    /// Group-kind.
    #[schema(example = "Node")]
    kind: String,
    /// What the Kubernetes API answered, in a word.
    #[schema(example = "forbidden")]
    reason: String,
}

/// A cluster.
#[derive(Serialize, ToSchema)]
pub(super) struct ClusterInFull {
    #[serde(flatten)]
    cluster: Cluster,
    /// When it was added to Kubewise.
    created_at: Moment,
    /// When the last full synchronisation was published.
    #[schema(required)]
    synced_at: Option<Moment>,
    /// Version of its agent.
    #[schema(required, example = "0.1.0")]
    agent_version: Option<String>,
    /// Whether it has an agent's token that is accepted.
    has_agent_token: bool,
    /// Applications.
    applications: i64,
    /// Images by a tag that can move (`latest`, or none) and no digest.
    mutable_images: i64,
    /// Objects per kind, most first.
    kinds: Vec<KindCount>,
    /// Kinds that the agent could not read.
    unreadable_kinds: Vec<UnreadableKind>,
}

impl From<ClusterDetail> for ClusterInFull {
    fn from(cluster: ClusterDetail) -> Self {
        Self {
            cluster: cluster.summary.into(),
            created_at: cluster.created_at.into(),
            synced_at: cluster.synced_at.map(Moment),
            agent_version: cluster.agent_version,
            has_agent_token: cluster.has_token,
            applications: cluster.applications,
            mutable_images: cluster.mutable_images,
            kinds: cluster.totals.into_iter().map(|kind| KindCount { kind: kind.kind, count: kind.count }).collect(),
            unreadable_kinds: cluster
                .unreadable
                .into_iter()
                .map(|kind| UnreadableKind { kind: kind.kind, reason: kind.reason })
                .collect(),
        }
    }
}

/// The cluster as it is now.
pub(super) async fn in_full(web: &Web, cluster: &Authorized<Subject, ViewInventory>) -> Result<ClusterInFull, Problem> {
    Ok(web.cluster_detail(cluster).await?.into())
}

/// Lists clusters
///
/// By name.
#[utoipa::path(
    get,
    path = "/v1/clusters",
    tag = "clusters",
    params(ClustersQuery),
    responses((status = 200, description = "One page of them.", body = List<Cluster>)),
)]
pub(super) async fn list_clusters(
    State(web): State<Web>,
    Asks(organisation): Asks<ViewInventory>,
    Query(query): Query<ClustersQuery>,
) -> Result<Json<List<Cluster>>, Problem> {
    let query = ListQuery { q: query.q, after: query.after.map(Cursor), ..ListQuery::default() };
    let page = web.clusters(&organisation, &query).await?;
    Ok(Json(List::of(page, Cluster::from)))
}

/// Reads a cluster
#[utoipa::path(
    get,
    path = "/v1/clusters/{cluster}",
    tag = "clusters",
    params(("cluster" = Uuid, Path, description = "The cluster's id.")),
    responses((status = 200, description = "The cluster.", body = ClusterInFull)),
)]
pub(super) async fn get_cluster(
    State(web): State<Web>,
    AsksCluster(cluster): AsksCluster<ViewInventory>,
) -> Result<Json<ClusterInFull>, Problem> {
    in_full(&web, &cluster).await.map(Json)
}
