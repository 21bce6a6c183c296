//! An installation that bills, a Stripe on loopback, and whether both say the same.

use std::{sync::Arc, time::Duration as Wait};

use kubewise_backend::{
    Error, Stripe, Web, Worker,
    permission::{AddClusters, ManageBilling},
    testing::{Installation, Tenant},
};
use kubewise_contract::{
    BillingDetails, BillingOverview, ClusterId, ClusterName, InvoiceRow, Money, Payment, Plan, Subscription,
    SubscriptionStatus, Timestamp,
};
use kubewise_sample_stripe as sample;
use serde_json::Value;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime, macros::datetime};
use tokio::sync::watch;

pub(crate) const SECRET: &str = "whsec_of_the_tests";
pub(crate) const GOOD: &str = "4242 4242 4242 4242";
/// Is taken at Checkout, and declined whenever it is charged.
pub(crate) const DECLINED: &str = "4000 0000 0000 0341";
/// Nothing that is due at midnight is later than that.
pub(crate) const AFTER_MIDNIGHT: Duration = Duration::minutes(15);

/// An installation that bills, and a Stripe; both go by the same clock.
pub(crate) struct Shop {
    pub(crate) at: Installation,
    pub(crate) web: Web,
    pub(crate) worker: Worker,
    pub(crate) stripe: sample::Stripe,
    /// Looks behind the walls.
    pub(crate) behind: PgPool,
}

/// An organisation that pays, or will.
pub(crate) struct Payer {
    pub(crate) tenant: Tenant,
    /// In the order in which they were added.
    pub(crate) clusters: Vec<ClusterId>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_at(datetime!(2041-03-10 09:20 UTC)).await
    }

    /// At a moment that is the same whenever the test runs: days and months are counted.
    pub(crate) async fn open_at(moment: OffsetDateTime) -> Self {
        // A second test of the same process finds it installed.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let at = Installation::new().await;
        at.pass(moment - at.world.now());
        let world = at.world.clone();
        let now = Arc::new(move || world.now().unix_timestamp());
        let stripe = sample::Stripe::start(sample::Options { now, ..sample::Options::default() }).await.unwrap();
        let account = Stripe::new(
            &"sk_test_of_the_tests".to_owned().into(),
            SECRET.to_owned().into(),
            "price_team",
            Some(stripe.url()),
            "http://localhost",
        )
        .unwrap();
        let web = at.web.clone().with_stripe(Some(account.clone()));
        let worker = at.worker().with_stripe(Some(account));
        let behind = at.database.superuser();
        Self { at, web, worker, stripe, behind }
    }

    /// An organisation with one cluster.
    pub(crate) async fn payer(&self, name: &str) -> Payer {
        let mut payer = Payer { tenant: self.at.tenant(name).await, clusters: Vec::new() };
        self.add_cluster(&mut payer, "prod").await.unwrap();
        payer
    }

    pub(crate) async fn add_cluster(&self, payer: &mut Payer, name: &str) -> Result<(), Error> {
        let org = self.web.organisation::<AddClusters>(&payer.tenant.owner, &payer.tenant.slug).await?;
        let (cluster, _) = self.web.add_cluster(&org, &ClusterName::parse(name).unwrap()).await?;
        payer.clusters.push(cluster);
        Ok(())
    }

    /// The agent of the first cluster tells of so many nodes, and all are counted.
    pub(crate) async fn nodes(&self, payer: &Payer, nodes: i64) {
        self.heard(payer.clusters[0], nodes).await;
        self.worker.count_nodes().await.unwrap();
    }

    /// An agent tells of so many nodes, now.
    pub(crate) async fn heard(&self, cluster: ClusterId, nodes: i64) {
        sqlx::query("UPDATE clusters SET nodes = $2, last_heard_at = $3, synced_at = $3 WHERE id = $1")
            .bind(cluster.0)
            .bind(nodes)
            .bind(self.at.world.now())
            .execute(&self.behind)
            .await
            .unwrap();
    }

    /// Time passes, here and at Stripe.
    pub(crate) fn pass(&self, time: Duration) {
        self.at.pass(time);
        self.stripe.tick();
    }

    /// Until what is done every day is due.
    pub(crate) fn pass_midnight(&self) {
        let now = self.at.world.now();
        let midnight = now.date().next_day().unwrap().midnight().assume_utc();
        self.pass(midnight + AFTER_MIDNIGHT - now);
    }

    pub(crate) async fn checkout(&self, payer: &Payer) -> Result<String, Error> {
        let org = self.web.organisation::<ManageBilling>(&payer.tenant.owner, &payer.tenant.slug).await?;
        self.web.checkout(&org, &payer.tenant.owner).await
    }

    pub(crate) async fn portal(&self, payer: &Payer) -> Result<String, Error> {
        let org = self.web.organisation::<ManageBilling>(&payer.tenant.owner, &payer.tenant.slug).await?;
        self.web.portal(&org).await
    }

    /// Goes to Stripe and subscribes.
    pub(crate) async fn subscribe(&self, payer: &Payer, card: Option<&str>) {
        let url = self.checkout(payer).await.unwrap();
        self.stripe.complete_checkout(&url, card).unwrap();
    }

    /// Stripe's id of the customer.
    pub(crate) async fn customer(&self, payer: &Payer) -> String {
        sqlx::query_scalar("SELECT customer FROM subscriptions WHERE org_id = $1")
            .bind(payer.tenant.org.0)
            .fetch_one(&self.behind)
            .await
            .unwrap()
    }

    pub(crate) async fn tell(&self, event: &sample::Event) {
        let header = sample::signature(SECRET, self.at.world.now().unix_timestamp(), &event.body);
        self.web.receive_stripe_event(&header, event.body.as_bytes()).await.unwrap().unwrap();
    }

    /// Tells all that happened, in order, and has Stripe asked.
    pub(crate) async fn tell_all(&self, payer: &Payer) {
        for event in self.stripe.events() {
            self.tell(&event).await;
        }
        self.ask(payer).await;
    }

    pub(crate) async fn ask(&self, payer: &Payer) {
        self.worker.ask_stripe_about(payer.tenant.org).await.unwrap();
    }

    pub(crate) async fn overview(&self, payer: &Payer) -> BillingOverview {
        let org = self.web.organisation::<ManageBilling>(&payer.tenant.owner, &payer.tenant.slug).await.unwrap();
        self.web.billing(&org).await.unwrap()
    }

    pub(crate) async fn payment(&self, payer: &Payer) -> Payment {
        self.overview(payer).await.payment.unwrap()
    }

    pub(crate) async fn subscription(&self, payer: &Payer) -> Subscription {
        self.payment(payer).await.subscription.unwrap()
    }

    /// What was found otherwise than it was known: what, and how it was found.
    pub(crate) async fn differences(&self, payer: &Payer) -> Vec<(String, String, String)> {
        sqlx::query_as("SELECT what, was, found FROM billing_differences WHERE org_id = $1 ORDER BY found_at, what")
            .bind(payer.tenant.org.0)
            .fetch_all(&self.behind)
            .await
            .unwrap()
    }

    /// Starts a worker; it stops when what is answered is dropped.
    pub(crate) fn work(&self, name: &str) -> watch::Sender<bool> {
        let (stop, mut stopping) = watch::channel(false);
        let (worker, name) = (self.worker.clone(), name.to_owned());
        tokio::spawn(async move {
            let until = async move { drop(stopping.wait_for(|stop| *stop).await) };
            worker.run(name, until).await.unwrap();
        });
        stop
    }

    /// Says who is billed.
    pub(crate) async fn set_details(&self, payer: &Payer, details: BillingDetails) {
        let org = self.web.organisation::<ManageBilling>(&payer.tenant.owner, &payer.tenant.slug).await.unwrap();
        self.web.set_billing_details(&org, details).await.unwrap();
    }

    /// How many rows a statement counts.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.behind).await.unwrap()
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is: impl AsyncFn() -> bool) {
    for _ in 0..2_400 {
        if is().await {
            return;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    panic!("not in two minutes: {what}");
}

/// Moments of Stripe's are in seconds.
fn moment(seconds: &Value) -> Option<Timestamp> {
    seconds.as_i64().map(|seconds| Timestamp(seconds * 1000))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Whether what the product shows is what Stripe has.
pub(crate) async fn same_as_stripe(shop: &Shop, payer: &Payer) {
    let who = &payer.tenant.slug;
    let overview = shop.overview(payer).await;
    let payment = overview.payment.unwrap();
    let customer = shop.customer(payer).await;
    let there = shop.stripe.subscription(&customer);
    let status = there.as_ref().map(|there| SubscriptionStatus::parse(there["status"].as_str().unwrap()).unwrap());
    let is_live =
        matches!(status, Some(SubscriptionStatus::Trialing | SubscriptionStatus::Active | SubscriptionStatus::PastDue));

    let shown = payment.subscription.as_ref();
    let shown = shown.map(|one| (one.status, one.nodes, one.trial_end, one.period_end, one.ends_at));
    let had = there.as_ref().map(|there| {
        let item = &there["items"]["data"][0];
        let ends = moment(&item["current_period_end"]);
        let is_ending = is_live && there["cancel_at_period_end"].as_bool().unwrap();
        (
            status.unwrap(),
            item["quantity"].as_i64().unwrap(),
            moment(&there["trial_end"]),
            ends,
            ends.filter(|_| is_ending),
        )
    });
    assert_eq!(shown, had, "{who}: the subscription, shown and had");
    assert_eq!(overview.plan, if is_live { Plan::Team } else { Plan::Free }, "{who}");
    assert_eq!(payment.has_trial, there.is_none(), "{who}: there is one trial");
    let owes = payment.subscription.is_some_and(|one| one.past_due_since.is_some());
    assert_eq!(owes, status == Some(SubscriptionStatus::PastDue), "{who}");

    let mut invoices: Vec<InvoiceRow> = shop.stripe.invoices(&customer).iter().map(invoice).collect();
    let mut shown = payment.invoices;
    // Those of the same moment are in no order.
    for list in [&mut invoices, &mut shown] {
        list.sort_by(|a, b| (a.made_at, &a.number).cmp(&(b.made_at, &b.number)));
    }
    assert_eq!(shown, invoices, "{who}: the invoices, shown and had");

    let customers = shop.stripe.customers();
    let whose = customers.iter().find(|one| one["id"] == *customer).unwrap();
    assert_eq!(payment.details.map(|details| details.email), text(&whose["email"]), "{who}");
    assert!(!payment.is_away && payment.asked_at.is_some(), "{who}");
}

fn invoice(invoice: &Value) -> InvoiceRow {
    InvoiceRow {
        number: text(&invoice["number"]),
        status: text(&invoice["status"]).unwrap(),
        total: Money { amount: invoice["total"].as_i64().unwrap(), currency: text(&invoice["currency"]).unwrap() },
        made_at: moment(&invoice["created"]).unwrap(),
        next_attempt_at: moment(&invoice["next_payment_attempt"]),
        page: text(&invoice["hosted_invoice_url"]),
        pdf: text(&invoice["invoice_pdf"]),
    }
}
