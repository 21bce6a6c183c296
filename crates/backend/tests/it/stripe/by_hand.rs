//! The number of nodes is Kubewise's: changed by hand at Stripe, it is set back with the next day, and whoever administers sees it.

use std::time::Duration as Wait;

use time::Duration;

use super::{
    reckoning::{Bought, Log},
    shop::{GOOD, Payer, Shop, same_as_stripe, until},
};

/// A plan that is paid for, with 5 nodes.
async fn paid() -> (Shop, Payer, Log) {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    let mut log = Log::default();
    let now = || shop.at.world.now().unix_timestamp();
    shop.nodes(&payer, 5).await;
    log.nodes(now(), 0, 5);
    shop.subscribe(&payer, Some(GOOD)).await;
    log.bought.push(Bought { at: now(), nodes: 5, has_trial: true, has_card: true, ends: Vec::new(), ended: None });
    for _ in 0..16 {
        shop.pass(Duration::DAY);
        shop.nodes(&payer, 5).await;
        log.nodes(now(), 0, 5);
        shop.ask(&payer).await;
        log.asked.push(now());
    }
    let customer = shop.customer(&payer).await;
    assert_eq!(shop.stripe.node_seconds(&customer), log.node_seconds(now()));
    assert_eq!(found(&shop, &payer).await, []);
    (shop, payer, log)
}

/// Numbers that were found otherwise: as they were known, and as they were found.
async fn found(shop: &Shop, payer: &Payer) -> Vec<(String, String)> {
    let found = shop.differences(payer).await.into_iter().filter(|(what, ..)| what == "nodes that are billed");
    found.map(|(_, was, found)| (was, found)).collect()
}

/// Asks Stripe for another number, as somebody does who has a key of the same account.
async fn change_by_hand(shop: &Shop, payer: &Payer, nodes: i64) {
    let subscription = shop.stripe.subscription(&shop.customer(payer).await).unwrap();
    let text = |path: &str| subscription.pointer(path).unwrap().as_str().unwrap().to_owned();
    let (id, item) = (text("/id"), text("/items/data/0/id"));
    let client = reqwest::Client::builder().build().unwrap();
    let answer = client
        .post(format!("{}/v1/subscriptions/{id}", shop.stripe.url()))
        .header("authorization", "Bearer sk_test_of_somebody")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("items[0][id]={item}&items[0][quantity]={nodes}&proration_date={}", shop.stripe.now()))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn a_number_that_was_changed_at_stripe_holds_for_the_day_and_is_set_back_with_the_next() {
    let (shop, payer, mut log) = paid().await;
    let changed = shop.stripe.now();
    change_by_hand(&shop, &payer, 99).await;
    let event = shop.stripe.events().into_iter().rfind(|event| event.kind == "customer.subscription.updated").unwrap();
    for _ in 0..2 {
        shop.tell(&event).await;
        shop.ask(&payer).await;
        assert_eq!(shop.subscription(&payer).await.nodes, 99);
        same_as_stripe(&shop, &payer).await;
    }
    assert_eq!(found(&shop, &payer).await, [("5".to_owned(), "99".to_owned())], "once");
    shop.pass_midnight();
    shop.ask(&payer).await;
    assert_eq!(shop.subscription(&payer).await.nodes, 5);
    same_as_stripe(&shop, &payer).await;
    let now = shop.at.world.now().unix_timestamp();
    log.asked.push(now);
    let held = now.div_euclid(86_400) * 86_400 - changed;
    let billed = shop.stripe.node_seconds(&shop.customer(&payer).await);
    assert_eq!(billed, log.node_seconds(now) + i128::from(94 * held), "94 more, until midnight");
}

#[tokio::test]
async fn a_number_that_was_changed_at_stripe_and_not_told_of_is_set_back_on_the_next_day() {
    let (shop, payer, _) = paid().await;
    change_by_hand(&shop, &payer, 99).await;
    shop.pass_midnight();
    shop.ask(&payer).await;
    assert_eq!(shop.subscription(&payer).await.nodes, 5);
    same_as_stripe(&shop, &payer).await;
    assert_eq!(found(&shop, &payer).await, [("5".to_owned(), "99".to_owned())]);
}

/// Stripe took the number, and was away before the rest was read: nobody changed it but Kubewise.
#[tokio::test]
async fn a_number_that_was_told_by_half_was_not_changed_by_hand() {
    let (shop, payer, mut log) = paid().await;
    let now = || shop.at.world.now().unix_timestamp();
    shop.nodes(&payer, 40).await;
    log.nodes(now(), 0, 40);
    shop.pass_midnight();
    let before = shop.stripe.requests().len();
    shop.stripe.slow(Wait::from_millis(500));
    let away = async {
        until("the number is on its way", async || {
            let requests = shop.stripe.requests();
            requests[before..].iter().any(|one| one.method == "POST" && one.path.starts_with("/v1/subscriptions/"))
        })
        .await;
        // What was begun is done, and nothing after it.
        shop.stripe.down(true);
    };
    tokio::join!(shop.ask(&payer), away);
    shop.stripe.slow(Wait::ZERO);
    shop.stripe.down(false);
    let customer = shop.customer(&payer).await;
    let there = shop.stripe.subscription(&customer).unwrap()["items"]["data"][0]["quantity"].as_i64();
    assert_eq!((there, shop.subscription(&payer).await.nodes), (Some(8), 5));
    shop.pass(Duration::minutes(1));
    shop.ask(&payer).await;
    log.asked.push(now());
    same_as_stripe(&shop, &payer).await;
    assert_eq!(found(&shop, &payer).await, []);
    assert_eq!(shop.stripe.node_seconds(&customer), log.node_seconds(now()));
}
