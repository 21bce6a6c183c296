//! Guessing passwords: slowed down, without locking anybody out; and word of a sign-in that may not be one's own.

use time::Duration;

use crate::common::{Clock, PASSWORD, TestServer};

const WRONG: &str = "not the password at all";

#[tokio::test]
async fn who_guesses_waits_longer_and_longer() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world).await;
    let tenant = server.tenant("acme").await;
    let mut guesser = server.browser();
    let guess = |password: &'static str| [("email", tenant.email.clone()), ("password", password.to_owned())];
    let mut attempt = async |password: &'static str| {
        let form = guess(password);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = guesser.post_from("/api/log_in", &form, Some(&server.url), "application/json").await;
        let wait = response.headers().get("retry-after").map(|v| v.to_str().unwrap().parse::<i64>().unwrap());
        (response.status().as_u16(), wait)
    };
    for _ in 0..5 {
        assert_eq!(attempt(WRONG).await, (401, None));
    }
    let mut before = 0;
    for _ in 0..12 {
        // Not even the right one is looked at.
        let (status, wait) = attempt(PASSWORD).await;
        assert_eq!(status, 429);
        let wait = wait.unwrap();
        assert!(wait >= before && wait <= 901, "{wait} s after {before} s");
        before = wait;
        clock.pass(Duration::seconds(wait));
        assert_eq!(attempt(WRONG).await.0, 401);
    }
    assert!(before > 800, "{before} s at the end");
    clock.pass(Duration::minutes(16));
    assert_eq!(attempt(PASSWORD).await, (200, None));
}

#[tokio::test]
async fn many_guesses_at_once_are_many() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let guesses = (0..40).map(|_| {
        let mut browser = server.browser();
        let email = tenant.email.clone();
        async move { browser.call("/api/log_in", &[("email", &email), ("password", WRONG)]).await }
    });
    let answers = futures::future::join_all(guesses).await;
    let judged = answers.iter().filter(|status| **status == 401).count();
    assert!((5..=7).contains(&judged), "{answers:?}");
}

#[tokio::test]
async fn an_office_may_sign_in_all_at_once() {
    let server = TestServer::start().await;
    let mut people = Vec::new();
    for n in 0..20 {
        people.push(server.tenant(&format!("person-{n}")).await.email);
    }
    let sign_ins = people.iter().map(|email| {
        let mut browser = server.browser();
        async move { browser.call("/api/log_in", &[("email", email), ("password", PASSWORD)]).await }
    });
    assert_eq!(futures::future::join_all(sign_ins).await, [200; 20]);
}

#[tokio::test]
async fn guessing_elsewhere_does_not_lock_a_person_out() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let tenant = server.tenant("acme").await;
    let (mut own, mut fresh) = (server.browser(), server.browser());
    own.sign_in(&tenant.email, PASSWORD).await;
    // From everywhere, until nobody new gets in.
    let mut refused = 0;
    for n in 0..60 {
        let mut guesser = server.browser();
        guesser.address = Some(format!("198.51.100.{n}"));
        let status = guesser.call("/api/log_in", &[("email", &tenant.email), ("password", WRONG)]).await;
        refused += u32::from(status == 429);
    }
    assert!(refused >= 20, "{refused}");
    for n in 0..6 {
        clock.pass(Duration::seconds(1 << (n + 2)));
        let mut guesser = server.browser();
        guesser.address = Some(format!("198.51.100.{}", 100 + n));
        assert_eq!(guesser.call("/api/log_in", &[("email", &tenant.email), ("password", WRONG)]).await, 401);
    }
    // The browser of before, from the same network as a guesser.
    own.address = Some("198.51.100.1".to_owned());
    own.sign_in(&tenant.email, PASSWORD).await;
    // A new browser gets in by mail.
    fresh.address = Some("203.0.113.9".to_owned());
    assert_eq!(fresh.call("/api/log_in", &[("email", &tenant.email), ("password", PASSWORD)]).await, 429);
    assert_eq!(fresh.call("/api/request_reset", &[("email", &tenant.email)]).await, 200);
    let token = post.next_with(&tenant.email, "Choose a new password").await.token();
    let other = "violet anchor drums quietly";
    assert_eq!(fresh.call("/api/reset_password", &[("token", &token), ("password", other)]).await, 200);
    fresh.sign_in(&tenant.email, other).await;
    // Another account is not touched.
    let neighbour = server.tenant("other").await;
    server.browser().sign_in(&neighbour.email, PASSWORD).await;
}

#[tokio::test]
async fn one_network_cannot_guess_at_all_accounts() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let mut guesser = server.browser();
    guesser.address = Some("2001:db8:1:2::1".to_owned());
    let mut answers = Vec::new();
    for n in 0..60 {
        // Another address of the same subscriber each time.
        guesser.address = Some(format!("2001:db8:1:2::{n:x}"));
        let email = format!("person-{n}@example.com");
        answers.push(guesser.call("/api/log_in", &[("email", &email), ("password", WRONG)]).await);
    }
    assert!(answers[..49].iter().all(|status| *status == 401), "{answers:?}");
    assert!(answers[50..].contains(&429), "{answers:?}");
    // Whoever claims to come from there does not: the proxy's word is the last.
    let mut neighbour = server.browser();
    neighbour.address = Some("2001:db8:1:2::1, 192.0.2.44".to_owned());
    neighbour.sign_in(&tenant.email, PASSWORD).await;
}

#[tokio::test]
async fn a_sign_in_with_a_new_browser_is_told() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let mut post = server.post_office(&world);
    let mut own = server.browser();
    let form =
        [("name", "Maya Duran"), ("email", "maya@example.com"), ("organisation", "Acme"), ("password", PASSWORD)];
    assert_eq!(own.call("/api/sign_up", &form).await, 200);
    assert!(own.kept.is_some(), "the browser of signing up is the first that is known");
    own.sign_in("maya@example.com", PASSWORD).await;
    // Somebody sends what they chose themselves: it is not taken.
    let mut other = server.browser();
    let chosen = format!("kubewise-browser={}", "A".repeat(43));
    other.kept = Some(chosen.clone());
    other.sign_in("maya@example.com", PASSWORD).await;
    assert_ne!(other.kept.as_ref(), Some(&chosen));
    let told = post.next_with("maya@example.com", "signed in to from a new browser").await;
    assert!(told.0.contains(" UTC"), "{}", told.0);
    other.sign_in("maya@example.com", PASSWORD).await;
    assert_eq!(post.count().await, 2, "one to verify, one that tells; what is known is not told again");
}
