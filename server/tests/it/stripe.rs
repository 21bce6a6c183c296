//! Paying through Stripe, from a browser and from Stripe's side, against a Stripe on loopback that sends its events here.

use std::{sync::Arc, time::Duration as Wait};

use kubewise_contract::UiError;
use kubewise_sample_stripe::signature;
use reqwest::{Body, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::{
    Browser, TestServer, client, full, node, pod,
    shop::{GOOD, SECRET, Shop, WEBHOOK, look, overview, page_with, paid, press, stands, until},
};

/// Largest event that is taken, in bytes.
const EVENT_BYTES: usize = 512 << 10;

/// Posts an event as Stripe does.
async fn tell(server: &TestServer, signature: Option<&str>, body: impl Into<Body>) -> Response {
    let mut request = client().post(format!("{}{WEBHOOK}", server.url)).header("content-type", "application/json");
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    request.body(body).send().await.unwrap()
}

/// Where one is led.
fn to(response: &Response) -> &str {
    response.headers().get("location").map_or("", |to| to.to_str().unwrap())
}

/// How often Stripe was asked to make or change something.
fn asked_to_make(shop: &Shop) -> usize {
    shop.stripe.requests().iter().filter(|request| request.method == "POST").count()
}

async fn events(server: &TestServer) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM stripe_events").fetch_one(&server.database.superuser()).await.unwrap()
}

/// `2026-11-28`
fn day(seconds: &Value) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds.as_i64().unwrap()).unwrap().date().to_string()
}

async fn add_cluster(browser: &mut Browser, name: &str) -> u16 {
    browser.call("/api/add_cluster", &[("org", "acme"), ("name", name)]).await
}

#[tokio::test]
async fn a_person_subscribes_and_cancels_on_stripes_pages() {
    let shop = Shop::open().await;
    let (acme, mut browser) = shop.payer("acme").await;
    assert_eq!(add_cluster(&mut browser, "second").await, 200);
    assert_eq!(add_cluster(&mut browser, "third").await, 402, "the plan Free has two");
    page_with(&browser, "/o/acme/billing", "Try the plan Team").await;

    let response = browser.led("/o/acme/billing/checkout", "same-origin").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let checkout = to(&response).to_owned();
    // The same way once more: who goes twice does not buy twice.
    assert_eq!(browser.follow("/o/acme/billing/checkout").await, checkout);
    let text = client().get(&checkout).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("14 days free"), "{text}");
    let back = press(&checkout, &[("card_number", GOOD), ("name", "Acme GmbH"), ("country", "DE")]).await;
    assert_eq!(back, format!("{}/o/acme/billing?done=subscribed", shop.server.url));
    let page = page_with(&browser, "/o/acme/billing?done=subscribed", "The plan Team is yours.").await;
    let stripe = shop.stripe.subscription(&shop.customer(&acme).await).unwrap();
    assert!(page.contains("The plan is Team.") && page.contains("Trial until"), "{page}");
    assert!(page.contains(&day(&stripe["trial_end"])), "{page}");
    assert!(!page.contains("/billing/checkout") && page.contains("/o/acme/billing/portal"), "{page}");
    assert_eq!(add_cluster(&mut browser, "third").await, 200);
    // What was typed there is known here.
    assert!(page.contains("value=\"DE\""), "{page}");

    // Somebody kept the page from before.
    assert_eq!(browser.follow("/o/acme/billing/checkout").await, "/o/acme/billing?failed=subscribed");
    page_with(&browser, "/o/acme/billing?failed=subscribed", &UiError::AlreadySubscribed.to_string()).await;

    let portal = browser.follow("/o/acme/billing/portal").await;
    assert!(portal.starts_with(&format!("{}/portal/", shop.stripe.url())), "{portal}");
    press(&portal, &[("action", "cancel")]).await;
    let page = page_with(&browser, "/o/acme/billing", "The plan was cancelled, and ends on ").await;
    let ends = day(&stripe["items"]["data"][0]["current_period_end"]);
    assert!(page.contains(&format!("ends on {ends}")), "{ends}: {page}");
    press(&portal, &[("action", "keep")]).await;
    paid(&browser, &acme, "it goes on", |payment| payment["subscription"]["ends_at"].is_null()).await;
    // What it comes to is typed here, and known there.
    let form = [("org", "acme"), ("email", "pay@example.com"), ("line1", "Main Street 1"), ("city", "Berlin")];
    let form = [&form[..], &[("line2", ""), ("postal_code", "10115"), ("state", ""), ("country", "de")]].concat();
    assert_eq!(browser.call("/api/set_billing_details", &form).await, 200);
    until("Stripe is told", async || shop.stripe.customers()[0]["email"] == "pay@example.com").await;
    let address = &shop.stripe.customers()[0]["address"];
    assert_eq!((&address["line1"], &address["country"]), (&json!("Main Street 1"), &json!("DE")));

    shop.stripe.cancel_now(&shop.customer(&acme).await).unwrap();
    let page = page_with(&browser, "/o/acme/billing", "The plan is Free.").await;
    assert!(page.contains("The plan before had more.") && page.contains("Choose the plan Team"), "{page}");
    assert_eq!(shop.stripe.customers().len(), 1);
}

#[tokio::test]
async fn from_another_site_one_is_led_to_our_own_page_and_nothing_is_made() {
    let shop = Shop::open().await;
    let (_, browser) = shop.payer("acme").await;
    for path in ["/o/acme/billing/checkout", "/o/acme/billing/portal"] {
        for site in ["cross-site", "same-site", "none", ""] {
            let response = browser.led(path, site).await;
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path} from {site:?}");
            assert_eq!(to(&response), "/o/acme/billing", "{path} from {site:?}");
        }
        // A browser that says nothing of from where.
        assert_eq!(to(&browser.get(path).await), "/o/acme/billing");
        // And none is posted to.
        for origin in [None, Some("https://evil.example"), Some(shop.server.url.as_str())] {
            let mut browser = Browser { cookie: browser.cookie.clone(), ..shop.server.browser() };
            let status = browser.post_from(path, &[], origin, "text/html").await.status().as_u16();
            assert_eq!(status, if origin == Some(shop.server.url.as_str()) { 405 } else { 403 }, "{path} {origin:?}");
        }
    }
    assert_eq!(asked_to_make(&shop), 0);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM subscriptions")
        .fetch_one(&shop.server.database.superuser())
        .await
        .unwrap();
    assert_eq!(rows, 0, "nor here");
    // There is nobody at Stripe whose card it would be.
    assert_eq!(browser.led("/o/acme/billing/portal", "same-origin").await.status(), StatusCode::NOT_FOUND);
    // An old browser names the page that it comes from.
    let led = async |referer: String| {
        let request = browser.client.get(format!("{}/o/acme/billing/checkout", shop.server.url));
        let request = request.header("cookie", browser.cookie.as_ref().unwrap()).header("referer", referer);
        to(&request.send().await.unwrap()).to_owned()
    };
    assert_eq!(led(format!("{}.evil.example/", shop.server.url)).await, "/o/acme/billing");
    assert_eq!(asked_to_make(&shop), 0);
    assert!(led(format!("{}/o/acme/billing", shop.server.url)).await.starts_with(shop.stripe.url()));
}

#[tokio::test]
async fn who_does_not_pay_is_not_led_to_stripe() {
    let shop = Shop::open().await;
    let (acme, _) = shop.payer("acme").await;
    for (role, expected) in
        [("viewer", 403), ("operator", 403), ("stranger", 404), ("billing", 303), ("admin", 303), ("nobody", 404)]
    {
        let (person, mut browser) = shop.payer(role).await;
        if expected != 404 {
            shop.join(&acme, person.user, role).await;
        }
        if role == "nobody" {
            browser = shop.server.browser();
        }
        let before = asked_to_make(&shop);
        for (path, page) in [("/o/acme/billing/checkout", "checkout"), ("/o/acme/billing/portal", "portal")] {
            let response = browser.led(path, "same-origin").await;
            assert_eq!(response.status().as_u16(), expected, "{role} opens {path}");
            if expected == 303 {
                assert!(to(&response).starts_with(&format!("{}/{page}/", shop.stripe.url())), "{role} opens {path}");
            } else {
                assert_eq!(to(&response), "", "{role} opens {path}");
                assert_eq!(response.text().await.unwrap(), "", "{role} opens {path}");
            }
            // From another site they are told no more.
            let refused = browser.led(path, "cross-site").await.status().as_u16();
            assert_eq!(refused, expected, "{role} is led to {path}");
        }
        let made = asked_to_make(&shop) - before;
        assert_eq!(made > 0, expected == 303, "{role}: {made} made at Stripe");
        assert_eq!(browser.led("/o/no-such/billing/checkout", "same-origin").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(browser.led("/o/No%20Such/billing/portal", "same-origin").await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn only_what_stripe_signed_and_just_now_is_taken() {
    let shop = Shop::open().await;
    let (acme, mut browser) = shop.payer("acme").await;
    shop.stripe.hold_webhooks(true);
    shop.subscribe(&acme, &mut browser, GOOD).await;
    let body = shop.stripe.events().pop().unwrap().body;
    let now = shop.clock.now().unix_timestamp();
    let signed = signature(SECRET, now, &body);
    let empty = signature(SECRET, now, "{}");
    let text = signature(SECRET, now, "x");
    let secret = "The signature is not Stripe's: check KUBEWISE_STRIPE_WEBHOOK_SECRET.\n";
    let age = "The signature is older than five minutes, or from the future.\n";
    let shape = "This is not an event as Stripe writes it.\n";
    let mut changed = body.clone();
    changed.replace_range(10..11, if &body[10..11] == "x" { "y" } else { "x" });
    for (header, body, sentence) in [
        (None, body.as_str(), secret),
        (Some(""), &body, secret),
        (Some("t=1,v1=00"), &body, secret),
        (Some(&*signed.replace("v1=", "v0=")), &body, secret),
        (Some(&*signature("whsec_of_somebody_else", now, &body)), &body, secret),
        (Some(&*signed), &changed, secret),
        (Some(&*signed), "", secret),
        (Some(&*signature(SECRET, now - 310, &body)), &body, age),
        (Some(&*signature(SECRET, now + 900, &body)), &body, age),
        (Some(&*empty), "{}", shape),
        (Some(&*text), "x", shape),
    ] {
        let response = tell(&shop.server, header, body.to_owned()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{header:?}");
        assert_eq!(response.text().await.unwrap(), sentence, "{header:?}");
    }
    assert_eq!(events(&shop.server).await, 0);
    // It is Stripe who is refused, not what it tells of.
    for _ in 0..2 {
        let response = tell(&shop.server, Some(&signed), body.clone()).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.text().await.unwrap(), "");
    }
    assert_eq!(events(&shop.server).await, 1);
    paid(&browser, &acme, "a trial", |payment| stands(payment, "trialing")).await;

    // As large as may be, and larger, said beforehand or not.
    let padded = |bytes: usize| {
        let body = json!({"id": "evt_large", "type": "x", "created": now, "data": {"object": {"id": "x"}}}).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let most = padded(EVENT_BYTES);
    let response = tell(&shop.server, Some(&signature(SECRET, now, &most)), most).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let more = padded(EVENT_BYTES + 1);
    let header = signature(SECRET, now, &more);
    let response = tell(&shop.server, Some(&header), more.clone()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let pieces: Vec<Result<String, std::io::Error>> =
        more.as_bytes().chunks(4096).map(|piece| Ok(String::from_utf8(piece.to_vec()).unwrap())).collect();
    let streamed = Body::wrap_stream(tokio_stream::iter(pieces));
    assert_eq!(tell(&shop.server, Some(&header), streamed).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let request = client().request(method.clone(), format!("{}{WEBHOOK}", shop.server.url));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    assert_eq!(events(&shop.server).await, 2);
    // Whose deliveries were held all the time has them taken.
    shop.stripe.hold_webhooks(false);
    shop.stripe.delivered().await;
    assert!(shop.stripe.deliveries().iter().all(|delivery| delivery.status == Some(204)));
}

#[tokio::test]
async fn where_stripe_is_not_configured_nobody_is_billed_and_everything_works() {
    let server = TestServer::start().await;
    let acme = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&acme.email, crate::common::PASSWORD).await;
    let response = tell(&server, Some(&signature(SECRET, 1, "{}")), "{}").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.text().await.unwrap(), "Stripe is not configured here.\n");
    let page = look(&browser, "/o/acme/billing").await;
    assert!(page.contains("This installation bills nobody: every organisation has everything"), "{page}");
    assert!(!page.contains("/billing/checkout") && !page.contains("/billing/portal"), "{page}");
    for path in ["/o/acme/billing/checkout", "/o/acme/billing/portal"] {
        assert_eq!(browser.led(path, "same-origin").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let form = [("org", "acme"), ("email", "pay@example.com"), ("line1", ""), ("line2", ""), ("city", "")];
    let form = [&form[..], &[("postal_code", ""), ("state", ""), ("country", "")]].concat();
    assert_eq!(browser.call("/api/set_billing_details", &form).await, 404);
    assert_eq!(browser.call("/api/ask_stripe", &[("org", "acme")]).await, 404);

    for name in ["second", "third", "fourth"] {
        assert_eq!(add_cluster(&mut browser, name).await, 200);
    }
    let nodes: Vec<Value> = (1..=40).map(node).collect();
    server.accepted(&acme.token, full(1, &nodes)).await;
    for number in 0..8 {
        let email = format!("member-{number}@example.com");
        let form = [("org", "acme"), ("email", email.as_str()), ("role", "viewer")];
        assert_eq!(browser.call("/api/invite", &form).await, 200, "{email}");
    }
    let overview = overview(&browser, &acme).await;
    assert_eq!((&overview["plan"], &overview["payment"]), (&json!("self_hosted"), &Value::Null));
    assert_eq!(overview["used"][1], json!(["nodes", 40]));
}

/// Posts until it is taken: what the server could not take now it says so of, and Stripe sends it again.
async fn deliver(client: &reqwest::Client, url: &str, header: &str, body: &str) {
    for _ in 0..60 {
        let request = client.post(url).header("stripe-signature", header).body(body.to_owned());
        let status = request.send().await.unwrap().status();
        if status == StatusCode::NO_CONTENT {
            return;
        }
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::sleep(Wait::from_secs(1)).await;
    }
    panic!("not taken in a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_deliveries_at_once_all_are_taken_and_the_end_is_what_stripe_has() {
    const DELIVERIES: usize = 1_000;
    let shop = Shop::open().await;
    let (acme, mut browser) = shop.payer("acme").await;
    shop.stripe.hold_webhooks(true);
    shop.subscribe(&acme, &mut browser, GOOD).await;
    let customer = shop.customer(&acme).await;
    for number in 0..2 {
        shop.stripe.cancel_at_period_end(&customer, true).unwrap();
        shop.stripe.set_email(&customer, &format!("pay-{number}@example.com")).unwrap();
        shop.stripe.cancel_at_period_end(&customer, false).unwrap();
    }
    shop.stripe.cancel_at_period_end(&customer, true).unwrap();
    let told = shop.stripe.events();
    assert!((12..=16).contains(&told.len()), "{}", told.len());
    let before = shop.stripe.requests().len();

    let url: Arc<str> = format!("{}{WEBHOOK}", shop.server.url).into();
    let mut tasks = JoinSet::new();
    let now = shop.clock.now().unix_timestamp();
    for number in 0..DELIVERIES {
        // Neighbours are others.
        let body = told[number * 7 % told.len()].body.clone();
        let header = signature(SECRET, now, &body);
        let (url, client) = (Arc::clone(&url), browser.client.clone());
        tasks.spawn(async move { deliver(&client, &url, &header, &body).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    shop.stripe.hold_webhooks(false);
    shop.stripe.delivered().await;
    let behind = shop.server.database.superuser();
    let count = async || -> (i64, i64, i64) {
        let query =
            "SELECT count(*), sum(deliveries)::bigint, count(*) FILTER (WHERE done_at IS NULL) FROM stripe_events";
        sqlx::query_as(query).fetch_one(&behind).await.unwrap()
    };
    until("all is looked at", async || count().await.2 == 0).await;
    let payment = overview(&browser, &acme).await["payment"].take();
    assert!(stands(&payment, "trialing"), "{payment}");
    let stripe = shop.stripe.subscription(&customer).unwrap();
    let item = &stripe["items"]["data"][0];
    let at = |name: &str| payment["subscription"][name].as_i64().map(|milliseconds| milliseconds / 1000);
    assert_eq!(payment["subscription"]["nodes"], item["quantity"]);
    assert_eq!(at("trial_end"), stripe["trial_end"].as_i64());
    assert_eq!(at("ends_at"), item["current_period_end"].as_i64());
    assert_eq!(payment["details"]["email"], "pay-1@example.com");
    assert_eq!(payment["invoices"].as_array().unwrap().len(), shop.stripe.invoices(&customer).len());
    let (events, deliveries) = (i64::try_from(told.len()).unwrap(), i64::try_from(DELIVERIES + told.len()).unwrap());
    assert_eq!(count().await, (events, deliveries, 0), "each counts once, however often it came");
    let requests = shop.stripe.requests().len() - before;
    assert!(requests < 100, "{requests} requests");
}

#[tokio::test]
async fn while_stripe_is_away_everything_but_going_there_works() {
    let shop = Shop::open().await;
    let (acme, mut browser) = shop.payer("acme").await;
    let (_, mut other) = shop.payer("other").await;
    shop.subscribe(&acme, &mut browser, GOOD).await;
    paid(&browser, &acme, "a trial", |payment| stands(payment, "trialing")).await;
    shop.stripe.delivered().await;
    let body = shop.stripe.events().pop().unwrap().body;
    let away = UiError::StripeAway.to_string();
    let faults: [fn(&Shop, bool); 2] = [|shop, is| shop.stripe.down(is), |shop, is| shop.stripe.unreachable(is)];
    for (epoch, fault) in (1..).zip(faults) {
        fault(&shop, true);
        assert_eq!(browser.call("/api/ask_stripe", &[("org", "acme")]).await, 200);
        let page = page_with(&browser, "/o/acme/billing", &away).await;
        assert!(page.contains("The plan is Team.") && page.contains("/o/acme/billing/portal"), "{page}");
        assert_eq!(browser.follow("/o/acme/billing/portal").await, "/o/acme/billing?failed=stripe");
        assert_eq!(other.follow("/o/other/billing/checkout").await, "/o/other/billing?failed=stripe");
        let page = look(&other, "/o/other/billing?failed=stripe").await;
        assert!(page.contains(&away) && page.contains("/o/other/billing/checkout"), "{page}");
        for path in ["/o/acme", "/o/acme/clusters", "/o/acme/team", "/o/acme/settings", "/account"] {
            assert_eq!(browser.get(path).await.status(), StatusCode::OK, "{path}");
        }
        shop.server.accepted(&acme.token, full(epoch, &[pod(1, "a", "nginx"), node(2)])).await;
        assert_eq!(add_cluster(&mut browser, &format!("cluster-{epoch}")).await, 200);
        // Its events are taken down meanwhile, and looked at when it is there again.
        let header = signature(SECRET, shop.clock.now().unix_timestamp(), &body);
        assert_eq!(tell(&shop.server, Some(&header), body.clone()).await.status(), StatusCode::NO_CONTENT);

        fault(&shop, false);
        shop.clock.pass(time::Duration::minutes(16));
        let payment = paid(&browser, &acme, "Stripe is back", |payment| payment["is_away"] == false).await;
        assert!(stands(&payment, "trialing"), "{payment}");
        let page = look(&browser, "/o/acme/billing").await;
        assert!(!page.contains(&away), "{page}");
    }
    // What could not be made before is made once.
    assert!(other.follow("/o/other/billing/checkout").await.starts_with(shop.stripe.url()));
    assert_eq!(shop.stripe.customers().len(), 2);
}

/// The page looks again for as long as Stripe is being asked, and then shows what it said.
#[tokio::test]
async fn the_page_waits_while_stripe_is_asked() {
    let shop = Shop::open().await;
    let (acme, mut browser) = shop.payer("acme").await;
    shop.subscribe(&acme, &mut browser, GOOD).await;
    paid(&browser, &acme, "a trial", |payment| stands(payment, "trialing")).await;
    shop.stripe.delivered().await;
    let before = paid(&browser, &acme, "nothing is asked", |payment| payment["is_asking"] == false).await;
    shop.stripe.slow(Wait::from_millis(500));
    assert_eq!(browser.call("/api/ask_stripe", &[("org", "acme")]).await, 200);
    loop {
        let payment = overview(&browser, &acme).await["payment"].take();
        if payment["asked_at"] != before["asked_at"] {
            break;
        }
        assert_eq!(payment["is_asking"], true, "{payment}");
    }
}
