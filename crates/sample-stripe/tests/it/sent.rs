//! What is not documented is refused, and cannot be missed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kubewise_sample_stripe::Stripe;

use crate::common::Scene;

#[tokio::test]
async fn what_is_not_documented_is_refused_and_the_last_handle_panics() {
    let scene = Scene::new().await;
    let answer = scene.ask("POST", "/v1/customers", &[("name", "Acme"), ("phone", "1")], None).await.unwrap();
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("parameter_unknown")));
    for (method, path) in [("DELETE", "/v1/invoices/in_1"), ("GET", "/v1/customers/cus_1?expand%5B0%5D=tax")] {
        assert_eq!(scene.ask(method, path, &[], None).await.unwrap().status, 400);
    }
    assert!(scene.stripe.customers().is_empty());
    let expected = ["DELETE /v1/invoices/in_1", "GET /v1/customers/{id} expand[0]", "POST /v1/customers phone"];
    assert_eq!(scene.stripe.undocumented(), expected);
    let clone = scene.stripe.clone();
    drop(scene);
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(clone))).unwrap_err();
    let message = panicked.downcast_ref::<String>().unwrap();
    assert!(message.contains("POST /v1/customers phone"), "{message}");
}

#[tokio::test]
async fn what_was_sent_is_known_by_its_request_and_field() {
    let scene = Scene::new().await;
    let customer = scene.customer().await;
    scene.get(&format!("/v1/customers/{customer}")).await;
    scene.get(&format!("/v1/subscriptions?customer={customer}&status=all&limit=100")).await;
    let sent = scene.stripe.sent();
    for (request, field) in [
        ("POST /v1/customers", "metadata[kubewise_organisation]"),
        ("GET /v1/customers/{id}", ""),
        ("GET /v1/subscriptions", "status"),
    ] {
        assert!(sent.contains(&(request.to_owned(), field.to_owned())), "{request} {field}: {sent:?}");
    }
    assert!(sent.is_subset(&Stripe::documented()));
    assert_eq!(scene.stripe.requests().len(), 3);
}

#[tokio::test]
async fn canceling_at_the_end_over_the_api_is_not_documented() {
    let scene = Scene::new().await;
    let (_, subscription) = scene.subscribed(1, true, None).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let answer = scene.ask("POST", &path, &[("cancel_at_period_end", "true")], None).await.unwrap();
    assert_eq!(answer.status, 400);
    catch_unwind(AssertUnwindSafe(|| drop(scene))).unwrap_err();
}
