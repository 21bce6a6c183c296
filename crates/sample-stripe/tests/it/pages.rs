//! Checkout and the customer portal, as a browser without scripts uses them.

use serde_json::json;

use crate::common::{DAY, DECLINED_LATER, PAYS, START, Scene};

#[tokio::test]
async fn checkout_subscribes_once() {
    let scene = Scene::new().await;
    let customer = scene.customer().await;
    let session = scene.session(&customer, 3, true).await;
    let url = session["url"].as_str().unwrap();
    let page = scene.ask("GET", url, &[], None).await.unwrap();
    for text in
        ["<h1>Checkout — sample Stripe</h1>", "14 days free", "3 × 3.00 EUR = 9.00 EUR", ">Back</a>", "Card number"]
    {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let form = [("card_number", "4000 0000 0000 0002"), ("name", "Acme GmbH"), ("country", "DE"), ("tax_id", "DE1")];
    let declined = scene.ask("POST", url, &form, None).await.unwrap();
    assert!(declined.text.contains("Your card was declined."));
    assert_eq!((scene.stripe.subscription(&customer), &scene.stripe.customers()[0]["name"]), (None, &json!("Acme")));
    let form = [("card_number", ""), ("name", "Acme GmbH"), ("country", "DE"), ("tax_id", "DE1")];
    let done = scene.ask("POST", url, &form, None).await.unwrap();
    let back = format!("http://127.0.0.1:1/done?session={}", session["id"].as_str().unwrap());
    assert_eq!((done.status, done.location), (303, Some(back)));
    let changed = &scene.stripe.customers()[0];
    assert_eq!((&changed["name"], &changed["address"]["country"]), (&json!("Acme GmbH"), &json!("DE")));
    assert_eq!(scene.kinds(0).last().unwrap(), "checkout.session.completed");
    assert_eq!(scene.ask("POST", url, &form, None).await.unwrap().status, 410);
    assert_eq!(scene.ask("GET", url, &[], None).await.unwrap().status, 410);

    let expired = scene.session(&customer, 3, false).await;
    scene.at(START + DAY);
    assert_eq!(scene.ask("GET", expired["url"].as_str().unwrap(), &[], None).await.unwrap().status, 410);
}

#[tokio::test]
async fn without_a_trial_a_card_must_pay_at_once() {
    let scene = Scene::new().await;
    let customer = scene.customer().await;
    let session = scene.session(&customer, 1, false).await;
    let url = session["url"].as_str().unwrap();
    for card in ["", DECLINED_LATER] {
        let page = scene.ask("POST", url, &[("card_number", card)], None).await.unwrap();
        assert!(page.text.contains("role=\"alert\""), "{}", page.text);
    }
    assert_eq!(scene.stripe.subscription(&customer), None);
    assert_eq!(scene.ask("POST", url, &[("card_number", PAYS)], None).await.unwrap().status, 303);
    assert_eq!(scene.status(&customer), "active");
}

#[tokio::test]
async fn the_portal_cancels_saves_a_card_and_shows_invoices() {
    let scene = Scene::new().await;
    let (customer, _) = scene.subscribed(2, true, Some(DECLINED_LATER)).await;
    scene.at(START + 14 * DAY);
    let form = [("customer", customer.as_str()), ("return_url", "http://127.0.0.1:1/billing")];
    let portal = scene.post("/v1/billing_portal/sessions", &form).await;
    let url = portal["url"].as_str().unwrap();
    let page = scene.ask("GET", url, &[], None).await.unwrap().text;
    for text in ["past_due", "ending in 0341", "Cancel plan", "Return to Kubewise", "http://127.0.0.1:1/billing"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert_eq!(scene.ask("POST", url, &[("action", "cancel")], None).await.unwrap().status, 303);
    assert_eq!(scene.stripe.subscription(&customer).unwrap()["cancel_at_period_end"], json!(true));
    assert!(scene.ask("GET", url, &[], None).await.unwrap().text.contains("Don&#39;t cancel plan"));
    scene.ask("POST", url, &[("action", "keep")], None).await.unwrap();
    scene.ask("POST", url, &[("action", "card"), ("card_number", PAYS)], None).await.unwrap();
    assert_eq!(scene.status(&customer), "active");
    let details = [("action", "details"), ("email", "new@acme.example"), ("address[city]", "Köln <b>")];
    scene.ask("POST", url, &details, None).await.unwrap();
    assert_eq!(scene.stripe.customers()[0]["email"], json!("new@acme.example"));
    let page = scene.ask("GET", url, &[], None).await.unwrap().text;
    assert!(page.contains("ending in 4242") && page.contains("Köln &lt;b&gt;"), "{page}");
    let invoice = &scene.stripe.invoices(&customer)[0];
    for url in [&invoice["hosted_invoice_url"], &invoice["invoice_pdf"]] {
        let page = scene.ask("GET", url.as_str().unwrap(), &[], None).await.unwrap();
        assert!(page.status == 200 && page.text.contains("6.00 EUR"), "{}", page.text);
    }
}
