//! `/erasure`: how a deletion is doing, and its certificate. What the address carries is the proof: there may be nobody to
//! sign in any more.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kubewise_backend::{ErasureState, Error};
use kubewise_contract::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    certificate::{Download, file, removed},
    page::{page, refused},
    router::WebState,
};

/// What the address carries.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    token: SecretString,
}

/// How it is doing.
pub(super) async fn show(State(state): State<WebState>, Query(link): Query<Link>) -> Response {
    let erasure = match state.web.erasure(&link.token).await {
        Ok(erasure) => erasure,
        Err(error) => return refusal(&state, &error),
    };
    let mut headers = HeaderMap::new();
    no_referrer(&mut headers);
    let what = what(&erasure.kind);
    let asked = format!("<p>Asked for on {}.</p>", erasure.requested_at.minute_utc());
    let (title, body) = match &erasure.certificate {
        Some(certificate) => {
            let token = link.token.expose_secret();
            let download = Download { action: "/erasure/certificate", field: "token", value: token };
            (format!("{what} was deleted"), removed(certificate, &download))
        }
        None if is_waiting(&erasure, state.web.now()) => {
            let body = format!(
                "{asked}<p>Nothing is removed before {}. Until then each Owner can take it back under <i>Settings › Data</i>.</p>\
                 <p>Keep the address of this page: when all is removed, it has the certificate that says so.</p>",
                erasure.due_at.minute_utc()
            );
            (format!("{what} will be deleted"), body)
        }
        None => {
            // By a header: in the page itself it would have to be in its head.
            headers.insert(header::REFRESH, HeaderValue::from_static("3"));
            let body = format!(
                "{asked}<p>It is being removed, and cannot be taken back any more. This page looks again by itself every three \
                 seconds, and you need not wait for it: keep its address, it will have the certificate that says what was \
                 removed.</p>"
            );
            (format!("{what} is being deleted"), body)
        }
    };
    (headers, page(&state, StatusCode::OK, &title, &body)).into_response()
}

/// The certificate, once there is one.
pub(super) async fn certificate(State(state): State<WebState>, Query(link): Query<Link>) -> Response {
    let mut headers = HeaderMap::new();
    no_referrer(&mut headers);
    match state.web.erasure(&link.token).await {
        Ok(ErasureState { certificate: Some(certificate), .. }) => (headers, file(certificate)).into_response(),
        Ok(_) => {
            let body = "<p>The certificate comes when all is removed.</p>";
            (headers, page(&state, StatusCode::NOT_FOUND, "It is not done yet", body)).into_response()
        }
        Err(error) => refusal(&state, &error),
    }
}

fn is_waiting(erasure: &ErasureState, now: Timestamp) -> bool {
    !erasure.has_begun && erasure.due_at > now
}

fn what(kind: &str) -> &'static str {
    match kind {
        "account" => "The account",
        "cluster" => "The cluster",
        _ => "The organisation",
    }
}

fn refusal(state: &WebState, error: &Error) -> Response {
    let mut response = match error {
        Error::LinkEnded => {
            let body = "<p>It is not whole, or not from this installation, or the deletion was taken back. Certificates are kept \
                        for 400 days.</p>";
            page(state, StatusCode::GONE, "This address leads to no deletion", body)
        }
        error => refused(state, error),
    };
    no_referrer(response.headers_mut());
    response
}

/// Whoever has the address has what it leads to: no other site is told it.
fn no_referrer(headers: &mut HeaderMap) {
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
