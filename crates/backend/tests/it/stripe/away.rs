//! Stripe is away for an hour, around midnight: everything but going there works, and afterwards nothing is missing.

use kubewise_backend::Error;
use kubewise_contract::{BillingDetails, Limit, SubscriptionStatus};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::{
    reckoning::{Bought, Log},
    shop::{GOOD, Payer, Shop, same_as_stripe},
};

async fn due(shop: &Shop, payer: &Payer) -> (OffsetDateTime, i32) {
    sqlx::query_as("SELECT sync_at, failures FROM subscriptions WHERE org_id = $1")
        .bind(payer.tenant.org.0)
        .fetch_one(&shop.behind)
        .await
        .unwrap()
}

async fn an_hour_without_stripe(away: impl Fn(&Shop, bool)) {
    let shop = Shop::open_at(datetime!(2041-03-10 23:30 UTC)).await;
    let mut log = Log::default();
    let mut payer = shop.payer("acme").await;
    let stranger = shop.payer("stranger").await;
    let now = || shop.at.world.now().unix_timestamp();
    shop.nodes(&payer, 6).await;
    log.nodes(now(), 0, 6);
    shop.subscribe(&payer, Some(GOOD)).await;
    let bought = Bought { at: now(), nodes: 6, has_trial: true, has_card: true, ends: Vec::new(), ended: None };
    log.bought.push(bought);
    shop.tell_all(&payer).await;
    log.asked.push(now());
    // Until it is paid for, and asked about today.
    for _ in 0..16 {
        shop.pass(Duration::DAY);
        shop.nodes(&payer, 6).await;
        log.nodes(now(), 0, 6);
        shop.ask(&payer).await;
        log.asked.push(now());
    }
    let customer = shop.customer(&payer).await;
    assert_eq!(shop.subscription(&payer).await.status, SubscriptionStatus::Active);
    assert_eq!(shop.stripe.node_seconds(&customer), log.node_seconds(now()));

    away(&shop, true);
    let began = shop.at.world.now();
    shop.add_cluster(&mut payer, "staging").await.unwrap();
    shop.heard(payer.clusters[1], 40).await;
    shop.worker.count_nodes().await.unwrap();
    log.nodes(now(), 1, 40);
    let overview = shop.overview(&payer).await;
    assert!(overview.used.contains(&(Limit::Clusters, 2)) && overview.days.last().unwrap().nodes == 46);
    let details = BillingDetails {
        email: "pay@example.com".to_owned(),
        city: "Lyon".to_owned(),
        country: "FR".to_owned(),
        ..BillingDetails::default()
    };
    shop.set_details(&payer, details.clone()).await;
    assert_eq!(shop.payment(&payer).await.details, Some(details.clone()));
    assert!(matches!(shop.portal(&payer).await, Err(Error::Stripe(_))));
    assert!(matches!(shop.checkout(&stranger).await, Err(Error::Stripe(_))));
    // Somebody is still at Stripe's portal, and Stripe tells of it.
    let seen = shop.stripe.events().len();
    shop.stripe.cancel_at_period_end(&customer, true).unwrap();
    log.bought[0].ends.push((now(), true));
    let events = shop.stripe.events();
    assert!(events.len() > seen);
    for event in &events[seen..] {
        shop.tell(event).await;
    }
    let open = "SELECT count(*) FROM stripe_events WHERE done_at IS NULL";
    assert!(shop.count(open).await > 0);
    let mut waits = Vec::new();
    while shop.at.world.now() - began < Duration::HOUR {
        let asked = shop.at.world.now();
        shop.ask(&payer).await;
        let (next, failures) = due(&shop, &payer).await;
        waits.push((next - asked).whole_seconds());
        assert_eq!(usize::try_from(failures).unwrap(), waits.len());
        // Nobody asks before.
        shop.ask(&payer).await;
        assert_eq!(due(&shop, &payer).await, (next, failures));
        shop.pass(next - asked);
        if shop.at.world.now().date() != asked.date() {
            shop.heard(payer.clusters[0], 6).await;
            shop.nodes(&payer, 6).await;
            shop.heard(payer.clusters[1], 40).await;
            shop.worker.count_nodes().await.unwrap();
            log.nodes(now(), 0, 6);
            log.nodes(now(), 1, 40);
        }
    }
    assert_eq!(waits[..7], [15, 30, 60, 120, 240, 480, 900], "longer each time");
    assert!(waits[7..].iter().all(|wait| *wait == 900), "{waits:?}");
    assert!(shop.count(open).await > 0 && shop.payment(&payer).await.is_away);

    away(&shop, false);
    shop.ask(&payer).await;
    log.asked.push(now());
    same_as_stripe(&shop, &payer).await;
    assert_eq!(shop.count(open).await, 0);
    let ending = shop.subscription(&payer).await;
    assert!(ending.ends_at.is_some());
    let there = shop.stripe.customers().into_iter().find(|one| one["id"] == *customer).unwrap();
    assert_eq!((&there["email"], &there["address"]["city"]), (&"pay@example.com".into(), &"Lyon".into()));
    // 16 days of 6 and one of 46.
    assert_eq!(ending.nodes, 9);
    assert_eq!(shop.stripe.node_seconds(&customer), log.node_seconds(now()));
    shop.portal(&payer).await.unwrap();
    shop.checkout(&stranger).await.unwrap();
    assert_eq!(shop.stripe.customers().len(), 2);
}

#[tokio::test]
async fn while_stripe_refuses_everything_but_going_there_works() {
    an_hour_without_stripe(|shop, away| shop.stripe.down(away)).await;
}

#[tokio::test]
async fn while_stripe_is_not_reached_everything_but_going_there_works() {
    an_hour_without_stripe(|shop, away| shop.stripe.unreachable(away)).await;
}
