//! Who asks before it is known who they are: where from, with which browser, and what that browser keeps of earlier
//! sign-ins.

use std::net::IpAddr;

use http::{header, request::Parts};
use kubewise_backend::Visitor;
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use secrecy::SecretString;

use super::{Refusal, ServerInfo, login::browser_of, sign_in::keep_header};

/// Where a request comes from; the server puts it into every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Who asks.
pub(crate) fn visitor() -> Result<Visitor, Refusal> {
    let parts = use_context::<Parts>().ok_or_else(|| Refusal::Fault("no request".to_owned()))?;
    of(&parts, secure()).ok_or_else(|| Refusal::Fault("the client's address is not known".to_owned()))
}

pub(super) fn of(parts: &Parts, secure: bool) -> Option<Visitor> {
    let ClientAddress(address) = *parts.extensions.get()?;
    Some(Visitor { address, browser: browser_of(parts), kept: kept(parts, secure) })
}

/// Has the browser keep what tells it apart from others of the same account.
pub(crate) fn keep(text: Option<SecretString>) -> Result<(), Refusal> {
    let Some(text) = text else { return Ok(()) };
    expect_context::<ResponseOptions>().append_header(header::SET_COOKIE, keep_header(&text, secure())?);
    Ok(())
}

fn kept(parts: &Parts, secure: bool) -> Option<SecretString> {
    cookie(parts, name(secure), |value| value.len() == 43).map(Into::into)
}

/// The first cookie of this name that is as it should be.
pub(super) fn cookie(parts: &Parts, name: &str, is_right: impl Fn(&str) -> bool) -> Option<String> {
    parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && is_right(value))
        .map(|(_, value)| value.to_owned())
}

fn secure() -> bool {
    expect_context::<ServerInfo>().secure_cookies
}

pub(super) const fn name(secure: bool) -> &'static str {
    if secure { "__Host-kubewise-browser" } else { "kubewise-browser" }
}
