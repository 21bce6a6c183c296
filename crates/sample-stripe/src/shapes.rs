//! Stripe's objects, as API version 2026-09-30 answers them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    cards::Card,
    fields::or_null,
    ledger::Billed,
    lists,
    state::{Customer, Invoice, InvoiceStatus, Portal, Session, State, Status, Subscription},
};

/// The product that the price belongs to.
const PRODUCT: &str = "prod_team";
/// Keys of an address, as Stripe has them.
pub(crate) const ADDRESS: [&str; 6] = ["line1", "line2", "city", "postal_code", "state", "country"];

/// An address; null when nothing of it is known.
fn address(parts: &BTreeMap<String, String>) -> Value {
    if parts.values().all(String::is_empty) {
        return Value::Null;
    }
    ADDRESS.iter().map(|key| ((*key).to_owned(), or_null(parts.get(*key)))).collect::<Map<_, _>>().into()
}

impl State {
    /// A customer.
    pub(crate) fn customer_shape(&self, customer: &Customer) -> Value {
        if customer.deleted {
            return json!({"id": customer.id, "object": "customer", "deleted": true});
        }
        let of_it: Vec<_> = self.subscriptions.values().filter(|s| s.customer == customer.id).collect();
        json!({
            "id": customer.id,
            "object": "customer",
            "address": address(&customer.address),
            "balance": customer.balance,
            "business_name": null,
            "created": customer.created,
            "currency": (!of_it.is_empty()).then_some(&self.terms.currency),
            "default_source": null,
            "delinquent": of_it.iter().any(|s| s.status == Status::PastDue),
            "description": null,
            "email": or_null(customer.email.as_ref()),
            "invoice_prefix": prefix(customer),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": customer.payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": customer.metadata,
            "name": or_null(customer.name.as_ref()),
            "next_invoice_sequence": customer.invoices + 1,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }

    /// The only price.
    pub(crate) fn price_shape(&self) -> Value {
        json!({
            "id": self.terms.price,
            "object": "price",
            "active": true,
            "billing_scheme": "per_unit",
            "created": self.started,
            "currency": self.terms.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": null,
            "metadata": {},
            "nickname": null,
            "product": PRODUCT,
            "recurring": {
                "interval": "month",
                "interval_count": 1,
                "meter": null,
                "trial_period_days": null,
                "usage_type": "licensed",
            },
            "tax_behavior": "exclusive",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": "recurring",
            "unit_amount": self.terms.unit_amount,
            "unit_amount_decimal": self.terms.unit_amount.to_string(),
        })
    }

    fn plan_shape(&self) -> Value {
        json!({
            "id": self.terms.price,
            "object": "plan",
            "active": true,
            "amount": self.terms.unit_amount,
            "amount_decimal": self.terms.unit_amount.to_string(),
            "billing_scheme": "per_unit",
            "created": self.started,
            "currency": self.terms.currency,
            "interval": "month",
            "interval_count": 1,
            "livemode": false,
            "metadata": {},
            "meter": null,
            "nickname": null,
            "product": PRODUCT,
            "tiers_mode": null,
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        })
    }

    /// A subscription. The current period stands on its item (since 2025-03-31.basil).
    pub(crate) fn subscription_shape(&self, subscription: &Subscription) -> Value {
        let item = json!({
            "id": subscription.item,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": subscription.created,
            "current_period_start": subscription.period_start,
            "current_period_end": subscription.period_end,
            "discounts": [],
            "metadata": {},
            "plan": self.plan_shape(),
            "price": self.price_shape(),
            "quantity": subscription.quantity,
            "subscription": subscription.id,
            "tax_rates": [],
        });
        let on_missing = if subscription.cancel_without_card { "cancel" } else { "create_invoice" };
        json!({
            "id": subscription.id,
            "object": "subscription",
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": {
                "disabled_reason": null,
                "enabled": subscription.automatic_tax,
                "liability": subscription.automatic_tax.then(|| json!({"type": "self"})),
            },
            "billing_cycle_anchor": subscription.anchor,
            "billing_cycle_anchor_config": null,
            "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
            "billing_schedules": [],
            "billing_thresholds": null,
            "cancel_at": subscription.cancel_at_period_end.then_some(subscription.period_end),
            "cancel_at_period_end": subscription.cancel_at_period_end,
            "canceled_at": subscription.canceled_at,
            "cancellation_details": {
                "comment": null,
                "feedback": null,
                "reason": subscription.cancellation_reason,
            },
            "collection_method": "charge_automatically",
            "created": subscription.created,
            "currency": self.terms.currency,
            "customer": subscription.customer,
            "days_until_due": null,
            "default_payment_method": subscription.payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "ended_at": subscription.ended_at,
            "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
            "items": lists::list(&format!("/v1/subscription_items?subscription={}", subscription.id), vec![item], false),
            "latest_invoice": subscription.latest_invoice,
            "livemode": false,
            "metadata": {},
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": null,
            "payment_settings": {
                "payment_method_options": null,
                "payment_method_types": null,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": null,
            "schedule": null,
            "start_date": subscription.created,
            "status": subscription.status.as_str(),
            "test_clock": null,
            "transfer_data": null,
            "trial_end": subscription.trial.map(|trial| trial.1),
            "trial_settings": {"end_behavior": {"missing_payment_method": on_missing}},
            "trial_start": subscription.trial.map(|trial| trial.0),
        })
    }

    fn line_shape(&self, line: &Billed, item: &str) -> Value {
        let parent = if line.proration {
            json!({
                "type": "invoice_item_details",
                "invoice_item_details": {
                    "invoice_item": line.line.replacen("il_", "ii_", 1),
                    "proration": true,
                    "proration_details": {"credited_items": null},
                    "subscription": line.subscription,
                },
                "subscription_item_details": null,
            })
        } else {
            json!({
                "type": "subscription_item_details",
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null,
                    "proration": false,
                    "proration_details": {"credited_items": null},
                    "subscription": line.subscription,
                    "subscription_item": item,
                },
            })
        };
        json!({
            "id": line.line,
            "object": "line_item",
            "amount": line.amount,
            "currency": self.terms.currency,
            "description": self.said(line),
            "discount_amounts": [],
            "discountable": !line.proration,
            "discounts": [],
            "invoice": line.invoice,
            "livemode": false,
            "metadata": {},
            "parent": parent,
            "period": {"start": line.period_start, "end": line.period_end},
            "pretax_credit_amounts": [],
            "pricing": {
                "type": "price_details",
                "price_details": {"price": self.terms.price, "product": PRODUCT},
                "unit_amount_decimal": self.terms.unit_amount.to_string(),
            },
            "quantity": line.quantity,
            "subscription": line.subscription,
            "subtotal": line.amount,
            "taxes": [],
        })
    }

    /// What a line is for.
    pub(crate) fn said(&self, line: &Billed) -> String {
        let day = crate::calendar::day(line.period_start);
        let nodes = line.quantity;
        match (line.proration, line.node_seconds) {
            (true, ..0) => format!("Unused time on {nodes} × Team after {day}"),
            (true, _) => format!("Remaining time on {nodes} × Team after {day}"),
            (false, 0) => "Trial period for Team".to_owned(),
            (false, _) => format!("{nodes} × Team (at {} / month)", self.money(self.terms.unit_amount)),
        }
    }

    /// An invoice; the subscription stands under `parent` (since 2025-03-31.basil).
    #[expect(clippy::too_many_lines, reason = "one object, a line for each of its keys")]
    pub(crate) fn invoice_shape(&self, invoice: &Invoice) -> Value {
        let item = self.subscriptions.get(&invoice.subscription).map_or("", |s| s.item.as_str());
        let lines = invoice.lines.iter().map(|line| self.line_shape(line, item)).collect();
        let total = invoice.total();
        let due = invoice.due();
        let paid = if invoice.status == InvoiceStatus::Paid { due } else { 0 };
        let open = invoice.status == InvoiceStatus::Open;
        let finalized = invoice.finalized_at.is_some();
        let page = format!("{}/invoice/{}", self.terms.url, invoice.id);
        json!({
            "id": invoice.id,
            "object": "invoice",
            "account_country": "DE",
            "account_name": "Kubewise",
            "account_tax_ids": null,
            "amount_due": due,
            "amount_overpaid": 0,
            "amount_paid": paid,
            "amount_remaining": due - paid,
            "amount_shipping": 0,
            "application": null,
            "attempt_count": invoice.attempts,
            "attempted": invoice.attempts > 0,
            "auto_advance": open && invoice.next_attempt.is_some(),
            "automatic_tax": {
                "disabled_reason": null,
                "enabled": invoice.automatic_tax,
                "liability": invoice.automatic_tax.then(|| json!({"type": "self"})),
                "provider": invoice.automatic_tax.then_some("stripe"),
                "status": invoice.automatic_tax.then_some("complete"),
            },
            "automatically_finalizes_at": null,
            "billing_reason": invoice.reason,
            "collection_method": "charge_automatically",
            "created": invoice.created,
            "currency": self.terms.currency,
            "custom_fields": null,
            "customer": invoice.customer,
            "customer_address": address(&invoice.customer_address),
            "customer_email": or_null(invoice.customer_email.as_ref()),
            "customer_name": or_null(invoice.customer_name.as_ref()),
            "customer_phone": null,
            "customer_shipping": null,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_payment_method": null,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "due_date": null,
            "effective_at": invoice.finalized_at,
            "ending_balance": invoice.ending_balance,
            "footer": null,
            "from_invoice": null,
            "hosted_invoice_url": finalized.then_some(&page),
            "invoice_pdf": finalized.then(|| format!("{page}/pdf")),
            "issuer": {"type": "self"},
            "last_finalization_error": null,
            "latest_revision": null,
            "lines": lists::list(&format!("/v1/invoices/{}/lines", invoice.id), lines, false),
            "livemode": false,
            "metadata": {},
            "next_payment_attempt": invoice.next_attempt,
            "number": finalized.then_some(&invoice.number),
            "on_behalf_of": null,
            "parent": {
                "type": "subscription_details",
                "quote_details": null,
                "subscription_details": {
                    "metadata": {},
                    "subscription": invoice.subscription,
                    "subscription_proration_date": null,
                },
            },
            "payment_settings": {
                "default_mandate": null,
                "payment_method_options": null,
                "payment_method_types": null,
            },
            "period_end": invoice.period_end,
            "period_start": invoice.period_start,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": null,
            "rendering": null,
            "shipping_cost": null,
            "shipping_details": null,
            "starting_balance": invoice.starting_balance,
            "statement_descriptor": null,
            "status": invoice.status.as_str(),
            "status_transitions": {
                "finalized_at": invoice.finalized_at,
                "marked_uncollectible_at": invoice.uncollectible_at,
                "paid_at": invoice.paid_at,
                "voided_at": null,
            },
            "subtotal": total,
            "subtotal_excluding_tax": total,
            "test_clock": null,
            "total": total,
            "total_discount_amounts": [],
            "total_excluding_tax": total,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": null,
        })
    }

    /// A session of Checkout.
    pub(crate) fn session_shape(&self, session: &Session) -> Value {
        let due = if session.trial_days.is_some() { 0 } else { session.quantity * self.terms.unit_amount };
        let page = format!("{}/checkout/{}", self.terms.url, session.id);
        let customer = self.customers.get(&session.customer);
        let auto = |yes: bool| if yes { "auto" } else { "never" };
        let payment = match (session.status, session.trial_days) {
            ("complete", None) => "paid",
            ("complete", Some(_)) => "no_payment_required",
            _ => "unpaid",
        };
        json!({
            "id": session.id,
            "object": "checkout.session",
            "after_expiration": null,
            "allow_promotion_codes": null,
            "amount_subtotal": due,
            "amount_total": due,
            "automatic_tax": {
                "enabled": session.automatic_tax,
                "liability": session.automatic_tax.then(|| json!({"type": "self"})),
                "provider": session.automatic_tax.then_some("stripe"),
                "status": session.automatic_tax.then_some("complete"),
            },
            "billing_address_collection": null,
            "cancel_url": session.cancel_url,
            "client_reference_id": null,
            "client_secret": null,
            "collected_information": null,
            "consent": null,
            "consent_collection": null,
            "created": session.created,
            "currency": self.terms.currency,
            "currency_conversion": null,
            "custom_fields": [],
            "custom_text": {
                "after_submit": null,
                "shipping_address": null,
                "submit": null,
                "terms_of_service_acceptance": null,
            },
            "customer": session.customer,
            "customer_creation": null,
            "customer_details": {
                "address": customer.map(|c| address(&c.address)),
                "email": customer.and_then(|c| c.email.as_ref()),
                "name": customer.and_then(|c| c.name.as_ref()),
                "phone": null,
                "tax_exempt": "none",
                "tax_ids": [],
            },
            "customer_email": null,
            "customer_update": {"address": auto(session.update_address), "name": auto(session.update_name)},
            "discounts": [],
            "expires_at": session.expires_at,
            "invoice": session.invoice,
            "invoice_creation": null,
            "livemode": false,
            "locale": null,
            "metadata": {},
            "mode": "subscription",
            "payment_intent": null,
            "payment_link": null,
            "payment_method_collection": if session.card_if_required { "if_required" } else { "always" },
            "payment_method_configuration_details": null,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": payment,
            "phone_number_collection": {"enabled": false},
            "recovered_from": null,
            "saved_payment_method_options": null,
            "setup_intent": null,
            "shipping_address_collection": null,
            "shipping_cost": null,
            "shipping_options": [],
            "status": session.status,
            "submit_type": null,
            "subscription": session.subscription,
            "success_url": session.success_url,
            "tax_id_collection": {"enabled": session.tax_id_collection, "required": "never"},
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": (session.status == "open").then_some(page),
        })
    }

    /// A session of the customer portal.
    pub(crate) fn portal_shape(&self, portal: &Portal) -> Value {
        json!({
            "id": portal.id,
            "object": "billing_portal.session",
            "configuration": "bpc_sample",
            "created": portal.created,
            "customer": portal.customer,
            "flow": null,
            "livemode": false,
            "locale": null,
            "on_behalf_of": null,
            "return_url": portal.return_url,
            "url": format!("{}/portal/{}", self.terms.url, portal.id),
        })
    }

    /// An amount as pages show it.
    pub(crate) fn money(&self, amount: i64) -> String {
        let sign = if amount < 0 { "-" } else { "" };
        let (whole, rest) = (amount.abs() / 100, amount.abs() % 100);
        format!("{sign}{whole}.{rest:02} {}", self.terms.currency.to_uppercase())
    }
}

/// A payment method, as it is attached.
pub(crate) fn payment_method_shape(card: &Card, customer: &str, at: i64) -> Value {
    json!({
        "id": card.payment_method,
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": {"address": null, "email": null, "name": null, "phone": null, "tax_id": null},
        "card": {"brand": "visa", "exp_month": 12, "exp_year": 2040, "last4": card.last4, "funding": "credit"},
        "created": at,
        "customer": customer,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}

/// What numbers of invoices begin with.
pub(crate) fn prefix(customer: &Customer) -> String {
    let id = &customer.id;
    format!("K{}", &id[id.len().saturating_sub(7)..])
}
