//! Whoever goes to Stripe twice, at once or because no answer came, is one customer and buys once.

use kubewise_backend::{Error, permission::ManageBilling};
use kubewise_contract::Role;
use time::Duration;

use super::shop::{GOOD, Shop, same_as_stripe};

/// Sessions of Checkout that were made.
fn sessions(shop: &Shop) -> usize {
    shop.stripe.everything()["checkout_sessions"].as_array().unwrap().len()
}

#[tokio::test]
async fn two_who_buy_at_once_are_one_customer() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.nodes(&payer, 3).await;
    let admin = shop.at.member(&payer.tenant, "admin", Role::Admin, None).await;
    let go = async |who| {
        let org = shop.web.organisation::<ManageBilling>(who, &payer.tenant.slug).await.unwrap();
        shop.web.checkout(&org, who).await.unwrap()
    };
    let (one, other) = tokio::join!(go(&payer.tenant.owner), go(&admin));
    assert_eq!(one, other);
    assert_eq!(go(&admin).await, one, "the same way, as long as it is open");
    assert_eq!((shop.stripe.customers().len(), sessions(&shop)), (1, 1));

    shop.stripe.complete_checkout(&one, Some(GOOD)).unwrap();
    assert!(shop.stripe.complete_checkout(&other, Some(GOOD)).is_err(), "nobody pays twice");
    shop.tell_all(&payer).await;
    same_as_stripe(&shop, &payer).await;
    assert!(matches!(shop.checkout(&payer).await, Err(Error::AlreadySubscribed)));
}

/// Stripe is asked two minutes after somebody went there, also if they went there before: events may not come.
#[tokio::test]
async fn who_goes_again_and_buys_has_bought() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.checkout(&payer).await.unwrap();
    shop.pass(Duration::minutes(3));
    shop.ask(&payer).await;
    shop.pass(Duration::HOUR);
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.pass(Duration::minutes(3));
    shop.ask(&payer).await;
    same_as_stripe(&shop, &payer).await;
}

/// Ended before it was known that it had begun: the way on which it was bought has closed.
#[tokio::test]
async fn what_began_and_ended_before_stripe_was_asked_is_bought_again() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.subscribe(&payer, Some(GOOD)).await;
    let customer = shop.customer(&payer).await;
    shop.stripe.cancel_now(&customer).unwrap();
    shop.tell_all(&payer).await;
    same_as_stripe(&shop, &payer).await;
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    same_as_stripe(&shop, &payer).await;
}

#[tokio::test]
async fn a_way_that_has_closed_is_not_given_again() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    let first = shop.checkout(&payer).await.unwrap();
    shop.pass(Duration::hours(19));
    assert_eq!(shop.checkout(&payer).await.unwrap(), first);
    shop.pass(Duration::hours(2));
    let second = shop.checkout(&payer).await.unwrap();
    assert_ne!(second, first);
    shop.pass(Duration::hours(19));
    shop.stripe.complete_checkout(&second, Some(GOOD)).unwrap();
    shop.tell_all(&payer).await;
    same_as_stripe(&shop, &payer).await;
    assert_eq!(shop.stripe.customers().len(), 1);
}

#[tokio::test]
async fn answers_that_are_lost_make_nothing_twice() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.stripe.lose_answers(true);
    for _ in 0..3 {
        assert!(matches!(shop.checkout(&payer).await, Err(Error::Stripe(_))));
    }
    shop.stripe.lose_answers(false);
    shop.checkout(&payer).await.unwrap();
    assert_eq!((shop.stripe.customers().len(), sessions(&shop)), (1, 1));

    // The next attempt, whose customer is known.
    shop.pass(Duration::hours(21));
    shop.stripe.lose_answers(true);
    for _ in 0..3 {
        assert!(matches!(shop.checkout(&payer).await, Err(Error::Stripe(_))));
    }
    assert_eq!(sessions(&shop), 2, "what was asked was done");
    shop.stripe.lose_answers(false);
    shop.subscribe(&payer, Some(GOOD)).await;
    assert_eq!((shop.stripe.customers().len(), sessions(&shop)), (1, 2));
    shop.tell_all(&payer).await;
    same_as_stripe(&shop, &payer).await;
}
