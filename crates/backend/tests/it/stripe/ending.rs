//! The end of an organisation at Stripe, and of a customer there: nothing is billed any more, what no law keeps is deleted,
//! and whatever comes later changes nothing.

use std::time::Duration as Wait;

use kubewise_backend::{EndedBilling, Error, StripeFault, database::Part};
use kubewise_contract::{BillingDetails, Plan, SubscriptionStatus};
use serde_json::Value;
use time::Duration;

use super::shop::{GOOD, Payer, Shop, same_as_stripe, until};

/// Longer than it takes to see that a request is on its way.
const SLOW: Wait = Wait::from_millis(300);

/// On trial: every invoice is of nothing.
async fn trying(shop: &Shop, name: &str) -> Payer {
    let payer = shop.payer(name).await;
    shop.nodes(&payer, 3).await;
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    assert_eq!(shop.subscription(&payer).await.status, SubscriptionStatus::Trialing);
    payer
}

/// The trial is over, and a month is paid.
async fn paying(shop: &Shop, name: &str) -> Payer {
    let payer = trying(shop, name).await;
    shop.pass(Duration::days(14) + Duration::minutes(2));
    shop.tell_all(&payer).await;
    assert_eq!(shop.subscription(&payer).await.status, SubscriptionStatus::Active);
    payer
}

async fn end(shop: &Shop, payer: &Payer) -> Result<EndedBilling, Error> {
    shop.worker.end_billing(payer.tenant.org).await
}

/// A customer as Stripe answers it.
fn customer(shop: &Shop, id: &str) -> Value {
    shop.stripe.customers().into_iter().find(|one| one["id"] == id).unwrap()
}

fn is_deleted(shop: &Shop, id: &str) -> bool {
    customer(shop, id)["deleted"] == true
}

fn open_sessions(shop: &Shop) -> usize {
    let everything = shop.stripe.everything();
    everything["checkout_sessions"].as_array().unwrap().iter().filter(|one| one["status"] == "open").count()
}

fn status(shop: &Shop, customer: &str) -> String {
    shop.stripe.subscription(customer).unwrap()["status"].as_str().unwrap().to_owned()
}

async fn row(shop: &Shop, payer: &Payer) -> Option<String> {
    sqlx::query_scalar("SELECT s::text FROM subscriptions s WHERE org_id = $1")
        .bind(payer.tenant.org.0)
        .fetch_optional(&shop.behind)
        .await
        .unwrap()
}

/// Whatever Stripe tells, and however long it takes: nobody asks Stripe, and nothing is known otherwise.
async fn nothing_comes_of_anything(shop: &Shop, payer: &Payer) {
    let (before, asked) = (row(shop, payer).await, shop.stripe.requests().len());
    shop.tell_all(payer).await;
    shop.pass_midnight();
    shop.ask(payer).await;
    shop.pass(Duration::days(40));
    shop.tell_all(payer).await;
    assert_eq!((row(shop, payer).await, shop.stripe.requests().len()), (before, asked));
    assert_eq!(shop.count("SELECT count(*) FROM billing_due('infinity')").await, 0);
    assert_eq!(shop.count("SELECT count(*) FROM stripe_events WHERE customer IS NOT NULL OR done_at IS NULL").await, 0);
}

#[tokio::test]
async fn a_customer_that_paid_nothing_is_deleted() {
    let shop = Shop::open().await;
    let payer = trying(&shop, "acme").await;
    let id = shop.customer(&payer).await;
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    assert!(is_deleted(&shop, &id) && status(&shop, &id) == "canceled");
    assert!(shop.stripe.invoices(&id).iter().all(|invoice| invoice["total"] == 0));
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    nothing_comes_of_anything(&shop, &payer).await;
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
}

#[tokio::test]
async fn a_customer_that_paid_stays_with_its_invoices_and_subscribes_to_nothing() {
    let shop = Shop::open().await;
    let payer = paying(&shop, "acme").await;
    // More nodes than the month was billed for: what waits for the next invoice is not billed.
    shop.nodes(&payer, 90).await;
    shop.pass_midnight();
    shop.ask(&payer).await;
    let id = shop.customer(&payer).await;
    assert!(!shop.stripe.ledger(&id).pending.is_empty());
    let (invoices, who) = (shop.stripe.invoices(&id), customer(&shop, &id));
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Kept { invoices: 1 });
    assert_eq!(status(&shop, &id), "canceled");
    assert_eq!((shop.stripe.invoices(&id), customer(&shop, &id)), (invoices.clone(), who));
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Kept { invoices: 1 });
    nothing_comes_of_anything(&shop, &payer).await;
    assert_eq!(shop.stripe.invoices(&id), invoices);
    assert_eq!(shop.count("SELECT count(*) FROM invoices").await, 2, "what was known is not touched");
}

/// It was paid for once, has ended, and somebody has Checkout open: nothing is bought there any more.
#[tokio::test]
async fn a_way_to_checkout_that_is_open_is_closed() {
    let shop = Shop::open().await;
    let payer = paying(&shop, "acme").await;
    let id = shop.customer(&payer).await;
    shop.stripe.cancel_now(&id).unwrap();
    shop.tell_all(&payer).await;
    let way = shop.checkout(&payer).await.unwrap();
    assert_eq!(open_sessions(&shop), 1);
    // With the last one, of what had waited.
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Kept { invoices: 2 });
    assert_eq!(open_sessions(&shop), 0);
    shop.stripe.complete_checkout(&way, Some(GOOD)).unwrap_err();
    nothing_comes_of_anything(&shop, &payer).await;
}

#[tokio::test]
async fn who_never_went_to_stripe_has_nothing_there() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Nothing);
    // A plan that people agreed on, and no customer.
    let owner = shop.at.database.pool(Part::Owner);
    kubewise_backend::agree_plan(&owner, &shop.at.world, payer.tenant.org, true).await.unwrap();
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Nothing);
    let before = row(&shop, &payer).await;
    kubewise_backend::agree_plan(&owner, &shop.at.world, payer.tenant.org, false).await.unwrap();
    assert_eq!(row(&shop, &payer).await, before, "it has ended");
    assert!(shop.stripe.requests().is_empty());
}

#[tokio::test]
async fn where_stripe_is_no_longer_configured_the_customer_is_not_reached() {
    let shop = Shop::open().await;
    let payer = trying(&shop, "acme").await;
    let id = shop.customer(&payer).await;
    assert_eq!(shop.at.worker().end_billing(payer.tenant.org).await.unwrap(), EndedBilling::Unreachable);
    assert!(!is_deleted(&shop, &id));
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    assert!(is_deleted(&shop, &id));
}

#[tokio::test]
async fn while_stripe_is_away_it_fails_and_afterwards_it_ends() {
    let shop = Shop::open().await;
    let payer = trying(&shop, "acme").await;
    let id = shop.customer(&payer).await;
    let away: [fn(&Shop, bool); 3] = [
        |shop, away| shop.stripe.down(away),
        |shop, away| shop.stripe.unreachable(away),
        |shop, away| shop.stripe.lose_answers(away),
    ];
    for set_away in away {
        set_away(&shop, true);
        for _ in 0..2 {
            assert!(matches!(end(&shop, &payer).await, Err(Error::Stripe(_))));
        }
        set_away(&shop, false);
        assert!(!is_deleted(&shop, &id));
    }
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    nothing_comes_of_anything(&shop, &payer).await;
}

/// A server is lost while its first request is on its way, its second, and so on: another one ends it.
#[tokio::test]
async fn what_was_broken_off_is_ended_by_who_begins_again() {
    let shop = Shop::open().await;
    for requests in 1..=6 {
        for pays in [false, true] {
            let name = format!("{}-{requests}", if pays { "paying" } else { "trying" });
            let payer = if pays { paying(&shop, &name).await } else { trying(&shop, &name).await };
            let id = shop.customer(&payer).await;
            let expected = if pays { EndedBilling::Kept { invoices: 1 } } else { EndedBilling::Deleted };
            let before = shop.stripe.requests().len();
            shop.stripe.slow(SLOW);
            tokio::select! {
                ended = end(&shop, &payer) => assert_eq!(ended.unwrap(), expected),
                () = until("so many requests", async || shop.stripe.requests().len() - before >= requests) => {}
            }
            shop.stripe.slow(Wait::ZERO);
            assert_eq!(end(&shop, &payer).await.unwrap(), expected, "{name}");
            assert_eq!((is_deleted(&shop, &id), status(&shop, &id).as_str()), (!pays, "canceled"), "{name}");
        }
    }
}

/// Until a request that matches is on its way.
async fn on_its_way(shop: &Shop, before: usize, method: &str, path: &str) {
    until("a request is on its way", async || {
        shop.stripe.requests()[before..].iter().any(|one| one.method == method && one.path.starts_with(path))
    })
    .await;
}

#[tokio::test]
async fn who_is_asking_stripe_meanwhile_tells_it_nothing_and_writes_nothing() {
    // There is something to tell, or nothing: then all is read.
    for nodes in [90, 1] {
        let shop = Shop::open().await;
        let payer = paying(&shop, "acme").await;
        shop.nodes(&payer, nodes).await;
        shop.pass_midnight();
        let before = shop.stripe.requests().len();
        let known = "SELECT (plan, status, quantity, ticket, synced_at, told_day, failures)::text FROM subscriptions";
        let known = async || sqlx::query_scalar::<_, String>(known).fetch_one(&shop.behind).await.unwrap();
        let was = known().await;
        shop.stripe.slow(SLOW);
        let ended = async {
            on_its_way(&shop, before, "GET", "/v1/customers/").await;
            end(&shop, &payer).await
        };
        let ((), ended) = tokio::join!(shop.ask(&payer), ended);
        assert!(matches!(ended, Err(Error::Stripe(StripeFault::Asked))), "{ended:?}");
        shop.stripe.slow(Wait::ZERO);
        let asked = shop.stripe.requests().split_off(before);
        assert!(asked.iter().all(|one| one.method == "GET" || one.path == "/v1/invoices/create_preview"), "{asked:?}");
        assert_eq!(asked.iter().any(|one| one.path.ends_with("/create_preview")), nodes == 1);
        assert_eq!(known().await, was);
        // Nobody asks any more.
        assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Kept { invoices: 1 });
        nothing_comes_of_anything(&shop, &payer).await;
    }
}

#[tokio::test]
async fn who_tells_stripe_something_meanwhile_is_waited_for_but_not_who_is_lost() {
    let shop = Shop::open().await;
    let payer = trying(&shop, "acme").await;
    let details = BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() };
    shop.set_details(&payer, details).await;
    let before = shop.stripe.requests().len();
    shop.stripe.slow(SLOW);
    tokio::select! {
        () = shop.ask(&payer) => panic!("it was to be lost"),
        () = on_its_way(&shop, before, "POST", "/v1/customers/") => {}
    }
    shop.stripe.slow(Wait::ZERO);
    assert!(matches!(end(&shop, &payer).await, Err(Error::Stripe(StripeFault::Asked))));
    shop.pass(Duration::seconds(9));
    assert!(matches!(end(&shop, &payer).await, Err(Error::Stripe(StripeFault::Asked))));
    shop.pass(Duration::SECOND);
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    nothing_comes_of_anything(&shop, &payer).await;
}

/// Somebody is on their way to Checkout for the first time, while the organisation is deleted.
#[tokio::test]
async fn a_customer_that_is_made_meanwhile_is_deleted_again() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.stripe.slow(SLOW);
    let ended = async {
        on_its_way(&shop, 0, "POST", "/v1/customers").await;
        end(&shop, &payer).await
    };
    let (gone, ended) = tokio::join!(shop.checkout(&payer), ended);
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    assert_eq!(ended.unwrap(), EndedBilling::Nothing);
    let customers = shop.stripe.customers();
    assert_eq!((customers.len(), &customers[0]["deleted"], open_sessions(&shop)), (1, &Value::Bool(true), 0));
    shop.stripe.slow(Wait::ZERO);
    nothing_comes_of_anything(&shop, &payer).await;
}

#[tokio::test]
async fn a_way_to_checkout_that_is_made_meanwhile_is_closed_again() {
    let shop = Shop::open().await;
    let payer = paying(&shop, "acme").await;
    shop.stripe.cancel_now(&shop.customer(&payer).await).unwrap();
    shop.tell_all(&payer).await;
    let before = shop.stripe.requests().len();
    shop.stripe.slow(SLOW);
    let ended = async {
        on_its_way(&shop, before, "POST", "/v1/checkout/sessions").await;
        end(&shop, &payer).await
    };
    let (way, ended) = tokio::join!(shop.checkout(&payer), ended);
    assert!(matches!(way, Err(Error::NotFound)), "{way:?}");
    assert_eq!((ended.unwrap(), open_sessions(&shop)), (EndedBilling::Kept { invoices: 2 }, 0));
}

/// The organisation is gone by the time at which Stripe tells what became of its customer.
#[tokio::test]
async fn of_an_organisation_that_is_gone_no_event_is_anybodys() {
    let shop = Shop::open().await;
    let payer = trying(&shop, "acme").await;
    let told = "SELECT count(*) FROM stripe_events WHERE customer IS NOT NULL";
    assert!(shop.count(told).await > 0);
    let seen = shop.stripe.events().len();
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    assert_eq!(shop.count(told).await, 0);
    sqlx::query("DELETE FROM subscriptions").execute(&shop.behind).await.unwrap();
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Nothing);
    let events = shop.stripe.events().split_off(seen);
    assert!(events.iter().any(|event| event.kind == "customer.deleted"));
    let enqueued = shop.count("SELECT count(*) FROM apalis.jobs").await;
    for event in &events {
        shop.tell(event).await;
    }
    assert_eq!(shop.count("SELECT count(*) FROM apalis.jobs").await, enqueued);
    assert_eq!(
        shop.count("SELECT count(*) FROM stripe_events WHERE done_at IS NOT NULL").await,
        i64::try_from(events.len()).unwrap()
    );
    assert_eq!(shop.count(told).await, 0);
}

/// Somebody deleted it at Stripe, and the organisation lives: its plan is Free, with time to think, and it can buy again.
#[tokio::test]
async fn a_customer_that_was_deleted_at_stripe_is_no_subscription_and_a_new_one_is_made() {
    let shop = Shop::open().await;
    let payer = paying(&shop, "acme").await;
    let first = shop.customer(&payer).await;
    // Typed here, and not told Stripe: it cannot be any more.
    let details = BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() };
    shop.set_details(&payer, details.clone()).await;
    shop.stripe.delete_customer(&first).unwrap();
    assert!(matches!(shop.portal(&payer).await, Err(Error::Stripe(_))), "before it is known");
    shop.tell_all(&payer).await;

    let overview = shop.overview(&payer).await;
    assert!(overview.plan == Plan::Free && overview.grace_until.is_some());
    let payment = overview.payment.unwrap();
    assert_eq!((payment.subscription, payment.has_trial, payment.is_away), (None, false, false));
    assert_eq!((payment.invoices.len(), payment.details), (2, Some(details)));
    assert!(matches!(shop.portal(&payer).await, Err(Error::NotFound)));
    assert_eq!(shop.count("SELECT count(*) FROM billing_letters WHERE letter = 'ended'").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM stripe_events WHERE customer IS NOT NULL OR done_at IS NULL").await, 0);
    let asked = shop.stripe.requests().len();
    shop.pass(Duration::DAY);
    shop.tell_all(&payer).await;
    assert_eq!(shop.stripe.requests().len(), asked, "there is nobody to ask about");

    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    assert_ne!(shop.customer(&payer).await, first);
    assert_eq!(shop.subscription(&payer).await.status, SubscriptionStatus::Active, "there is one trial");
    assert_eq!(customer(&shop, &shop.customer(&payer).await)["email"], "pay@example.com");
    same_as_stripe(&shop, &payer).await;
}

/// The same, and the organisation is deleted before it is known, or after.
#[tokio::test]
async fn a_customer_that_was_deleted_at_stripe_is_ended() {
    let shop = Shop::open().await;
    for (name, is_known) in [("not-known", false), ("known", true)] {
        let paid = paying(&shop, &format!("paid-{name}")).await;
        let tried = trying(&shop, &format!("tried-{name}")).await;
        for (payer, expected) in [(tried, EndedBilling::Deleted), (paid, EndedBilling::Kept { invoices: 1 })] {
            shop.stripe.delete_customer(&shop.customer(&payer).await).unwrap();
            if is_known {
                shop.tell_all(&payer).await;
            }
            let expected = if is_known { EndedBilling::Nothing } else { expected };
            assert_eq!(end(&shop, &payer).await.unwrap(), expected, "{name}");
        }
    }
}

/// Nobody but the worker ends billing, and nobody has Stripe asked after that.
#[tokio::test]
async fn pages_neither_end_billing_nor_begin_it_again() {
    let shop = Shop::open().await;
    let payer = trying(&shop, "acme").await;
    let web = shop.at.database.pool(Part::Web);
    for statement in ["UPDATE subscriptions SET closed_at = NULL", "UPDATE stripe_events SET customer = NULL"] {
        let refused = sqlx::query(statement).execute(&web).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{statement}");
    }
    assert_eq!(end(&shop, &payer).await.unwrap(), EndedBilling::Deleted);
    let before = row(&shop, &payer).await;
    shop.portal(&payer).await.unwrap_err();
    shop.checkout(&payer).await.unwrap_err();
    shop.set_details(&payer, BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() }).await;
    assert_eq!(row(&shop, &payer).await, before);
    let again = sqlx::query("UPDATE subscriptions SET sync_at = now()").execute(&shop.behind).await.unwrap_err();
    assert_eq!(again.as_database_error().unwrap().constraint(), Some("subscriptions_closed"));
}
