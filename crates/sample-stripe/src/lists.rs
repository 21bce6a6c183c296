//! Lists, as Stripe answers them.

use serde_json::{Value, json};

use crate::{
    fields::{self, Fields, required},
    refused::Refused,
    state::{State, Status},
};

/// A list.
pub(crate) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more, "total_count": data.len(), "url": url})
}

/// The first so many, newest first: Stripe's limit is 10 when none is said, and at most 100.
fn page(url: &str, mut newest_first: Vec<Value>, fields: &Fields) -> Result<Value, Refused> {
    let limit = fields::integer(fields, "limit")?.unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
    let limit = limit.ok_or_else(|| Refused::invalid("limit", "limit must be between 1 and 100"))?;
    if let Some(after) = fields.get("starting_after") {
        let place = newest_first.iter().position(|one| one["id"] == **after);
        let place = place.ok_or_else(|| Refused::no_such("object", after, "starting_after"))?;
        newest_first.drain(..=place);
    }
    let has_more = newest_first.len() > limit;
    newest_first.truncate(limit);
    let mut answer = list(url, newest_first, has_more);
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("total_count");
    }
    Ok(answer)
}

impl State {
    /// `GET /v1/subscriptions`
    pub(crate) fn list_subscriptions(&self, fields: &Fields) -> Result<Value, Refused> {
        let customer = self.known_customer(required(fields, "customer")?)?;
        let status = fields.get("status").map(String::as_str);
        let found = self.subscriptions.values().rev().filter(|s| s.customer == customer);
        let found = found.filter(|s| match status {
            None => s.status != Status::Canceled,
            Some("all") => true,
            Some("ended") => s.status == Status::Canceled,
            Some(status) => s.status.as_str() == status,
        });
        page("/v1/subscriptions", found.map(|s| self.subscription_shape(s)).collect(), fields)
    }

    /// `GET /v1/invoices`
    pub(crate) fn list_invoices(&self, fields: &Fields) -> Result<Value, Refused> {
        let id = required(fields, "customer")?;
        // Also of one that is deleted: what was billed stays.
        let customer = self.customers.get(id).ok_or_else(|| Refused::no_such("customer", id, "customer"))?;
        let found = self.invoices.values().rev().filter(|i| i.customer == customer.id);
        page("/v1/invoices", found.map(|i| self.invoice_shape(i)).collect(), fields)
    }

    /// `GET /v1/checkout/sessions`
    pub(crate) fn list_sessions(&self, fields: &Fields) -> Result<Value, Refused> {
        let customer = self.known_customer(required(fields, "customer")?)?;
        let status = fields.get("status");
        let found = self.sessions.values().rev().filter(|s| s.customer == customer);
        let found = found.filter(|s| status.is_none_or(|status| status == s.status));
        page("/v1/checkout/sessions", found.map(|s| self.session_shape(s)).collect(), fields)
    }

    /// The id, when there is such a customer.
    fn known_customer<'a>(&self, id: &'a str) -> Result<&'a str, Refused> {
        if self.customer(id).is_some() { Ok(id) } else { Err(Refused::no_such("customer", id, "customer")) }
    }
}
