//! What happens at Stripe, told in every way in which it can be told: the end is the same.

use kubewise_backend::{NotFromStripe, permission::ViewInventory};
use kubewise_contract::{ListQuery, Plan, SubscriptionStatus};
use kubewise_sample_stripe as sample;
use time::Duration;

use super::shop::{DECLINED, GOOD, Payer, SECRET, Shop, same_as_stripe};

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody goes to Checkout and subscribes, with a card or without.
    Subscribe(Option<&'static str>),
    Pass(Duration),
    /// Another card is typed at Stripe.
    Card(&'static str),
    CancelAtEnd(bool),
    CancelNow,
    /// There are three clusters: the plan Free is too small for the last two.
    Grow,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    InOrder,
    /// Each again.
    Twice,
    /// What happened last is told first.
    Reversed,
    /// When the next step has happened.
    LateByOne,
    /// When everything has happened, and each step after the one that came after it.
    Late,
    BadlySigned,
    /// Signed too long ago.
    Old,
    /// With one byte of another body.
    Changed,
}

impl Way {
    const ALL: [(&str, Self); 8] = [
        ("in order", Self::InOrder),
        ("twice", Self::Twice),
        ("reversed", Self::Reversed),
        ("late by one", Self::LateByOne),
        ("late", Self::Late),
        ("badly signed", Self::BadlySigned),
        ("old", Self::Old),
        ("changed", Self::Changed),
    ];

    /// Whether it is told when it happens.
    fn is_in_time(self) -> bool {
        matches!(self, Self::InOrder | Self::Twice | Self::Reversed)
    }

    /// Why it is not taken.
    fn refused(self) -> Option<NotFromStripe> {
        match self {
            Self::InOrder | Self::Twice | Self::Reversed | Self::LateByOne | Self::Late => None,
            Self::BadlySigned | Self::Changed => Some(NotFromStripe::Signature),
            Self::Old => Some(NotFromStripe::Age),
        }
    }
}

struct Told {
    way: Way,
    payer: Payer,
    customer: String,
    /// Events of Stripe's that were looked at.
    seen: usize,
    /// What is not told yet, step by step.
    kept: Vec<Vec<sample::Event>>,
}

impl Told {
    /// What happened to this one since it was looked.
    fn news(&mut self, shop: &Shop) -> Vec<sample::Event> {
        let events = shop.stripe.events();
        let about = format!("\"{}\"", self.customer);
        let news = events[self.seen..].iter().filter(|event| event.body.contains(&about)).cloned().collect();
        self.seen = events.len();
        news
    }

    async fn act(&mut self, shop: &Shop, step: Step) {
        match step {
            Step::Subscribe(card) => {
                // What is due by then.
                shop.ask(&self.payer).await;
                shop.subscribe(&self.payer, card).await;
            }
            Step::Pass(_) => {}
            Step::Card(card) => shop.stripe.set_card(&self.customer, card).unwrap(),
            Step::CancelAtEnd(cancel) => shop.stripe.cancel_at_period_end(&self.customer, cancel).unwrap(),
            Step::CancelNow => shop.stripe.cancel_now(&self.customer).unwrap(),
            Step::Grow => {
                shop.ask(&self.payer).await;
                for (name, nodes) in [("second", 8), ("third", 1)] {
                    shop.pass(Duration::SECOND);
                    shop.add_cluster(&mut self.payer, name).await.unwrap();
                    shop.heard(*self.payer.clusters.last().unwrap(), nodes).await;
                }
                shop.worker.count_nodes().await.unwrap();
            }
        }
    }

    /// After a step.
    async fn hear(&mut self, shop: &Shop) {
        if self.way == Way::Late || self.way == Way::LateByOne {
            let news = self.news(shop);
            self.kept.push(news);
            if self.way == Way::LateByOne && self.kept.len() > 1 {
                let before = self.kept.remove(0);
                self.deliver(shop, before).await;
            }
            return;
        }
        // To tell Stripe the nodes makes news too.
        loop {
            let mut news = self.news(shop);
            if news.is_empty() {
                return;
            }
            if self.way == Way::Reversed {
                news.reverse();
            }
            self.deliver(shop, news).await;
        }
    }

    /// After the last step.
    async fn hear_the_rest(&mut self, shop: &Shop) {
        while let Some(news) = self.kept.pop() {
            self.deliver(shop, news).await;
        }
    }

    /// Each is told, and what follows from it is done.
    async fn deliver(&self, shop: &Shop, events: Vec<sample::Event>) {
        for event in events {
            let Some(why) = self.way.refused() else {
                shop.tell(&event).await;
                shop.ask(&self.payer).await;
                if self.way == Way::Twice {
                    self.deliver_again(shop, &event).await;
                }
                continue;
            };
            let before = shop.overview(&self.payer).await;
            assert_eq!(self.send(shop, &event).await, Err(why), "{:?}: {}", self.way, event.kind);
            assert_eq!(shop.overview(&self.payer).await, before, "{:?}: {}", self.way, event.kind);
        }
    }

    async fn deliver_again(&self, shop: &Shop, event: &sample::Event) {
        let jobs = "SELECT count(*) FROM apalis.jobs";
        let (before, enqueued) = (shop.overview(&self.payer).await, shop.count(jobs).await);
        shop.tell(event).await;
        assert_eq!(shop.count(jobs).await, enqueued, "{}: what was told before has nothing done", event.kind);
        shop.ask(&self.payer).await;
        assert_eq!(shop.overview(&self.payer).await, before, "{}", event.kind);
        let deliveries: i32 = sqlx::query_scalar("SELECT deliveries FROM stripe_events WHERE id = $1")
            .bind(&event.id)
            .fetch_one(&shop.behind)
            .await
            .unwrap();
        assert_eq!(deliveries, 2);
    }

    async fn send(&self, shop: &Shop, event: &sample::Event) -> Result<(), NotFromStripe> {
        let now = shop.at.world.now().unix_timestamp();
        let mut body = event.body.clone().into_bytes();
        let header = match self.way {
            Way::BadlySigned => sample::signature("whsec_of_somebody_else", now, &event.body),
            Way::Old => sample::signature(SECRET, now - 301, &event.body),
            _ => sample::signature(SECRET, now, &event.body),
        };
        if self.way == Way::Changed {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        shop.web.receive_stripe_event(&header, &body).await.unwrap()
    }

    /// Rows of events that are about this one.
    async fn events(&self, shop: &Shop) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM stripe_events WHERE customer = $1")
            .bind(&self.customer)
            .fetch_one(&shop.behind)
            .await
            .unwrap()
    }
}

/// Lives through the steps, each way told to an organisation of its own. Ends after the next midnight, when all has been
/// compared with Stripe.
async fn live(steps: &[Step], end: SubscriptionStatus) -> (Shop, Vec<Told>) {
    let shop = Shop::open().await;
    let mut all = Vec::new();
    for (name, way) in Way::ALL {
        let payer = shop.payer(name).await;
        shop.heard(payer.clusters[0], 5).await;
        // Somebody looked at Checkout before: Stripe is asked about it, and has nothing.
        shop.checkout(&payer).await.unwrap();
        let customer = shop.customer(&payer).await;
        all.push(Told { way, payer, customer, seen: 0, kept: Vec::new() });
    }
    shop.worker.count_nodes().await.unwrap();
    shop.pass(Duration::minutes(3));
    for told in &mut all {
        shop.ask(&told.payer).await;
        told.hear(&shop).await;
    }
    for step in steps {
        if let Step::Pass(time) = step {
            shop.pass(*time);
        }
        for told in &mut all {
            told.act(&shop, *step).await;
            told.hear(&shop).await;
        }
    }
    for told in &mut all {
        told.hear_the_rest(&shop).await;
        let differences = shop.differences(&told.payer).await;
        if told.way.refused().is_none() {
            same_as_stripe(&shop, &told.payer).await;
            assert!(told.events(&shop).await > 0);
            assert!(!told.way.is_in_time() || differences.is_empty(), "{:?}: it was told: {differences:?}", told.way);
        } else {
            assert_eq!(told.events(&shop).await, 0, "{:?}", told.way);
        }
    }
    assert_eq!(shop.count("SELECT count(*) FROM stripe_events WHERE done_at IS NULL").await, 0);
    // Whoever was told nothing finds it out.
    shop.pass_midnight();
    for told in &all {
        shop.ask(&told.payer).await;
        same_as_stripe(&shop, &told.payer).await;
        assert_eq!(shop.subscription(&told.payer).await.status, end, "{:?}", told.way);
        if told.way.refused().is_some() {
            let differences = shop.differences(&told.payer).await;
            assert!(differences.iter().any(|(what, ..)| what == "state"), "{:?}: {differences:?}", told.way);
        }
    }
    (shop, all)
}

const SOON: Duration = Duration::minutes(2);

#[tokio::test]
async fn a_plan_is_bought() {
    live(&[Step::Subscribe(Some(GOOD)), Step::Pass(SOON)], SubscriptionStatus::Trialing).await;
}

#[tokio::test]
async fn a_trial_ends_and_there_is_a_card() {
    let steps = [
        Step::Subscribe(Some(GOOD)),
        Step::Pass(Duration::days(11) + SOON),
        Step::Pass(Duration::days(3)),
        Step::Pass(Duration::hours(1)),
    ];
    live(&steps, SubscriptionStatus::Active).await;
}

#[tokio::test]
async fn a_trial_ends_and_there_is_no_card() {
    let (shop, all) =
        live(&[Step::Subscribe(None), Step::Pass(Duration::days(14) + SOON)], SubscriptionStatus::Canceled).await;
    for told in &all {
        // Who was told of it when it was over never had the plan.
        let has_grace = shop.overview(&told.payer).await.grace_until.is_some();
        assert!(has_grace || !told.way.is_in_time(), "{:?}", told.way);
    }
}

#[tokio::test]
async fn a_payment_fails_and_then_does_not() {
    let steps = [
        Step::Subscribe(Some(DECLINED)),
        Step::Pass(Duration::days(14) + SOON),
        Step::Pass(Duration::days(3)),
        Step::Card(GOOD),
    ];
    let (shop, all) = live(&steps, SubscriptionStatus::Active).await;
    for told in &all {
        let invoices = shop.payment(&told.payer).await.invoices;
        assert!(invoices.len() > 1 && invoices.iter().all(|invoice| invoice.status == "paid"), "{invoices:?}");
    }
}

#[tokio::test]
async fn a_payment_fails_and_goes_on_failing() {
    let steps = [
        Step::Subscribe(Some(DECLINED)),
        Step::Pass(Duration::days(14) + SOON),
        Step::Pass(Duration::days(3)),
        Step::Pass(Duration::days(5)),
        Step::Pass(Duration::days(7)),
    ];
    let (shop, all) = live(&steps, SubscriptionStatus::Canceled).await;
    for told in &all {
        let overview = shop.overview(&told.payer).await;
        assert!(overview.grace_until.is_some() || !told.way.is_in_time(), "{:?}", told.way);
        let invoices = overview.payment.unwrap().invoices;
        assert!(invoices.iter().any(|invoice| invoice.status == "uncollectible"), "{invoices:?}");
    }
}

#[tokio::test]
async fn a_plan_is_cancelled_until_it_has_ended() {
    let steps = [
        Step::Subscribe(Some(GOOD)),
        Step::Pass(Duration::days(14) + SOON),
        Step::CancelAtEnd(true),
        Step::Pass(Duration::days(10)),
        Step::Pass(Duration::days(21)),
    ];
    live(&steps, SubscriptionStatus::Canceled).await;
}

#[tokio::test]
async fn a_plan_is_cancelled_and_kept_after_all() {
    let steps = [
        Step::Subscribe(Some(GOOD)),
        Step::Pass(Duration::days(15)),
        Step::CancelAtEnd(true),
        Step::Pass(Duration::days(3)),
        Step::CancelAtEnd(false),
        Step::Pass(Duration::days(31)),
    ];
    live(&steps, SubscriptionStatus::Active).await;
}

#[tokio::test]
async fn a_plan_has_ended_and_is_bought_again() {
    let steps = [
        Step::Subscribe(Some(GOOD)),
        Step::Pass(Duration::days(20)),
        Step::CancelNow,
        Step::Pass(Duration::days(2)),
        Step::Subscribe(Some(GOOD)),
        Step::Pass(SOON),
    ];
    let (shop, all) = live(&steps, SubscriptionStatus::Active).await;
    for told in &all {
        let overview = shop.overview(&told.payer).await;
        assert!(overview.grace_until.is_none(), "{:?}", told.way);
    }
}

/// Clusters for which their plan is too small, by the order in which they were added.
async fn beyond(shop: &Shop, payer: &Payer) -> Vec<bool> {
    let mut beyond = Vec::new();
    for cluster in &payer.clusters {
        let row = sqlx::query_scalar("SELECT beyond_plan_since IS NOT NULL FROM clusters WHERE id = $1");
        beyond.push(row.bind(cluster.0).fetch_one(&shop.behind).await.unwrap());
    }
    beyond
}

#[tokio::test]
async fn a_plan_ends_and_there_is_more_than_the_plan_free_has() {
    let steps = [
        Step::Subscribe(Some(GOOD)),
        Step::Pass(Duration::DAY),
        Step::Grow,
        Step::Pass(Duration::days(20)),
        Step::CancelNow,
    ];
    let (shop, all) = live(&steps, SubscriptionStatus::Canceled).await;
    shop.worker.count_nodes().await.unwrap();
    for told in &all {
        let overview = shop.overview(&told.payer).await;
        assert!(overview.plan == Plan::Free && overview.grace_until.is_some(), "{:?}", told.way);
        assert_eq!(beyond(&shop, &told.payer).await, [false; 3], "{:?}: the limits of before hold", told.way);
    }
    shop.pass(Duration::days(14) + Duration::minutes(1));
    shop.worker.count_nodes().await.unwrap();
    for told in &all {
        assert_eq!(shop.overview(&told.payer).await.grace_until, None);
        assert_eq!(beyond(&shop, &told.payer).await, [false, true, true], "{:?}", told.way);
        let Payer { tenant, .. } = &told.payer;
        let org = shop.web.organisation::<ViewInventory>(&tenant.owner, &tenant.slug).await.unwrap();
        let clusters = shop.web.clusters(&org, &ListQuery::default()).await.unwrap();
        assert_eq!(clusters.rows.len(), 3, "nothing is removed, and all of it can be read");
        // Bought again, everything is back at once.
        shop.subscribe(&told.payer, Some(GOOD)).await;
        shop.pass(Duration::minutes(3));
        shop.ask(&told.payer).await;
        assert_eq!(beyond(&shop, &told.payer).await, [false; 3], "{:?}", told.way);
        same_as_stripe(&shop, &told.payer).await;
    }
}
