//! Signing in, in steps: who has a second factor is signed in by nothing less. What a session holds meanwhile opens
//! nothing but the page that asks for it.

use http::{HeaderValue, request::Parts};
use kubewise_backend::{KEPT, Visitor, Web, session::USER_ID};
use kubewise_contract::{UiError, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower_sessions::{Expiry, Session, cookie::time::Duration};

use super::{Refusal, login::local_path, visitor};
use crate::place::org_href;

/// The key under which a session holds whose second factor is asked for.
const PENDING: &str = "pending";
/// The key under which a session holds when its person last proved who they are, in seconds since 1970.
const PROVEN_AT: &str = "proven_at";

/// The key under which a session holds when its person gave the first half of the proof once more.
const HALF_PROVEN_AT: &str = "half_proven_at";

/// The key under which a session holds what the second half of a ceremony with a passkey needs.
const CEREMONY: &str = "ceremony";

/// Longest that a person may take for a passkey, in seconds.
const CEREMONY_FOR: i64 = 5 * 60;
/// The first proof is worth nothing after so long, in seconds, if the second does not come.
const PENDING_FOR: i64 = 10 * 60;
/// Something that a borrowed session must not do asks for a proof that is no older, in seconds.
const FRESH_FOR: i64 = 10 * 60;

/// Whose second factor is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) user: UserId,
    since: i64,
    remember: bool,
    next: Option<String>,
}

/// What comes after a step of signing in.
#[derive(Debug)]
pub struct Step {
    /// The page to go on with.
    pub to: String,
    /// What the browser shall keep, if it keeps nothing of ours yet.
    pub keep: Option<SecretString>,
}

/// A first proof was given: the password, or another provider's word. Who has a second factor is asked for it; who has
/// none is signed in. `next`: the page that was asked for. `remember`: the browser keeps the session when it is closed.
pub async fn first_proof(
    web: &Web,
    session: &Session,
    visitor: &Visitor,
    user: UserId,
    remember: bool,
    next: Option<&str>,
) -> Result<Step, Refusal> {
    let next = next.and_then(local_path).map(ToOwned::to_owned);
    if !web.has_second_factor(user).await? {
        return sign_in(web, session, visitor, user, remember, next).await;
    }
    // Nobody is signed in while it is asked for.
    if session.id().is_some() {
        session.flush().await?;
    }
    session.set_expiry(Some(expiry(false)));
    session.insert(PENDING, Pending { user, since: now(web), remember, next }).await?;
    Ok(Step { to: "/mfa".to_owned(), keep: None })
}

/// Whose second factor is asked for in this session, if the first proof is not too old.
pub(crate) async fn pending(web: &Web, session: &Session) -> Result<Option<Pending>, Refusal> {
    let pending = session.get::<Pending>(PENDING).await?;
    Ok(pending.filter(|pending| now(web) < pending.since + PENDING_FOR))
}

/// The second proof was given.
pub(crate) async fn second_proof(
    web: &Web,
    session: &Session,
    visitor: &Visitor,
    pending: Pending,
) -> Result<Step, Refusal> {
    sign_in(web, session, visitor, pending.user, pending.remember, pending.next).await
}

/// A passkey was given: all that is asked for, at once.
pub(crate) async fn whole_proof(
    web: &Web,
    session: &Session,
    visitor: &Visitor,
    user: UserId,
    next: Option<&str>,
) -> Result<Step, Refusal> {
    sign_in(web, session, visitor, user, false, next.and_then(local_path).map(ToOwned::to_owned)).await
}

async fn sign_in(
    web: &Web,
    session: &Session,
    visitor: &Visitor,
    user: UserId,
    remember: bool,
    next: Option<String>,
) -> Result<Step, Refusal> {
    // Told to who gave all proofs, and to nobody else.
    let actor = web.actor(user).await?.ok_or(UiError::AccountDisabled)?;
    let keep = web.remember(user, visitor, true).await?;
    begin_session(web, session, visitor, user, remember).await?;
    let home = match &next {
        None => web.viewer(&actor).await?.organisations.first().map(|o| org_href(o.slug.as_str(), "/")),
        Some(_) => None,
    };
    Ok(Step { to: next.or(home).unwrap_or_else(|| "/".to_owned()), keep })
}

/// Signs a person in: the session gets a new id, so that one planted before is worth nothing. A browser that is closed
/// forgets it, unless it shall `remember`.
pub(crate) async fn begin_session(
    web: &Web,
    session: &Session,
    visitor: &Visitor,
    user: UserId,
    remember: bool,
) -> Result<(), Refusal> {
    use kubewise_backend::session::{BROWSER, PLACE, REMEMBERED};
    session.clear().await;
    session.cycle_id().await?;
    session.insert(REMEMBERED, remember).await?;
    session.set_expiry(Some(expiry(remember)));
    session.insert(USER_ID, user).await?;
    session.insert(BROWSER, &visitor.browser).await?;
    session.insert(PLACE, visitor.place()).await?;
    session.insert(PROVEN_AT, now(web)).await?;
    Ok(())
}

/// Gives the session another id: what a person may do, or by which proof, has changed.
pub(crate) async fn renew_session(session: &Session) -> Result<(), Refusal> {
    session.cycle_id().await?;
    keep_cookie(session).await
}

/// Has the browser keep the cookie, which is sent anew after any change, for as long as it did.
async fn keep_cookie(session: &Session) -> Result<(), Refusal> {
    use kubewise_backend::session::REMEMBERED;
    session.set_expiry(Some(expiry(session.get(REMEMBERED).await?.unwrap_or_default())));
    Ok(())
}

/// Who is signed in has just proved once more who they are.
pub async fn prove(web: &Web, session: &Session) -> Result<(), Refusal> {
    renew_session(session).await?;
    session.remove::<i64>(HALF_PROVEN_AT).await?;
    session.insert(PROVEN_AT, now(web)).await?;
    Ok(())
}

/// Who is signed in has given once more what stands for a password. It opens nothing but the question for the rest.
pub async fn prove_half(web: &Web, session: &Session) -> Result<(), Refusal> {
    renew_session(session).await?;
    session.insert(HALF_PROVEN_AT, now(web)).await?;
    Ok(())
}

/// Whether who is signed in gave the first half a moment ago.
pub(crate) async fn is_half_proven(web: &Web, session: &Session) -> Result<bool, Refusal> {
    let at = session.get::<i64>(HALF_PROVEN_AT).await?;
    Ok(at.is_some_and(|at| now(web) < at + PENDING_FOR))
}

/// Whether who is signed in proved lately who they are.
pub async fn is_fresh(web: &Web, session: &Session) -> Result<bool, Refusal> {
    let at = session.get::<i64>(PROVEN_AT).await?;
    Ok(at.is_some_and(|at| now(web) < at + FRESH_FOR))
}

/// Keeps what the second half of a ceremony with a passkey needs to know.
pub(crate) async fn keep_ceremony(web: &Web, session: &Session, state: Value) -> Result<(), Refusal> {
    hold_once(session, CEREMONY, (now(web), state)).await
}

/// Takes it, once: an answer that is sent again finds none.
pub(crate) async fn take_ceremony(web: &Web, session: &Session) -> Result<Value, Refusal> {
    match take_once::<(i64, Value)>(session, CEREMONY).await? {
        Some((at, state)) if now(web) < at + CEREMONY_FOR => Ok(state),
        _ => Err(UiError::PasskeyRefused.into()),
    }
}

/// Has the session hold what is taken once. A second one takes the place of the first.
pub(super) async fn hold_once(session: &Session, key: &str, value: impl Serialize) -> Result<(), Refusal> {
    session.insert(key, value).await?;
    keep_cookie(session).await
}

/// Takes it out of the session: whatever comes of it, it is taken once.
pub(super) async fn take_once<T: DeserializeOwned>(session: &Session, key: &str) -> Result<Option<T>, Refusal> {
    let taken = session.remove::<T>(key).await?;
    if taken.is_some() {
        keep_cookie(session).await?;
        // At once, so that a second answer does not find it while the first is judged.
        session.save().await?;
    }
    Ok(taken)
}

/// Who is signed in, if somebody is.
pub async fn signed_in(session: &Session) -> Result<Option<UserId>, Refusal> {
    Ok(session.get::<UserId>(USER_ID).await?)
}

/// Who asks, before it is known who they are. None when the server did not say where the request comes from.
pub fn visitor_of(parts: &Parts, secure: bool) -> Option<Visitor> {
    visitor::of(parts, secure)
}

/// The header that has the browser keep what tells it apart from others of the same account.
pub fn keep_header(text: &SecretString, secure: bool) -> Result<HeaderValue, Refusal> {
    let (name, age) = (visitor::name(secure), KEPT.whole_seconds());
    let only = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{only}", text.expose_secret());
    let mut cookie = HeaderValue::try_from(cookie).map_err(|e| Refusal::Fault(e.to_string()))?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

/// How long the browser keeps the cookie; how long a session lasts, the store knows.
fn expiry(remember: bool) -> Expiry {
    use kubewise_backend::session::ABSOLUTE;
    let most = Duration::seconds(i64::try_from(ABSOLUTE.as_secs()).unwrap_or(i64::MAX));
    if remember { Expiry::OnInactivity(most) } else { Expiry::OnSessionEnd }
}

/// Seconds since 1970.
fn now(web: &Web) -> i64 {
    web.now().0 / 1000
}
