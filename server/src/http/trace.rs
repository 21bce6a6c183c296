//! One line a request, with an id that the answer carries too. Paths hold ids, never names or addresses; queries can
//! hold what people typed, so they are not logged.

use std::{any::Any, time::Duration};

use axum::{body::Body, extract::MatchedPath, response::IntoResponse};
use http::{HeaderValue, Request, Response, StatusCode};
use kubewise_backend::World;
use tower_http::{
    classify::{ServerErrorsAsFailures, SharedClassifier},
    request_id::{MakeRequestId, RequestId},
    trace::TraceLayer,
};
use tracing::Span;

/// A fresh id for each request; what a client sends as an id is not taken.
#[derive(Clone)]
pub(super) struct RandomRequestId(World);

impl Default for RandomRequestId {
    fn default() -> Self {
        Self(World::system())
    }
}

impl MakeRequestId for RandomRequestId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = hex::encode(self.0.random::<8>());
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}

type Layer = TraceLayer<
    SharedClassifier<ServerErrorsAsFailures>,
    fn(&Request<Body>) -> Span,
    (),
    fn(&Response<Body>, Duration, &Span),
    (),
    (),
    (),
>;

/// The layer.
pub(super) fn layer() -> Layer {
    TraceLayer::new_for_http()
        .make_span_with(span as fn(&Request<Body>) -> Span)
        .on_request(())
        .on_response(answered as fn(&Response<Body>, Duration, &Span))
        .on_body_chunk(())
        .on_eos(())
        .on_failure(())
}

fn span(request: &Request<Body>) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let path = request.extensions().get::<MatchedPath>().map_or_else(|| "(no route)", MatchedPath::as_str);
    tracing::info_span!("request", id, method = %request.method(), path)
}

fn answered(response: &Response<Body>, latency: Duration, _: &Span) {
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    if response.status().is_server_error() {
        tracing::error!(status, milliseconds, "answered");
    } else {
        tracing::debug!(status, milliseconds, "answered");
    }
}

/// What a panic in a handler becomes. Its message goes to the log by the panic hook, not to the client.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a request handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.").into_response()
}
