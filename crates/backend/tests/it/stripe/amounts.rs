//! Whatever happens in whichever order, what is billed is what the rule says.

use std::time::Duration as Wait;

use kubewise_backend::Error;
use proptest::prelude::*;
use time::{Duration, macros::datetime};

use super::{
    reckoning::{Bought, Log},
    shop::{AFTER_MIDNIGHT, GOOD, Payer, Shop, same_as_stripe},
};

#[derive(Clone, Debug)]
enum Op {
    Nodes {
        cluster: usize,
        nodes: i64,
    },
    /// In hours.
    Pass(i64),
    Buy {
        has_card: bool,
    },
    /// At Stripe: that it ends with its period, or no longer.
    AtEnd(bool),
    /// At Stripe.
    CancelNow,
    /// Stripe is away for so many hours: answers 503, or nothing at all.
    Away {
        hours: i64,
        is_down: bool,
    },
    /// These events are delivered, whether they were before or not.
    Deliver(Vec<prop::sample::Index>),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (1_i64..=12).prop_map(Op::Pass),
        10 => (8_i64..=12).prop_map(Op::Pass),
        7 => (0_usize..2, 0_i64..=25).prop_map(|(cluster, nodes)| Op::Nodes { cluster, nodes }),
        2 => any::<bool>().prop_map(|has_card| Op::Buy { has_card }),
        1 => prop::bool::weighted(0.4).prop_map(Op::AtEnd),
        1 => prop::bool::weighted(0.3).prop_map(|now| if now { Op::CancelNow } else { Op::Pass(1) }),
        1 => (1_i64..=6, any::<bool>()).prop_map(|(hours, is_down)| Op::Away { hours, is_down }),
        2 => prop::collection::vec(any::<prop::sample::Index>(), 0..6).prop_map(Op::Deliver),
    ]
}

struct Life {
    shop: Shop,
    payer: Payer,
    log: Log,
    /// What the agents tell.
    nodes: [i64; 2],
    /// Until when Stripe is away.
    away: Option<i64>,
    /// How often Stripe had been asked when a plan was bought the last time.
    asked_before: usize,
}

impl Life {
    async fn begin(hour: i64) -> Self {
        let shop = Shop::open_at(datetime!(2041-01-01 00:07:30 UTC) + Duration::hours(hour)).await;
        let mut payer = shop.payer("acme").await;
        shop.add_cluster(&mut payer, "staging").await.unwrap();
        let mut life = Self { shop, payer, log: Log::default(), nodes: [3, 0], away: None, asked_before: 0 };
        life.agents_tell().await;
        life
    }

    fn now(&self) -> i64 {
        self.shop.at.world.now().unix_timestamp()
    }

    async fn agents_tell(&mut self) {
        let now = self.now();
        for (at, cluster) in self.payer.clusters.iter().enumerate() {
            self.shop.heard(*cluster, self.nodes[at]).await;
            self.log.nodes(now, at, self.nodes[at]);
        }
        self.shop.worker.count_nodes().await.unwrap();
    }

    /// What is due is asked; and what is due by what the product promises is.
    async fn ask(&mut self) {
        let now = self.now();
        let Some(bought) = self.log.bought.last() else { return };
        let before = self.shop.stripe.requests().len();
        self.shop.ask(&self.payer).await;
        let is_asked = self.shop.stripe.requests().len() > before;
        let due =
            self.log.asked.last().map_or(bought.at + 120, |last| {
                (last.div_euclid(86_400) + 1) * 86_400 + AFTER_MIDNIGHT.whole_seconds()
            });
        // While Stripe is not reached, it is asked and does not see it.
        let is_due = now >= due && self.away.is_none();
        assert!(is_asked || !is_due, "Stripe was to be asked at {due}, and was not at {now}");
        if is_asked && self.away.is_none() {
            self.log.asked.push(now);
        }
    }

    async fn pass(&mut self, time: Duration) {
        self.shop.pass(time);
        let now = self.now();
        if self.away.is_some_and(|until| until <= now) {
            self.come_back();
        }
        self.agents_tell().await;
    }

    fn come_back(&mut self) {
        self.shop.stripe.down(false);
        self.shop.stripe.unreachable(false);
        self.away = None;
    }

    async fn buy(&mut self, has_card: bool) {
        let now = self.now();
        let has_trial = self.log.bought.is_empty();
        let has_card = has_card || !has_trial;
        match self.shop.checkout(&self.payer).await {
            Ok(url) => {
                let done = self.shop.stripe.complete_checkout(&url, has_card.then_some(GOOD));
                // As long as Stripe was not asked, the way is the same, and has closed.
                assert_eq!(done.is_err(), self.log.is_live(now), "it is bought once: {done:?}");
                if done.is_err() {
                    return;
                }
                let nodes = self.nodes.iter().sum::<i64>().max(1);
                let bought = Bought { at: now, nodes, has_trial, has_card, ends: Vec::new(), ended: None };
                self.log.bought.push(bought);
                self.asked_before = self.log.asked.len();
            }
            Err(Error::AlreadySubscribed) => {
                let over = self.log.bought.last().unwrap().over(now);
                let is_known = over.is_some_and(|over| self.log.asked.last().is_some_and(|at| *at > over));
                assert!(!is_known, "it has ended, and cannot be bought");
            }
            Err(Error::Stripe(_)) => assert!(self.away.is_some()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Does it; and each time Stripe has billed what the rule says.
    async fn act(&mut self, op: &Op) {
        let now = self.now();
        match op {
            Op::Nodes { cluster, nodes } => {
                self.nodes[*cluster] = *nodes;
                self.agents_tell().await;
            }
            Op::Pass(hours) => self.pass(Duration::hours(*hours)).await,
            Op::Buy { has_card } => self.buy(*has_card).await,
            Op::AtEnd(ends) if self.log.is_live(now) => {
                let customer = self.shop.customer(&self.payer).await;
                self.shop.stripe.cancel_at_period_end(&customer, *ends).unwrap();
                self.log.bought.last_mut().unwrap().ends.push((now, *ends));
            }
            // As long as Stripe was not asked, nothing is known here of what is cancelled.
            Op::CancelNow if self.log.is_live(now) && self.log.asked.len() > self.asked_before => {
                let customer = self.shop.customer(&self.payer).await;
                self.shop.stripe.cancel_now(&customer).unwrap();
                self.log.bought.last_mut().unwrap().ended = Some((now, self.log.asked.len()));
            }
            Op::AtEnd(_) | Op::CancelNow => {}
            Op::Away { hours, is_down } => {
                self.come_back();
                self.away = Some(now + hours * 3600);
                if *is_down {
                    self.shop.stripe.down(true);
                } else {
                    self.shop.stripe.unreachable(true);
                }
            }
            Op::Deliver(which) => {
                let events = self.shop.stripe.events();
                for event in which.iter().filter(|_| !events.is_empty()) {
                    self.shop.tell(event.get(&events)).await;
                }
            }
        }
        self.ask().await;
        self.is_billed().await;
    }

    async fn is_billed(&self) {
        if self.log.bought.is_empty() {
            return;
        }
        let customer = self.shop.customer(&self.payer).await;
        let (billed, wanted) = (self.shop.stripe.node_seconds(&customer), self.log.node_seconds(self.now()));
        assert_eq!(billed, wanted, "node-seconds, billed and to be billed: {:#?}", self.shop.stripe.ledger(&customer));
    }
}

fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    let is_said = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if is_said { given.cases } else { 12 };
    // A case takes seconds.
    ProptestConfig { cases, max_shrink_iters: 60, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(config())]

    /// Some 60 days, from any hour of a year on: a trial, and more than a month that is paid.
    #[test]
    fn what_is_billed_is_what_the_rule_says(
        hour in 0_i64..24 * 365,
        before in prop::collection::vec(op(), 0..10),
        has_card in prop::bool::weighted(0.8),
        ops in prop::collection::vec(op(), 240..340),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut life = Life::begin(hour).await;
            for op in before.iter().chain([&Op::Buy { has_card }]).chain(&ops) {
                life.act(op).await;
            }
            life.come_back();
            let now = life.shop.at.world.now();
            let midnight = now.date().next_day().unwrap().midnight().assume_utc();
            life.pass(midnight + AFTER_MIDNIGHT - now).await;
            life.ask().await;
            life.is_billed().await;
            if !life.log.bought.is_empty() {
                same_as_stripe(&life.shop, &life.payer).await;
            }
        });
        runtime.shutdown_timeout(Wait::from_secs(5));
    }
}
