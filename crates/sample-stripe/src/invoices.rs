//! Invoices: made, finalized and collected at once, where Stripe leaves an hour between.

use serde_json::Value;

use crate::{
    calendar::{DAY, next_month},
    fields::{Fields, required},
    ledger::Billed,
    refused::Refused,
    shapes::prefix,
    state::{Customer, Invoice, InvoiceStatus, State, Status, Subscription},
};

/// Why an invoice is made, and for which time that passed.
#[derive(Clone, Copy)]
pub(crate) struct Reason {
    pub(crate) billed_for: &'static str,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
}

impl State {
    /// Makes an invoice of these lines; it is neither final nor collected yet.
    pub(crate) fn draft(&mut self, subscription: &str, reason: Reason, mut lines: Vec<Billed>) -> String {
        let id = self.id("in");
        for line in &mut lines {
            line.invoice = Some(id.clone());
        }
        let subscription = &self.subscriptions[subscription];
        let customer = &self.customers[&subscription.customer];
        let mut invoice = invoice_of(customer, subscription, reason, self.at);
        invoice.id.clone_from(&id);
        invoice.lines = lines;
        let customer = customer.id.clone();
        if let Some(customer) = self.customers.get_mut(&customer) {
            customer.invoices += 1;
        }
        self.invoices.insert(id.clone(), invoice);
        id
    }

    /// Makes it final, takes the customer's credit off, and tries to collect the rest.
    pub(crate) fn collect(&mut self, id: &str) {
        let draft = self.invoices[id].clone();
        self.emit("invoice.created", self.invoice_shape(&draft));
        let starting = self.customers[&draft.customer].balance;
        let ending = (starting + draft.total()).min(0);
        self.change_invoice(id, |invoice, at| {
            invoice.status = InvoiceStatus::Open;
            invoice.starting_balance = starting;
            invoice.ending_balance = Some(ending);
            invoice.finalized_at = Some(at);
        });
        self.emit("invoice.finalized", self.invoice_shape(&self.invoices[id]));
        self.change_customer(&draft.customer, |customer| customer.balance = ending);
        self.attempt(id, true);
    }

    /// Tries to collect an open invoice. `scheduled`: by the calendar, so that a failure has a next attempt, or was the
    /// last one.
    pub(crate) fn attempt(&mut self, id: &str, scheduled: bool) {
        let Some(invoice) = self.invoices.get(id).filter(|i| i.status == InvoiceStatus::Open).cloned() else { return };
        let pays = self.card_of(&invoice.subscription).is_some_and(|card| card.pays);
        let before = self.invoice_shape(&invoice);
        if invoice.due() == 0 || pays {
            self.change_invoice(id, |invoice, at| {
                invoice.attempts += u32::from(invoice.due() > 0);
                invoice.status = InvoiceStatus::Paid;
                invoice.paid_at = Some(at);
                invoice.next_attempt = None;
            });
            self.invoice_changed(id, &before, &["invoice.paid", "invoice.payment_succeeded"]);
            self.no_longer_due(&invoice.subscription);
            return;
        }
        let days = self.terms.retry_days.clone();
        let live = self.subscriptions[&invoice.subscription].status != Status::Canceled;
        self.change_invoice(id, |invoice, at| {
            invoice.attempts += 1;
            if scheduled {
                let next = days.get(invoice.retries).filter(|_| live);
                invoice.next_attempt = next.map(|days| at + days * DAY);
                invoice.retries += 1;
            }
        });
        self.invoice_changed(id, &before, &["invoice.payment_failed"]);
        if !live {
            return;
        }
        self.change_subscription(&invoice.subscription, |s| s.status = Status::PastDue);
        if self.invoices[id].next_attempt.is_none() {
            self.give_up(&invoice.subscription);
        }
    }

    /// A subscription without an open invoice is paid.
    fn no_longer_due(&mut self, subscription: &str) {
        let open = |i: &Invoice| i.subscription == subscription && i.status == InvoiceStatus::Open;
        if self.subscriptions[subscription].status == Status::PastDue && !self.invoices.values().any(open) {
            self.change_subscription(subscription, |s| s.status = Status::Active);
        }
    }

    /// The last attempt has failed.
    fn give_up(&mut self, subscription: &str) {
        self.cancel(subscription, Some("payment_failed"));
        for id in self.open_invoices(subscription) {
            let before = self.invoice_shape(&self.invoices[&id]);
            self.change_invoice(&id, |invoice, at| {
                invoice.status = InvoiceStatus::Uncollectible;
                invoice.uncollectible_at = Some(at);
                invoice.next_attempt = None;
            });
            self.invoice_changed(&id, &before, &["invoice.marked_uncollectible"]);
        }
    }

    /// Open invoices of a subscription, oldest first.
    pub(crate) fn open_invoices(&self, subscription: &str) -> Vec<String> {
        let open = |i: &&Invoice| i.subscription == subscription && i.status == InvoiceStatus::Open;
        self.invoices.values().filter(open).map(|i| i.id.clone()).collect()
    }

    /// Changes an invoice without a word.
    fn change_invoice(&mut self, id: &str, change: impl FnOnce(&mut Invoice, i64)) {
        let at = self.at;
        if let Some(invoice) = self.invoices.get_mut(id) {
            change(invoice, at);
        }
    }

    /// Says how an invoice changed.
    fn invoice_changed(&mut self, id: &str, before: &Value, kinds: &[&str]) {
        let after = self.invoice_shape(&self.invoices[id]);
        self.emit_change("invoice.updated", before, after.clone());
        for kind in kinds {
            self.emit(kind, after.clone());
        }
    }

    /// No further attempts at what is open.
    pub(crate) fn stop_attempts(&mut self, subscription: &str) {
        for id in self.open_invoices(subscription) {
            let before = self.invoice_shape(&self.invoices[&id]);
            self.change_invoice(&id, |invoice, _| invoice.next_attempt = None);
            self.invoice_changed(&id, &before, &[]);
        }
    }

    /// `POST /v1/invoices/create_preview`: the invoice of the next renewal.
    pub(crate) fn preview(&self, fields: &Fields) -> Result<Value, Refused> {
        let id = required(fields, "customer")?;
        let customer = self.customer(id).ok_or_else(|| Refused::no_such("customer", id, "customer"))?;
        let name = required(fields, "subscription")?;
        let subscription = self.subscriptions.get(name).filter(|s| s.customer == customer.id);
        let subscription = subscription.ok_or_else(|| Refused::no_such("subscription", name, "subscription"))?;
        let ends = subscription.cancel_at_period_end;
        if subscription.status == Status::Canceled || (ends && subscription.pending.is_empty()) {
            let none = Refused::invalid("", format!("No upcoming invoices for customer: '{id}'"));
            return Err(none.code("invoice_upcoming_none").status(http::StatusCode::NOT_FOUND));
        }
        let at = subscription.period_end;
        let reason = Reason { billed_for: "upcoming", period_start: subscription.period_start, period_end: at };
        let mut invoice = invoice_of(customer, subscription, reason, at);
        "upcoming_in_sample".clone_into(&mut invoice.id);
        invoice.lines.clone_from(&subscription.pending);
        if !ends {
            let end = next_month(subscription.anchor, at);
            invoice.lines.push(self.whole_period("il_upcoming".to_owned(), subscription, at, end));
        }
        invoice.starting_balance = customer.balance;
        invoice.next_attempt = Some(at);
        Ok(self.invoice_shape(&invoice))
    }

    /// `GET /v1/invoices/{id}`, which only pages use.
    pub(crate) fn invoice(&self, id: &str) -> Option<&Invoice> {
        self.invoices.get(id)
    }
}

/// An invoice without lines.
fn invoice_of(customer: &Customer, subscription: &Subscription, reason: Reason, at: i64) -> Invoice {
    Invoice {
        id: String::new(),
        number: format!("{}-{:04}", prefix(customer), customer.invoices + 1),
        customer: customer.id.clone(),
        subscription: subscription.id.clone(),
        reason: reason.billed_for,
        created: at,
        status: InvoiceStatus::Draft,
        lines: Vec::new(),
        period_start: reason.period_start,
        period_end: reason.period_end,
        starting_balance: 0,
        ending_balance: None,
        attempts: 0,
        next_attempt: None,
        retries: 0,
        finalized_at: None,
        paid_at: None,
        uncollectible_at: None,
        automatic_tax: subscription.automatic_tax,
        customer_email: customer.email.clone(),
        customer_name: customer.name.clone(),
        customer_address: customer.address.clone(),
    }
}
