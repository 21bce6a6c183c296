//! Sessions of the customer portal.

use serde_json::Value;

use crate::{
    fields::{Fields, required},
    refused::Refused,
    state::{Portal, State},
};

impl State {
    /// `POST /v1/billing_portal/sessions`
    pub(crate) fn create_portal(&mut self, fields: &Fields) -> Result<Value, Refused> {
        let customer = required(fields, "customer")?;
        if self.customer(customer).is_none() {
            return Err(Refused::no_such("customer", customer, "customer"));
        }
        let portal = Portal {
            id: self.id("bps"),
            customer: customer.to_owned(),
            created: self.at,
            return_url: fields.get("return_url").cloned(),
        };
        let shape = self.portal_shape(&portal);
        self.portals.insert(portal.id.clone(), portal);
        Ok(shape)
    }
}
