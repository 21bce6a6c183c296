//! A subscription from Checkout to its end.

use serde_json::json;
use time::macros::datetime;

use crate::common::{DAY, DECLINED_LATER, PAYS, START, Scene, id};

#[tokio::test]
async fn a_trial_that_pays_is_declined_retried_and_paid() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(3, true, None).await;
    let subscription = scene.stripe.subscription(&customer).unwrap();
    let item = &subscription["items"]["data"][0];
    assert_eq!((&subscription["status"], &item["quantity"]), (&json!("trialing"), &json!(3)));
    let ends = START + 14 * DAY;
    assert_eq!((&subscription["trial_end"], &item["current_period_end"]), (&json!(ends), &json!(ends)));
    assert_eq!((scene.stripe.node_seconds(&customer), scene.stripe.invoices(&customer).len()), (0, 1));

    let before = scene.stripe.events().len();
    scene.at(ends - DAY);
    assert_eq!(scene.kinds(before), ["customer.subscription.trial_will_end"]);
    assert_eq!(scene.stripe.events()[before].created, ends - 3 * DAY);
    scene.stripe.set_card(&customer, PAYS).unwrap();
    scene.at(ends + 5);
    assert_eq!(scene.status(&customer), "active");
    let renewal = datetime!(2027-03-14 12:00 UTC).unix_timestamp();
    let first = &scene.stripe.invoices(&customer)[0];
    assert_eq!((&first["total"], &first["status"], &first["created"]), (&json!(900), &json!("paid"), &json!(ends)));
    assert_eq!(first["lines"]["data"][0]["period"], json!({"start": ends, "end": renewal}));
    assert_eq!(scene.stripe.node_seconds(&customer), 3 * i128::from(renewal - ends));

    scene.stripe.set_card(&customer, DECLINED_LATER).unwrap();
    scene.at(renewal);
    assert_eq!(scene.status(&customer), "past_due");
    let open = scene.stripe.invoices(&customer)[0].clone();
    assert_eq!((&open["status"], &open["attempt_count"]), (&json!("open"), &json!(1)));
    assert_eq!(open["next_payment_attempt"], json!(renewal + 3 * DAY));
    scene.at(renewal + 4 * DAY);
    let open = scene.stripe.invoices(&customer)[0].clone();
    assert_eq!((&open["attempt_count"], &open["next_payment_attempt"]), (&json!(2), &json!(renewal + 8 * DAY)));

    let before = scene.stripe.events().len();
    scene.stripe.set_card(&customer, PAYS).unwrap();
    assert_eq!(scene.status(&customer), "active");
    assert_eq!(scene.stripe.invoices(&customer)[0]["status"], "paid");
    let kinds = scene.kinds(before);
    assert!(kinds.contains(&"invoice.paid".to_owned()) && kinds.contains(&"customer.subscription.updated".to_owned()));
    let told: serde_json::Value = serde_json::from_str(&scene.stripe.events().last().unwrap().body).unwrap();
    assert_eq!(told["data"]["previous_attributes"], json!({"status": "past_due"}));
}

#[tokio::test]
async fn a_trial_without_a_card_ends_and_so_does_what_is_never_paid() {
    let scene = Scene::new().await;
    let (without, _) = scene.subscribed(1, true, None).await;
    let (declined, _) = scene.subscribed(1, true, Some(DECLINED_LATER)).await;
    let ends = START + 14 * DAY;
    scene.at(ends);
    assert_eq!((scene.status(&without), scene.status(&declined)), ("canceled".to_owned(), "past_due".to_owned()));
    scene.at(ends + 15 * DAY - 1);
    assert_eq!(scene.status(&declined), "past_due");
    scene.at(ends + 40 * DAY);
    let subscription = scene.stripe.subscription(&declined).unwrap();
    assert_eq!((&subscription["status"], &subscription["ended_at"]), (&json!("canceled"), &json!(ends + 15 * DAY)));
    let invoice = &scene.stripe.invoices(&declined)[0];
    assert_eq!((&invoice["status"], &invoice["attempt_count"]), (&json!("uncollectible"), &json!(4)));
    let listed = scene.get(&format!("/v1/subscriptions?customer={declined}&status=all&limit=100")).await;
    assert_eq!(listed["data"][0]["status"], "canceled");
}

#[tokio::test]
async fn a_renewal_while_past_due_is_open_too() {
    let options = kubewise_sample_stripe::Options { retry_days: vec![20, 20], ..Default::default() };
    let scene = Scene::with(options).await;
    let (customer, _) = scene.subscribed(1, true, Some(DECLINED_LATER)).await;
    scene.at(START + (14 + 30) * DAY);
    let open = scene.stripe.invoices(&customer).iter().filter(|i| i["status"] == "open").count();
    assert_eq!((open, scene.status(&customer).as_str()), (2, "past_due"));
    scene.stripe.set_card(&customer, PAYS).unwrap();
    assert_eq!(scene.status(&customer), "active");
}

#[tokio::test]
async fn months_are_clamped_to_their_last_day() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(2, false, Some(PAYS)).await;
    scene.at(datetime!(2027-06-01 00:00 UTC).unix_timestamp());
    let mut created: Vec<i64> =
        scene.stripe.invoices(&customer).iter().map(|i| i["created"].as_i64().unwrap()).collect();
    created.reverse();
    let expected = [
        datetime!(2027-01-31 12:00 UTC),
        datetime!(2027-02-28 12:00 UTC),
        datetime!(2027-03-31 12:00 UTC),
        datetime!(2027-04-30 12:00 UTC),
        datetime!(2027-05-31 12:00 UTC),
    ];
    assert_eq!(created, expected.map(time::OffsetDateTime::unix_timestamp));
    let billed = scene.stripe.ledger(&customer).billed;
    assert!(billed.windows(2).all(|pair| pair[0].period_end == pair[1].period_start));
}

#[tokio::test]
async fn what_is_canceled_for_the_periods_end_ends_then() {
    let scene = Scene::new().await;
    let (customer, subscription) = scene.subscribed(2, false, Some(PAYS)).await;
    let form = [("customer", customer.as_str()), ("subscription", subscription.as_str())];
    let end = datetime!(2027-02-28 12:00 UTC).unix_timestamp();
    let next = scene.post("/v1/invoices/create_preview", &form).await;
    assert_eq!(
        (&next["total"], &next["created"], &next["next_payment_attempt"]),
        (&json!(600), &json!(end), &json!(end))
    );
    assert_eq!(next["parent"]["subscription_details"]["subscription"], json!(subscription));
    scene.stripe.cancel_at_period_end(&customer, true).unwrap();
    let none = scene.ask("POST", "/v1/invoices/create_preview", &form, None).await.unwrap();
    assert_eq!((none.status, none.json()["error"]["code"].as_str()), (404, Some("invoice_upcoming_none")));
    scene.stripe.cancel_at_period_end(&customer, false).unwrap();
    scene.stripe.cancel_at_period_end(&customer, true).unwrap();
    scene.at(end);
    assert_eq!(scene.status(&customer), "canceled");
    assert_eq!(
        (scene.kinds(0).last().unwrap().as_str(), scene.stripe.events().last().unwrap().created),
        ("customer.subscription.deleted", end)
    );
    scene.stripe.cancel_now(&customer).unwrap_err();
}

#[tokio::test]
async fn what_there_is_not_is_refused_as_stripe_does() {
    let scene = Scene::new().await;
    let customer = scene.customer().await;
    let none = scene.ask("GET", "/v1/customers/cus_none", &[], None).await.unwrap();
    assert_eq!((none.status, none.json()["error"]["code"].as_str()), (404, Some("resource_missing")));
    let form = [("mode", "subscription"), ("customer", customer.as_str()), ("line_items[0][price]", "price_none")];
    let none = scene.ask("POST", "/v1/checkout/sessions", &form, None).await.unwrap();
    assert_eq!((none.status, none.json()["error"]["param"].as_str()), (400, Some("line_items[0][price]")));
    let cleared = scene.post(&format!("/v1/customers/{customer}"), &[("email", ""), ("address[city]", "Köln")]).await;
    assert_eq!((&cleared["email"], &cleared["address"]["city"]), (&json!(null), &json!("Köln")));
    let price = scene.get("/v1/prices/price_team").await;
    assert_eq!((&price["unit_amount"], &price["recurring"]["interval"]), (&json!(300), &json!("month")));
    let invoices = scene.get(&format!("/v1/invoices?customer={customer}&limit=24")).await;
    assert_eq!((&invoices["data"], &invoices["has_more"]), (&json!([]), &json!(false)));
    assert!(id(&price).starts_with("price_"));
}
