//! Sessions of Checkout.

use serde_json::Value;

use crate::{
    calendar::DAY,
    cards::{self, CardError},
    fields::{self, Fields, required},
    refused::Refused,
    state::{Session, State},
};

/// What is typed at Checkout.
#[derive(Default)]
pub(crate) struct Typed<'a> {
    pub(crate) card: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) country: Option<&'a str>,
    pub(crate) tax_id: Option<&'a str>,
}

impl State {
    /// `POST /v1/checkout/sessions`
    pub(crate) fn create_session(&mut self, fields: &Fields) -> Result<Value, Refused> {
        let session = self.session_of(fields)?;
        let shape = self.session_shape(&session);
        self.sessions.insert(session.id.clone(), session);
        Ok(shape)
    }

    fn session_of(&mut self, fields: &Fields) -> Result<Session, Refused> {
        if required(fields, "mode")? != "subscription" {
            return Err(Refused::invalid("mode", "Only the mode `subscription` is served here."));
        }
        let customer = required(fields, "customer")?;
        let known = self.customer(customer).ok_or_else(|| Refused::no_such("customer", customer, "customer"))?;
        let price = required(fields, "line_items[0][price]")?;
        if price != self.terms.price {
            return Err(Refused::no_such("price", price, "line_items[0][price]"));
        }
        let quantity = fields::integer(fields, "line_items[0][quantity]")?;
        let quantity = quantity.ok_or_else(|| Refused::missing("line_items[0][quantity]"))?;
        if quantity < 1 {
            return Err(Refused::invalid("line_items[0][quantity]", "This value must be greater than or equal to 1."));
        }
        let trial_days = fields::integer(fields, "subscription_data[trial_period_days]")?;
        if trial_days.is_some_and(|days| !(1..=730).contains(&days)) {
            let message = "This value must be between 1 and 730.";
            return Err(Refused::invalid("subscription_data[trial_period_days]", message));
        }
        let said = |name: &str, value: &str| fields.get(name).is_some_and(|said| said == value);
        let on_missing = "subscription_data[trial_settings][end_behavior][missing_payment_method]";
        let automatic_tax = fields::boolean(fields, "automatic_tax[enabled]")?.unwrap_or_default();
        let tax_id_collection = fields::boolean(fields, "tax_id_collection[enabled]")?.unwrap_or_default();
        let update_address = said("customer_update[address]", "auto");
        let update_name = said("customer_update[name]", "auto");
        if automatic_tax && !update_address && known.address.get("country").is_none_or(String::is_empty) {
            let message = "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid \
                address to the Customer or set either `customer_update[address]` to 'auto' or \
                `customer_update[shipping]` to 'auto' to save the address entered in Checkout to the Customer.";
            return Err(Refused::invalid("", message).code("customer_tax_location_invalid"));
        }
        if tax_id_collection && !update_name {
            let message = "Tax ID collection requires updating business name on the customer. To enable tax ID \
                collection for an existing customer, please set `customer_update[name]` to `auto`.";
            return Err(Refused::invalid("customer_update[name]", message));
        }
        Ok(Session {
            id: self.id("cs_test"),
            customer: customer.to_owned(),
            created: self.at,
            expires_at: self.at + DAY,
            status: "open",
            quantity,
            trial_days,
            cancel_without_card: said(on_missing, "cancel"),
            card_if_required: said("payment_method_collection", "if_required"),
            automatic_tax,
            tax_id_collection,
            update_name,
            update_address,
            success_url: required(fields, "success_url")?.to_owned(),
            cancel_url: fields.get("cancel_url").cloned(),
            subscription: None,
            invoice: None,
        })
    }

    /// `POST /v1/checkout/sessions/{id}/expire`
    pub(crate) fn expire_session(&mut self, id: &str) -> Result<Value, Refused> {
        let session = self.sessions.get_mut(id).ok_or_else(|| Refused::not_found("checkout.session", id))?;
        if session.status != "open" {
            let message = format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
                session.status
            );
            return Err(Refused::invalid("", message));
        }
        session.status = "expired";
        let shape = self.session_shape(&self.sessions[id]);
        self.emit("checkout.session.expired", shape.clone());
        Ok(shape)
    }

    /// What is subscribed when the button is pressed: the subscription's id. A card that is refused makes nothing.
    pub(crate) fn complete(&mut self, session: &str, typed: &Typed<'_>) -> Result<String, String> {
        let session = self.sessions.get(session).filter(|session| session.status == "open").cloned();
        let session = session.filter(|session| self.customer(&session.customer).is_some());
        let session = session.ok_or("This session is no longer open.")?;
        let card = typed.card.map(str::trim).filter(|card| !card.is_empty());
        if card.is_none() && !session.card_optional() {
            return Err("Your card number is incomplete.".to_owned());
        }
        let read = card.map(cards::read).transpose().map_err(|e| e.message().to_owned())?;
        if session.trial_days.is_none() && read.is_some_and(|(_, pays)| !pays) {
            return Err(CardError::Declined.message().to_owned());
        }
        self.change_customer(&session.customer, |customer| {
            let text = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
            if let Some(name) = text(typed.name).filter(|_| session.update_name) {
                customer.name = Some(name);
            }
            if let Some(country) = text(typed.country).filter(|_| session.update_address) {
                customer.address.insert("country".to_owned(), country);
            }
            if let Some(tax_id) = text(typed.tax_id).filter(|_| session.tax_id_collection) {
                customer.tax_id = Some(tax_id);
            }
        });
        let method = card.and_then(|card| self.attach_card(&session.customer, card).ok());
        let subscription = self.subscribe(&session, method);
        if let Some(session) = self.sessions.get_mut(&session.id) {
            session.status = "complete";
            session.subscription = Some(subscription.clone());
            session.invoice.clone_from(&self.subscriptions[&subscription].latest_invoice);
        }
        self.emit("checkout.session.completed", self.session_shape(&self.sessions[&session.id]));
        Ok(subscription)
    }
}
