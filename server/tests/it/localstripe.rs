//! Paying through a Stripe that others made: localstripe, which keeps what it is told and signs its events itself. It was
//! written after an older version of Stripe's API than the sample that the other tests have, by others, from Stripe's
//! documentation: what is understood of both is not ours alone.
//!
//! It has no Checkout: the customer is made, and a person then subscribes there by its API. What it does otherwise than
//! Stripe, so that nothing is proven of it here:
//!
//! - no Checkout, no customer portal, no prices: what a node costs is not known, and no amount of the invoice to come is
//!   shown, since a subscription's items have a plan and no price, and so no currency;
//! - a subscription with a trial stays `incomplete`: it is never `trialing`;
//! - nothing happens by itself: a period never ends, so there are no renewals, no payments that fail later, no `past_due`
//!   and no end of what is to end with its period, which can be set and is not told;
//! - to change a subscription makes no event, and gives its item another id;
//! - `proration_date` is taken and has no effect: all that was paid becomes unused time;
//! - a preview of the invoice to come takes what is pending with it, so that the next one is another;
//! - invoices have no number, no page and no file;
//! - a key against repetition is not looked at, nor the version that is asked for;
//! - an event that is not taken is not sent again;
//! - what it does not know it answers with plain text.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration as Wait,
};

use kubewise_contract::UiError;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use crate::common::{
    Browser, Clock, PASSWORD, PostOffice, Tenant, TestServer, client, full, node,
    shop::{
        KEY, PRICE, SECRET, WEBHOOK, billing_server, billing_worker, customer, look, overview, paid, stands, until,
    },
};

/// Names a Python that has localstripe.
const PYTHON: &str = "KUBEWISE_TEST_LOCALSTRIPE";

/// Its own way to start listens to other machines too, and keeps what it has in a file that is the same for all.
const START: &str = "
import socket
from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app

Store.dump_to_disk = lambda self: None
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
web.run_app(app, sock=listener, print=None, access_log=None)
";

/// The program, and where it answers.
struct Localstripe {
    program: Child,
    url: String,
}

impl Drop for Localstripe {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Localstripe {
    fn start() -> Self {
        let python = std::env::var_os(PYTHON)
            .expect("KUBEWISE_TEST_LOCALSTRIPE names a Python that has localstripe; `cargo xtask test` sets it");
        let mut program = Command::new(python)
            .args(["-c", START])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "localstripe does not start");
        Self { program, url: format!("http://127.0.0.1:{}", port.trim()) }
    }

    async fn ask(&self, method: Method, path: &str, fields: Value) -> Value {
        let request = client().request(method, format!("{}{path}", self.url)).bearer_auth(KEY);
        let request = if fields.is_null() { request } else { request.json(&fields) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, fields: Value) -> Value {
        self.ask(Method::POST, path, fields).await
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).await["data"].as_array().unwrap().clone()
    }

    /// What is sold.
    async fn sell(&self) {
        self.post("/v1/products", json!({"id": "prod_team", "name": "Team"})).await;
        let plan = json!({"id": PRICE, "product": "prod_team", "amount": 300, "currency": "eur", "interval": "month"});
        self.post("/v1/plans", plan).await;
    }

    /// Types a card, with which what is due is paid from then on.
    async fn type_card(&self, customer: &str, number: &str) {
        let card = json!({"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"});
        let method = self.post("/v1/payment_methods", json!({"type": "card", "card": card})).await;
        let id = method["id"].as_str().unwrap();
        self.post(&format!("/v1/payment_methods/{id}/attach"), json!({"customer": customer})).await;
        let settings = json!({"invoice_settings": {"default_payment_method": id}});
        self.post(&format!("/v1/customers/{customer}"), settings).await;
    }

    /// Subscribes for one node, as of a moment; the subscription's id.
    async fn subscribe(&self, customer: &str, since: i64) -> String {
        let items = json!([{"plan": PRICE, "quantity": 1}]);
        let wanted = json!({"customer": customer, "items": items, "backdate_start_date": since});
        self.post("/v1/subscriptions", wanted).await["id"].as_str().unwrap().to_owned()
    }
}

struct Scene {
    clock: Clock,
    there: Localstripe,
    server: TestServer,
    _post: PostOffice,
}

impl Scene {
    async fn new() -> Self {
        let there = Localstripe::start();
        let (clock, world) = Clock::new();
        let server = billing_server(&world, &there.url).await;
        let (post, _) = billing_worker(&server, &world, &there.url);
        // The first one signs with another secret: by the time that the second is told, the first was.
        for (name, secret) in [("theirs", "whsec_of_somebody_else"), ("ours", SECRET)] {
            let hook = json!({"url": format!("{}{WEBHOOK}", server.url), "secret": secret});
            there.post(&format!("/_config/webhooks/{name}"), hook).await;
        }
        Self { clock, there, server, _post: post }
    }

    /// Goes to Checkout, which there is none of: the customer is made before.
    async fn go(&self, tenant: &Tenant) -> (Browser, String) {
        let mut browser = self.server.browser();
        browser.sign_in(&tenant.email, PASSWORD).await;
        for _ in 0..2 {
            let to = browser.follow(&format!("/o/{}/billing/checkout", tenant.slug)).await;
            assert_eq!(to, format!("/o/{}/billing?failed=stripe", tenant.slug));
            assert!(look(&browser, &to).await.contains(&UiError::StripeAway.to_string()));
        }
        (browser, customer(&self.server, tenant).await)
    }

    /// Until all that it told was taken, and looked at.
    async fn told(&self) {
        let behind = self.server.database.superuser();
        let mut wanted: Vec<String> = Vec::new();
        let mut taken: Vec<(String, i32, bool)> = Vec::new();
        for _ in 0..1_200 {
            let told = self.there.list("/v1/events?limit=100").await;
            wanted = told.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
            wanted.sort();
            taken = sqlx::query_as(
                "SELECT id, deliveries, done_at IS NOT NULL FROM stripe_events ORDER BY id COLLATE \"C\"",
            )
            .fetch_all(&behind)
            .await
            .unwrap();
            if wanted.iter().eq(taken.iter().map(|(id, ..)| id)) && taken.iter().all(|(.., done)| *done) {
                assert!(taken.iter().all(|(_, deliveries, _)| *deliveries == 1), "once, from who knows the secret");
                return;
            }
            tokio::time::sleep(Wait::from_millis(100)).await;
        }
        panic!("not in two minutes: of {wanted:?}, {taken:?}");
    }
}

/// What of a subscription is shown: the state, the nodes and the end of the period.
fn shown(payment: &Value) -> (Value, Value, Option<i64>) {
    let one = &payment["subscription"];
    let end = one["period_end"].as_i64().map(|milliseconds| milliseconds / 1000);
    (one["status"].clone(), one["nodes"].clone(), end)
}

fn had(subscription: &Value) -> (Value, Value, Option<i64>) {
    let item = &subscription["items"]["data"][0];
    (subscription["status"].clone(), item["quantity"].clone(), subscription["current_period_end"].as_i64())
}

fn invoices(payment: &Value) -> Vec<(Value, Value, Value, Option<i64>)> {
    let rows = payment["invoices"].as_array().unwrap().iter();
    rows.map(|row| {
        let total = &row["total"];
        let made_at = row["made_at"].as_i64().map(|milliseconds| milliseconds / 1000);
        (row["status"].clone(), total["amount"].clone(), total["currency"].clone(), made_at)
    })
    .collect()
}

async fn invoices_had(there: &Localstripe, customer: &str) -> Vec<(Value, Value, Value, Option<i64>)> {
    let all = there.list(&format!("/v1/invoices?customer={customer}")).await;
    all.iter()
        .map(|one| (one["status"].clone(), one["total"].clone(), one["currency"].clone(), one["created"].as_i64()))
        .collect()
}

#[tokio::test]
async fn what_is_subscribed_to_counted_and_cancelled_is_what_localstripe_has() {
    let scene = Scene::new().await;
    let there = &scene.there;
    let three: Vec<Value> = (1..=3).map(node).collect();
    // Yesterday there were three nodes, and there are. Its own clock is not moved, nor are its signatures.
    scene.clock.pass(-Duration::DAY);
    let yesterday = scene.clock.now().unix_timestamp();
    let acme = scene.server.tenant("acme").await;
    scene.server.accepted(&acme.token, full(1, &three)).await;
    scene.clock.pass(Duration::DAY);
    scene.server.accepted(&acme.token, full(2, &three)).await;

    there.sell().await;
    let (mut browser, customer) = scene.go(&acme).await;
    let customers = there.list("/v1/customers").await;
    let [one] = &customers[..] else { panic!("the customer is made once: {customers:?}") };
    assert_eq!((&one["id"], &one["name"], &one["email"]), (&json!(customer), &json!("acme"), &json!(acme.email)));
    assert!(one["metadata"]["kubewise_organisation"].is_string());
    scene.told().await;
    assert_eq!(overview(&browser, &acme).await["plan"], "free");

    there.type_card(&customer, "4242424242424242").await;
    let id = there.subscribe(&customer, yesterday).await;
    let payment = paid(&browser, &acme, "active, with yesterday's nodes", |payment| {
        stands(payment, "active") && payment["subscription"]["nodes"] == 3
    })
    .await;
    scene.told().await;
    let subscription = there.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!(had(&subscription).1, 3, "it was told");
    assert_eq!(shown(&payment), had(&subscription));
    let paid_for = invoices(&payment);
    assert_eq!(paid_for, invoices_had(there, &customer).await);
    assert_eq!((paid_for.len(), &paid_for[0].0, &paid_for[0].1), (1, &json!("paid"), &json!(300)));
    assert_eq!(overview(&browser, &acme).await["plan"], "team");
    // The invoice to come was understood, though it is not shown.
    let next: Option<i64> = sqlx::query_scalar("SELECT next_amount FROM subscriptions")
        .fetch_one(&scene.server.database.superuser())
        .await
        .unwrap();
    assert!(next.is_some_and(|amount| amount >= 300), "{next:?}");
    let page = look(&browser, "/o/acme/billing").await;
    assert!(page.contains("The plan is Team.") && page.contains("3.00 EUR"), "{page}");

    // Who is billed: typed here, and there.
    let form = [("org", "acme"), ("email", "pay@example.com"), ("line1", "Main Street 1"), ("line2", "")];
    let form = [&form[..], &[("city", "Berlin"), ("postal_code", "10115"), ("state", ""), ("country", "DE")]].concat();
    assert_eq!(browser.call("/api/set_billing_details", &form).await, 200);
    let whole = format!("/v1/customers/{customer}");
    until("it was told", async || there.get(&whole).await["email"] == "pay@example.com").await;
    let known = there.get(&whole).await;
    let address = json!({
        "line1": "Main Street 1", "line2": "", "city": "Berlin", "postal_code": "10115", "state": "", "country": "DE",
    });
    assert_eq!(known["address"], address);
    assert_eq!(known["name"], "acme");
    let moved = json!({"email": "bills@example.com", "address": {"line1": "Quay 2", "city": "Lyon", "country": "FR"}});
    there.post(&whole, moved).await;
    let payment =
        paid(&browser, &acme, "typed there", |payment| payment["details"]["email"] == "bills@example.com").await;
    assert_eq!((&payment["details"]["city"], &payment["details"]["line2"]), (&json!("Lyon"), &json!("")));

    // To end with its period is not told: it is seen when it is asked.
    let path = format!("/v1/subscriptions/{id}");
    there.post(&path, json!({"cancel_at_period_end": true})).await;
    assert_eq!(browser.call("/api/ask_stripe", &[("org", "acme")]).await, 200);
    let payment = paid(&browser, &acme, "it ends", |payment| !payment["subscription"]["ends_at"].is_null()).await;
    assert_eq!(payment["subscription"]["ends_at"], payment["subscription"]["period_end"]);

    there.ask(Method::DELETE, &path, Value::Null).await;
    let payment = paid(&browser, &acme, "it has ended", |payment| stands(payment, "canceled")).await;
    scene.told().await;
    assert_eq!(shown(&payment), had(&there.get(&path).await));
    let overview = overview(&browser, &acme).await;
    assert_eq!(overview["plan"], "free");
    assert!(!overview["grace_until"].is_null());
}

#[tokio::test]
async fn a_first_payment_that_fails_is_no_plan_until_it_is_made() {
    let scene = Scene::new().await;
    let there = &scene.there;
    let acme = scene.server.tenant("acme").await;
    there.sell().await;
    let (browser, customer) = scene.go(&acme).await;
    // Is taken, and declined whenever it is charged.
    there.type_card(&customer, "4000000000000341").await;
    let id = there.subscribe(&customer, scene.clock.now().unix_timestamp()).await;
    let payment = paid(&browser, &acme, "not paid yet", |payment| stands(payment, "incomplete")).await;
    scene.told().await;
    assert_eq!(shown(&payment), had(&there.get(&format!("/v1/subscriptions/{id}")).await));
    let owed = invoices(&payment);
    assert_eq!(owed, invoices_had(there, &customer).await);
    assert_eq!((owed.len(), &owed[0].0), (1, &json!("open")));
    assert_eq!(overview(&browser, &acme).await["plan"], "free");

    there.type_card(&customer, "4242424242424242").await;
    let invoice = there.list(&format!("/v1/invoices?customer={customer}")).await.remove(0);
    there.post(&format!("/v1/invoices/{}/pay", invoice["id"].as_str().unwrap()), Value::Null).await;
    let payment = paid(&browser, &acme, "paid", |payment| {
        stands(payment, "active") && payment["invoices"][0]["status"] == "paid"
    })
    .await;
    scene.told().await;
    assert_eq!(invoices(&payment), invoices_had(there, &customer).await);
    assert_eq!(overview(&browser, &acme).await["plan"], "team");
}
