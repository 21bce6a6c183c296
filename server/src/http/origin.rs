//! Requests that change something must come from our own pages: the Origin header says where from (OWASP CSRF
//! Prevention, "Verifying Origin With Standard Headers"). One layer around all routes that people use, so that no route
//! can forget it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    middleware::{FromFnLayer, Next, from_fn},
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header};
use kubewise_contract::UiError;

/// The layer. `public_url` is the only origin that is let in.
pub(super) fn layer(
    public_url: String,
) -> FromFnLayer<impl Fn(Request, Next) -> BoxFuture<'static, Response> + Clone, (), (Request,)> {
    let own: Arc<str> = public_url.to_ascii_lowercase().into();
    from_fn(move |request: Request, next: Next| -> BoxFuture<'static, Response> {
        let own = Arc::clone(&own);
        Box::pin(async move {
            if is_safe(request.method()) || is_own(request.headers(), &own) {
                next.run(request).await
            } else {
                refuse()
            }
        })
    })
}

const fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_own(headers: &HeaderMap, own: &str) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|o| o.to_str().ok());
    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(own))
}

fn refuse() -> Response {
    let error = UiError::ForeignOrigin;
    let body = serde_json::to_string(&error).unwrap_or_default();
    (
        StatusCode::FORBIDDEN,
        // What leptos' client looks for, so that pages can show the sentence.
        [(header::CONTENT_TYPE, "application/json"), (http::HeaderName::from_static("serverfnerror"), "true")],
        Body::from(body),
    )
        .into_response()
}
