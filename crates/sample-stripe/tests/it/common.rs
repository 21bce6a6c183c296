//! A client that knows nothing but HTTP, forms and JSON.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use kubewise_sample_stripe::{Options, Stripe};
use serde_json::Value;
use time::macros::datetime;

pub(crate) const DAY: i64 = 86_400;
pub(crate) const PAYS: &str = "4242 4242 4242 4242";
/// Attached, then declined.
pub(crate) const DECLINED_LATER: &str = "4000 0000 0000 0341";

/// A sample Stripe on 31 January 2027, and a client of it.
pub(crate) struct Scene {
    pub(crate) stripe: Stripe,
    clock: Arc<AtomicI64>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

pub(crate) const START: i64 = datetime!(2027-01-31 12:00 UTC).unix_timestamp();

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let read = clock.clone();
        let now = Arc::new(move || read.load(Ordering::SeqCst));
        let stripe = Stripe::start(Options { now, ..options }).await.unwrap();
        Self { stripe, clock, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Sets the time, and lets everything due happen.
    pub(crate) fn at(&self, at: i64) {
        self.clock.store(at, Ordering::SeqCst);
        self.stripe.tick();
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<Answer> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.stripe.url()) };
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, "Bearer sk_test_sample")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response = self.client.request(request.body(Full::from(encoded(form)))?).await?;
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, location, text: String::from_utf8(body.to_vec())? })
    }

    /// A POST that must succeed.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.ask("POST", path, form, None).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    /// A GET that must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &[], None).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    pub(crate) async fn customer(&self) -> String {
        let form = [("email", "billing@acme.example"), ("name", "Acme"), ("metadata[kubewise_organisation]", "o1")];
        id(&self.post("/v1/customers", &form).await)
    }

    /// A session of Checkout, with the first time's trial or without.
    pub(crate) async fn session(&self, customer: &str, nodes: i64, trial: bool) -> Value {
        let nodes = nodes.to_string();
        let mut form = vec![
            ("mode", "subscription"),
            ("customer", customer),
            ("line_items[0][price]", "price_team"),
            ("line_items[0][quantity]", &nodes),
            ("payment_method_collection", "if_required"),
            ("automatic_tax[enabled]", "true"),
            ("tax_id_collection[enabled]", "true"),
            ("customer_update[address]", "auto"),
            ("customer_update[name]", "auto"),
            ("success_url", "http://127.0.0.1:1/done?session={CHECKOUT_SESSION_ID}"),
            ("cancel_url", "http://127.0.0.1:1/back"),
        ];
        if trial {
            form.push(("subscription_data[trial_period_days]", "14"));
            form.push(("subscription_data[trial_settings][end_behavior][missing_payment_method]", "cancel"));
        }
        self.post("/v1/checkout/sessions", &form).await
    }

    /// A customer that has subscribed.
    pub(crate) async fn subscribed(&self, nodes: i64, trial: bool, card: Option<&str>) -> (String, String) {
        let customer = self.customer().await;
        let session = self.session(&customer, nodes, trial).await;
        let subscription = self.stripe.complete_checkout(session["url"].as_str().unwrap(), card).unwrap();
        (customer, subscription)
    }

    pub(crate) fn status(&self, customer: &str) -> String {
        self.stripe.subscription(customer).unwrap()["status"].as_str().unwrap().to_owned()
    }

    /// Types of the events since the first so many.
    pub(crate) fn kinds(&self, after: usize) -> Vec<String> {
        self.stripe.events()[after..].iter().map(|event| event.kind.clone()).collect()
    }
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// As a form, or a query.
pub(crate) fn encoded(form: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    };
    form.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}
