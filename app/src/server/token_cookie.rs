//! A new token, or new recovery codes, travel from the function that made them to the page that shows them in a cookie
//! that lives for five minutes and is read once. So they are shown exactly once, with and without JavaScript, and the
//! server never keeps them.

use std::fmt::Display;

use http::{HeaderValue, header, request::Parts};
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use secrecy::{ExposeSecret, SecretString};

use super::{Refusal, ServerInfo, session, sign_in::renew_session, visitor::cookie};

/// How long a token waits to be shown, in seconds.
const MAX_AGE: u32 = 300;
/// The cookie of recovery codes.
const CODES: &str = "kubewise_codes";

/// Puts the token into its cookie.
pub(crate) fn hand_over(of: impl Display, token: &SecretString) -> Result<(), Refusal> {
    set(&name(of), token.expose_secret(), MAX_AGE)
}

/// Takes the token out of its cookie, if one is there.
pub(crate) fn take_over(of: impl Display) -> Result<Option<String>, Refusal> {
    take(&name(of))
}

/// A second factor was added in this session, which gets another id. Hands over the codes that came with it; answers the
/// page to go on with, which is `otherwise` without any.
pub(crate) async fn factor_added(
    codes: Option<Vec<SecretString>>,
    otherwise: &'static str,
) -> Result<&'static str, Refusal> {
    renew_session(&session().await?).await?;
    let Some(codes) = codes else { return Ok(otherwise) };
    let codes: Vec<&str> = codes.iter().map(ExposeSecret::expose_secret).collect();
    set(CODES, &codes.join("."), MAX_AGE)?;
    Ok("/account/security/codes")
}

/// Takes recovery codes out of their cookie, if they are there.
pub(crate) fn take_codes() -> Result<Vec<String>, Refusal> {
    Ok(take(CODES)?.map(|codes| codes.split('.').map(ToOwned::to_owned).collect()).unwrap_or_default())
}

fn take(name: &str) -> Result<Option<String>, Refusal> {
    let Some(parts) = use_context::<Parts>() else { return Ok(None) };
    let token = cookie(&parts, name, is_plain);
    if token.is_some() {
        set(name, "", 0)?;
    }
    Ok(token)
}

/// `of`: the cluster, or the API token itself.
fn name(of: impl Display) -> String {
    format!("kubewise_token_{of}")
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn set(name: &str, value: &str, max_age: u32) -> Result<(), Refusal> {
    if !(value.is_empty() || is_plain(value)) {
        return Err(Refusal::Fault("a token does not fit into a cookie".to_owned()));
    }
    let secure = if expect_context::<ServerInfo>().secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    let mut cookie = HeaderValue::try_from(cookie).map_err(|e| Refusal::Fault(e.to_string()))?;
    cookie.set_sensitive(true);
    expect_context::<ResponseOptions>().append_header(header::SET_COOKIE, cookie);
    Ok(())
}
