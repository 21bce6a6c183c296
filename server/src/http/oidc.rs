//! Signing in through an OpenID Connect issuer: the way there, and the way back. Both are addresses that a browser opens,
//! and answer with a redirect, whatever comes of it.

use axum::{
    extract::{FromRequestParts, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use kubewise_app::{
    Refusal,
    provider::{self, confirm_page, hold, refusal_page, second_half_page, take},
    sign_in::{Step, first_proof, is_fresh, keep_header, prove, prove_half, signed_in, visitor_of},
};
use kubewise_backend::{Actor, Error, Flow, FlowPurpose, Oidc, OidcError, Proven, Visitor, Web};
use kubewise_contract::{ProviderRefusal, UserId};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use super::router::WebState;

/// The way there.
pub(super) const START: &str = "/login/google";
/// The way back: what the issuer must know us by.
pub const CALLBACK: &str = "/login/google/callback";

/// What a page asks for.
#[derive(Deserialize)]
pub(super) struct Wish {
    next: Option<String>,
    purpose: Option<String>,
}

/// What the issuer sends the browser back with (RFC 6749 §4.1.2).
#[derive(Deserialize)]
pub(super) struct Answer {
    state: Option<String>,
    code: Option<SecretString>,
    error: Option<String>,
}

/// Why the browser is sent elsewhere than it wanted.
enum Detour {
    /// To a page that is needed first.
    To(String),
    /// To the page that says why not.
    Refused(ProviderRefusal),
}

impl From<ProviderRefusal> for Detour {
    fn from(refusal: ProviderRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Refusal> for Detour {
    fn from(refusal: Refusal) -> Self {
        // Logged where it is told.
        let _ = refusal.tell();
        Self::Refused(ProviderRefusal::Failed)
    }
}

impl From<Error> for Detour {
    fn from(error: Error) -> Self {
        match error {
            Error::Provider(refusal) => refusal.into(),
            Error::TooMany { .. } => ProviderRefusal::TooMany.into(),
            error => Refusal::from(error).into(),
        }
    }
}

impl From<OidcError> for Detour {
    fn from(error: OidcError) -> Self {
        tracing::warn!(%error, "sign-in through the issuer failed");
        Self::Refused(if matches!(error, OidcError::Away(_)) { ProviderRefusal::Away } else { ProviderRefusal::Failed })
    }
}

/// Who asks, and with what.
pub(super) struct Asking {
    pub(super) session: Session,
    pub(super) visitor: Visitor,
    pub(super) headers: HeaderMap,
}

impl FromRequestParts<WebState> for Asking {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, StatusCode> {
        let session = Session::from_request_parts(parts, state).await.map_err(|(status, _)| status)?;
        let visitor = visitor_of(parts, state.https).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Self { session, visitor, headers: parts.headers.clone() })
    }
}

/// `GET /login/google?next=…`, with `purpose=link` or `purpose=confirm` for who is signed in.
pub(super) async fn start(State(state): State<WebState>, Query(wish): Query<Wish>, asking: Asking) -> Response {
    let Some(oidc) = state.web.oidc() else { return StatusCode::NOT_FOUND.into_response() };
    let next = provider::page(wish.next.as_deref());
    let purpose = match purpose(&state, &wish, &asking).await {
        Ok(purpose) => purpose,
        Err(detour) => return elsewhere(detour, FlowPurpose::SignIn, next),
    };
    match begin(&state.web, oidc, purpose, next, &asking).await {
        Ok(url) => redirect(&url),
        Err(detour) => elsewhere(detour, purpose, next),
    }
}

async fn purpose(state: &WebState, wish: &Wish, asking: &Asking) -> Result<FlowPurpose, Detour> {
    let for_user: fn(UserId) -> FlowPurpose = match wish.purpose.as_deref() {
        Some("link") => FlowPurpose::Link,
        Some("confirm") => FlowPurpose::Confirm,
        _ => return Ok(FlowPurpose::SignIn),
    };
    let Some(user) = signed_in(&asking.session).await? else {
        return Err(Detour::To("/login?next=%2Faccount%2Fsecurity".to_owned()));
    };
    let purpose = for_user(user);
    // Another site could have somebody link what it is signed in to at the issuer.
    if !is_own_page(&asking.headers, &state.public_url) {
        return Err(Detour::To(refusal_page(purpose, wish.next.as_deref(), ProviderRefusal::Failed)));
    }
    if matches!(purpose, FlowPurpose::Link(_)) && !is_fresh(&state.web, &asking.session).await? {
        return Err(Detour::To(confirm_page(None)));
    }
    Ok(purpose)
}

async fn begin(
    web: &Web,
    oidc: &Oidc,
    purpose: FlowPurpose,
    next: Option<&str>,
    asking: &Asking,
) -> Result<String, Detour> {
    web.leaves_for_provider(&asking.visitor).await?;
    let (url, flow) = oidc.begin(purpose, next.map(ToOwned::to_owned)).await?;
    hold(&asking.session, &flow).await?;
    Ok(url)
}

/// Whether a page of ours led here: the browser says so itself (Fetch Metadata), or names the page.
pub(super) fn is_own_page(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => text("referer")
            .and_then(|referer| referer.strip_prefix(public_url))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

/// `GET /login/google/callback`
pub(super) async fn callback(State(state): State<WebState>, Query(answer): Query<Answer>, asking: Asking) -> Response {
    let Some(oidc) = state.web.oidc() else { return StatusCode::NOT_FOUND.into_response() };
    let flow = match take(&asking.session).await {
        Ok(Some(flow)) => flow,
        Ok(None) => {
            let error = OidcError::NotAsked("nothing was asked, or it was answered already");
            return elsewhere(error.into(), FlowPurpose::SignIn, None);
        }
        Err(refusal) => return elsewhere(refusal.into(), FlowPurpose::SignIn, None),
    };
    match finish(&state.web, oidc, &flow, answer, &asking).await {
        Ok(step) => arrive(&step, state.https),
        Err(detour) => elsewhere(detour, flow.purpose(), flow.next()),
    }
}

async fn finish(web: &Web, oidc: &Oidc, flow: &Flow, answer: Answer, asking: &Asking) -> Result<Step, Detour> {
    let Asking { session, visitor, .. } = asking;
    let state = answer.state.unwrap_or_default();
    oidc.is_answer(flow, &state)?;
    let Some(code) = answer.code else {
        // Theirs to decide, and none of our business why.
        let cancelled = answer.error.as_deref() == Some("access_denied");
        return Err(if cancelled { ProviderRefusal::Cancelled } else { ProviderRefusal::Failed }.into());
    };
    let proven = oidc.finish(flow, &state, code).await?;
    web.returns_from_provider(visitor).await?;
    match flow.purpose() {
        FlowPurpose::SignIn => {
            let user = web.enter(&proven, visitor, invitation_in(flow.next()).as_ref()).await?;
            Ok(first_proof(web, session, visitor, user, false, flow.next()).await?)
        }
        FlowPurpose::Link(user) => link(web, session, user, &proven).await,
        FlowPurpose::Confirm(user) => confirm(web, session, user, &proven, flow.next()).await,
    }
}

async fn link(web: &Web, session: &Session, user: UserId, proven: &Proven) -> Result<Step, Detour> {
    let actor = still(web, session, user).await?;
    // They may have taken their time.
    if !is_fresh(web, session).await? {
        return Err(Detour::To(confirm_page(None)));
    }
    web.link_identity(&actor, proven).await?;
    Ok(Step { to: "/account/security?done=linked".to_owned(), keep: None })
}

/// Without a second factor the issuer's word is enough, as it is for signing in. With one it stands for the password alone.
async fn confirm(
    web: &Web,
    session: &Session,
    user: UserId,
    proven: &Proven,
    next: Option<&str>,
) -> Result<Step, Detour> {
    let actor = still(web, session, user).await?;
    web.is_confirmed_by(&actor, proven).await?;
    let to = if web.has_second_factor(user).await? {
        prove_half(web, session).await?;
        second_half_page(next)
    } else {
        prove(web, session).await?;
        provider::page(next).unwrap_or("/account/security").to_owned()
    };
    Ok(Step { to, keep: None })
}

/// Who went to the issuer is still signed in here.
async fn still(web: &Web, session: &Session, user: UserId) -> Result<Actor, Detour> {
    let gone = || Detour::To("/login?next=%2Faccount%2Fsecurity".to_owned());
    if signed_in(session).await? != Some(user) {
        return Err(gone());
    }
    web.actor(user).await?.ok_or_else(gone)
}

fn arrive(step: &Step, https: bool) -> Response {
    let mut response = redirect(&step.to);
    if let Some(Ok(cookie)) = step.keep.as_ref().map(|text| keep_header(text, https)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn elsewhere(detour: Detour, purpose: FlowPurpose, next: Option<&str>) -> Response {
    match detour {
        Detour::To(page) => redirect(&page),
        Detour::Refused(refusal) => redirect(&refusal_page(purpose, next, refusal)),
    }
}

fn redirect(to: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// What the link of an invitation carries, if it is where somebody goes.
fn invitation_in(next: Option<&str>) -> Option<SecretString> {
    let link = next?.strip_prefix("/invite?token=")?;
    Some(link.split('&').next()?.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_lead_to_a_link() {
        let is = |name: &'static str, value: &'static str| {
            let headers = [(http::HeaderName::from_static(name), HeaderValue::from_static(value))];
            is_own_page(&headers.into_iter().collect(), "https://kubewise.example")
        };
        assert!(is("sec-fetch-site", "same-origin"));
        assert!(is("referer", "https://kubewise.example/account/security"));
        for other in ["cross-site", "same-site", "none", ""] {
            assert!(!is("sec-fetch-site", other), "{other}");
        }
        for other in ["https://kubewise.example.evil/", "https://evil.example/https://kubewise.example/", ""] {
            assert!(!is("referer", other), "{other}");
        }
        assert!(!is_own_page(&HeaderMap::new(), "https://kubewise.example"));
    }
}
