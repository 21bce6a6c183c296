//! What a session holds while its person is at the provider, and the pages that say why somebody came back with nothing.

use kubewise_backend::{Flow, FlowPurpose};
use kubewise_contract::ProviderRefusal;
use tower_sessions::Session;

use super::{
    Refusal,
    login::local_path,
    sign_in::{hold_once, take_once},
};
use crate::place::encode;

/// The key under which a session holds it.
const FLOW: &str = "flow";

/// Has the session hold what was begun.
pub async fn hold(session: &Session, flow: &Flow) -> Result<(), Refusal> {
    hold_once(session, FLOW, flow).await
}

/// Takes what was begun out of the session, once.
pub async fn take(session: &Session) -> Result<Option<Flow>, Refusal> {
    take_once(session, FLOW).await
}

/// The page that was asked for, if it is one of this server.
pub fn page(next: Option<&str>) -> Option<&str> {
    next.and_then(local_path)
}

/// Where somebody signs in, to come back to `next`.
pub fn login_page(next: &str) -> String {
    match page(Some(next)) {
        Some(next) => format!("/login?next={}", encode(next)),
        None => "/login".to_owned(),
    }
}

/// Where somebody confirms that it is them, to come back to `next`.
pub fn confirm_page(next: Option<&str>) -> String {
    format!("/account/confirm?next={}", encode(page(next).unwrap_or("/account/security")))
}

/// The same, when only the second half is missing.
pub fn second_half_page(next: Option<&str>) -> String {
    format!("{}&half=1", confirm_page(next))
}

/// The page that says why nothing came of it.
pub fn refusal_page(purpose: FlowPurpose, next: Option<&str>, refusal: ProviderRefusal) -> String {
    let why = refusal.as_str();
    match (purpose, page(next)) {
        (FlowPurpose::SignIn, Some(next)) => format!("/login?google={why}&next={}", encode(next)),
        (FlowPurpose::SignIn, None) => format!("/login?google={why}"),
        (FlowPurpose::Link(_), _) => format!("/account/security?google={why}"),
        (FlowPurpose::Confirm(_), next) => format!("{}&google={why}", confirm_page(next)),
    }
}
