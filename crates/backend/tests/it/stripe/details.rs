//! Who is billed: what was typed here last wins until Stripe knows it; what is typed at Stripe is taken in.

use kubewise_contract::BillingDetails;
use serde_json::json;
use time::Duration;

use super::shop::{GOOD, Shop, same_as_stripe};

fn typed(email: &str, city: &str) -> BillingDetails {
    BillingDetails {
        email: email.to_owned(),
        line1: "1 Main Street".to_owned(),
        city: city.to_owned(),
        country: "FR".to_owned(),
        ..BillingDetails::default()
    }
}

#[tokio::test]
async fn what_is_typed_here_goes_to_stripe_and_what_is_typed_there_comes_here() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    let first = typed("pay@example.com", "Lyon");
    shop.set_details(&payer, first.clone()).await;
    shop.subscribe(&payer, Some(GOOD)).await;
    let there = || shop.stripe.customers().remove(0);
    assert_eq!((&there()["email"], &there()["address"]["city"]), (&json!("pay@example.com"), &json!("Lyon")));
    shop.tell_all(&payer).await;
    assert_eq!(shop.payment(&payer).await.details, Some(first));

    // At the portal.
    let customer = shop.customer(&payer).await;
    shop.stripe.set_email(&customer, "books@example.com").unwrap();
    shop.stripe.set_address(&customer, &[("city", "Paris"), ("line1", "2 Rue"), ("country", "FR")]).unwrap();
    shop.tell_all(&payer).await;
    let taken = BillingDetails { line1: "2 Rue".to_owned(), ..typed("books@example.com", "Paris") };
    assert_eq!(shop.payment(&payer).await.details, Some(taken));

    // Here and at the portal: what is typed here and not sent yet wins, wherever else it was typed later.
    let ours = typed("ours@example.com", "Nice");
    shop.set_details(&payer, ours.clone()).await;
    shop.stripe.set_email(&customer, "theirs@example.com").unwrap();
    assert_eq!(shop.payment(&payer).await.details, Some(ours.clone()));
    shop.tell_all(&payer).await;
    assert_eq!(shop.payment(&payer).await.details, Some(ours));
    assert_eq!((&there()["email"], &there()["address"]["city"]), (&json!("ours@example.com"), &json!("Nice")));
    same_as_stripe(&shop, &payer).await;

    // Once it is sent, what is typed there is newer.
    shop.stripe.set_email(&customer, "theirs@example.com").unwrap();
    shop.tell_all(&payer).await;
    assert_eq!(shop.payment(&payer).await.details, Some(typed("theirs@example.com", "Nice")));
    same_as_stripe(&shop, &payer).await;
}

#[tokio::test]
async fn what_is_typed_while_stripe_is_away_is_sent_when_it_is_back() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    shop.stripe.down(true);
    shop.set_details(&payer, typed("first@example.com", "Lyon")).await;
    shop.ask(&payer).await;
    shop.set_details(&payer, typed("second@example.com", "Paris")).await;
    shop.ask(&payer).await;
    shop.stripe.down(false);
    shop.pass(Duration::minutes(1));
    shop.ask(&payer).await;
    assert_eq!(shop.payment(&payer).await.details, Some(typed("second@example.com", "Paris")));
    same_as_stripe(&shop, &payer).await;
}

/// Stripe's form can leave an address empty.
#[tokio::test]
async fn an_address_that_is_cleared_there_is_cleared_here() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.set_details(&payer, typed("pay@example.com", "Lyon")).await;
    shop.subscribe(&payer, Some(GOOD)).await;
    shop.tell_all(&payer).await;
    let customer = shop.customer(&payer).await;
    shop.stripe.set_address(&customer, &[("city", ""), ("line1", ""), ("country", "")]).unwrap();
    shop.tell_all(&payer).await;
    let left = BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() };
    assert_eq!(shop.payment(&payer).await.details, Some(left));
}
