//! Subscriptions: what is billed for them, in advance and made good.

use serde_json::{Value, json};

use crate::{
    calendar::{DAY, next_month},
    fields::{self, Fields},
    invoices::Reason,
    ledger::{Billed, Ledger},
    refused::Refused,
    state::{Session, State, Status, Subscription},
};

impl State {
    /// What a session of Checkout makes: a trial, or a month that is billed at once.
    pub(crate) fn subscribe(&mut self, session: &Session, payment_method: Option<String>) -> String {
        let (id, item, at) = (self.id("sub"), self.id("si"), self.at);
        let trial = session.trial_days.map(|days| (at, at + days * DAY));
        let anchor = trial.map_or(at, |trial| trial.1);
        let subscription = Subscription {
            id: id.clone(),
            item,
            customer: session.customer.clone(),
            created: at,
            status: if trial.is_some() { Status::Trialing } else { Status::Active },
            quantity: session.quantity,
            anchor,
            period_start: at,
            period_end: trial.map_or_else(|| next_month(anchor, at), |trial| trial.1),
            trial,
            trial_end_told: false,
            cancel_without_card: session.cancel_without_card,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            cancellation_reason: None,
            payment_method,
            automatic_tax: session.automatic_tax,
            latest_invoice: None,
            pending: Vec::new(),
        };
        let line = self.id("il");
        let mut line = self.whole_period(line, &subscription, at, subscription.period_end);
        if trial.is_some() {
            (line.node_seconds, line.amount) = (0, 0);
        }
        self.subscriptions.insert(id.clone(), subscription);
        let reason = Reason { billed_for: "subscription_create", period_start: at, period_end: at };
        let invoice = self.draft(&id, reason, vec![line]);
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.latest_invoice = Some(invoice.clone());
        }
        self.emit("customer.subscription.created", self.subscription_shape(&self.subscriptions[&id]));
        self.collect(&invoice);
        id
    }

    /// The line of a whole period.
    pub(crate) fn whole_period(&self, line: String, of: &Subscription, start: i64, end: i64) -> Billed {
        Billed {
            line,
            subscription: of.id.clone(),
            invoice: None,
            proration: false,
            quantity: of.quantity,
            period_start: start,
            period_end: end,
            node_seconds: i128::from(of.quantity) * i128::from(end - start),
            amount: of.quantity * self.terms.unit_amount,
        }
    }

    /// `POST /v1/subscriptions/{id}`
    pub(crate) fn update_subscription(&mut self, id: &str, fields: &Fields) -> Result<Value, Refused> {
        let found = self.subscriptions.get(id).ok_or_else(|| Refused::not_found("subscription", id))?.clone();
        if found.status == Status::Canceled {
            let message = "A canceled subscription can only update its cancellation_details and metadata.";
            return Err(Refused::invalid("", message));
        }
        let ends = fields::boolean(fields, "cancel_at_period_end")?;
        let quantity = fields::integer(fields, "items[0][quantity]")?;
        if let Some(item) = fields.get("items[0][id]").filter(|item| **item != found.item) {
            return Err(Refused::no_such("subscription item", item, "items[0][id]"));
        }
        if quantity.is_some() && !fields.contains_key("items[0][id]") {
            return Err(Refused::missing("items[0][price]"));
        }
        if quantity.is_some_and(|quantity| quantity < 0) {
            return Err(Refused::invalid("items[0][quantity]", "This value must be greater than or equal to 0."));
        }
        let at = fields::integer(fields, "proration_date")?.unwrap_or(self.at);
        if !(found.period_start..found.period_end).contains(&at) {
            let message = "Invalid proration date: it must be within the subscription's current period";
            return Err(Refused::invalid("subscription_proration_date", message));
        }
        if let Some(quantity) = quantity {
            self.change_quantity(&found, quantity, at);
        }
        if let Some(ends) = ends {
            self.set_cancel_at_period_end(id, ends);
        }
        Ok(self.subscription_shape(&self.subscriptions[id]))
    }

    /// Another number from `at` on: what is left of the period is credited at the old one and billed at the new one.
    fn change_quantity(&mut self, found: &Subscription, quantity: i64, at: i64) {
        if found.quantity == quantity {
            return;
        }
        if found.status != Status::Trialing {
            for (nodes, sign) in [(found.quantity, -1), (quantity, 1)] {
                let node_seconds = sign * i128::from(nodes) * i128::from(found.period_end - at);
                let line = Billed {
                    line: self.id("il"),
                    subscription: found.id.clone(),
                    invoice: None,
                    proration: true,
                    quantity: nodes,
                    period_start: at,
                    period_end: found.period_end,
                    node_seconds,
                    amount: prorated(self.terms.unit_amount, node_seconds, found.period()),
                };
                self.emit("invoiceitem.created", self.invoice_item_shape(&line, &found.customer));
                if let Some(subscription) = self.subscriptions.get_mut(&found.id) {
                    subscription.pending.push(line);
                }
            }
        }
        self.change_subscription(&found.id, |s| s.quantity = quantity);
    }

    fn invoice_item_shape(&self, line: &Billed, customer: &str) -> Value {
        json!({
            "id": line.line.replacen("il_", "ii_", 1),
            "object": "invoiceitem",
            "amount": line.amount,
            "currency": self.terms.currency,
            "customer": customer,
            "date": self.at,
            "invoice": null,
            "livemode": false,
            "parent": {
                "type": "subscription_details",
                "subscription_details": {"subscription": line.subscription},
            },
            "period": {"start": line.period_start, "end": line.period_end},
            "proration": true,
            "quantity": line.quantity,
        })
    }

    /// Cancels at the end of the period, or no longer.
    pub(crate) fn set_cancel_at_period_end(&mut self, id: &str, ends: bool) {
        let at = self.at;
        self.change_subscription(id, |s| {
            if s.cancel_at_period_end != ends && s.status != Status::Canceled {
                s.cancel_at_period_end = ends;
                s.canceled_at = ends.then_some(at);
                s.cancellation_reason = ends.then_some("cancellation_requested");
            }
        });
    }

    /// `DELETE /v1/subscriptions/{id}`: cancels now, and bills nothing more. What waited for the next invoice is dropped,
    /// as Stripe does unless it is told `invoice_now` or `prorate`.
    pub(crate) fn delete_subscription(&mut self, id: &str) -> Result<Value, Refused> {
        let live = self.subscriptions.get_mut(id).filter(|s| s.status != Status::Canceled);
        live.ok_or_else(|| Refused::not_found("subscription", id))?.pending.clear();
        self.cancel(id, Some("cancellation_requested"));
        Ok(self.subscription_shape(&self.subscriptions[id]))
    }

    /// Cancels now. What waited for the next invoice gets a last one.
    pub(crate) fn cancel(&mut self, id: &str, reason: Option<&'static str>) {
        let Some(found) = self.subscriptions.get(id).filter(|s| s.status != Status::Canceled).cloned() else { return };
        let at = self.at;
        let mut last = None;
        if !found.pending.is_empty() {
            let billed_for = if at == found.period_end { "subscription_cycle" } else { "subscription_update" };
            let reason = Reason { billed_for, period_start: found.period_start, period_end: at };
            last = Some(self.draft(id, reason, found.pending));
        }
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.status = Status::Canceled;
            subscription.canceled_at.get_or_insert(at);
            subscription.ended_at = Some(at);
            subscription.cancellation_reason = subscription.cancellation_reason.or(reason);
            subscription.pending.clear();
            if last.is_some() {
                subscription.latest_invoice.clone_from(&last);
            }
        }
        self.emit("customer.subscription.deleted", self.subscription_shape(&self.subscriptions[id]));
        self.stop_attempts(id);
        if let Some(invoice) = last {
            self.collect(&invoice);
        }
    }

    /// The next period begins: it is billed in advance, with what was pending.
    pub(crate) fn renew(&mut self, id: &str) {
        let Some(found) = self.subscriptions.get(id).cloned() else { return };
        let (start, end) = (found.period_end, next_month(found.anchor, found.period_end));
        let line = self.id("il");
        let mut lines = found.pending.clone();
        lines.push(self.whole_period(line, &found, start, end));
        let reason = Reason { billed_for: "subscription_cycle", period_start: found.period_start, period_end: start };
        let invoice = self.draft(id, reason, lines);
        self.change_subscription(id, |s| {
            if s.status == Status::Trialing {
                s.status = Status::Active;
            }
            (s.period_start, s.period_end) = (start, end);
            s.latest_invoice = Some(invoice.clone());
            s.pending.clear();
        });
        self.collect(&invoice);
    }

    /// Changes a subscription, and says so when it looks otherwise.
    pub(crate) fn change_subscription(&mut self, id: &str, change: impl FnOnce(&mut Subscription)) {
        let Some(found) = self.subscriptions.get(id) else { return };
        let before = self.subscription_shape(found);
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            change(subscription);
        }
        let after = self.subscription_shape(&self.subscriptions[id]);
        self.emit_change("customer.subscription.updated", &before, after);
    }

    /// What was billed to a customer.
    pub(crate) fn ledger(&self, customer: &str) -> Ledger {
        let invoices = self.invoices.values().filter(|i| i.customer == customer);
        let subscriptions = self.subscriptions.values().filter(|s| s.customer == customer);
        Ledger {
            billed: invoices.flat_map(|i| i.lines.clone()).collect(),
            pending: subscriptions.flat_map(|s| s.pending.clone()).collect(),
        }
    }
}

/// The part of a month's price, rounded half away from zero.
fn prorated(unit_amount: i64, node_seconds: i128, period: i64) -> i64 {
    let (exact, period) = (i128::from(unit_amount) * node_seconds, i128::from(period.max(1)));
    let rounded = (exact.abs() * 2 + period) / (period * 2) * exact.signum();
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checkout::Typed, state::Terms};

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_subscription_can_be_canceled_over_the_api() {
        let terms = Terms { price: "price_team".to_owned(), unit_amount: 300, ..Terms::default() };
        let mut state = State { terms, ..State::default() };
        let customer = state.create_customer(&Fields::new()).unwrap()["id"].as_str().unwrap().to_owned();
        let session = fields(&[
            ("mode", "subscription"),
            ("customer", &customer),
            ("line_items[0][price]", "price_team"),
            ("line_items[0][quantity]", "1"),
            ("success_url", "http://127.0.0.1:1/"),
        ]);
        let session = state.create_session(&session).unwrap()["id"].as_str().unwrap().to_owned();
        let typed = Typed { card: Some("4242424242424242"), ..Typed::default() };
        let id = state.complete(&session, &typed).unwrap();
        let ends = state.update_subscription(&id, &fields(&[("cancel_at_period_end", "true")])).unwrap();
        assert_eq!((&ends["cancel_at_period_end"], &ends["canceled_at"]), (&json!(true), &json!(0)));
        let goes_on = state.update_subscription(&id, &fields(&[("cancel_at_period_end", "false")])).unwrap();
        assert_eq!((&goes_on["cancel_at"], &goes_on["status"]), (&Value::Null, &json!("active")));
        let ends = ends["items"]["data"][0]["current_period_end"].as_i64().unwrap();
        state.set_cancel_at_period_end(&id, true);
        state.tick(ends);
        assert_eq!(state.subscriptions[&id].status, Status::Canceled);
    }

    #[test]
    fn amounts_are_rounded_half_away_from_zero() {
        assert_eq!([5, -5, 4, -4, 15].map(|seconds| prorated(1, seconds, 10)), [1, -1, 0, 0, 2]);
    }
}
