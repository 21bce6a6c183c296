//! The plan Enterprise is agreed on by people: Stripe neither gives nor takes it.

use kubewise_backend::{agree_plan, database::Part};
use kubewise_contract::{Plan, Timestamp};
use time::Duration;

use super::shop::{GOOD, Payer, Shop, same_as_stripe};

async fn agree(shop: &Shop, payer: &Payer, agreed: bool) {
    let owner = shop.at.database.pool(Part::Owner);
    agree_plan(&owner, &shop.at.world, payer.tenant.org, agreed).await.unwrap();
}

async fn plan(shop: &Shop, payer: &Payer) -> (Plan, Option<Timestamp>) {
    let overview = shop.overview(payer).await;
    (overview.plan, overview.grace_until)
}

fn in_two_weeks(shop: &Shop) -> Timestamp {
    Timestamp((shop.at.world.now() + Duration::days(14)).unix_timestamp() * 1000)
}

#[tokio::test]
async fn an_agreement_holds_whatever_stripe_says() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    agree(&shop, &payer, true).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Enterprise, None));
    // Somebody subscribes all the same, and cancels.
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Enterprise, None));
    let customer = shop.customer(&payer).await;
    shop.stripe.cancel_now(&customer).unwrap();
    shop.tell_all(&payer).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Enterprise, None));
    assert_eq!(shop.count("SELECT count(*) FROM billing_letters WHERE letter = 'ended'").await, 0);
}

#[tokio::test]
async fn without_an_agreement_and_without_a_subscription_the_plan_is_free_after_some_time() {
    let shop = Shop::open().await;
    let never = shop.payer("never").await;
    let ended = shop.payer("ended").await;
    shop.subscribe(&ended, Some(GOOD)).await;
    shop.tell_all(&ended).await;
    for payer in [&never, &ended] {
        agree(&shop, payer, true).await;
    }
    shop.stripe.cancel_now(&shop.customer(&ended).await).unwrap();
    shop.tell_all(&ended).await;
    for payer in [&never, &ended] {
        agree(&shop, payer, false).await;
        let until = Some(in_two_weeks(&shop));
        assert_eq!(plan(&shop, payer).await, (Plan::Free, until));
        shop.ask(payer).await;
        shop.pass_midnight();
        shop.ask(payer).await;
        assert_eq!(plan(&shop, payer).await, (Plan::Free, until), "{}", payer.tenant.slug);
    }
    shop.pass(Duration::days(14));
    assert_eq!(plan(&shop, &never).await, (Plan::Free, None));
    same_as_stripe(&shop, &ended).await;
}

#[tokio::test]
async fn without_an_agreement_the_plan_is_what_stripe_has() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    agree(&shop, &payer, true).await;
    shop.tell_all(&payer).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Enterprise, None));
    agree(&shop, &payer, false).await;
    let until = Some(in_two_weeks(&shop));
    shop.ask(&payer).await;
    same_as_stripe(&shop, &payer).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Team, until), "Team has less than Enterprise");
}

/// The command is given to an organisation that has no agreement.
#[tokio::test]
async fn to_end_an_agreement_that_there_is_not_changes_nothing() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    agree(&shop, &payer, false).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Team, None));
    shop.stripe.cancel_now(&shop.customer(&payer).await).unwrap();
    shop.tell_all(&payer).await;
    let until = Some(in_two_weeks(&shop));
    assert_eq!(plan(&shop, &payer).await, (Plan::Free, until));
    agree(&shop, &payer, false).await;
    assert_eq!(plan(&shop, &payer).await, (Plan::Free, until));
}
