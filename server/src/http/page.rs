//! Pages of text that are for one person: nothing of them is kept, and nothing in them runs.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kubewise_app::{document, provider::login_page};
use kubewise_backend::Error;

use super::router::WebState;

/// Nothing but what a page of text with one button needs.
const POLICY: &str = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// A page.
pub(super) fn page(state: &WebState, status: StatusCode, title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = format!("<h1>{title}</h1>{body}");
    (status, headers, document(state.leptos(), title, &body)).into_response()
}

/// Leads elsewhere, to be opened there.
pub(super) fn led(to: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// To sign in, and back to `next`.
pub(super) fn to_sign_in(next: &str) -> Response {
    led(&login_page(next))
}

/// What somebody is told who is signed in and may not, or when it does not work.
pub(super) fn refused(state: &WebState, error: &Error) -> Response {
    let (status, title, body) = match error {
        Error::SecondFactorNeeded => return led("/account/security?needed=1"),
        Error::NotFound => (
            StatusCode::NOT_FOUND,
            "Nothing here",
            "The address is wrong, or what it names is gone, or it is not for the account that is signed in.",
        ),
        Error::Forbidden => (
            StatusCode::FORBIDDEN,
            "This is not for your role",
            "An Owner of the organisation can do it, or give you a role that may.",
        ),
        error => {
            if error.is_fault() {
                tracing::error!(%error, "a page could not be answered");
            }
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "It does not work right now",
                "Nothing was changed; try again in a moment.",
            )
        }
    };
    page(state, status, title, &format!("<p>{body}</p>"))
}
