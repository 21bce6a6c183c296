//! Finding objects in all clusters.

use axum::{Json, extract::State};
use kubewise_backend::{Web, permission::ViewInventory};
use kubewise_contract::{Cursor, ListQuery, SearchRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    asks::Asks,
    input::Query,
    page::{ClusterRef, List},
    problem::Problem,
    resources::Resource,
};

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// Text that names contain; with fewer than three letters or digits in a row, text that they begin with.
    #[param(example = "checkout")]
    q: String,
    /// Only this kind, as Kubernetes spells a group-kind: `Pod`, `Deployment.apps`.
    #[param(nullable = false, example = "Deployment.apps")]
    kind: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
}

/// An object that was found.
#[derive(Serialize, ToSchema)]
pub(super) struct Found {
    #[serde(flatten)]
    resource: Resource,
    /// The cluster that it is in.
    cluster: ClusterRef,
}

impl From<SearchRow> for Found {
    fn from(row: SearchRow) -> Self {
        Self { resource: row.resource.into(), cluster: ClusterRef { id: row.cluster.0, name: row.cluster_name } }
    }
}

/// Finds objects by name in all clusters
///
/// Exact names first, then workloads, then by name; of what was found 250 objects at most. Without text, nothing.
#[utoipa::path(
    get,
    path = "/v1/search",
    tag = "resources",
    params(SearchQuery),
    responses((status = 200, description = "One page of what was found.", body = List<Found>)),
)]
pub(super) async fn search(
    State(web): State<Web>,
    Asks(organisation): Asks<ViewInventory>,
    Query(query): Query<SearchQuery>,
) -> Result<Json<List<Found>>, Problem> {
    let query =
        ListQuery { q: Some(query.q), kind: query.kind, after: query.after.map(Cursor), ..ListQuery::default() };
    let page = web.search(&organisation, &query).await?;
    Ok(Json(List::of(page, Found::from)))
}
