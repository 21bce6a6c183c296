//! Mail to those who pay: each letter once, to whom it is for.

use std::collections::BTreeMap;

use kubewise_contract::{BillingDetails, Role};
use serde_json::Value;
use time::Duration;

use super::shop::{DECLINED, GOOD, Payer, Shop, until};

/// Letters, and how many days after what they are about they were written.
async fn letters(shop: &Shop, payer: &Payer) -> Vec<(String, i64)> {
    sqlx::query_as(
        "SELECT letter, floor(extract(epoch FROM written_at - about) / 86400)::bigint FROM billing_letters
         WHERE org_id = $1 ORDER BY written_at, letter",
    )
    .bind(payer.tenant.org.0)
    .fetch_all(&shop.behind)
    .await
    .unwrap()
}

/// How often each letter is to be sent, by whom it is for; none: the billing e-mail address.
async fn enqueued(shop: &Shop) -> BTreeMap<(String, Option<String>), usize> {
    let jobs: Vec<Vec<u8>> = sqlx::query_scalar("SELECT job FROM apalis.jobs WHERE job_type = 'mail'")
        .fetch_all(&shop.behind)
        .await
        .unwrap();
    let mut counted = BTreeMap::new();
    for job in jobs {
        let job: Value = serde_json::from_slice(&job).unwrap();
        let letter = job["letter"].as_str().unwrap().to_owned();
        *counted.entry((letter, job["user"].as_str().map(str::to_owned))).or_default() += 1;
    }
    counted
}

/// A day passes; what happens is told twice, with some of what was told before.
async fn a_day(shop: &Shop, payer: &Payer, told: &mut usize) {
    shop.pass(Duration::DAY);
    shop.nodes(payer, 3).await;
    let events = shop.stripe.events();
    for event in events[told.saturating_sub(5)..].iter().chain(&events[*told..]) {
        shop.tell(event).await;
        shop.ask(payer).await;
    }
    shop.ask(payer).await;
    *told = events.len();
}

const ALL: [(&str, i64); 5] =
    [("trial_ends", -3), ("payment_failed", 0), ("payment_owed", 3), ("payment_still_owed", 7), ("ended", -14)];

#[tokio::test(flavor = "multi_thread")]
async fn each_letter_goes_once_to_those_who_pay_and_to_nobody_else() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    let mut to = vec![payer.tenant.owner.clone()];
    for (name, role) in [("admin", Role::Admin), ("money", Role::Billing)] {
        to.push(shop.at.member(&payer.tenant, name, role, None).await);
    }
    shop.at.member(&payer.tenant, "viewer", Role::Viewer, None).await;
    shop.at.member(&payer.tenant, "operator", Role::Operator, None).await;
    let details = BillingDetails { email: "pay@example.org".to_owned(), ..BillingDetails::default() };
    shop.set_details(&payer, details).await;
    shop.subscribe(&payer, Some(DECLINED)).await;
    let mut told = 0;
    for _ in 0..45 {
        a_day(&shop, &payer, &mut told).await;
    }
    let written = letters(&shop, &payer).await;
    assert_eq!(written, ALL.map(|(letter, days)| (letter.to_owned(), days)));
    let mut users: Vec<Option<String>> = to.iter().map(|actor| Some(actor.user_id().to_string())).collect();
    users.push(None);
    let wanted: BTreeMap<_, _> =
        ALL.iter().flat_map(|(letter, _)| users.iter().map(|user| (((*letter).to_owned(), user.clone()), 1))).collect();
    assert_eq!(enqueued(&shop).await, wanted);

    let _worker = shop.work("mail");
    let mails = || -> Vec<String> {
        let files = std::fs::read_dir(shop.at.outbox()).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    };
    until("all is sent", async || {
        shop.count("SELECT count(*) FROM apalis.jobs WHERE job_type = 'mail' AND status <> 'Done'").await == 0
    })
    .await;
    let mails = mails();
    assert_eq!(mails.len(), ALL.len() * 4);
    for address in
        ["owner-of-acme@example.com", "admin-of-acme@example.com", "money-of-acme@example.com", "pay@example.org"]
    {
        let count = mails.iter().filter(|mail| mail.contains(&format!("<{address}>"))).count();
        assert_eq!(count, ALL.len(), "{address}");
    }
    for subject in ["The trial of", "A payment for", "The plan Team of"] {
        assert!(mails.iter().any(|mail| mail.contains(&format!("Subject: {subject}"))), "{subject}");
    }
}

#[tokio::test]
async fn nobody_is_written_to_twice_at_the_same_address() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    let admin = shop.at.member(&payer.tenant, "admin", Role::Admin, None).await;
    let details = BillingDetails { email: "Admin-Of-Acme@example.com".to_owned(), ..BillingDetails::default() };
    shop.set_details(&payer, details).await;
    shop.subscribe(&payer, None).await;
    let mut told = 0;
    for _ in 0..16 {
        a_day(&shop, &payer, &mut told).await;
    }
    // Without a card, nothing is owed.
    let wanted: BTreeMap<_, _> = ["trial_ends", "ended"]
        .iter()
        .flat_map(|letter| {
            let who = [&payer.tenant.owner, &admin];
            who.map(|actor| (((*letter).to_owned(), Some(actor.user_id().to_string())), 1))
        })
        .collect();
    assert_eq!(enqueued(&shop).await, wanted);
}

/// Payments that fail again later are told of again.
#[tokio::test]
async fn what_is_paid_is_told_of_no_more_and_what_fails_later_is() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.nodes(&payer, 3).await;
    shop.subscribe(&payer, Some(DECLINED)).await;
    let customer = shop.customer(&payer).await;
    let mut told = 0;
    for day in 1..=48 {
        a_day(&shop, &payer, &mut told).await;
        match day {
            16 => shop.stripe.set_card(&customer, GOOD).unwrap(),
            30 => shop.stripe.set_card(&customer, DECLINED).unwrap(),
            _ => {}
        }
    }
    let letters = letters(&shop, &payer).await;
    let wanted = [("trial_ends", -3), ("payment_failed", 0), ("payment_failed", 0), ("payment_owed", 3)];
    assert_eq!(letters, wanted.map(|(letter, days)| (letter.to_owned(), days)));
}

/// An invoice of a plan that has ended stays open at Stripe; it says nothing of the plan that was bought since.
#[tokio::test]
async fn what_was_never_paid_of_a_plan_before_is_not_what_is_owed_now() {
    let shop = Shop::open().await;
    let payer = shop.payer("acme").await;
    shop.nodes(&payer, 3).await;
    shop.subscribe(&payer, Some(DECLINED)).await;
    let customer = shop.customer(&payer).await;
    let mut told = 0;
    for _ in 0..15 {
        a_day(&shop, &payer, &mut told).await;
    }
    shop.stripe.cancel_now(&customer).unwrap();
    a_day(&shop, &payer, &mut told).await;
    let open = shop.payment(&payer).await.invoices.into_iter().filter(|invoice| invoice.status == "open").count();
    assert_eq!(open, 1);
    shop.subscribe(&payer, Some(GOOD)).await;
    a_day(&shop, &payer, &mut told).await;
    shop.stripe.set_card(&customer, DECLINED).unwrap();
    for _ in 0..32 {
        a_day(&shop, &payer, &mut told).await;
    }
    let wanted = [("trial_ends", -3), ("payment_failed", 0), ("ended", -14), ("payment_failed", 0)];
    assert_eq!(letters(&shop, &payer).await, wanted.map(|(letter, days)| (letter.to_owned(), days)));
}
