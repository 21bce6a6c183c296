//! One whole life, and all that Stripe is sent in it.

use kubewise_backend::{EndedBilling, Error};
use kubewise_contract::{BillingDetails, Plan, SubscriptionStatus};
use kubewise_sample_stripe as sample;
use time::Duration;

use super::shop::{GOOD, Shop, same_as_stripe};

#[tokio::test]
async fn a_plan_is_bought_tried_paid_for_cancelled_and_bought_again() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.worker.learn_price().await.unwrap();
    shop.nodes(&payer, 7).await;
    let before = shop.payment(&payer).await;
    assert!(before.subscription.is_none() && before.has_trial && before.nodes == 7);
    assert_eq!(before.price.unwrap().to_string(), "3.00 EUR");

    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    let trial = shop.subscription(&payer).await;
    assert_eq!((trial.status, trial.nodes), (SubscriptionStatus::Trialing, 7));
    assert_eq!(shop.overview(&payer).await.plan, Plan::Team);
    assert!(matches!(shop.checkout(&payer).await, Err(Error::AlreadySubscribed)));

    shop.pass(Duration::days(14) + Duration::minutes(2));
    shop.tell_all(&payer).await;
    let active = shop.subscription(&payer).await;
    assert_eq!(active.status, SubscriptionStatus::Active);
    let invoices = shop.payment(&payer).await.invoices;
    assert!(invoices.iter().all(|invoice| invoice.status == "paid" && invoice.page.is_some()), "{invoices:?}");

    let customer = shop.customer(&payer).await;
    shop.stripe.cancel_at_period_end(&customer, true).unwrap();
    shop.tell_all(&payer).await;
    let ending = shop.subscription(&payer).await;
    assert!(ending.ends_at.is_some() && ending.ends_at == ending.period_end);
    shop.pass(Duration::days(31));
    shop.tell_all(&payer).await;
    let overview = shop.overview(&payer).await;
    assert!(overview.plan == Plan::Free && overview.grace_until.is_some());
    assert_eq!(shop.subscription(&payer).await.status, SubscriptionStatus::Canceled);

    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    let overview = shop.overview(&payer).await;
    assert!(overview.plan == Plan::Team && overview.grace_until.is_none());
    assert_eq!(shop.subscription(&payer).await.status, SubscriptionStatus::Active, "there is one trial");
    same_as_stripe(&shop, &payer).await;
}

/// `docs/billing/data-sent.md` has nothing that is never sent; that everything sent is in it, each test sees to.
#[tokio::test]
async fn stripe_is_sent_what_is_documented_and_all_of_it() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.nodes(&payer, 3).await;
    shop.worker.learn_price().await.unwrap();
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    shop.portal(&payer).await.unwrap();
    let details = BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() };
    shop.set_details(&payer, details).await;
    shop.ask(&payer).await;
    // On the next day there are more.
    shop.nodes(&payer, 9).await;
    shop.pass_midnight();
    shop.ask(&payer).await;
    assert_eq!(shop.subscription(&payer).await.nodes, 9);
    same_as_stripe(&shop, &payer).await;
    // Another one looks at Checkout, and is deleted.
    let other = shop.payer("other").await;
    shop.checkout(&other).await.unwrap();
    assert_eq!(shop.worker.end_billing(other.tenant.org).await.unwrap(), EndedBilling::Deleted);
    // So long that Stripe has two pages of invoices.
    shop.pass(Duration::days(3_200));
    let ended = shop.worker.end_billing(payer.tenant.org).await.unwrap();
    assert_eq!(ended, EndedBilling::Kept { invoices: 105 });
    assert_eq!(shop.stripe.sent(), sample::Stripe::documented());
}
