//! Clusters, changed.

use axum::{Json, extract::State};
use http::{StatusCode, header};
use kubewise_backend::{
    Web,
    permission::{AddClusters, ManageClusters, ViewInventory},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    asks::{Asks, AsksCluster},
    clusters::{ClusterInFull, in_full},
    input::{Body, Named},
    problem::Problem,
};

/// A cluster that was added.
#[derive(Serialize, ToSchema)]
pub(super) struct AddedCluster {
    /// Its id.
    id: Uuid,
    /// Its name.
    #[schema(example = "eu-prod")]
    name: String,
    /// What its agent proves itself with. It is told this once.
    #[schema(example = "kwc_AY…")]
    agent_token: String,
}

/// A token for a cluster's agent.
#[derive(Serialize, ToSchema)]
pub(super) struct AgentToken {
    /// What the agent proves itself with. It is told this once.
    #[schema(example = "kwc_AY…")]
    agent_token: String,
}

fn told(token: &SecretString) -> String {
    token.expose_secret().to_owned()
}

/// Adds a cluster
///
/// The answer holds the token of its agent, which is never told again. Not for a token that sees chosen clusters only.
#[utoipa::path(
    post,
    path = "/v1/clusters",
    tag = "clusters",
    request_body = Named,
    responses((status = 201, description = "It was added.", body = AddedCluster,
        headers(("Location" = String, description = "Where the cluster is read.")))),
)]
pub(super) async fn add_cluster(
    State(web): State<Web>,
    Asks(organisation): Asks<AddClusters>,
    Body(named): Body<Named>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<AddedCluster>), Problem> {
    let name = named.parse()?;
    let (id, token) = web.add_cluster(&organisation, &name).await?;
    let added = AddedCluster { id: id.0, name: name.as_str().to_owned(), agent_token: told(&token) };
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/v1/clusters/{id}"))], Json(added)))
}

/// Renames a cluster
#[utoipa::path(
    patch,
    path = "/v1/clusters/{cluster}",
    tag = "clusters",
    params(("cluster" = Uuid, Path, description = "The cluster's id.")),
    request_body = Named,
    responses((status = 200, description = "The cluster, by its new name.", body = ClusterInFull)),
)]
pub(super) async fn rename_cluster(
    State(web): State<Web>,
    AsksCluster(cluster): AsksCluster<ManageClusters>,
    AsksCluster(renamed): AsksCluster<ViewInventory>,
    Body(named): Body<Named>,
) -> Result<Json<ClusterInFull>, Problem> {
    web.rename_cluster(&cluster, &named.parse()?).await?;
    in_full(&web, &renamed).await.map(Json)
}

/// Deletes a cluster
///
/// It is gone at once, and its agent's tokens are refused; what is held of it is removed soon after.
#[utoipa::path(
    delete,
    path = "/v1/clusters/{cluster}",
    tag = "clusters",
    params(("cluster" = Uuid, Path, description = "The cluster's id.")),
    responses((status = 204, description = "It was deleted.")),
)]
pub(super) async fn delete_cluster(
    State(web): State<Web>,
    AsksCluster(cluster): AsksCluster<ManageClusters>,
) -> Result<StatusCode, Problem> {
    web.delete_cluster(&cluster).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new token for a cluster's agent
///
/// Those before it are refused from now on. The answer holds the token, which is never told again.
#[utoipa::path(
    post,
    path = "/v1/clusters/{cluster}/token",
    tag = "clusters",
    params(("cluster" = Uuid, Path, description = "The cluster's id.")),
    responses((status = 201, description = "It was made.", body = AgentToken)),
)]
pub(super) async fn make_agent_token(
    State(web): State<Web>,
    AsksCluster(cluster): AsksCluster<ManageClusters>,
) -> Result<(StatusCode, Json<AgentToken>), Problem> {
    let token = web.rotate_token(&cluster).await?;
    Ok((StatusCode::CREATED, Json(AgentToken { agent_token: told(&token) })))
}
