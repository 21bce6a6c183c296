//! A thousand deliveries at once, to servers that do jobs meanwhile.

use std::sync::Arc;

use kubewise_contract::SubscriptionStatus;
use time::Duration;
use tokio::task::JoinSet;

use super::shop::{GOOD, Shop, same_as_stripe, until};

const DELIVERIES: usize = 1_000;
const AT_ONCE: usize = 25;
/// Each event that is new has Stripe asked at most once, with so many requests; what comes again does not.
const REQUESTS: usize = 5;
/// What servers ask by themselves, every few seconds, while it goes on.
const BESIDES: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_deliveries_each_event_counts_once() {
    let shop = Arc::new(Shop::open().await);
    let payer = shop.payer("acme").await;
    shop.nodes(&payer, 4).await;
    shop.subscribe(&payer, Some(GOOD)).await;
    let customer = shop.customer(&payer).await;
    for day in 1..=24 {
        shop.pass(Duration::DAY);
        shop.nodes(&payer, 4 + day % 3).await;
        shop.ask(&payer).await;
    }
    shop.stripe.cancel_at_period_end(&customer, true).unwrap();
    shop.stripe.cancel_at_period_end(&customer, false).unwrap();
    shop.stripe.cancel_at_period_end(&customer, true).unwrap();
    let events = Arc::new(shop.stripe.events());
    assert!(events.len() >= 20, "{}", events.len());
    let before = shop.stripe.requests().len();

    let _one = shop.work("one");
    let _other = shop.work("other");
    let mut tasks = JoinSet::new();
    for task in 0..AT_ONCE {
        let (shop, events) = (Arc::clone(&shop), Arc::clone(&events));
        tasks.spawn(async move {
            for number in 0..DELIVERIES / AT_ONCE {
                // In an order of each task's own.
                shop.tell(&events[(task * 7 + number * (2 * task + 1)) % events.len()]).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for event in events.iter() {
        shop.tell(event).await;
    }
    until("all is looked at", async || {
        let open = shop.count("SELECT count(*) FROM stripe_events WHERE done_at IS NULL").await;
        open == 0 && !shop.payment(&payer).await.is_asking
    })
    .await;
    same_as_stripe(&shop, &payer).await;
    let subscription = shop.subscription(&payer).await;
    assert!(subscription.status == SubscriptionStatus::Active && subscription.ends_at.is_some());
    let told = i64::try_from(DELIVERIES + events.len()).unwrap();
    assert_eq!(shop.count("SELECT sum(deliveries)::bigint FROM stripe_events").await, told);
    assert_eq!(shop.count("SELECT count(*) FROM stripe_events").await, i64::try_from(events.len()).unwrap());
    let requests = shop.stripe.requests().len() - before;
    assert!(requests <= events.len() * REQUESTS + BESIDES, "{requests} requests for {} events", events.len());
}
