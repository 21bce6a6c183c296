//! What surrounds every route of the API: nothing is kept by caches, every refusal is a problem (RFC 9457), whoever
//! refuses, and a request is one task, as those of the pages are (docs/adr/0013).

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer,
};

use super::problem::{self, Kind, Problem};
use crate::http::{client_address, one_task};

/// A request that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(20);
/// Largest body: a name has 63 characters.
const BODY_BYTES: usize = 16 << 10;

/// Surrounds the routes.
pub(super) fn surround(router: Router, behind_proxy: bool) -> Router {
    within(router, LONGEST)
        .layer(CompressionLayer::new().br(true).gzip(true).quality(tower_http::CompressionLevel::Precise(4)))
        .layer(client_address::layer(behind_proxy))
}

fn within(router: Router, longest: Duration) -> Router {
    router
        .layer(from_fn(one_task::one_task))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, longest))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(as_problem))
}

/// What a panic becomes. Its message goes to the log by the panic hook.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request handler of the API panicked");
    Problem::of(Kind::Internal).into_response()
}

/// A refusal that is not a problem yet becomes one.
async fn as_problem(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if is_refusal && response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != problem::MEDIA_TYPE) {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = Problem::of(Kind::of(status)).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        routing::get,
    };
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str) -> (StatusCode, String, String) {
        async fn panics() {
            panic!("secret cause");
        }
        async fn hangs() {
            std::future::pending::<()>().await;
        }
        let router = Router::new()
            .route("/panics", get(panics))
            .route("/hangs", get(hangs))
            .route("/plain", get((StatusCode::CONFLICT, "secret cause")));
        let request = Request::get(path).body(Body::empty()).unwrap();
        // What answers is given its time, however busy the machine.
        let longest = if path == "/hangs" { Duration::from_millis(50) } else { LONGEST };
        let response = within(router, longest).oneshot(request).await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whatever_goes_wrong_is_told_as_a_problem_that_says_nothing_of_the_cause() {
        for (path, expected) in [("/panics", 500), ("/hangs", 503), ("/plain", 409), ("/nowhere", 404)] {
            let (status, kind, body) = ask(path).await;
            assert_eq!((status.as_u16(), kind.as_str()), (expected, problem::MEDIA_TYPE), "{path}");
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(problem["status"], expected);
            assert!(!body.contains("secret"), "{body}");
        }
    }
}
