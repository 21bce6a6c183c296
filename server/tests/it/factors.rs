//! The second factor: set up, asked for at sign-in, used once, recovered, required by an organisation; over HTTP.

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::common::{Browser, Clock, PASSWORD, TestServer};

async fn read(browser: &Browser, path: &str, body: Value) -> (u16, Value) {
    let cookie = browser.cookie.as_deref().unwrap_or_default();
    let request = browser.client.post(format!("{}{path}", browser.url)).header("cookie", cookie);
    let response = request.header("origin", &browser.url).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// An authenticator app.
struct App {
    seed: Vec<u8>,
    clock: Clock,
}

impl App {
    /// The code of now, or of so many steps of 30 seconds away.
    fn code(&self, steps: i64) -> String {
        let totp = Builder::new().with_secret(self.seed.clone()).with_account_name("x").build().unwrap();
        let at = self.clock.now().unix_timestamp() + steps * 30;
        totp.generate(u64::try_from(at).unwrap()).to_string()
    }
}

/// Sets an app up; answers it and the recovery codes.
async fn set_up(browser: &mut Browser, clock: &Clock) -> (App, Vec<String>) {
    assert_eq!(browser.call("/api/begin_authenticator", &[]).await, 200);
    let (status, setup) = read(browser, "/api/authenticator_setup", json!({})).await;
    assert_eq!(status, 200);
    let seed = setup["seed"].as_str().unwrap();
    assert!(
        setup["url"].as_str().unwrap().contains(&format!("secret={seed}")),
        "the code that is scanned has the seed"
    );
    let app = App { seed: Secret::try_from_base32(seed).unwrap().as_bytes().to_vec(), clock: clock.clone() };
    assert_eq!(browser.call("/api/confirm_authenticator", &[("code", "000000")]).await, 422);
    let origin = browser.url.clone();
    let code = app.code(0);
    let response =
        browser.post_from("/api/confirm_authenticator", &[("code", &code)], Some(&origin), "application/json").await;
    assert_eq!(response.status(), 200);
    let mut cookies = response.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap().to_owned());
    let codes = cookies.find_map(|c| Some(c.strip_prefix("kubewise_codes=")?.split(';').next()?.to_owned()));
    let codes = codes.map(|codes| codes.split('.').map(str::to_owned).collect()).unwrap_or_default();
    (app, codes)
}

/// Gives the password; where one is led then.
async fn first_step(browser: &mut Browser, email: &str) -> String {
    let response = browser.post("/api/log_in", &[("email", email), ("password", PASSWORD)]).await;
    assert_eq!(response.status(), 302);
    response.headers()["location"].to_str().unwrap().to_owned()
}

async fn is_in(browser: &Browser) -> bool {
    browser.get("/account").await.status() == 200
}

async fn tenant(name: &str) -> (Clock, TestServer, Browser, String) {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world).await;
    let tenant = server.tenant(name).await;
    let mut browser = server.browser();
    browser.sign_in(&tenant.email, PASSWORD).await;
    (clock, server, browser, tenant.email)
}

#[tokio::test]
async fn who_has_an_app_is_signed_in_by_nothing_less_and_each_code_works_once() {
    let (clock, server, mut browser, email) = tenant("acme").await;
    let mut elsewhere = server.browser();
    elsewhere.sign_in(&email, PASSWORD).await;
    let (app, _) = set_up(&mut browser, &clock).await;
    assert!(is_in(&browser).await, "who set it up stays");
    assert!(!is_in(&elsewhere).await, "who was signed in with less does not");

    let mut thief = server.browser();
    assert_eq!(first_step(&mut thief, &email).await, "/mfa");
    assert!(!is_in(&thief).await);
    for (path, body) in [("/api/frame", json!({"org": "acme"})), ("/api/account", json!({}))] {
        assert_eq!(read(&thief, path, body).await.0, 401, "{path}: the password alone opens nothing");
    }
    // The code by which it was set up is used up, and so is every one before.
    for steps in [0, -1] {
        assert_eq!(thief.call("/api/enter_code", &[("code", &app.code(steps))]).await, 422, "{steps}");
    }
    // An app whose clock is one step ahead is let in, of two steps it is not.
    assert_eq!(thief.call("/api/enter_code", &[("code", &app.code(2))]).await, 422);
    let ahead = app.code(1);
    let before = thief.cookie.clone();
    let with_space = format!("{} {}", &ahead[..3], &ahead[3..]);
    assert_eq!(thief.call("/api/enter_code", &[("code", &with_space)]).await, 200);
    assert_ne!(thief.cookie, before, "the session has another id");
    assert!(is_in(&thief).await);
    assert_eq!(thief.call("/api/enter_code", &[("code", &ahead)]).await, 401, "nothing is pending any more");

    let mut again = server.browser();
    assert_eq!(first_step(&mut again, &email).await, "/mfa");
    assert_eq!(again.call("/api/enter_code", &[("code", &ahead)]).await, 422, "not twice");
    clock.pass(time::Duration::seconds(90));
    assert_eq!(again.call("/api/enter_code", &[("code", &app.code(0))]).await, 200);

    // The first proof is worth nothing after ten minutes.
    let mut slow = server.browser();
    first_step(&mut slow, &email).await;
    clock.pass(time::Duration::minutes(11));
    assert_eq!(slow.call("/api/enter_code", &[("code", &app.code(0))]).await, 401);
    assert_eq!(slow.get("/mfa").await.headers()["location"], "/login?next=%2Fmfa");
}

#[tokio::test]
async fn of_many_at_once_with_one_code_one_is_let_in() {
    let (clock, server, mut browser, email) = tenant("acme").await;
    let (app, codes) = set_up(&mut browser, &clock).await;
    clock.pass(time::Duration::seconds(60));
    for code in [app.code(0), codes[0].clone()] {
        let mut tries = Vec::new();
        for n in 0..12 {
            let mut one = server.browser();
            one.address = Some(format!("198.51.100.{n}"));
            first_step(&mut one, &email).await;
            let code = code.clone();
            tries.push(tokio::spawn(async move { one.call("/api/enter_code", &[("code", &code)]).await }));
        }
        let mut let_in = 0;
        for one in tries {
            let status = one.await.unwrap();
            assert!(matches!(status, 200 | 422 | 429), "{status}");
            let_in += u32::from(status == 200);
        }
        assert_eq!(let_in, 1);
        // What failed is forgotten after a day.
        clock.pass(time::Duration::hours(25));
    }
}

#[tokio::test]
async fn recovery_codes_are_shown_once_kept_as_hashes_and_work_once() {
    let (clock, server, mut browser, email) = tenant("acme").await;
    let (_, codes) = set_up(&mut browser, &clock).await;
    assert_eq!(codes.len(), 10);
    let stored: Vec<String> = sqlx::query_scalar("SELECT encode(hash, 'escape') FROM recovery_codes")
        .fetch_all(&server.database.superuser())
        .await
        .unwrap();
    assert_eq!(stored.len(), 10);
    assert!(!codes.iter().any(|code| stored.iter().any(|s| s.contains(&code.replace('-', "")))));

    let mut lost = server.browser();
    first_step(&mut lost, &email).await;
    let upper = codes[3].to_uppercase();
    assert_eq!(lost.call("/api/enter_code", &[("code", &upper)]).await, 200, "as people type it");
    let mut again = server.browser();
    first_step(&mut again, &email).await;
    assert_eq!(again.call("/api/enter_code", &[("code", &codes[3])]).await, 422, "once");
    let (_, factors) = read(&lost, "/api/second_factors", json!({})).await;
    assert_eq!(factors["body"]["codes"], 9);

    // New ones end the old ones.
    assert_eq!(lost.call("/api/new_recovery_codes", &[]).await, 200);
    assert_eq!(again.call("/api/enter_code", &[("code", &codes[4])]).await, 422);

    // Without a second factor there is nothing to recover.
    assert_eq!(lost.call("/api/remove_authenticator", &[]).await, 200);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM recovery_codes")
        .fetch_one(&server.database.superuser())
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_ne!(first_step(&mut server.browser(), &email).await, "/mfa");
}

#[tokio::test]
async fn guesses_of_a_code_wait_and_the_known_browser_does_not() {
    let (clock, server, mut browser, email) = tenant("acme").await;
    let (app, _) = set_up(&mut browser, &clock).await;
    let mut refused = 0;
    // From many networks: the account counts them all.
    for n in 0..40 {
        let mut thief = server.browser();
        thief.address = Some(format!("198.51.100.{n}"));
        first_step(&mut thief, &email).await;
        refused += u32::from(thief.call("/api/enter_code", &[("code", "000000")]).await == 429);
    }
    assert!(refused >= 20, "{refused} of 40 were not looked at");
    // Its owner, with the browser they always use, is not kept out.
    clock.pass(time::Duration::seconds(60));
    assert_eq!(first_step(&mut browser, &email).await, "/mfa");
    assert_eq!(browser.call("/api/enter_code", &[("code", &app.code(0))]).await, 200);
}

#[tokio::test]
async fn what_a_borrowed_session_must_not_do_asks_for_a_proof_of_the_last_ten_minutes() {
    let (clock, server, mut browser, _) = tenant("acme").await;
    let (_, clusters) = read(
        &browser,
        "/api/clusters",
        json!({"org": "acme", "query": {
        "kind": null, "namespace": null, "q": null, "app": null, "image": null, "after": null}}),
    )
    .await;
    let cluster = clusters["page"]["rows"][0]["id"].as_str().unwrap().to_owned();
    let about = [("org", "acme"), ("cluster", &*cluster), ("confirmation", "prod")];
    clock.pass(time::Duration::minutes(11));
    for (path, form) in [
        ("/api/begin_authenticator", &about[..0]),
        ("/api/remove_authenticator", &about[..0]),
        ("/api/new_recovery_codes", &about[..0]),
        ("/api/require_second_factor", &about[..1]),
        ("/api/rotate_token", &about[..2]),
        ("/api/delete_cluster", &about[..3]),
        ("/api/delete_account", &[("email", "maya@example.com")][..]),
        ("/api/set_history", &[("org", "acme"), ("days", "30")][..]),
        ("/api/delete_organisation", &[("org", "acme"), ("organisation", "Acme")][..]),
    ] {
        assert_eq!(browser.call(path, form).await, 403, "{path}");
        let response = browser.post(path, form).await;
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()["location"], "/account/confirm", "{path}");
    }
    assert_eq!(browser.call("/api/confirm_identity", &[("current_password", "wrong")]).await, 422);
    assert_eq!(browser.call("/api/begin_authenticator", &[]).await, 403);
    let before = browser.cookie.clone();
    let form = [("current_password", PASSWORD), ("next", "https://evil.example/")];
    let response = browser.post("/api/confirm_identity", &form).await;
    assert_eq!(response.headers()["location"], "/account/security", "only to our own pages");
    assert_ne!(browser.cookie, before, "the session has another id");
    let (app, _) = set_up(&mut browser, &clock).await;

    // Who has a second factor proves with it, too.
    clock.pass(time::Duration::minutes(11));
    assert_eq!(browser.call("/api/remove_authenticator", &[]).await, 403);
    assert_eq!(browser.call("/api/confirm_identity", &[("current_password", PASSWORD)]).await, 422);
    let code = app.code(0);
    assert_eq!(browser.call("/api/confirm_identity", &[("current_password", PASSWORD), ("code", &code)]).await, 200);
    assert_eq!(browser.call("/api/remove_authenticator", &[]).await, 200);
    drop(server);
}

#[tokio::test]
async fn an_organisation_that_asks_for_a_second_factor_shows_nothing_without_one() {
    let (clock, server, mut browser, _) = tenant("acme").await;
    let required = [("org", "acme"), ("required", "1")];
    assert_eq!(browser.call("/api/require_second_factor", &required).await, 403, "nobody shuts themselves out");
    let (_, codes) = set_up(&mut browser, &clock).await;
    assert_eq!(codes.len(), 10);
    let other = server.tenant("other").await;
    sqlx::query(
        "INSERT INTO memberships (org_id, user_id, role, created_at)
         SELECT id, $1, 'operator', now() FROM organisations WHERE slug = 'acme'",
    )
    .bind(other.user.0)
    .execute(&server.database.superuser())
    .await
    .unwrap();
    let mut member = server.browser();
    member.sign_in(&other.email, PASSWORD).await;
    assert_eq!(read(&member, "/api/overview", json!({"org": "acme"})).await.0, 200);
    assert_eq!(browser.call("/api/require_second_factor", &required).await, 200);
    let (_, settings) = read(&browser, "/api/organisation_settings", json!({"org": "acme"})).await;
    assert_eq!(settings["requires_second_factor"], true);
    assert_eq!((settings["members"].as_i64(), settings["without_second_factor"].as_i64()), (Some(2), Some(1)));

    assert_eq!(read(&member, "/api/overview", json!({"org": "acme"})).await.0, 403);
    assert_eq!(member.get("/o/acme/events").await.status(), 403);
    let led = member.get("/o/acme/").await;
    assert_eq!(led.status(), 302);
    assert_eq!(led.headers()["location"], "/account/security?needed=1");
    assert_eq!(read(&member, "/api/overview", json!({"org": "other"})).await.0, 200, "their own is as it was");

    set_up(&mut member, &clock).await;
    assert_eq!(read(&member, "/api/overview", json!({"org": "acme"})).await.0, 200);
    assert_eq!(member.call("/api/remove_authenticator", &[]).await, 200);
    assert_eq!(read(&member, "/api/overview", json!({"org": "acme"})).await.0, 403);
}

#[tokio::test]
async fn a_seed_is_stored_encrypted_and_bound_to_its_person() {
    let (clock, server, mut browser, email) = tenant("acme").await;
    let (app, _) = set_up(&mut browser, &clock).await;
    let admin = server.database.superuser();
    let stored: Vec<u8> = sqlx::query_scalar("SELECT seed FROM authenticators").fetch_one(&admin).await.unwrap();
    assert!(!stored.windows(app.seed.len()).any(|part| part == app.seed));
    // Moved to another person's row, it is of no use.
    let other = server.tenant("other").await;
    sqlx::query("INSERT INTO authenticators SELECT $1, seed, created_at, confirmed_at, NULL FROM authenticators")
        .bind(other.user.0)
        .execute(&admin)
        .await
        .unwrap();
    let mut thief = server.browser();
    first_step(&mut thief, &other.email).await;
    assert_eq!(thief.call("/api/enter_code", &[("code", &app.code(1))]).await, 500);
    assert!(!is_in(&thief).await);
    first_step(&mut thief, &email).await;
    assert_eq!(thief.call("/api/enter_code", &[("code", &app.code(1))]).await, 200);
}

#[tokio::test]
async fn each_change_is_told_by_mail() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let tenant = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&tenant.email, PASSWORD).await;
    let (_, codes) = set_up(&mut browser, &clock).await;
    post.next_with(&tenant.email, "Two-step sign-in was switched on").await;
    let mut lost = server.browser();
    first_step(&mut lost, &tenant.email).await;
    assert_eq!(lost.call("/api/enter_code", &[("code", &codes[0])]).await, 200);
    let letter = post.next_with(&tenant.email, "A recovery code was used").await;
    assert!(!letter.0.contains(&codes[0]));
    assert_eq!(browser.call("/api/new_recovery_codes", &[]).await, 200);
    post.next_with(&tenant.email, "You have new recovery codes").await;
    assert_eq!(browser.call("/api/remove_authenticator", &[]).await, 200);
    post.next_with(&tenant.email, "Your authenticator app was removed").await;
}

#[tokio::test]
async fn a_forgotten_password_leaves_the_second_factor() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let tenant = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&tenant.email, PASSWORD).await;
    let (app, _) = set_up(&mut browser, &clock).await;
    let mut lost = server.browser();
    assert_eq!(lost.call("/api/request_reset", &[("email", &tenant.email)]).await, 200);
    let token = post.next_with(&tenant.email, "Choose a new password").await.token();
    let fresh = "violet anchor drums quietly";
    assert_eq!(lost.call("/api/reset_password", &[("token", &token), ("password", fresh)]).await, 200);
    assert!(!is_in(&lost).await);
    assert_eq!(lost.call("/api/log_in", &[("email", &tenant.email), ("password", fresh)]).await, 200);
    assert!(!is_in(&lost).await, "the new password alone opens nothing");
    assert_eq!(lost.call("/api/enter_code", &[("code", &app.code(1))]).await, 200);
    assert!(is_in(&lost).await);
}

#[tokio::test]
async fn being_asked_for_a_passkey_does_not_shorten_how_long_a_browser_stays_signed_in() {
    let (_, server, _, email) = tenant("acme").await;
    let mut browser = server.browser();
    let form = [("email", &*email), ("password", PASSWORD), ("remember", "1")];
    assert_eq!(browser.call("/api/log_in", &form).await, 200);
    let request = browser.client.post(format!("{}/api/begin_passkey", browser.url)).header("origin", &browser.url);
    let request = request.header("cookie", browser.cookie.as_deref().unwrap()).json(&json!({"name": "Laptop"}));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookies: Vec<&str> = response.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("kubewise=")).unwrap();
    assert!(session.contains("Max-Age="), "{session}");
}
