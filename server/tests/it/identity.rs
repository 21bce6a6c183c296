//! Proving an address, forgetting and changing a password, ending sessions: over HTTP, with the mails that are sent.

use serde_json::Value;

use crate::common::{Browser, Clock, PASSWORD, TestServer};

const OTHER: &str = "violet anchor drums quietly";
const MAYA: &str = "maya@example.com";

async fn json(browser: &Browser, path: &str) -> Value {
    let cookie = browser.cookie.as_deref().unwrap_or_default();
    let request = browser.client.post(format!("{}{path}", browser.url)).header("cookie", cookie);
    let response = request.header("origin", &browser.url).json(&serde_json::json!({})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn sign_up(browser: &mut Browser, email: &str) {
    let form = [("name", "Maya Duran"), ("email", email), ("organisation", "Acme"), ("password", PASSWORD)];
    assert_eq!(browser.call("/api/sign_up", &form).await, 200);
}

#[tokio::test]
async fn an_address_is_proven_once_by_the_link_that_was_sent_to_it() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let mut browser = server.browser();
    sign_up(&mut browser, MAYA).await;
    assert_eq!(json(&browser, "/api/account").await["is_verified"], false);
    let letter = post.next_to(MAYA).await;
    assert!(letter.0.contains("Subject: Confirm your e-mail address"), "{}", letter.0);
    let token = letter.token();

    // Opening the page is not enough: mail servers open links too.
    assert_eq!(browser.get(&format!("/verify?token={token}")).await.status(), 200);
    assert_eq!(json(&browser, "/api/account").await["is_verified"], false);
    // A link opens only what it is for.
    assert_eq!(browser.call("/api/reset_password", &[("token", &token), ("password", OTHER)]).await, 410);

    // Whoever has the link needs no session.
    assert_eq!(server.browser().call("/api/verify_address", &[("token", &token)]).await, 200);
    assert_eq!(json(&browser, "/api/account").await["is_verified"], true);
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 410, "once");

    assert_eq!(browser.call("/api/resend_verification", &[]).await, 200);
    let token = post.next_to(MAYA).await.token();
    clock.pass(time::Duration::hours(25));
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 410, "not after a day");
    for never in ["", "x", &"a".repeat(100_000)] {
        assert!(matches!(browser.call("/api/verify_address", &[("token", never)]).await, 410 | 413));
    }
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_link_and_every_session_ends() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let (mut one, mut two) = (server.browser(), server.browser());
    sign_up(&mut one, MAYA).await;
    two.sign_in(MAYA, PASSWORD).await;
    post.next_with(MAYA, "signed in to from a new browser").await;

    let mut stranger = server.browser();
    // The same answer, whether the address has an account or not.
    let known = stranger.post("/api/request_reset", &[("email", "Maya@Example.com")]).await;
    let unknown = stranger.post("/api/request_reset", &[("email", "nobody@example.com")]).await;
    assert_eq!(known.status(), unknown.status());
    assert_eq!(known.headers()["location"], unknown.headers()["location"]);
    let token = post.next_with(MAYA, "Choose a new password").await.token();

    // A password that is refused does not use up the link.
    assert_eq!(stranger.call("/api/reset_password", &[("token", &token), ("password", "password1234")]).await, 422);
    assert_eq!(stranger.call("/api/reset_password", &[("token", &token), ("password", OTHER)]).await, 200);
    assert_eq!(stranger.call("/api/reset_password", &[("token", &token), ("password", PASSWORD)]).await, 410);
    for browser in [&one, &two] {
        assert_eq!(browser.get("/account").await.status(), 302, "signed out");
    }
    assert_eq!(one.call("/api/log_in", &[("email", MAYA), ("password", PASSWORD)]).await, 401);
    one.sign_in(MAYA, OTHER).await;
    assert_eq!(json(&one, "/api/account").await["is_verified"], true, "the link was read at the address");
    post.next_with(MAYA, "Your password was changed").await;

    assert_eq!(stranger.call("/api/request_reset", &[("email", MAYA)]).await, 200);
    let token = post.next_with(MAYA, "Choose a new password").await.token();
    clock.pass(time::Duration::minutes(61));
    assert_eq!(stranger.call("/api/reset_password", &[("token", &token), ("password", PASSWORD)]).await, 410);

    // However often it is asked for, a mailbox is not filled; and nobody without an account is written to.
    for n in 0..12 {
        stranger.address = Some(format!("198.51.100.{n}"));
        assert_eq!(stranger.call("/api/request_reset", &[("email", MAYA)]).await, 200);
        assert_eq!(stranger.call("/api/request_reset", &[("email", "nobody@example.com")]).await, 200);
    }
    // One to verify, one of a new browser, one reset, one that tells of it, one reset that was not used, then five in an hour.
    assert_eq!(post.count().await, 5 + 5);
}

#[tokio::test]
async fn an_address_is_changed_by_who_knows_the_password_and_reads_the_new_one() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let mut browser = server.browser();
    sign_up(&mut browser, MAYA).await;
    let first = post.next_to(MAYA).await.token();
    let change = |email: &'static str, password: &'static str| [("email", email), ("current_password", password)];
    assert_eq!(browser.call("/api/change_address", &change("new@example.com", OTHER)).await, 422);
    assert_eq!(browser.call("/api/change_address", &change("new@", PASSWORD)).await, 422);
    assert_eq!(browser.call("/api/change_address", &change("New@example.com", PASSWORD)).await, 200);
    let token = post.next_to("New@example.com").await.token();
    assert_eq!(json(&browser, "/api/account").await["email"], MAYA, "not before it is proven");
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 200);
    let account = json(&browser, "/api/account").await;
    assert_eq!((&account["email"], &account["is_verified"]), (&"New@example.com".into(), &true.into()));
    post.next_with(MAYA, "Your e-mail address was changed").await;
    assert_eq!(browser.call("/api/verify_address", &[("token", &first)]).await, 410, "sent to the address before");
    server.browser().sign_in("new@example.com", PASSWORD).await;
    assert_eq!(server.browser().call("/api/log_in", &[("email", MAYA), ("password", PASSWORD)]).await, 401);

    // Somebody else's address: nobody is told that it has an account, and it stays theirs.
    let mut other = server.browser();
    sign_up(&mut other, "jonas@example.com").await;
    post.next_to("jonas@example.com").await;
    assert_eq!(browser.call("/api/change_address", &change("jonas@example.com", PASSWORD)).await, 200);
    let token = post.next_to("jonas@example.com").await.token();
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 422);
    assert_eq!(json(&browser, "/api/account").await["email"], "New@example.com");
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session_and_renews_this_one() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let (mut here, mut there) = (server.browser(), server.browser());
    sign_up(&mut here, MAYA).await;
    post.next_to(MAYA).await;
    there.sign_in(MAYA, PASSWORD).await;
    let change =
        |current: &'static str, password: &'static str| [("current_password", current), ("password", password)];
    assert_eq!(here.call("/api/change_password", &change(OTHER, OTHER)).await, 422);
    assert_eq!(here.call("/api/change_password", &change(PASSWORD, "maya maya maya")).await, 422);
    assert_eq!(there.get("/account").await.status(), 200, "nothing was changed");
    let before = here.cookie.clone();
    assert_eq!(here.call("/api/change_password", &change(PASSWORD, OTHER)).await, 200);
    assert_ne!(here.cookie, before);
    assert_eq!(here.get("/account").await.status(), 200);
    assert_eq!(there.get("/account").await.status(), 302);
    there.cookie = before;
    assert_eq!(there.get("/account").await.status(), 302, "the id of before is worth nothing");
    post.next_with(MAYA, "Your password was changed").await;
    there.sign_in(MAYA, OTHER).await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_whom_they_belong_to() {
    let server = TestServer::start().await;
    let tenant = server.tenant("one").await;
    let stranger = server.tenant("two").await;
    let (mut here, mut there, mut foreign) = (server.browser(), server.browser(), server.browser());
    here.sign_in(&tenant.email, PASSWORD).await;
    there.address = Some("198.51.100.7".to_owned());
    there.sign_in(&tenant.email, PASSWORD).await;
    foreign.sign_in(&stranger.email, PASSWORD).await;
    let listed = json(&here, "/api/sessions").await["body"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    let places: Vec<_> = listed.iter().map(|row| row["place"].as_str().unwrap()).collect();
    assert!(places.contains(&"this machine") && places.contains(&"198.51.100.0/24"), "{places:?}");
    let (current, other): (Vec<&Value>, Vec<&Value>) = listed.iter().partition(|row| row["is_current"] == true);
    assert_eq!((current.len(), other.len()), (1, 1));
    let (current, other) = (current[0]["id"].as_str().unwrap(), other[0]["id"].as_str().unwrap());
    // What names a session does not open it.
    assert!(!here.cookie.as_ref().unwrap().contains(current));
    assert_eq!(foreign.call("/api/end_session", &[("id", other)]).await, 404);
    assert_eq!(there.get("/account").await.status(), 200);
    assert_eq!(here.call("/api/end_session", &[("id", other)]).await, 200);
    assert_eq!(there.get("/account").await.status(), 302);
    assert_eq!(here.call("/api/end_session", &[("id", other)]).await, 404);

    there.sign_in(&tenant.email, PASSWORD).await;
    assert_eq!(here.call("/api/end_other_sessions", &[]).await, 200);
    assert_eq!(there.get("/account").await.status(), 302);
    assert_eq!(here.get("/account").await.status(), 200);
    assert_eq!(foreign.get("/account").await.status(), 200);
}

#[tokio::test]
async fn a_browser_keeps_a_session_only_if_it_is_told_to() {
    let server = TestServer::start().await;
    let tenant = server.tenant("one").await;
    let mut browser = server.browser();
    let cookie = |response: &reqwest::Response| {
        let cookies = response.headers().get_all("set-cookie").iter().map(|v| v.to_str().unwrap().to_owned());
        cookies.into_iter().find(|cookie| cookie.starts_with("kubewise=")).unwrap()
    };
    let email = ("email", tenant.email.as_str());
    let response = browser.post("/api/log_in", &[email, ("password", PASSWORD)]).await;
    assert!(!cookie(&response).to_lowercase().contains("max-age"), "{}", cookie(&response));
    let response = browser.post("/api/log_in", &[email, ("password", PASSWORD), ("remember", "1")]).await;
    assert!(cookie(&response).contains("Max-Age=2592000"), "{}", cookie(&response));
    // Also after the session was renewed.
    let form = [("current_password", PASSWORD), ("password", OTHER)];
    let response = browser.post("/api/change_password", &form).await;
    assert!(cookie(&response).contains("Max-Age=2592000"), "{}", cookie(&response));
}

#[tokio::test]
async fn mail_is_sent_after_the_worker_lost_its_database() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let admin = server.database.superuser();
    let connections = async |limit: i32| {
        let limit = format!("ALTER DATABASE {} CONNECTION LIMIT {limit}", server.database.name);
        sqlx::query(sqlx::AssertSqlSafe(limit)).execute(&admin).await.unwrap();
    };
    for n in 0..2 {
        // Long enough for the worker to find out: it looks for jobs every other second.
        connections(0).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE usename = 'kubewise_worker' AND datname = current_database()",
        )
        .execute(&admin)
        .await
        .unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(8)).await;
        connections(-1).await;
        let email = format!("person-{n}@example.com");
        let form = [("name", "Maya Duran"), ("email", &email), ("organisation", "Acme"), ("password", PASSWORD)];
        assert_eq!(server.browser().call("/api/sign_up", &form).await, 200);
        post.next_with(&email, "Confirm your e-mail address").await;
    }
}

#[tokio::test]
async fn a_mail_that_failed_for_good_is_seen_and_sent_again_by_whoever_runs_the_installation() {
    use kubewise_backend::{admin, database::Part};
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    sign_up(&mut server.browser(), MAYA).await;
    let owner = server.database.pool(Part::Owner);
    assert!(admin::dead_jobs(&owner).await.unwrap().is_empty());
    sqlx::query(
        "UPDATE apalis.jobs SET status = 'Failed', attempts = max_attempts, last_result = '{\"Err\":\"mail: 550\"}'",
    )
    .execute(&server.database.superuser())
    .await
    .unwrap();
    let dead = admin::dead_jobs(&owner).await.unwrap();
    assert_eq!((dead.len(), dead[0].queue.as_str(), dead[0].mail.as_deref()), (1, "mail", Some("verify_address")));
    assert!(dead[0].why.as_ref().unwrap().to_string().contains("550"));
    assert_eq!(admin::retry_dead_jobs(&owner, Some("another")).await.unwrap(), 0);
    assert_eq!(admin::retry_dead_jobs(&owner, Some(&dead[0].id)).await.unwrap(), 1);
    server.post_office(&world).next_with(MAYA, "Confirm your e-mail address").await;
    assert!(admin::dead_jobs(&owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_runs_the_installation_ends_the_sessions_of_one_or_of_all() {
    use kubewise_backend::{admin, database::Part};
    use kubewise_contract::EmailAddress;
    let server = TestServer::start().await;
    let (mut one, mut two) = (server.browser(), server.browser());
    sign_up(&mut one, MAYA).await;
    sign_up(&mut two, "jonas@example.com").await;
    let owner = server.database.pool(Part::Owner);
    let maya = EmailAddress::parse("MAYA@example.com").unwrap();
    assert_eq!(admin::end_sessions(&owner, Some(&maya)).await.unwrap(), 1);
    assert_eq!(
        (one.get("/account").await.status(), two.get("/account").await.status().as_u16()),
        (reqwest::StatusCode::FOUND, 200)
    );
    assert_eq!(admin::end_sessions(&owner, None).await.unwrap(), 1);
    assert_eq!(two.get("/account").await.status(), 302);
}

#[tokio::test]
async fn where_people_are_invited_an_invitation_lets_one_in_with_its_address() {
    use kubewise_backend::{PasswordPolicy, SignUpPolicy, Web, admin, database::Part};
    use kubewise_contract::EmailAddress;
    use secrecy::ExposeSecret;
    let (clock, world) = Clock::new();
    let with = async |policy| {
        TestServer::start_of(world.clone(), move |database, world, _| {
            let (passwords, keys) = (PasswordPolicy::new(world, 2).unwrap(), database.keys());
            Web::new(database.pool(Part::Web), world.clone(), passwords, keys, database.bucket(), policy)
        })
        .await
    };
    let server = with(SignUpPolicy::Invite).await;
    let owner = server.database.pool(Part::Owner);
    let invite = async || {
        let address = EmailAddress::parse("Maya@Example.com").unwrap();
        admin::invite(&owner, &world, &address).await.unwrap().expose_secret().to_owned()
    };
    let sign_up = async |server: &TestServer, email: &str, invitation: &str| {
        let form = [
            ("name", "Maya"),
            ("email", email),
            ("organisation", "Acme"),
            ("password", PASSWORD),
            ("invitation", invitation),
        ];
        server.browser().call("/api/sign_up", &form).await
    };
    let invitation = invite().await;
    assert_eq!(sign_up(&server, MAYA, "").await, 403, "strangers are not let in");
    assert_eq!(sign_up(&server, MAYA, "nonsense").await, 410);
    assert_eq!(sign_up(&server, "other@example.com", &invitation).await, 422, "it is for one address");
    assert_eq!(sign_up(&server, MAYA, &invitation).await, 200);
    assert_eq!(sign_up(&server, MAYA, &invitation).await, 410, "once");
    let page = server.browser().get("/signup").await.text().await.unwrap();
    assert!(page.contains("takes in whom it invites") && !page.contains("Create account"), "the page says so");
    let late = invite().await;
    clock.pass(time::Duration::days(8));
    assert_eq!(sign_up(&server, MAYA, &late).await, 410, "not after a week");

    let closed = with(SignUpPolicy::Closed).await;
    let invitation =
        admin::invite(&closed.database.pool(Part::Owner), &world, &EmailAddress::parse(MAYA).unwrap()).await.unwrap();
    assert_eq!(sign_up(&closed, MAYA, invitation.expose_secret()).await, 403);
}
