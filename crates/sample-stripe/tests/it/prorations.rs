//! A number that changes within a period is billed to the second.

use serde_json::{Value, json};
use time::macros::datetime;

use crate::common::{Answer, DAY, PAYS, START, Scene};

const END: i64 = datetime!(2027-02-28 12:00 UTC).unix_timestamp();

/// Sends another number.
async fn change(scene: &Scene, customer: &str, nodes: i64, at: Option<i64>) -> Answer {
    let subscription = scene.stripe.subscription(customer).unwrap();
    let (path, item) =
        (format!("/v1/subscriptions/{}", text(&subscription["id"])), text(&subscription["items"]["data"][0]["id"]));
    let (nodes, at) = (nodes.to_string(), at.map(|at| at.to_string()));
    let mut form = vec![("items[0][id]", item.as_str()), ("items[0][quantity]", &nodes)];
    form.extend(at.as_deref().map(|at| ("proration_date", at)));
    scene.ask("POST", &path, &form, None).await.unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_left_of_the_period_is_made_good_from_the_day_that_was_sent() {
    let scene = Scene::new().await;
    let (customer, subscription) = scene.subscribed(2, false, Some(PAYS)).await;
    scene.at(START + 10 * DAY);
    let at = START + 9 * DAY + 7;
    assert_eq!(change(&scene, &customer, 5, Some(at)).await.status, 200);
    let pending = scene.stripe.ledger(&customer).pending;
    let seconds = i128::from(END - at);
    assert_eq!(pending.iter().map(|line| line.node_seconds).collect::<Vec<_>>(), [-2 * seconds, 5 * seconds]);
    assert!(pending.iter().all(|line| (line.period_start, line.period_end) == (at, END)));
    // 300 × nodes × 18.99992 of 28 days.
    assert_eq!(pending.iter().map(|line| line.amount).collect::<Vec<_>>(), [-407, 1018]);
    let exact = 2 * i128::from(END - START) + 3 * seconds;
    assert_eq!(scene.stripe.node_seconds(&customer), exact);

    // Again the same: nothing.
    assert_eq!(change(&scene, &customer, 5, None).await.json()["items"]["data"][0]["quantity"], json!(5));
    assert_eq!(scene.stripe.node_seconds(&customer), exact);
    let form = [("customer", customer.as_str()), ("subscription", subscription.as_str())];
    let next = scene.post("/v1/invoices/create_preview", &form).await;
    assert_eq!((&next["total"], next["lines"]["data"].as_array().unwrap().len()), (&json!(1500 + 611), 3));

    scene.at(END);
    let invoice = scene.stripe.invoices(&customer)[0].clone();
    assert_eq!((&invoice["total"], &invoice["status"]), (&json!(1500 + 611), &json!("paid")));
    let second = datetime!(2027-03-31 12:00 UTC).unix_timestamp();
    assert_eq!(scene.stripe.node_seconds(&customer), exact + 5 * i128::from(second - END));
    assert!(scene.stripe.ledger(&customer).pending.is_empty());
}

#[tokio::test]
async fn a_day_outside_of_the_period_is_refused() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(2, false, Some(PAYS)).await;
    for at in [START - 1, END] {
        assert_eq!(change(&scene, &customer, 3, Some(at)).await.status, 400);
    }
    assert_eq!(change(&scene, &customer, 3, Some(START)).await.status, 200);
    assert_eq!(scene.stripe.node_seconds(&customer), 3 * i128::from(END - START));
}

#[tokio::test]
async fn a_trial_is_not_billed_whatever_its_number() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(2, true, Some(PAYS)).await;
    scene.at(START + DAY);
    assert_eq!(change(&scene, &customer, 7, None).await.status, 200);
    assert_eq!(scene.stripe.node_seconds(&customer), 0);
    scene.at(START + 14 * DAY);
    assert_eq!(scene.stripe.invoices(&customer)[0]["total"], json!(2100));
}

#[tokio::test]
async fn what_is_pending_at_the_end_gets_a_last_invoice_and_a_credit_is_kept() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(4, false, Some(PAYS)).await;
    let half = START + 14 * DAY;
    scene.at(half);
    change(&scene, &customer, 1, None).await;
    scene.stripe.cancel_now(&customer).unwrap();
    let last = scene.stripe.invoices(&customer)[0].clone();
    assert_eq!((&last["total"], &last["amount_due"], &last["status"]), (&json!(-450), &json!(0), &json!("paid")));
    assert_eq!(scene.stripe.customers()[0]["balance"], json!(-450));
    assert_eq!(scene.stripe.node_seconds(&customer), 4 * i128::from(END - START) - 3 * i128::from(END - half));
    assert_eq!(change(&scene, &customer, 2, None).await.status, 400);

    // The next one is paid from it first.
    let session = scene.session(&customer, 2, false).await;
    scene.stripe.complete_checkout(session["id"].as_str().unwrap(), Some(PAYS)).unwrap();
    let first = scene.stripe.invoices(&customer)[0].clone();
    assert_eq!((&first["total"], &first["amount_due"], &first["amount_paid"]), (&json!(600), &json!(150), &json!(150)));
    assert_eq!(scene.stripe.customers()[0]["balance"], json!(0));
}
