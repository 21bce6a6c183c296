//! The API under `/v1`.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    extract::{Request as HttpRequest, State as Extract},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::{
    API_VERSION,
    fields::{self, Fields},
    idempotency::Answer,
    refused::Refused,
    shared::{Request, Shared, locked},
    state::State,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const VERSION: HeaderName = HeaderName::from_static("stripe-version");

/// Answers a request to the API.
pub(crate) async fn answer(Extract(shared): Extract<Arc<Shared>>, request: HttpRequest) -> Response {
    let (method, path, headers) =
        (request.method().clone(), request.uri().path().to_owned(), request.headers().clone());
    let answer = match fields::read(request).await {
        Ok(fields) => {
            // On a task of its own: what was begun is done, even when whoever asked no longer waits.
            let asked = Asked { shared: shared.clone(), method, path, headers: headers.clone(), fields };
            tokio::spawn(asked.answer()).await.unwrap_or_else(|error| {
                tracing::error!(%error, "a request was not answered");
                refused(&broken("It broke while it was answered.").status(StatusCode::INTERNAL_SERVER_ERROR))
            })
        }
        Err(error) => refused(&error),
    };
    respond(&shared, &headers, answer)
}

fn respond(shared: &Shared, asked: &HeaderMap, (status, body, replayed): Answer) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    let version = asked.get(&VERSION).cloned().unwrap_or(HeaderValue::from_static(API_VERSION));
    headers.insert(VERSION, version);
    if let Some(key) = asked.get(&IDEMPOTENCY_KEY) {
        headers.insert(IDEMPOTENCY_KEY, key.clone());
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Ok(id) = HeaderValue::try_from(format!("req_{:014}", locked(&shared.requests).len())) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn refused(error: &Refused) -> Answer {
    (error.status, error.body(), false)
}

fn broken(message: &str) -> Refused {
    Refused::invalid("", message).kind("api_error")
}

/// A request that is read.
struct Asked {
    shared: Arc<Shared>,
    method: Method,
    path: String,
    headers: HeaderMap,
    fields: Fields,
}

impl Asked {
    async fn answer(self) -> Answer {
        let key = self.headers.get(&IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
        locked(&self.shared.requests).push(Request {
            method: self.method.to_string(),
            path: self.path.clone(),
            fields: self.fields.clone(),
            idempotency_key: key.clone(),
        });
        // Before anything else can refuse it: what is not documented was sent, whatever comes of it.
        let undocumented = self.shared.sent.note(self.method.as_str(), &self.path, &self.fields);
        let faults = &self.shared.faults;
        if faults.unreachable.load(Ordering::SeqCst) || faults.down.load(Ordering::SeqCst) {
            return refused(&broken("The sample Stripe is down.").status(StatusCode::SERVICE_UNAVAILABLE));
        }
        if let Err(error) = authenticate(&self.headers) {
            return refused(&error);
        }
        if !undocumented.is_empty() {
            let message = format!("Not in docs/billing/data-sent.md: {}", undocumented.join(", "));
            return refused(&Refused::invalid("", message).code("parameter_unknown"));
        }
        let key = key.filter(|_| self.method == Method::POST);
        let request = (format!("{} {}", self.method, self.path), self.fields.clone());
        let shared = self.shared.clone();
        match key {
            Some(key) => shared.idempotency.once(&key, request, self.act()).await,
            None => {
                let (status, body) = self.act().await;
                (status, body, false)
            }
        }
    }

    async fn act(self) -> (StatusCode, Value) {
        let slow = *locked(&self.shared.faults.slow);
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        let done = self.shared.act(|state| dispatch(state, &self.method, &self.path, &self.fields));
        match done {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => (error.status, error.body()),
        }
    }
}

/// A secret key of test mode (Stripe: `sk_test_…`), as a bearer token.
fn authenticate(headers: &HeaderMap) -> Result<(), Refused> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let message = match given.map(|given| given.strip_prefix("Bearer ").unwrap_or_default()) {
        Some(key) if key.starts_with("sk_test_") && key.len() > "sk_test_".len() => return Ok(()),
        Some(_) => "Invalid API Key provided.",
        None => "You did not provide an API key.",
    };
    Err(Refused::invalid("", message).status(StatusCode::UNAUTHORIZED))
}

fn dispatch(state: &mut State, method: &Method, path: &str, fields: &Fields) -> Result<Value, Refused> {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["customers"]) => state.create_customer(fields),
        ("POST", ["customers", id]) => state.update_customer(id, fields),
        ("GET", ["customers", id]) => state.get_customer(id),
        ("DELETE", ["customers", id]) => state.delete_customer(id),
        ("POST", ["checkout", "sessions"]) => state.create_session(fields),
        ("GET", ["checkout", "sessions"]) => state.list_sessions(fields),
        ("POST", ["checkout", "sessions", id, "expire"]) => state.expire_session(id),
        ("POST", ["billing_portal", "sessions"]) => state.create_portal(fields),
        ("GET", ["subscriptions"]) => state.list_subscriptions(fields),
        ("POST", ["subscriptions", id]) => state.update_subscription(id, fields),
        ("DELETE", ["subscriptions", id]) => state.delete_subscription(id),
        ("GET", ["invoices"]) => state.list_invoices(fields),
        ("POST", ["invoices", "create_preview"]) => state.preview(fields),
        ("GET", ["prices", id]) if *id == state.terms.price => Ok(state.price_shape()),
        ("GET", ["prices", id]) => Err(Refused::not_found("price", id)),
        _ => {
            let message = format!("Unrecognized request URL ({method}: {path}).");
            Err(Refused::invalid("", message).status(StatusCode::NOT_FOUND))
        }
    }
}
