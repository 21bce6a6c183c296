//! A server that bills, and a Stripe on loopback whose events arrive there.

use std::{sync::Arc, time::Duration};

use kubewise_backend::{Stripe, Worker, World};
use kubewise_contract::UserId;
use kubewise_sample_stripe as sample;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Browser, Clock, PASSWORD, PostOffice, Tenant, TestServer, client, with_form};

pub(crate) const KEY: &str = "sk_test_of_the_tests";
pub(crate) const SECRET: &str = "whsec_of_the_tests";
pub(crate) const PRICE: &str = "price_team";
pub(crate) const GOOD: &str = "4242 4242 4242 4242";
/// Where Stripe tells of what happened.
pub(crate) const WEBHOOK: &str = "/webhooks/stripe";

/// The account at the Stripe that answers at `api`.
pub(crate) fn account(api: &str, site: &str) -> Stripe {
    Stripe::new(&KEY.to_owned().into(), SECRET.to_owned().into(), PRICE, Some(api), site).unwrap()
}

/// A server whose organisations pay at the Stripe that answers at `api`. Nobody does jobs.
pub(crate) async fn billing_server(world: &World, api: &str) -> TestServer {
    TestServer::start_as(
        world.clone(),
        |database, world, own| database.web(world).at("http://localhost").with_stripe(Some(account(api, own))),
        kubewise_backend::Ingest::billed,
    )
    .await
}

/// Does its jobs while the test goes on.
pub(crate) fn billing_worker(server: &TestServer, world: &World, api: &str) -> (PostOffice, Worker) {
    let mut kept = None;
    let post = PostOffice::open(|folder| {
        let worker = server.database.worker(world, folder).with_stripe(Some(account(api, &server.url)));
        kept.insert(worker).clone()
    });
    (post, kept.unwrap())
}

/// All of it. Both go by the same clock.
pub(crate) struct Shop {
    pub(crate) clock: Clock,
    pub(crate) stripe: sample::Stripe,
    pub(crate) server: TestServer,
    pub(crate) worker: Worker,
    /// Where its mail lands.
    _post: PostOffice,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (clock, world) = Clock::new();
        let read = clock.clone();
        let now = Arc::new(move || read.now().unix_timestamp());
        let stripe = sample::Stripe::start(sample::Options { now, ..sample::Options::default() }).await.unwrap();
        let server = billing_server(&world, stripe.url()).await;
        stripe.set_webhook(&format!("{}{WEBHOOK}", server.url), SECRET);
        let (post, worker) = billing_worker(&server, &world, stripe.url());
        Self { clock, stripe, server, worker, _post: post }
    }

    /// An organisation, and its Owner at a browser.
    pub(crate) async fn payer(&self, name: &str) -> (Tenant, Browser) {
        let tenant = self.server.tenant(name).await;
        let mut browser = self.server.browser();
        browser.sign_in(&tenant.email, PASSWORD).await;
        (tenant, browser)
    }

    /// Goes to Checkout and subscribes there. Where one is led from there.
    pub(crate) async fn subscribe(&self, tenant: &Tenant, browser: &mut Browser, card: &str) -> String {
        let checkout = browser.follow(&format!("/o/{}/billing/checkout", tenant.slug)).await;
        assert!(checkout.starts_with(&format!("{}/checkout/", self.stripe.url())), "{checkout}");
        press(&checkout, &[("card_number", card)]).await
    }

    /// Stripe's id of the customer.
    pub(crate) async fn customer(&self, tenant: &Tenant) -> String {
        customer(&self.server, tenant).await
    }

    /// Makes somebody a member, from behind the walls.
    pub(crate) async fn join(&self, tenant: &Tenant, user: UserId, role: &str) {
        sqlx::query(
            "INSERT INTO memberships (org_id, user_id, role, created_at) SELECT id, $2, $3, now() FROM organisations WHERE slug = $1",
        )
        .bind(tenant.slug.as_str())
        .bind(user.0)
        .bind(role)
        .execute(&self.server.database.superuser())
        .await
        .unwrap();
    }
}

/// Stripe's id of an organisation's customer.
pub(crate) async fn customer(server: &TestServer, tenant: &Tenant) -> String {
    sqlx::query_scalar("SELECT customer FROM subscriptions s JOIN organisations o ON o.id = s.org_id WHERE o.slug = $1")
        .bind(tenant.slug.as_str())
        .fetch_one(&server.database.superuser())
        .await
        .unwrap()
}

/// Posts a form of a page at Stripe; where that leads.
pub(crate) async fn press(page: &str, form: &[(&str, &str)]) -> String {
    let response = with_form(client().post(page), form).send().await.unwrap();
    let status = response.status();
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    to.unwrap_or_else(|| panic!("{page}: {status}: {text}"))
}

/// What the page Billing is made of.
pub(crate) async fn overview(browser: &Browser, tenant: &Tenant) -> Value {
    let response = browser.ask("/api/billing", &json!({"org": tenant.slug})).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut answer: Value = response.json().await.unwrap();
    answer["body"].take()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is: impl AsyncFn() -> bool) {
    for _ in 0..1_200 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not in two minutes: {what}");
}

/// What is paid, once it is so.
pub(crate) async fn paid(browser: &Browser, tenant: &Tenant, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..1_200 {
        last = overview(browser, tenant).await["payment"].take();
        if is(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not in two minutes: {what}: {last}");
}

/// What a page says, without what surrounds it.
pub(crate) async fn look(browser: &Browser, path: &str) -> String {
    let response = browser.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let page = response.text().await.unwrap();
    let (_, main) = page.split_once("<main").unwrap();
    main.split_once("</main>").unwrap().0.to_owned()
}

/// The page, once it says so.
pub(crate) async fn page_with(browser: &Browser, path: &str, text: &str) -> String {
    let mut page = String::new();
    for _ in 0..1_200 {
        page = look(browser, path).await;
        if page.contains(text) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} does not say {text:?} in two minutes:\n{page}");
}

/// Whether a subscription stands so.
pub(crate) fn stands(payment: &Value, status: &str) -> bool {
    payment["subscription"]["status"] == status
}
