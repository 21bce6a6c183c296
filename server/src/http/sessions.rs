//! Sessions: the layer of tower-sessions, and what it does not do.

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use http::{HeaderValue, header::SET_COOKIE};
use kubewise_backend::Web;
use tower_sessions::{Expiry, Session, SessionManagerLayer, cookie::SameSite};

use super::router::WebState;

/// Gives the requests of these routes their session.
pub(super) fn with(routes: Router<WebState>, web: &Web, https: bool) -> Router<WebState> {
    // `__Host-`: the browser itself refuses the cookie for another host or path, or without TLS (RFC 6265bis §4.1.3.2).
    let name = if https { "__Host-kubewise" } else { "kubewise" };
    let sessions = SessionManagerLayer::new(web.sessions())
        .with_name(name)
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnSessionEnd);
    routes.layer(from_fn(mark)).layer(sessions).layer(from_fn_with_state(name, leave))
}

/// Marks the answer to a request that came with a session that is gone, and did nothing about it.
#[derive(Clone)]
struct Stale;

/// Inside of the sessions: only there it is known what the request did.
async fn mark(Extension(session): Extension<Session>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !session.is_modified() && session.is_empty().await {
        response.extensions_mut().insert(Stale);
    }
    response
}

/// A session that was not found may have got another id while this request was on its way, as it does whenever a
/// password changes or a proof is given. To take the cookie away now, as the layer does, would sign the person out.
async fn leave(State(name): State<&'static str>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.extensions_mut().remove::<Stale>().is_none() {
        return response;
    }
    let is_session = |cookie: &HeaderValue| {
        cookie.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
    };
    let others: Vec<_> =
        response.headers().get_all(SET_COOKIE).iter().filter(|cookie| !is_session(cookie)).cloned().collect();
    response.headers_mut().remove(SET_COOKIE);
    for cookie in others {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
