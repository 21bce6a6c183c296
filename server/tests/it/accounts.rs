//! Accounts, sessions and headers, over HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use kubewise_backend::World;
use reqwest::StatusCode;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::common::{Browser, PASSWORD, TestServer};

const SIGN_UP: [(&str, &str); 4] =
    [("name", "Maya Duran"), ("email", "Maya@Example.com"), ("organisation", "Acme"), ("password", PASSWORD)];

async fn signed_in(browser: &Browser) -> bool {
    browser.get("/o/acme/").await.status() == StatusCode::OK
}

#[tokio::test]
async fn a_new_installation_has_no_account() {
    let server = TestServer::start().await;
    let accounts: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&server.database.superuser()).await.unwrap();
    assert_eq!(accounts, 0);
}

#[tokio::test]
async fn a_person_signs_up_out_and_in() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    assert!(!signed_in(&browser).await);
    let response = browser.post("/api/sign_up", &SIGN_UP).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert!(response.headers()["location"].to_str().unwrap().starts_with("/o/acme"));
    assert!(signed_in(&browser).await);
    let before = browser.cookie.clone();
    browser.post("/api/log_out", &[]).await;
    // The cookie itself is worth nothing any more.
    browser.cookie = before;
    assert!(!signed_in(&browser).await);
    browser.post("/api/log_in", &[("email", "maya@EXAMPLE.com"), ("password", PASSWORD)]).await;
    assert!(signed_in(&browser).await);
}

#[tokio::test]
async fn what_was_asked_before_a_session_was_renewed_does_not_end_it() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    browser.post("/api/sign_up", &SIGN_UP).await;
    let before = browser.cookie.clone();
    let form = [("current_password", PASSWORD), ("password", "harbour lemon quilt thunder")];
    browser.post("/api/change_password", &form).await;
    assert!(signed_in(&browser).await);
    // What was on its way then comes with the id of before: its answer must leave the new one alone.
    let mut late = server.browser();
    late.cookie = before;
    for path in ["/login", "/account", "/o/acme/events", "/api/home"] {
        let response = late.get(path).await;
        assert_eq!(response.headers().get("set-cookie"), None, "{path}");
    }
    // Signing out is meant.
    let response = browser.post("/api/log_out", &[]).await;
    assert!(response.headers()["set-cookie"].to_str().unwrap().starts_with("kubewise=; "));
}

#[tokio::test]
async fn whatever_is_wrong_at_log_in_the_answer_is_the_same() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    browser.post("/api/sign_up", &SIGN_UP).await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("maya@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("not an address", ""),
        ("maya@example.com\0", "x"),
    ] {
        let mut stranger = server.browser();
        let origin = stranger.url.clone();
        let form = [("email", email), ("password", password)];
        let response = stranger.post_from("/api/log_in", &form, Some(&origin), "application/json").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        answers.push(response.text().await.unwrap());
        assert_eq!(stranger.cookie, None, "no session for who is nobody");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn bad_input_is_told_by_field_and_a_taken_address_too() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    browser.post("/api/sign_up", &SIGN_UP).await;
    for (at, value, expected) in [
        (0, "", "\"name\""),
        (1, "nonsense", "not_an_address"),
        (1, "maya@example.com", "taken"),
        (2, "\u{1b}[31m", "not_text"),
        (3, "short", "too_short"),
        (3, "password123456", "too_weak"),
        (3, "acmeacmeacme", "too_weak"),
    ] {
        let mut form = SIGN_UP;
        form[at].1 = value;
        if at != 1 {
            form[1].1 = "other@example.com";
        }
        let mut stranger = server.browser();
        let origin = stranger.url.clone();
        let response = stranger.post_from("/api/sign_up", &form, Some(&origin), "application/json").await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{value:?}");
        let text = response.text().await.unwrap();
        assert!(text.contains(expected), "{value:?}: {text}");
    }
}

#[tokio::test]
async fn who_chooses_a_password_is_told_what_makes_it_weak() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    let ask = async |browser: &Browser, password: &str, about: &str| -> String {
        let request =
            browser.client.post(format!("{}/api/password_strength", server.url)).header("origin", &server.url);
        let request = request.header("cookie", browser.cookie.as_deref().unwrap_or_default());
        let response = request.json(&json!({"password": password, "about": about})).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{password}");
        response.text().await.unwrap()
    };
    let name = "quillfeather2";
    for (password, about, expected) in [
        ("", "", r#"{"score":0,"problem":"missing"}"#),
        ("short", "", r#"{"score":0,"problem":{"too_short":{"min":10}}}"#),
        (&"x".repeat(60_000), "", r#"{"score":0,"problem":{"too_long":{"max":256}}}"#),
        ("sevgeyq9v7kor", "", r#"{"score":0,"problem":{"too_weak":"breached"}}"#),
        (name, "Zenobia Quillfeather", r#"{"score":1,"problem":{"too_weak":"personal"}}"#),
        (PASSWORD, &"many words ".repeat(4000), r#"{"score":4,"problem":null}"#),
    ] {
        assert_eq!(ask(&browser, password, about).await, expected, "{password}");
    }
    assert!(ask(&browser, name, "").await.ends_with(r#""problem":null}"#));
    // Who is signed in is known.
    let mut form = SIGN_UP;
    form[0].1 = "Zenobia Quillfeather";
    browser.post("/api/sign_up", &form).await;
    assert!(ask(&browser, name, "").await.contains("personal"));
}

#[tokio::test]
async fn two_organisations_of_one_name_have_addresses_of_their_own() {
    let server = TestServer::start().await;
    let mut first = server.browser();
    let one = first.post("/api/sign_up", &SIGN_UP).await.headers()["location"].clone();
    let mut form = SIGN_UP;
    form[1].1 = "other@example.com";
    let mut second = server.browser();
    let two = second.post("/api/sign_up", &form).await.headers()["location"].clone();
    assert_ne!(one, two);
    assert_eq!(second.get("/o/acme/").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(second.get(two.to_str().unwrap()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_stored_as_a_hash_rotated_at_log_in_and_bound_to_the_site() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    let response = browser.post("/api/sign_up", &SIGN_UP).await;
    let cookies = response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.into_iter().find(|cookie| cookie.starts_with("kubewise=")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "it ends with the browser: {cookie}");
    let first = browser.cookie.clone().unwrap();
    let value = first.split_once('=').unwrap().1.to_owned();
    let stored: String =
        sqlx::query_scalar("SELECT string_agg(encode(id_hash, 'hex') || data::text, ' ') FROM sessions")
            .fetch_one(&server.database.superuser())
            .await
            .unwrap();
    assert!(!stored.contains(&value), "the id is stored as it is");
    browser.post("/api/log_in", &[("email", "maya@example.com"), ("password", PASSWORD)]).await;
    assert_ne!(browser.cookie.as_deref(), Some(first.as_str()), "the id changes at log-in");
    browser.cookie = Some(first);
    assert!(!signed_in(&browser).await, "the id before is worth nothing");
}

#[tokio::test]
async fn sessions_end_when_unused_and_in_any_case() {
    let start = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let passed = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&passed);
    let world = World::with_clock(move || start + Duration::seconds(clock.load(Ordering::SeqCst)));
    let server = TestServer::start_with(world).await;
    let mut browser = server.browser();
    browser.post("/api/sign_up", &SIGN_UP).await;
    let after = |days: i64| passed.store(days * 86_400, Ordering::SeqCst);
    for day in [6, 12, 18, 24, 29] {
        after(day);
        assert!(signed_in(&browser).await, "day {day}");
    }
    after(31);
    assert!(!signed_in(&browser).await, "thirty days after it began");
    browser.post("/api/log_in", &[("email", "maya@example.com"), ("password", PASSWORD)]).await;
    assert!(signed_in(&browser).await);
    after(39);
    assert!(!signed_in(&browser).await, "seven days unused");
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let server = TestServer::start().await;
    let browser = server.browser();
    for path in ["/", "/login", "/signup", "/nowhere", "/healthz", "/install/agent.yaml", "/pkg/none.js", "/api/none"] {
        let response = browser.get(path).await;
        let headers = response.headers();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        assert!(headers.contains_key("permissions-policy") && headers.contains_key("x-request-id"), "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "{path}: {policy}");
        assert!(!headers.contains_key("strict-transport-security"), "only over TLS");
    }
    let page = browser.get("/login").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let html = page.text().await.unwrap();
    assert!(html.contains(&format!("nonce=\"{nonce}\"")), "the page's scripts carry the nonce");
    let again = browser.get("/login").await.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(!again.contains(&nonce), "each page has its own");
}

#[tokio::test]
async fn large_forms_are_refused() {
    let server = TestServer::start().await;
    let mut browser = server.browser();
    let long = "x".repeat(100_000);
    let response = browser.post("/api/log_in", &[("email", &long), ("password", "x")]).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_agents_manifest_names_this_server_and_no_secret() {
    let server = TestServer::start().await;
    let text = server.browser().get("/install/agent.yaml").await.text().await.unwrap();
    assert!(text.contains(&server.url) && !text.contains("__KUBEWISE"), "{text}");
}

#[tokio::test]
async fn an_outdated_hash_is_replaced_when_its_password_is_given() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let outdated = kubewise_backend::testing::outdated_hash(PASSWORD);
    let behind = server.database.superuser();
    sqlx::query("UPDATE users SET password_hash = $1").bind(&outdated).execute(&behind).await.unwrap();
    let stored =
        async || -> String { sqlx::query_scalar("SELECT password_hash FROM users").fetch_one(&behind).await.unwrap() };
    let mut browser = server.browser();
    assert_eq!(browser.call("/api/log_in", &[("email", &tenant.email), ("password", "not it at all")]).await, 401);
    assert_eq!(stored().await, outdated, "only a password that is right can be hashed again");
    browser.sign_in(&tenant.email, PASSWORD).await;
    let fresh = stored().await;
    assert_ne!(fresh, outdated);
    browser.sign_in(&tenant.email, PASSWORD).await;
    assert_eq!(stored().await, fresh, "once");
}
