//! What browsers say of themselves, ending sessions, and where a person goes then.

use http::{header, request::Parts};
use tower_sessions::session::Id;

use super::answer::{Refusal, session};
use crate::place::encode;

/// Names the session that asks.
pub(crate) async fn session_id() -> Result<Option<Id>, Refusal> {
    Ok(session().await?.id())
}

/// What a person calls the browser that asks.
pub(super) fn browser_of(parts: &Parts) -> String {
    parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).map(browser).unwrap_or_default()
}

/// The browser and its system, for a person to recognise; of the rest of what a browser says of itself nothing is kept.
fn browser(user_agent: &str) -> String {
    // Most browsers claim to be others too: the first that fits is the one it is.
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    }
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

/// A page that leads back to the one that was asked for.
pub(super) fn and_back(through: &str, parts: &Parts) -> String {
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
        Some(page) if page != "/" && !page.starts_with("/login") => format!("{through}?next={}", encode(page)),
        _ => through.to_owned(),
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
    fn browsers_are_named_for_people() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(browser(firefox), "Firefox on Linux");
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                    Safari/537.36 Edg/140.0.0.0";
        assert_eq!(browser(edge), "Edge on Windows");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/26.0 Mobile/15E148 Safari/604.1";
        assert_eq!(browser(safari), "Safari on iPhone");
        assert_eq!(browser("curl/8"), "");
    }

    #[test]
    fn logging_in_leads_back_to_the_page() {
        let page = http::Request::get("/o/acme/clusters?q=eu").body(()).unwrap().into_parts().0;
        assert_eq!(and_back("/login", &page), "/login?next=%2Fo%2Facme%2Fclusters%3Fq%3Deu");
        let call = http::Request::post("/api/clusters")
            .header("referer", "https://kubewise.example/o/acme/")
            .body(())
            .unwrap();
        assert_eq!(and_back("/login", &call.into_parts().0), "/login?next=%2Fo%2Facme%2F");
        let foreign = http::Request::post("/api/clusters")
            .header("referer", "https://kubewise.example//evil.example")
            .body(())
            .unwrap();
        assert_eq!(and_back("/login", &foreign.into_parts().0), "/login");
    }
}
