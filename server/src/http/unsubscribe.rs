//! `/unsubscribe`: where the header `List-Unsubscribe` of a mail leads. A mail program posts to it and that was all
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

/// What is said of the mails that end.
struct Mails {
    /// What the mails are.
    are: &'static str,
    /// What ends them.
    button: &'static str,
    /// How they begin again.
    again: &'static str,
    /// Why an address may end nothing.
    wrong: &'static str,
    /// For the log.
    fault: &'static str,
}

const NOTIFICATION: Mails = Mails {
    are: "The notification is mail to you, and ends.",
    button: "End the notification",
    again: "A new notification can be made under <i>Settings › Notifications</i> of the organisation.",
    wrong: "It is not whole, or not from this installation.",
    fault: "a notification could not be ended by its link",
};

const POLICIES: Mails = Mails {
    are: "You asked to be mailed when a policy changes significantly. That ends.",
    button: "End these mails",
    again: "They can be asked for again under <i>Account › Privacy</i>.",
    wrong: "The mails have ended already, or it is not whole, or not from this installation.",
    fault: "mails about policies could not be ended by their link",
};

/// Asks whether it is meant.
pub(super) async fn ask(State(state): State<WebState>) -> Response {
    asked(&state, &NOTIFICATION)
}

/// Ends a notification.
pub(super) async fn end(State(state): State<WebState>, Query(link): Query<Link>) -> Response {
    ended(&state, &NOTIFICATION, state.web.unsubscribe(&link.token).await)
}

/// Asks the same of mails about policies.
pub(super) async fn ask_policies(State(state): State<WebState>) -> Response {
    asked(&state, &POLICIES)
}

/// Ends them.
pub(super) async fn end_policies(State(state): State<WebState>, Query(link): Query<Link>) -> Response {
    ended(&state, &POLICIES, state.web.end_policy_mails(&link.token).await)
}

fn asked(state: &WebState, mails: &Mails) -> Response {
    // A form that is sent to where its page is keeps what the address carries.
    let body = format!(
        "<h1>No more of these mails?</h1><p>{}</p>\
         <form method=\"post\"><button class=\"btn primary\" type=\"submit\">{}</button></form>",
        mails.are, mails.button
    );
    answer(state, StatusCode::OK, "No more of these mails?", &body)
}

fn ended(state: &WebState, mails: &Mails, result: Result<(), Error>) -> Response {
    let (status, title, body) = match result {
        Ok(()) => (StatusCode::OK, "It has ended", format!("No more of these mails are sent. {}", mails.again)),
        Err(Error::LinkEnded) => (StatusCode::GONE, "This address ends nothing", mails.wrong.to_owned()),
        Err(cause) => {
            if cause.is_fault() {
                tracing::error!(%cause, "{}", mails.fault);
            }
            let body = "Nothing was changed; try again in a moment.".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, "It could not be ended right now", body)
        }
    };
    answer(state, status, title, &format!("<h1>{title}</h1><p>{body}</p>"))
}

fn answer(state: &WebState, status: StatusCode, title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, document(state.leptos(), title, body)).into_response()
}
