//! What tests in other processes do: only on loopback, and only when it was asked for.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json, Router,
    extract::State as Extract,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shared::{Request, Shared, locked};

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/webhook", post(webhook))
        .route("/advance", post(advance))
        .route("/down", post(down))
        .route("/hold", post(hold))
        .route("/redeliver", post(redeliver))
        .route("/state", get(everything))
        .route("/requests", get(requests))
        .route("/deliveries", get(deliveries))
}

#[derive(Deserialize)]
struct Webhook {
    url: String,
    secret: String,
}

async fn webhook(Extract(shared): Extract<Arc<Shared>>, Json(webhook): Json<Webhook>) -> Json<Value> {
    *locked(&shared.outgoing.target) = Some((webhook.url, webhook.secret));
    shared.act(|state| state.webhook = true);
    Json(json!({}))
}

#[derive(Deserialize)]
struct Advance {
    seconds: i64,
}

async fn advance(Extract(shared): Extract<Arc<Shared>>, Json(by): Json<Advance>) -> Json<Value> {
    shared.advance(by.seconds);
    Json(json!({"now": shared.now()}))
}

#[derive(Deserialize)]
struct Down {
    down: bool,
}

async fn down(Extract(shared): Extract<Arc<Shared>>, Json(set): Json<Down>) -> Json<Value> {
    shared.faults.down.store(set.down, Ordering::SeqCst);
    shared.act(|_| Json(json!({})))
}

#[derive(Deserialize)]
struct Hold {
    hold: bool,
}

async fn hold(Extract(shared): Extract<Arc<Shared>>, Json(set): Json<Hold>) -> Json<Value> {
    // Before time passes: what that brings is held too.
    shared.outgoing.hold(set.hold);
    shared.act(|_| Json(json!({})))
}

#[derive(Deserialize)]
struct Redeliver {
    #[serde(rename = "type")]
    kind: Option<String>,
    count: usize,
    #[serde(default)]
    reverse: bool,
}

async fn redeliver(Extract(shared): Extract<Arc<Shared>>, Json(which): Json<Redeliver>) -> Json<Value> {
    let sent = shared.act(|state| state.redeliver(which.kind.as_deref(), which.count, which.reverse));
    Json(json!({"redelivered": sent}))
}

async fn everything(Extract(shared): Extract<Arc<Shared>>) -> Json<Value> {
    Json(shared.act(|state| state.everything()))
}

async fn requests(Extract(shared): Extract<Arc<Shared>>) -> Json<Vec<Request>> {
    shared.act(|_| ());
    Json(locked(&shared.requests).clone())
}

async fn deliveries(Extract(shared): Extract<Arc<Shared>>) -> Json<Value> {
    let left = shared.act(|state| state.outbox.len());
    Json(json!({"deliveries": *locked(&shared.outgoing.deliveries), "left": left}))
}
