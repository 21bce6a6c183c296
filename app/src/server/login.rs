//! Beginning and ending sessions, and where a person goes then.

use http::{header, request::Parts};
use kubewise_backend::session::USER_ID;
use kubewise_contract::UserId;

use super::answer::{Refusal, session};
use crate::place::encode;

/// Signs a person in: the session gets a new id, so that one planted before is worth nothing.
pub(crate) async fn begin_session(user: UserId) -> Result<(), Refusal> {
    let session = session().await?;
    session.cycle_id().await?;
    session.insert(USER_ID, user).await?;
    Ok(())
}

/// Signs whoever is signed in out.
pub(crate) async fn end_session() -> Result<(), Refusal> {
    session().await?.flush().await?;
    Ok(())
}

/// The text, if it is an address on this server: a path that no browser reads as another host.
pub(crate) fn local_path(text: &str) -> Option<&str> {
    let visible = text.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\');
    (visible && text.starts_with('/') && !text.starts_with("//") && text.len() <= 2000).then_some(text)
}

/// The log-in page, which leads back to the page that was asked for.
pub(super) fn login_address(parts: &Parts) -> String {
    // A server function called by a page: the page is what to come back to.
    let page = if parts.uri.path().starts_with("/api/") {
        parts
            .headers
            .get(header::REFERER)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse::<http::Uri>().ok())
            .and_then(|uri| uri.path_and_query().map(ToString::to_string))
    } else {
        parts.uri.path_and_query().map(ToString::to_string)
    };
    match page.as_deref().and_then(local_path) {
        Some(page) if page != "/" && !page.starts_with("/login") => format!("/login?next={}", encode(page)),
        _ => "/login".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_server_are_followed() {
        for good in ["/", "/o/acme/", "/o/acme/search?q=a%20b", "/a//b"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/a\r\nx: y", "/\u{e4}", "evil"]
        {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn logging_in_leads_back_to_the_page() {
        let page = http::Request::get("/o/acme/clusters?q=eu").body(()).unwrap().into_parts().0;
        assert_eq!(login_address(&page), "/login?next=%2Fo%2Facme%2Fclusters%3Fq%3Deu");
        let call = http::Request::post("/api/clusters")
            .header("referer", "https://kubewise.example/o/acme/")
            .body(())
            .unwrap();
        assert_eq!(login_address(&call.into_parts().0), "/login?next=%2Fo%2Facme%2F");
        let foreign = http::Request::post("/api/clusters")
            .header("referer", "https://kubewise.example//evil.example")
            .body(())
            .unwrap();
        assert_eq!(login_address(&foreign.into_parts().0), "/login");
    }
}
