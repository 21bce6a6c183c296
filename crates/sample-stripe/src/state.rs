//! What is remembered.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::{cards::Card, events::Event, ledger::Billed};

/// Everything there is. Ids count up, so that maps are in order of making.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The time up to which everything due has happened, in seconds since 1970.
    pub(crate) at: i64,
    /// When it was started, in seconds since 1970: ids differ from one run to the next.
    pub(crate) started: i64,
    pub(crate) made: u32,
    pub(crate) terms: Terms,
    pub(crate) customers: BTreeMap<String, Customer>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) invoices: BTreeMap<String, Invoice>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) portals: BTreeMap<String, Portal>,
    pub(crate) events: Vec<Event>,
    /// Events, by their place, that are still to be delivered.
    pub(crate) outbox: VecDeque<usize>,
    /// Whether there is somewhere to deliver to.
    pub(crate) webhook: bool,
}

/// What the plan costs and how hard it is collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    pub(crate) price: String,
    pub(crate) unit_amount: i64,
    pub(crate) currency: String,
    pub(crate) retry_days: Vec<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) address: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tax_id: Option<String>,
    pub(crate) cards: Vec<Card>,
    /// The default of its invoices.
    pub(crate) payment_method: Option<String>,
    /// Minor units; negative is a credit.
    pub(crate) balance: i64,
    pub(crate) invoices: u32,
    /// Is remembered, and can do nothing any more.
    pub(crate) deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Trialing,
    Active,
    PastDue,
    Canceled,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "Stripe's own: each is a field of its API")]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) item: String,
    pub(crate) customer: String,
    pub(crate) created: i64,
    pub(crate) status: Status,
    pub(crate) quantity: i64,
    /// The first paid period begins here.
    pub(crate) anchor: i64,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    /// From, until.
    pub(crate) trial: Option<(i64, i64)>,
    pub(crate) trial_end_told: bool,
    /// A trial that ends without a card cancels.
    pub(crate) cancel_without_card: bool,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) cancellation_reason: Option<&'static str>,
    pub(crate) payment_method: Option<String>,
    pub(crate) automatic_tax: bool,
    pub(crate) latest_invoice: Option<String>,
    pub(crate) pending: Vec<Billed>,
}

impl Subscription {
    /// Seconds of the current period.
    pub(crate) fn period(&self) -> i64 {
        self.period_end - self.period_start
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Uncollectible,
}

impl InvoiceStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) customer: String,
    pub(crate) subscription: String,
    pub(crate) reason: &'static str,
    pub(crate) created: i64,
    pub(crate) status: InvoiceStatus,
    pub(crate) lines: Vec<Billed>,
    /// Of the period that passed, as Stripe has it: the lines say what they are for.
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    pub(crate) starting_balance: i64,
    pub(crate) ending_balance: Option<i64>,
    pub(crate) attempts: u32,
    pub(crate) next_attempt: Option<i64>,
    /// How many attempts have failed that were due by the calendar.
    pub(crate) retries: usize,
    pub(crate) finalized_at: Option<i64>,
    pub(crate) paid_at: Option<i64>,
    pub(crate) uncollectible_at: Option<i64>,
    pub(crate) automatic_tax: bool,
    /// The customer as it was then.
    pub(crate) customer_email: Option<String>,
    pub(crate) customer_name: Option<String>,
    pub(crate) customer_address: BTreeMap<String, String>,
}

impl Invoice {
    /// Of all lines, in minor units.
    pub(crate) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// What is left when the credit of the customer is taken off.
    pub(crate) fn due(&self) -> i64 {
        (self.total() + self.starting_balance).max(0)
    }
}

/// A session of Checkout.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "Stripe's own: each is a field of its API")]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) created: i64,
    pub(crate) expires_at: i64,
    pub(crate) status: &'static str,
    pub(crate) quantity: i64,
    pub(crate) trial_days: Option<i64>,
    pub(crate) cancel_without_card: bool,
    pub(crate) card_if_required: bool,
    pub(crate) automatic_tax: bool,
    pub(crate) tax_id_collection: bool,
    pub(crate) update_name: bool,
    pub(crate) update_address: bool,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) invoice: Option<String>,
}

impl Session {
    /// Whether it can be completed without a card.
    pub(crate) fn card_optional(&self) -> bool {
        self.card_if_required && self.trial_days.is_some()
    }
}

/// A session of the customer portal.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) created: i64,
    pub(crate) return_url: Option<String>,
}

impl State {
    /// A fresh id.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{:08x}{:08}", self.started, self.made)
    }

    /// What Stripe would answer now, for whoever looks from outside.
    pub(crate) fn everything(&self) -> Value {
        serde_json::json!({
            "now": self.at,
            "customers": self.customers.values().map(|c| self.customer_shape(c)).collect::<Vec<_>>(),
            "subscriptions": self.subscriptions.values().map(|s| self.subscription_shape(s)).collect::<Vec<_>>(),
            "invoices": self.invoices.values().map(|i| self.invoice_shape(i)).collect::<Vec<_>>(),
            "checkout_sessions": self.sessions.values().map(|s| self.session_shape(s)).collect::<Vec<_>>(),
        })
    }
}
