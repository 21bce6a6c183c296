//! Events arrive in order, signed, until they are taken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use kubewise_sample_stripe::signature;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::common::{DAY, START, Scene};

const SECRET: &str = "whsec_sample";

/// What takes events, and how often it refuses first.
#[derive(Clone, Default)]
struct Taker {
    taken: Arc<Mutex<Vec<(String, String)>>>,
    refusals: Arc<Mutex<usize>>,
}

async fn take(State(taker): State<Taker>, headers: HeaderMap, body: String) -> StatusCode {
    let mut refusals = taker.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let signed = headers["stripe-signature"].to_str().unwrap().to_owned();
    taker.taken.lock().unwrap().push((signed, body));
    StatusCode::OK
}

impl Taker {
    async fn serve(&self, scene: &Scene) {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", tcp.local_addr().unwrap());
        let router = Router::new().route("/webhook", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(tcp, router).await });
        scene.stripe.set_webhook(&url, SECRET);
    }

    fn kinds(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let kind = |body: &str| serde_json::from_str::<Value>(body).unwrap()["type"].as_str().unwrap().to_owned();
        taken.iter().map(|(_, body)| kind(body)).collect()
    }
}

#[tokio::test]
async fn held_events_come_in_order_signed_and_again_when_asked() {
    let scene = Scene::new().await;
    let taker = Taker::default();
    taker.serve(&scene).await;
    scene.stripe.hold_webhooks(true);
    let (customer, _) = scene.subscribed(1, true, None).await;
    scene.stripe.advance(DAY);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(taker.kinds().is_empty() && !scene.stripe.events().is_empty());
    scene.stripe.hold_webhooks(false);
    scene.stripe.delivered().await;
    assert_eq!(taker.kinds(), scene.kinds(0));
    for ((signed, body), event) in taker.taken.lock().unwrap().iter().zip(scene.stripe.events()) {
        assert_eq!((signed, body), (&signature(SECRET, START, body), &event.body));
    }

    taker.taken.lock().unwrap().clear();
    assert_eq!(scene.stripe.redeliver(Some("customer.created"), 5, false), 1);
    assert_eq!(scene.stripe.redeliver(None, 3, true), 3);
    scene.stripe.delivered().await;
    let mut expected = scene.kinds(scene.stripe.events().len() - 3);
    expected.reverse();
    expected.insert(0, "customer.created".to_owned());
    assert_eq!(taker.kinds(), expected);
    scene.stripe.set_email(&customer, "other@acme.example").unwrap();
    scene.stripe.delivered().await;
    assert_eq!(taker.kinds().last().unwrap(), "customer.updated");
}

#[tokio::test]
async fn what_is_refused_is_sent_again() {
    let scene = Scene::new().await;
    let taker = Taker::default();
    *taker.refusals.lock().unwrap() = 1;
    taker.serve(&scene).await;
    scene.customer().await;
    scene.stripe.delivered().await;
    assert_eq!(taker.kinds(), ["customer.created"]);
    let statuses: Vec<_> = scene.stripe.deliveries().iter().map(|delivery| delivery.status).collect();
    assert_eq!(statuses, [Some(500), Some(200)]);
}
