//! The control routes under `/_sample/`: for people and test programs beside the cluster, not for its clients.

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Status;
use crate::{cluster::SampleCluster, faults::Faults};

pub(crate) fn router() -> Router<SampleCluster> {
    Router::new()
        .route("/totals", get(totals))
        .route("/requests", get(requests))
        .route("/faults", post(faults))
        .route("/events", post(events))
        .route("/history", axum::routing::delete(forget_history))
        .route("/watches", axum::routing::delete(close_watches))
        .route("/objects", put(put_object).delete(delete_object))
}

async fn totals(State(cluster): State<SampleCluster>) -> Response {
    Json(cluster.totals()).into_response()
}

async fn requests(State(cluster): State<SampleCluster>) -> Response {
    Json(cluster.requests()).into_response()
}

async fn faults(State(cluster): State<SampleCluster>, Json(faults): Json<Faults>) -> Response {
    if faults.refuse_connections && faults.refuse_seconds.is_none() {
        return Status::bad_request("refuse_connections needs refuse_seconds here: no request could end it")
            .into_response();
    }
    cluster.set_faults(faults);
    StatusCode::NO_CONTENT.into_response()
}

async fn events(State(cluster): State<SampleCluster>) -> Response {
    cluster.a_days_events();
    Json(json!({"totals": cluster.totals()})).into_response()
}

async fn forget_history(State(cluster): State<SampleCluster>) -> Response {
    cluster.forget_history();
    StatusCode::NO_CONTENT.into_response()
}

async fn close_watches(State(cluster): State<SampleCluster>) -> Response {
    cluster.close_watches();
    StatusCode::NO_CONTENT.into_response()
}

async fn put_object(State(cluster): State<SampleCluster>, Json(object): Json<Value>) -> Response {
    match cluster.upsert(object) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Status::bad_request(format!("{error:#}")).into_response(),
    }
}

/// Names one object.
#[derive(Deserialize)]
struct ObjectQuery {
    #[serde(default)]
    group: String,
    resource: String,
    namespace: Option<String>,
    name: String,
}

async fn delete_object(State(cluster): State<SampleCluster>, Query(q): Query<ObjectQuery>) -> Response {
    match cluster.delete(&q.group, &q.resource, q.namespace.as_deref(), &q.name) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Status::new(404, "NotFound", format!("{error:#}")).into_response(),
    }
}
