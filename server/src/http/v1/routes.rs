//! All routes of the API. What makes them also describes them: there is none that is not described.

use axum::{Extension, Router, middleware::from_fn_with_state, routing::any};
use bytes::Bytes;
use http::{StatusCode, header};
use kubewise_backend::Web;
use kubewise_contract::Permission::{self, AddClusters, ManageClusters, ViewActivity, ViewInventory, ViewTeam};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use super::{activity, asks, clusters, description, manage_clusters, members, reference, resources, search, surround};

/// The routes, with what surrounds them; and what they are, as text for people.
pub(in crate::http) fn routes(web: Web, behind_proxy: bool) -> (Router, String) {
    // With each route, what a token needs for it; tests hold it together with what the route asks for.
    let by_token = |needs: &[Permission], (schemas, mut paths, methods): UtoipaMethodRouter<Web>| {
        description::complete(&mut paths, needs);
        (schemas, paths, methods.route_layer(from_fn_with_state(web.clone(), asks::authenticate)))
    };
    let (router, openapi) = OpenApiRouter::with_openapi(description::base())
        .routes(by_token(&[ViewInventory], routes!(clusters::list_clusters)))
        .routes(by_token(&[AddClusters], routes!(manage_clusters::add_cluster)))
        .routes(by_token(&[ViewInventory], routes!(clusters::get_cluster)))
        .routes(by_token(&[ViewInventory, ManageClusters], routes!(manage_clusters::rename_cluster)))
        .routes(by_token(&[ViewInventory, ManageClusters], routes!(manage_clusters::delete_cluster)))
        .routes(by_token(&[ViewInventory, ManageClusters], routes!(manage_clusters::make_agent_token)))
        .routes(by_token(&[ViewInventory], routes!(resources::list_resources)))
        .routes(by_token(&[ViewInventory], routes!(resources::get_resource)))
        .routes(by_token(&[ViewInventory], routes!(search::search)))
        .routes(by_token(&[ViewTeam], routes!(members::list_members)))
        .routes(by_token(&[ViewActivity], routes!(activity::list_activity)))
        .routes(routes!(get_openapi))
        .split_for_parts();
    let text = serde_json::to_value(&openapi).map(|openapi| reference::reference(&openapi)).unwrap_or_default();
    let document = Document(openapi.to_json().unwrap_or_default().into());
    // What nothing is behind is answered as the rest of the API is, and not by the pages.
    let router = ["/v1", "/v1/", "/v1/{*rest}"]
        .into_iter()
        .fold(router, |router, path| router.route(path, any(StatusCode::NOT_FOUND)))
        .layer(Extension(document))
        .with_state(web);
    (surround::surround(router, behind_proxy), text)
}

/// The description, as it is sent.
#[derive(Clone)]
struct Document(Bytes);

/// This description
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "description",
    security(()),
    responses((status = 200, description = "The description of this API, as OpenAPI 3.1.", body = Object, content_type = "application/json")),
)]
async fn get_openapi(
    Extension(Document(json)): Extension<Document>,
) -> ([(header::HeaderName, &'static str); 1], Bytes) {
    ([(header::CONTENT_TYPE, "application/json")], json)
}
