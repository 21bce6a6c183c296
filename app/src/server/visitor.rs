//! Who asks before it is known who they are: where from, with which browser, and what that browser keeps of earlier
//! sign-ins.

use std::net::IpAddr;

use http::{HeaderValue, header, request::Parts};
use kubewise_backend::{KEPT, Visitor};
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use secrecy::{ExposeSecret, SecretString};

use super::{Refusal, ServerInfo, login::browser_of};

/// Where a request comes from; the server puts it into every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Who asks.
pub(crate) fn visitor() -> Result<Visitor, Refusal> {
    let parts = use_context::<Parts>().ok_or_else(|| Refusal::Fault("no request".to_owned()))?;
    let ClientAddress(address) =
        *parts.extensions.get().ok_or_else(|| Refusal::Fault("the client's address is not known".to_owned()))?;
    Ok(Visitor { address, browser: browser_of(&parts), kept: kept(&parts) })
}

/// Has the browser keep what tells it apart from others of the same account.
pub(crate) fn keep(text: Option<SecretString>) -> Result<(), Refusal> {
    let Some(text) = text else { return Ok(()) };
    let secure = if secure() { "; Secure" } else { "" };
    let (name, age) = (name(), KEPT.whole_seconds());
    let cookie = format!("{name}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", text.expose_secret());
    let mut cookie = HeaderValue::try_from(cookie).map_err(|e| Refusal::Fault(e.to_string()))?;
    cookie.set_sensitive(true);
    expect_context::<ResponseOptions>().append_header(header::SET_COOKIE, cookie);
    Ok(())
}

fn kept(parts: &Parts) -> Option<SecretString> {
    let name = name();
    parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && value.len() == 43)
        .map(|(_, value)| value.to_owned().into())
}

fn secure() -> bool {
    expect_context::<ServerInfo>().secure_cookies
}

fn name() -> &'static str {
    if secure() { "__Host-kubewise-browser" } else { "kubewise-browser" }
}
