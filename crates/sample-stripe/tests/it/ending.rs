//! Subscriptions that are canceled over the API, and customers that are deleted.

use serde_json::json;

use crate::common::{DAY, DECLINED_LATER, PAYS, START, Scene};

#[tokio::test]
async fn what_is_canceled_over_the_api_ends_at_once_and_bills_nothing_more() {
    let scene = Scene::new().await;
    let (customer, subscription) = scene.subscribed(2, false, Some(PAYS)).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let item = scene.stripe.subscription(&customer).unwrap()["items"]["data"][0]["id"].as_str().unwrap().to_owned();
    scene.at(START + DAY);
    let at = (START + DAY).to_string();
    let more = [("items[0][id]", item.as_str()), ("items[0][quantity]", "5"), ("proration_date", at.as_str())];
    scene.post(&path, &more).await;
    assert_eq!(scene.stripe.ledger(&customer).pending.len(), 2);
    let before = scene.stripe.events().len();
    let canceled = scene.ask("DELETE", &path, &[], None).await.unwrap();
    assert_eq!((canceled.status, &canceled.json()["status"]), (200, &json!("canceled")));
    assert_eq!(canceled.json()["ended_at"], json!(START + DAY));
    assert_eq!(scene.kinds(before), ["customer.subscription.deleted"]);
    assert_eq!((scene.stripe.ledger(&customer).pending.len(), scene.stripe.invoices(&customer).len()), (0, 1));
    for path in [path.as_str(), "/v1/subscriptions/sub_none"] {
        let none = scene.ask("DELETE", path, &[], None).await.unwrap();
        assert_eq!((none.status, none.json()["error"]["code"].as_str()), (404, Some("resource_missing")));
    }
    scene.at(START + 100 * DAY);
    assert_eq!(scene.stripe.invoices(&customer).len(), 1);
}

#[tokio::test]
async fn a_deleted_customer_is_a_name_without_anything_and_its_invoices_stay() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(2, true, Some(DECLINED_LATER)).await;
    let session = scene.session(&customer, 1, false).await;
    scene.at(START + 14 * DAY);
    let session_path = format!("/v1/checkout/sessions/{}", session["id"].as_str().unwrap());
    let before = scene.stripe.events().len();
    let path = format!("/v1/customers/{customer}");
    let answer = scene.ask("DELETE", &path, &[], None).await.unwrap();
    let deleted = json!({"id": customer, "object": "customer", "deleted": true});
    assert_eq!((answer.status, answer.json()), (200, deleted.clone()));
    assert_eq!(scene.get(&path).await, deleted);
    let kinds = scene.kinds(before);
    assert_eq!(kinds.first().unwrap(), "customer.subscription.deleted");
    assert_eq!(kinds.last().unwrap(), "customer.deleted");
    let told: serde_json::Value = serde_json::from_str(&scene.stripe.events().last().unwrap().body).unwrap();
    assert_eq!(told["data"]["object"]["email"], "billing@acme.example", "as it was");
    assert_eq!(scene.status(&customer), "canceled");

    let invoices = scene.get(&format!("/v1/invoices?customer={customer}&limit=24")).await;
    let totals: Vec<_> = invoices["data"].as_array().unwrap().iter().map(|one| one["total"].as_i64()).collect();
    assert_eq!(totals, [Some(600), Some(0)]);
    assert_eq!(invoices["data"][0]["next_payment_attempt"], json!(null), "nothing more is tried");

    let of_it = [("customer", customer.as_str())];
    let checkout = [
        ("mode", "subscription"),
        of_it[0],
        ("line_items[0][price]", "price_team"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://127.0.0.1:1/"),
    ];
    let list = format!("/v1/subscriptions?customer={customer}&limit=100");
    for (method, path, form, status) in [
        ("DELETE", path.as_str(), &[][..], 404),
        ("POST", &path, &[("email", "pay@acme.example")], 404),
        ("POST", "/v1/checkout/sessions", &checkout, 400),
        ("POST", "/v1/billing_portal/sessions", &of_it, 400),
        ("GET", &list, &[], 400),
    ] {
        let refused = scene.ask(method, path, form, None).await.unwrap();
        let code = refused.json()["error"]["code"].as_str().map(str::to_owned);
        assert_eq!((refused.status, code.as_deref()), (status, Some("resource_missing")), "{method} {path}");
    }
    scene.stripe.complete_checkout(&session_path, Some(PAYS)).unwrap_err();
    scene.stripe.set_card(&customer, PAYS).unwrap_err();
    scene.at(START + 60 * DAY);
    assert_eq!(scene.stripe.invoices(&customer).len(), 2);
}

#[tokio::test]
async fn an_open_session_is_listed_and_expired_once() {
    let scene = Scene::new().await;
    let customer = scene.customer().await;
    let session = scene.session(&customer, 1, true).await;
    let id = session["id"].as_str().unwrap();
    let list = format!("/v1/checkout/sessions?customer={customer}&status=open&limit=100");
    assert_eq!(scene.get(&list).await["data"][0]["id"], id);
    let expired = scene.post(&format!("/v1/checkout/sessions/{id}/expire"), &[]).await;
    assert_eq!((&expired["status"], &expired["url"]), (&json!("expired"), &json!(null)));
    assert_eq!(scene.kinds(0).last().unwrap(), "checkout.session.expired");
    assert_eq!(scene.get(&list).await["data"], json!([]));
    let again = scene.ask("POST", &format!("/v1/checkout/sessions/{id}/expire"), &[], None).await.unwrap();
    assert_eq!(again.status, 400);
    scene.stripe.complete_checkout(id, None).unwrap_err();
}

#[tokio::test]
async fn a_list_goes_on_after_its_last_one() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(1, false, Some(PAYS)).await;
    scene.at(START + 100 * DAY);
    let all = scene.stripe.invoices(&customer);
    assert_eq!(all.len(), 4);
    let path = format!("/v1/invoices?customer={customer}&limit=3");
    let first = scene.get(&path).await;
    assert_eq!((first["has_more"].as_bool(), first["data"].as_array().unwrap().len()), (Some(true), 3));
    let last = first["data"][2]["id"].as_str().unwrap();
    let rest = scene.get(&format!("{path}&starting_after={last}")).await;
    assert_eq!((rest["has_more"].as_bool(), &rest["data"]), (Some(false), &json!([all[3]])));
}
