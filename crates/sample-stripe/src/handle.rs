//! A running sample Stripe, for tests in the same process.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    cards::CardError,
    checkout::Typed,
    events::Event,
    fields::Fields,
    ledger::Ledger,
    options::Options,
    sent::{self, Sent},
    serve,
    shared::{Request, Shared, locked},
    state::{State, Terms},
    webhooks::{self, Delivery},
};

/// A running sample Stripe. It stops when its last clone is dropped, which panics when anything was sent that is not
/// documented: so no test can miss it.
#[derive(Clone, Debug)]
pub struct Stripe {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    url: String,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.faults.unreachable.store(true, Ordering::SeqCst);
        self.shared.faults.mute.store(true, Ordering::SeqCst);
        let undocumented = self.shared.sent.undocumented();
        assert!(
            undocumented.is_empty() || self.shared.options.control || thread::panicking(),
            "sent to Stripe, and not in docs/billing/data-sent.md: {}",
            undocumented.join(", ")
        );
    }
}

impl Stripe {
    /// Listens on loopback.
    pub async fn start(options: Options) -> Result<Self> {
        let (tcp, addr) = serve::listen(options.port).await?;
        let url = format!("http://{addr}");
        let started = (options.now)();
        let terms = Terms {
            url: url.clone(),
            price: options.price.clone(),
            unit_amount: options.unit_amount,
            currency: options.currency.clone(),
            retry_days: options.retry_days.clone(),
        };
        let state = State { at: started, started, terms, webhook: options.webhook.is_some(), ..State::default() };
        let sent = Sent::new(options.sent_file.as_deref())?;
        let shared = Arc::new(Shared::new(options, state, sent));
        locked(&shared.outgoing.target).clone_from(&shared.options.webhook);
        let tasks =
            [tokio::spawn(serve::serve(tcp, addr, shared.clone())), tokio::spawn(webhooks::deliver(shared.clone()))];
        let running = Arc::new(Running { shared: shared.clone(), url, tasks });
        Ok(Self { shared, running })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// Sends events there from now on.
    pub fn set_webhook(&self, url: &str, secret: &str) {
        *locked(&self.shared.outgoing.target) = Some((url.to_owned(), secret.to_owned()));
        self.shared.touch(|state| state.webhook = true);
    }

    // Time

    /// Lets everything happen that is due by now, each at its own time.
    pub fn tick(&self) {
        self.shared.act(|_| ());
    }

    /// Moves the clock, besides what `Options::now` says, and ticks. Signatures keep to `Options::now`, so that a
    /// receiver whose clock was not moved takes them.
    pub fn advance(&self, seconds: i64) {
        self.shared.advance(seconds);
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.shared.now()
    }

    // Faults

    /// Every request to the API is answered 503, and does nothing.
    pub fn down(&self, down: bool) {
        self.shared.faults.down.store(down, Ordering::SeqCst);
    }

    /// Every connection is closed without an answer, and nothing is done.
    pub fn unreachable(&self, unreachable: bool) {
        self.shared.faults.unreachable.store(unreachable, Ordering::SeqCst);
        self.shared.faults.mute.store(unreachable, Ordering::SeqCst);
    }

    /// Everything is done, but no answer arrives: the connection breaks instead.
    pub fn lose_answers(&self, lose: bool) {
        self.shared.faults.mute.store(lose, Ordering::SeqCst);
    }

    /// Every request to the API takes so long.
    pub fn slow(&self, by: Duration) {
        *locked(&self.shared.faults.slow) = by;
    }

    // What was asked

    /// Every request to the API so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }

    /// Documented requests and fields that were sent; a request without fields has the field "".
    pub fn sent(&self) -> BTreeSet<(String, String)> {
        self.shared.sent.sent()
    }

    /// The same, of all that is documented.
    pub fn documented() -> BTreeSet<(String, String)> {
        sent::documented().clone()
    }

    /// What was sent and is not documented.
    pub fn undocumented(&self) -> Vec<String> {
        self.shared.sent.undocumented()
    }

    // What there is

    /// Customers, oldest first.
    pub fn customers(&self) -> Vec<Value> {
        self.shared.look(|state| state.customers.values().map(|c| state.customer_shape(c)).collect())
    }

    /// A customer's newest subscription.
    pub fn subscription(&self, customer: &str) -> Option<Value> {
        self.shared.look(|state| {
            let newest = state.subscriptions.values().rev().find(|s| s.customer == customer)?;
            Some(state.subscription_shape(newest))
        })
    }

    /// A customer's invoices, newest first.
    pub fn invoices(&self, customer: &str) -> Vec<Value> {
        self.shared.look(|state| {
            let found = state.invoices.values().rev().filter(|i| i.customer == customer);
            found.map(|i| state.invoice_shape(i)).collect()
        })
    }

    /// All of it, as Stripe would answer it.
    pub fn everything(&self) -> Value {
        self.shared.look(State::everything)
    }

    /// What was billed to a customer, line by line.
    pub fn ledger(&self, customer: &str) -> Ledger {
        self.shared.look(|state| state.ledger(customer))
    }

    /// All that was billed to a customer, on an invoice or pending: nodes times seconds.
    pub fn node_seconds(&self, customer: &str) -> i128 {
        self.ledger(customer).node_seconds()
    }

    // What customers do at Stripe

    /// Presses "Subscribe" at Checkout; the subscription's id. `session`: its id or its address.
    pub fn complete_checkout(&self, session: &str, card: Option<&str>) -> Result<String> {
        let id = session.rsplit('/').next().unwrap_or_default();
        let typed = Typed { card, ..Typed::default() };
        self.shared.act(|state| state.complete(id, &typed)).map_err(|message| anyhow!(message))
    }

    /// Saves a card in the portal. What is open is paid with it at once, or fails again.
    pub fn set_card(&self, customer: &str, card: &str) -> Result<()> {
        self.known(customer)?;
        self.shared.act(|state| state.set_card(customer, card)).map_err(|error: CardError| anyhow!(error.message()))
    }

    /// Presses "Cancel plan" in the portal, or "Don't cancel plan".
    pub fn cancel_at_period_end(&self, customer: &str, cancel: bool) -> Result<()> {
        self.on_live(customer, |state, id| state.set_cancel_at_period_end(id, cancel))
    }

    /// Cancels at once, as Stripe's dashboard can.
    pub fn cancel_now(&self, customer: &str) -> Result<()> {
        self.on_live(customer, |state, id| state.cancel(id, Some("cancellation_requested")))
    }

    /// Deletes a customer, as Stripe's dashboard can.
    pub fn delete_customer(&self, customer: &str) -> Result<()> {
        let done = self.shared.act(|state| state.delete_customer(customer).map(drop));
        done.map_err(|refused| anyhow!(refused.message().to_owned()))
    }

    /// Changes the address in the portal: `[("country", "DE"), …]`, an empty text clears.
    pub fn set_address(&self, customer: &str, address: &[(&str, &str)]) -> Result<()> {
        let fields = address.iter().map(|(key, value)| (format!("address[{key}]"), (*value).to_owned()));
        self.set_details(customer, fields.collect())
    }

    /// Changes the billing e-mail address in the portal.
    pub fn set_email(&self, customer: &str, email: &str) -> Result<()> {
        self.set_details(customer, [("email".to_owned(), email.to_owned())].into())
    }

    fn set_details(&self, customer: &str, fields: Fields) -> Result<()> {
        let done = self.shared.act(|state| state.update_customer(customer, &fields).map(drop));
        done.map_err(|refused| anyhow!(refused.message().to_owned()))
    }

    fn known(&self, customer: &str) -> Result<()> {
        let known = self.shared.look(|state| state.customer(customer).is_some());
        known.then_some(()).with_context(|| format!("no customer {customer}"))
    }

    fn on_live(&self, customer: &str, act: impl FnOnce(&mut State, &str)) -> Result<()> {
        self.known(customer)?;
        self.shared.act(|state| {
            let id = state.live_subscriptions(customer).pop();
            let id = id.with_context(|| format!("no subscription of {customer} is left to cancel"))?;
            act(state, &id);
            Ok(())
        })
    }

    // Events

    /// Every event, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.shared.look(|state| state.events.clone())
    }

    /// While held, none is delivered; after that, all in order.
    pub fn hold_webhooks(&self, held: bool) {
        self.shared.outgoing.hold(held);
    }

    /// Sends the last `count` events again, of one type or of all, newest first when `reverse`. How many those are.
    pub fn redeliver(&self, kind: Option<&str>, count: usize, reverse: bool) -> usize {
        self.shared.touch(|state| state.redeliver(kind, count, reverse))
    }

    /// Every attempt at a delivery, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        locked(&self.shared.outgoing.deliveries).clone()
    }

    /// Until every event is delivered.
    pub async fn delivered(&self) {
        webhooks::delivered(&self.shared).await;
    }
}
