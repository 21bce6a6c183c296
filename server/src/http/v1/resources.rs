//! Objects of a cluster.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use kubewise_backend::{Web, permission::ViewInventory};
use kubewise_contract::{Cursor, Health as How, ListQuery, ResourceRef, ResourceRow, ResourceUid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asks::AsksCluster,
    input::Query,
    page::{ClusterRef, List, Moment},
    problem::{Kind, Problem},
};

/// Which objects.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ResourcesQuery {
    /// Only this kind, as Kubernetes spells a group-kind: `Pod`, `Deployment.apps`.
    #[param(nullable = false, example = "Deployment.apps")]
    kind: Option<String>,
    /// Only this namespace.
    #[param(nullable = false)]
    namespace: Option<String>,
    /// Only those whose name contains this text.
    #[param(nullable = false)]
    q: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
}

/// How an object is doing, judged from its own status.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Health {
    /// As many replicas ready as asked for; a node that is ready; a job that completed.
    Healthy,
    /// On its way.
    Progressing,
    /// None ready, crash loop, failed, node not ready.
    Failing,
    /// Switched off on purpose.
    Idle,
    /// The kind has no status to judge by.
    Unknown,
}

impl From<How> for Health {
    fn from(health: How) -> Self {
        match health {
            How::Healthy => Self::Healthy,
            How::Progressing => Self::Progressing,
            How::Failing => Self::Failing,
            How::Idle => Self::Idle,
            How::Unknown => Self::Unknown,
        }
    }
}

/// An object, as lists have it.
#[derive(Serialize, ToSchema)]
pub(super) struct Resource {
    /// `metadata.uid`.
    uid: Uuid,
    /// Group-kind.
    #[schema(example = "Deployment.apps")]
    kind: String,
    /// Namespace; null for kinds that are in none.
    #[schema(required, example = "shop")]
    namespace: Option<String>,
    /// Name.
    #[schema(example = "checkout")]
    name: String,
    /// How it is doing.
    health: Health,
    /// When it was created.
    #[schema(required)]
    created_at: Option<Moment>,
}

impl From<ResourceRow> for Resource {
    fn from(row: ResourceRow) -> Self {
        Self {
            uid: row.uid.0,
            kind: row.kind,
            namespace: row.namespace,
            name: row.name,
            health: row.health.into(),
            created_at: row.created_at.map(Moment),
        }
    }
}

/// Another object of the same cluster.
#[derive(Serialize, ToSchema)]
pub(super) struct RelatedResource {
    /// `metadata.uid`; null when the object is named but not held.
    #[schema(required)]
    uid: Option<Uuid>,
    /// Group-kind.
    #[schema(example = "ReplicaSet.apps")]
    kind: String,
    /// Name.
    name: String,
    /// How it is doing.
    health: Health,
}

impl From<ResourceRef> for RelatedResource {
    fn from(row: ResourceRef) -> Self {
        Self { uid: row.uid.map(|ResourceUid(uid)| uid), kind: row.kind, name: row.name, health: row.health.into() }
    }
}

/// An object.
#[derive(Serialize, ToSchema)]
pub(super) struct ResourceInFull {
    #[serde(flatten)]
    resource: Resource,
    /// The cluster that it is in.
    cluster: ClusterRef,
    /// API version.
    #[schema(example = "apps/v1")]
    api_version: String,
    /// Replicas ready, where the kind has replicas.
    #[schema(required)]
    ready: Option<i32>,
    /// Replicas asked for, where the kind has replicas.
    #[schema(required)]
    desired: Option<i32>,
    /// Application it belongs to.
    #[schema(required)]
    application: Option<String>,
    /// Node that it runs on.
    #[schema(required)]
    node: Option<String>,
    /// Images.
    images: Vec<String>,
    /// Labels.
    labels: BTreeMap<String, String>,
    /// What owns it, nearest first.
    owners: Vec<RelatedResource>,
    /// What it owns directly, at most 100.
    owned: Vec<RelatedResource>,
    /// How many it owns directly in all.
    owned_count: i64,
    /// When the agent last sent it.
    updated_at: Moment,
    /// The manifest as the agent sent it: values that could be secret were removed there.
    #[schema(value_type = Object)]
    manifest: serde_json::Value,
}

/// Lists the objects of a cluster
///
/// By kind, namespace and name.
#[utoipa::path(
    get,
    path = "/v1/clusters/{cluster}/resources",
    tag = "resources",
    params(("cluster" = Uuid, Path, description = "The cluster's id."), ResourcesQuery),
    responses((status = 200, description = "One page of them.", body = List<Resource>)),
)]
pub(super) async fn list_resources(
    State(web): State<Web>,
    AsksCluster(cluster): AsksCluster<ViewInventory>,
    Query(query): Query<ResourcesQuery>,
) -> Result<Json<List<Resource>>, Problem> {
    let ResourcesQuery { kind, namespace, q, after } = query;
    let query = ListQuery { kind, namespace, q, after: after.map(Cursor), ..ListQuery::default() };
    let page = web.resources(&cluster, &query).await?;
    Ok(Json(List::of(page, Resource::from)))
}

/// Where an object is.
#[derive(Deserialize)]
pub(super) struct Place {
    uid: Uuid,
}

/// Reads an object
#[utoipa::path(
    get,
    path = "/v1/clusters/{cluster}/resources/{uid}",
    tag = "resources",
    params(
        ("cluster" = Uuid, Path, description = "The cluster's id."),
        ("uid" = Uuid, Path, description = "The object's `metadata.uid`."),
    ),
    responses((status = 200, description = "The object.", body = ResourceInFull)),
)]
pub(super) async fn get_resource(
    State(web): State<Web>,
    AsksCluster(cluster): AsksCluster<ViewInventory>,
    place: Result<Path<Place>, PathRejection>,
) -> Result<Json<ResourceInFull>, Problem> {
    let Path(Place { uid }) =
        place.map_err(|_| Problem::new(Kind::BadRequest, "The object in the address is its `metadata.uid`."))?;
    let (detail, manifest) = web.resource_and_manifest(&cluster, ResourceUid(uid)).await?;
    Ok(Json(ResourceInFull {
        resource: detail.row.into(),
        cluster: ClusterRef { id: cluster.id.0, name: detail.cluster_name },
        api_version: detail.api_version,
        ready: detail.ready,
        desired: detail.desired,
        application: detail.application,
        node: detail.node,
        images: detail.images,
        labels: detail.labels.into_iter().collect(),
        owners: detail.owners.into_iter().map(RelatedResource::from).collect(),
        owned: detail.owned.into_iter().map(RelatedResource::from).collect(),
        owned_count: detail.owned_count,
        updated_at: detail.updated_at.into(),
        manifest,
    }))
}
