//! Customers and their cards.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    cards::{self, Card, CardError},
    fields::{self, Fields},
    refused::Refused,
    shapes::{ADDRESS, payment_method_shape},
    state::{Customer, InvoiceStatus, State, Status},
};

impl State {
    /// `POST /v1/customers`
    pub(crate) fn create_customer(&mut self, fields: &Fields) -> Result<Value, Refused> {
        let id = self.id("cus");
        let mut customer = Customer {
            id: id.clone(),
            created: self.at,
            email: None,
            name: None,
            address: BTreeMap::new(),
            metadata: BTreeMap::new(),
            tax_id: None,
            cards: Vec::new(),
            payment_method: None,
            balance: 0,
            invoices: 0,
            deleted: false,
        };
        apply(&mut customer, fields)?;
        let shape = self.customer_shape(&customer);
        self.customers.insert(id, customer);
        self.emit("customer.created", shape.clone());
        Ok(shape)
    }

    /// `POST /v1/customers/{id}`
    pub(crate) fn update_customer(&mut self, id: &str, fields: &Fields) -> Result<Value, Refused> {
        let customer = self.customer(id).ok_or_else(|| Refused::not_found("customer", id))?;
        apply(&mut customer.clone(), fields)?;
        // Tried on a copy: a field that is wrong changes nothing.
        self.change_customer(id, |customer| drop(apply(customer, fields)));
        self.get_customer(id)
    }

    /// A customer that is not deleted.
    pub(crate) fn customer(&self, id: &str) -> Option<&Customer> {
        self.customers.get(id).filter(|customer| !customer.deleted)
    }

    /// `DELETE /v1/customers/{id}`: subscriptions are canceled at once; invoices stay, as they are.
    pub(crate) fn delete_customer(&mut self, id: &str) -> Result<Value, Refused> {
        let customer = self.customer(id).ok_or_else(|| Refused::not_found("customer", id))?.clone();
        for subscription in self.live_subscriptions(id) {
            self.delete_subscription(&subscription)?;
        }
        self.emit("customer.deleted", self.customer_shape(&customer));
        if let Some(customer) = self.customers.get_mut(id) {
            customer.deleted = true;
            (customer.email, customer.name, customer.tax_id, customer.payment_method) = (None, None, None, None);
            customer.address.clear();
            customer.metadata.clear();
            customer.cards.clear();
        }
        self.get_customer(id)
    }

    /// `GET /v1/customers/{id}`
    pub(crate) fn get_customer(&self, id: &str) -> Result<Value, Refused> {
        let customer = self.customers.get(id).ok_or_else(|| Refused::not_found("customer", id))?;
        Ok(self.customer_shape(customer))
    }

    /// Changes a customer, and says so when it looks otherwise.
    pub(crate) fn change_customer(&mut self, id: &str, change: impl FnOnce(&mut Customer)) {
        let Some(customer) = self.customers.get(id) else { return };
        let before = self.customer_shape(customer);
        if let Some(customer) = self.customers.get_mut(id) {
            change(customer);
        }
        let after = self.customer_shape(&self.customers[id]);
        self.emit_change("customer.updated", &before, after);
    }

    /// Attaches a card. The number is not kept.
    pub(crate) fn attach_card(&mut self, customer: &str, number: &str) -> Result<String, CardError> {
        let (last4, pays) = cards::read(number)?;
        let card = Card { payment_method: self.id("pm"), last4, pays };
        let id = card.payment_method.clone();
        let shape = payment_method_shape(&card, customer, self.at);
        if let Some(customer) = self.customers.get_mut(customer) {
            customer.cards.push(card);
        }
        self.emit("payment_method.attached", shape);
        Ok(id)
    }

    /// A card that everything is paid with from now on, what is open at once.
    pub(crate) fn set_card(&mut self, customer: &str, number: &str) -> Result<(), CardError> {
        let method = self.attach_card(customer, number)?;
        self.change_customer(customer, |customer| customer.payment_method = Some(method.clone()));
        for id in self.live_subscriptions(customer) {
            // A card of its own would go before the customer's.
            self.change_subscription(&id, |s| s.payment_method = s.payment_method.is_some().then(|| method.clone()));
        }
        let open = self.invoices.values().filter(|i| i.customer == customer && i.status == InvoiceStatus::Open);
        let open: Vec<String> = open.map(|i| i.id.clone()).collect();
        for invoice in open {
            self.attempt(&invoice, false);
        }
        Ok(())
    }

    /// Subscriptions of a customer that are not canceled, oldest first.
    pub(crate) fn live_subscriptions(&self, customer: &str) -> Vec<String> {
        let live = self.subscriptions.values().filter(|s| s.customer == customer && s.status != Status::Canceled);
        live.map(|s| s.id.clone()).collect()
    }

    /// What a subscription is paid with.
    pub(crate) fn card_of(&self, subscription: &str) -> Option<&Card> {
        let subscription = self.subscriptions.get(subscription)?;
        let customer = self.customers.get(&subscription.customer)?;
        let method = subscription.payment_method.as_ref().or(customer.payment_method.as_ref())?;
        customer.cards.iter().find(|card| card.payment_method == *method)
    }
}

/// Fields of a customer; an empty one clears.
fn apply(customer: &mut Customer, fields: &Fields) -> Result<(), Refused> {
    if let Some(email) = fields.get("email") {
        if !email.is_empty() && !email.contains('@') {
            let refused = Refused::invalid("email", format!("Invalid email address: {email}"));
            return Err(refused.code("email_invalid"));
        }
        customer.email = Some(email.clone()).filter(|text| !text.is_empty());
    }
    if let Some(name) = fields.get("name") {
        customer.name = Some(name.clone()).filter(|text| !text.is_empty());
    }
    if fields.get("address").is_some_and(String::is_empty) {
        customer.address.clear();
    }
    for (key, value) in fields::under(fields, "address") {
        if !ADDRESS.contains(&key) {
            return Err(Refused::invalid(&format!("address[{key}]"), format!("Received unknown parameter: {key}")));
        }
        set(&mut customer.address, key, value);
    }
    for (key, value) in fields::under(fields, "metadata") {
        set(&mut customer.metadata, key, value);
    }
    Ok(())
}

fn set(map: &mut BTreeMap<String, String>, key: &str, value: &str) {
    if value.is_empty() {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), value.to_owned());
    }
}
