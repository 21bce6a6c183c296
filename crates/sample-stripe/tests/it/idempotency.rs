//! The same key gives the same answer, and does nothing twice.

use std::time::Duration;

use crate::common::Scene;

const FORM: [(&str, &str); 1] = [("name", "Acme")];

#[tokio::test]
async fn the_same_key_does_it_once() {
    let scene = Scene::new().await;
    let first = scene.ask("POST", "/v1/customers", &FORM, Some("k1")).await.unwrap();
    let again = scene.ask("POST", "/v1/customers", &FORM, Some("k1")).await.unwrap();
    assert_eq!((first.status, &first.text), (200, &again.text));
    assert_eq!(scene.stripe.customers().len(), 1);
    let other = scene.ask("POST", "/v1/customers", &[("name", "Other")], Some("k1")).await.unwrap();
    assert_eq!((other.status, other.json()["error"]["type"].as_str()), (400, Some("idempotency_error")));
    scene.ask("POST", "/v1/customers", &FORM, Some("k2")).await.unwrap();
    assert_eq!(scene.stripe.customers().len(), 2);
}

#[tokio::test]
async fn the_second_waits_for_the_first() {
    let scene = Scene::new().await;
    scene.stripe.slow(Duration::from_millis(200));
    let ask = || scene.ask("POST", "/v1/customers", &FORM, Some("k"));
    let (a, b) = tokio::join!(ask(), ask());
    assert_eq!(a.unwrap().text, b.unwrap().text);
    assert_eq!(scene.stripe.customers().len(), 1);
}

#[tokio::test]
async fn what_was_down_is_not_remembered_and_what_was_lost_is() {
    let scene = Scene::new().await;
    let ask = || scene.ask("POST", "/v1/customers", &FORM, Some("k"));
    scene.stripe.down(true);
    assert_eq!(ask().await.unwrap().status, 503);
    scene.stripe.down(false);
    scene.stripe.unreachable(true);
    ask().await.unwrap_err();
    assert!(scene.stripe.customers().is_empty());
    scene.stripe.unreachable(false);
    scene.stripe.lose_answers(true);
    ask().await.unwrap_err();
    scene.stripe.lose_answers(false);
    assert_eq!(ask().await.unwrap().status, 200);
    assert_eq!(scene.stripe.customers().len(), 1);
    assert!(scene.stripe.requests().iter().all(|request| request.idempotency_key.as_deref() == Some("k")));
}
