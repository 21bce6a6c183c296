//! Who asks, and how they are answered: the first and the last step of every server function.

use std::future::Future;

use http::{HeaderMap, StatusCode, header, request::Parts};
use kubewise_backend::{Actor, Web, session::USER_ID};
use kubewise_contract::{FieldError, UiError, UserId};
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use tower_sessions::Session;

use super::{login::and_back, sign_in::is_fresh, visitor::visitor};

/// Why a server function does not do what it was asked, with the cause for the log.
#[derive(Debug)]
pub enum Refusal {
    /// Decided here; there is nothing to log.
    Said(UiError),
    /// Decided by the backend.
    Backend(kubewise_backend::Error),
    /// Something that should not happen, and what it was.
    Fault(String),
}

impl From<UiError> for Refusal {
    fn from(error: UiError) -> Self {
        Self::Said(error)
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::Said(error.into())
    }
}

impl From<kubewise_backend::Error> for Refusal {
    fn from(error: kubewise_backend::Error) -> Self {
        Self::Backend(error)
    }
}

impl From<tower_sessions::session::Error> for Refusal {
    fn from(error: tower_sessions::session::Error) -> Self {
        Self::Fault(format!("session: {error}"))
    }
}

impl Refusal {
    /// What the browser is told; the cause is logged here, once.
    pub fn tell(self) -> UiError {
        match self {
            Self::Said(error) => error,
            Self::Backend(cause) => {
                if cause.is_fault() {
                    tracing::error!(%cause, "a page could not be answered");
                }
                cause.ui()
            }
            Self::Fault(cause) => {
                tracing::error!(%cause, "a page could not be answered");
                UiError::Internal
            }
        }
    }
}

/// The session of this request.
pub(crate) async fn session() -> Result<Session, Refusal> {
    leptos_axum::extract::<Session>().await.map_err(|_| Refusal::Fault("no session layer".to_owned()))
}

/// The backend, and who asks. Refuses when nobody is signed in.
pub(crate) async fn who() -> Result<(Web, Actor), Refusal> {
    let web = expect_context::<Web>();
    let session = session().await?;
    let Some(user) = session.get::<UserId>(USER_ID).await? else { return Err(UiError::SignedOut.into()) };
    let Some(actor) = web.actor(user).await? else {
        // The account is gone: so is what was left of its session.
        session.flush().await?;
        return Err(UiError::SignedOut.into());
    };
    let actor = match visitor() {
        Ok(visitor) => actor.at(visitor.place()),
        Err(_) => actor,
    };
    Ok((web, actor))
}

/// The same for what a borrowed session must not do: who did not prove lately who they are is asked to.
pub(crate) async fn who_lately() -> Result<(Web, Actor), Refusal> {
    match who_and_when().await? {
        (web, actor, true) => Ok((web, actor)),
        (.., false) => Err(UiError::ProofNeeded.into()),
    }
}

/// The same for what sometimes is such: with whether they proved lately who they are.
pub(crate) async fn who_and_when() -> Result<(Web, Actor, bool), Refusal> {
    let (web, actor) = who().await?;
    let lately = is_fresh(&web, &session().await?).await?;
    Ok((web, actor, lately))
}

/// Runs the work and answers: on refusal logs a fault's cause, sets the status, and sends who is signed out to log in.
pub(crate) async fn answer<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, UiError> {
    let error = match work.await {
        Ok(value) => return Ok(value),
        Err(refusal) => refusal.tell(),
    };
    if let (Some(parts), Some(response)) = (use_context::<Parts>(), use_context::<ResponseOptions>()) {
        if let Some(address) = leads_to(&parts, &error) {
            leptos_axum::redirect(&address);
        }
        if let UiError::TooMany { seconds } = error {
            response.insert_header(header::RETRY_AFTER, seconds.into());
        }
        if speaks_by_status(&parts, &error) {
            response.set_status(StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        }
    }
    Err(error)
}

/// The page where what is missing can be given.
fn leads_to(parts: &Parts, error: &UiError) -> Option<String> {
    match error {
        UiError::SignedOut => Some(and_back("/login", parts)),
        UiError::ProofNeeded => Some(and_back("/account/confirm", parts)),
        UiError::SecondFactorNeeded => Some("/account/security?needed=1".to_owned()),
        _ => None,
    }
}

/// A browser that shows HTML is redirected when it is signed out, and after the plain form of a page: there the status
/// belongs to the redirect, and the error travels in the address it leads to. Everything else is told by the status.
fn speaks_by_status(parts: &Parts, error: &UiError) -> bool {
    let redirected = leads_to(parts, error).is_some() || parts.uri.path().starts_with("/api/");
    !(accepts_html(&parts.headers) && redirected)
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str, accept: &str) -> Parts {
        http::Request::get(path).header("accept", accept).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_page_has_the_status_of_what_it_found() {
        assert!(speaks_by_status(&parts("/o/acme/", "text/html,*/*"), &UiError::NotFound));
        assert!(speaks_by_status(&parts("/api/clusters", "*/*"), &UiError::NotFound));
        assert!(speaks_by_status(&parts("/api/clusters", "*/*"), &UiError::SignedOut));
    }

    #[test]
    fn the_status_of_a_redirect_stays_a_redirect() {
        assert!(!speaks_by_status(&parts("/api/log_in", "text/html,*/*"), &UiError::WrongCredentials));
        assert!(!speaks_by_status(&parts("/o/acme/", "text/html,*/*"), &UiError::SignedOut));
    }
}
