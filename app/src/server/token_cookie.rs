//! A new token travels from the function that made it to the page that shows it in a cookie that lives for five
//! minutes and is read once. So it is shown exactly once, with and without JavaScript, and the server never keeps it.

use http::{HeaderValue, header, request::Parts};
use kubewise_contract::ClusterId;
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use secrecy::{ExposeSecret, SecretString};

use super::{Refusal, ServerInfo};

/// How long a token waits to be shown, in seconds.
const MAX_AGE: u32 = 300;

/// Puts the token into its cookie.
pub(crate) fn hand_over(cluster: ClusterId, token: &SecretString) -> Result<(), Refusal> {
    set(cluster, token.expose_secret(), MAX_AGE)
}

/// Takes the token out of its cookie, if one is there.
pub(crate) fn take_over(cluster: ClusterId) -> Result<Option<String>, Refusal> {
    let Some(parts) = use_context::<Parts>() else { return Ok(None) };
    let name = name(cluster);
    let token = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && is_plain(value))
        .map(|(_, value)| value.to_owned());
    if token.is_some() {
        set(cluster, "", 0)?;
    }
    Ok(token)
}

fn name(cluster: ClusterId) -> String {
    format!("kubewise_token_{cluster}")
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn set(cluster: ClusterId, value: &str, max_age: u32) -> Result<(), Refusal> {
    if !(value.is_empty() || is_plain(value)) {
        return Err(Refusal::Fault("a token does not fit into a cookie".to_owned()));
    }
    let secure = if expect_context::<ServerInfo>().secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}", name(cluster));
    let mut cookie = HeaderValue::try_from(cookie).map_err(|e| Refusal::Fault(e.to_string()))?;
    cookie.set_sensitive(true);
    expect_context::<ResponseOptions>().append_header(header::SET_COOKIE, cookie);
    Ok(())
}
