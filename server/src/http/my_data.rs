//! `/account/privacy/download`: where the mail leads that says that somebody's data is ready. The link works once, so a
//! person who opens it is asked first: programs that look at links open them too.

use axum::{
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use kubewise_app::sign_in::signed_in;
use kubewise_backend::{Actor, Error};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    oidc::Asking,
    page::{page, refused, to_sign_in},
    router::WebState,
};

/// What the address carries.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    token: SecretString,
}

/// Asks whether it is meant.
pub(super) async fn ask(State(state): State<WebState>, Query(link): Query<Link>, asking: Asking) -> Response {
    let actor = match actor(&state, &asking).await {
        Ok(Some(actor)) => actor,
        Ok(None) => return to_sign_in(&address(&link)),
        Err(error) => return refused(&state, &error),
    };
    match state.web.is_export_there(&actor, &link.token).await {
        Ok(true) => {
            // A form that is sent to where its page is keeps what the address carries. The page says from where it is sent,
            // to this site alone, as all do: without that, browsers would not say that the form is ours.
            let body = "<p>A ZIP file with everything that is held about you: <code>index.html</code> to read it, \
                        <code>data.json</code> for programs. The link works once, so keep the file.</p>\
                        <form method=\"post\"><button class=\"btn primary\" type=\"submit\">Download my data</button></form>";
            page(&state, StatusCode::OK, "Your data is ready", body)
        }
        Ok(false) => ended(&state),
        Err(error) => refused(&state, &error),
    }
}

/// Uses the link up, and sends what it leads to.
pub(super) async fn take(State(state): State<WebState>, Query(link): Query<Link>, asking: Asking) -> Response {
    let actor = match actor(&state, &asking).await {
        Ok(Some(actor)) => actor,
        Ok(None) => return to_sign_in(&address(&link)),
        Err(error) => return refused(&state, &error),
    };
    match state.web.take_export(&actor, &link.token).await {
        Ok(content) => {
            let headers = [
                (header::CONTENT_TYPE, "application/zip"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"kubewise-my-data.zip\""),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, Body::from_stream(content)).into_response()
        }
        Err(Error::LinkEnded) => ended(&state),
        Err(error) => refused(&state, &error),
    }
}

fn address(link: &Link) -> String {
    format!("/account/privacy/download?token={}", link.token.expose_secret())
}

fn ended(state: &WebState) -> Response {
    let body = "<p>It was used, or it is older than seven days, or it is for another account than the one that is signed in. \
                Under <a href=\"/account/privacy\">Account › Privacy</a> you can ask for your data again.</p>";
    page(state, StatusCode::GONE, "This link has ended", body)
}

async fn actor(state: &WebState, asking: &Asking) -> Result<Option<Actor>, Error> {
    let user = signed_in(&asking.session).await.map_err(|refusal| Error::Internal(format!("{refusal:?}")))?;
    let Some(user) = user else { return Ok(None) };
    Ok(state.web.actor(user).await?.map(|actor| actor.at(asking.visitor.place())))
}
