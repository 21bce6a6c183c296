//! `/unsubscribe`: where the header `List-Unsubscribe` of a notification leads. A mail program posts to it and that was all
//! (RFC 8058); a person who opens it is asked first, since programs that look at links open them too. What the address
//! carries is the proof: there is no session, and no Origin.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use kubewise_app::document;
use kubewise_backend::Error;
use secrecy::SecretString;
use serde::Deserialize;

use super::router::WebState;

/// Nothing but what a page of text with one button needs.
const POLICY: &str = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// What the address carries.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    token: SecretString,
}

/// Asks whether it is meant.
pub(super) async fn ask(State(state): State<WebState>) -> Response {
    // A form that is sent to where its page is keeps what the address carries.
    let body = "<h1>No more of these mails?</h1><p>The notification is mail to you, and ends.</p>\
                <form method=\"post\"><button class=\"btn primary\" type=\"submit\">End the notification</button></form>";
    answer(&state, StatusCode::OK, "No more of these mails?", body)
}

/// Ends it.
pub(super) async fn end(State(state): State<WebState>, Query(link): Query<Link>) -> Response {
    match state.web.unsubscribe(&link.token).await {
        Ok(()) => {
            let body = "<h1>It has ended</h1><p>No more of these mails are sent. A new notification can be made under \
                        <i>Settings › Notifications</i> of the organisation.</p>";
            answer(&state, StatusCode::OK, "It has ended", body)
        }
        Err(Error::LinkEnded) => {
            let body = "<h1>This address ends nothing</h1><p>It is not whole, or not from this installation.</p>";
            answer(&state, StatusCode::GONE, "This address ends nothing", body)
        }
        Err(cause) => {
            if cause.is_fault() {
                tracing::error!(%cause, "a notification could not be ended by its link");
            }
            let body = "<h1>It could not be ended right now</h1><p>Nothing was changed; try again in a moment.</p>";
            answer(&state, StatusCode::SERVICE_UNAVAILABLE, "It could not be ended right now", body)
        }
    }
}

fn answer(state: &WebState, status: StatusCode, title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, document(state.leptos(), title, body)).into_response()
}
