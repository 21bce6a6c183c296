//! The customer portal.

use std::{fmt::Write, sync::Arc};

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
};

use super::{alert, escaped, input, none, page};
use crate::{
    calendar::day,
    fields::Fields,
    shared::Shared,
    state::{Customer, State, Status, Subscription},
};

const TITLE: &str = "Customer portal — sample Stripe";

/// Labels of an address, and its keys.
const ADDRESS: [(&str, &str); 6] = [
    ("Address line 1", "line1"),
    ("Address line 2", "line2"),
    ("City", "city"),
    ("Postal code", "postal_code"),
    ("State", "state"),
    ("Country", "country"),
];

pub(super) async fn show(Extract(shared): Extract<Arc<Shared>>, Path(id): Path<String>) -> Response {
    shared.act(|state| shown(state, &id, None))
}

pub(super) async fn act(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<String>,
    Form(mut form): Form<Fields>,
) -> Response {
    let action = form.remove("action").unwrap_or_default();
    shared.act(|state| {
        let customer = state.portals.get(&id).and_then(|portal| state.customer(&portal.customer));
        let Some(customer) = customer.map(|customer| customer.id.clone()) else { return none() };
        let plan = state.live_subscriptions(&customer).pop();
        let done = match (action.as_str(), plan) {
            ("cancel", Some(plan)) => {
                state.set_cancel_at_period_end(&plan, true);
                Ok(())
            }
            ("keep", Some(plan)) => {
                state.set_cancel_at_period_end(&plan, false);
                Ok(())
            }
            ("card", _) => {
                let number = form.get("card_number").map(String::as_str).unwrap_or_default();
                state.set_card(&customer, number).map_err(|error| error.message().to_owned())
            }
            ("details", _) => {
                state.update_customer(&customer, &form).map(drop).map_err(|refused| refused.message().to_owned())
            }
            _ => Err("There is nothing to do.".to_owned()),
        };
        match done {
            Ok(()) => Redirect::to(&format!("/portal/{id}")).into_response(),
            Err(message) => shown(state, &id, Some(&message)),
        }
    })
}

fn shown(state: &State, id: &str, message: Option<&str>) -> Response {
    let Some(portal) = state.portals.get(id) else { return none() };
    let Some(customer) = state.customer(&portal.customer) else { return none() };
    let newest = state.subscriptions.values().rev().find(|s| s.customer == customer.id);
    let back = portal
        .return_url
        .as_deref()
        .map_or_else(String::new, |url| format!("<p><a href=\"{}\">Return to Kubewise</a></p>\n", escaped(url)));
    let body = format!(
        "{back}{}{}{}{}{}",
        alert(message),
        plan(state, newest),
        card(state, customer, newest),
        details(customer),
        invoices(state, customer)
    );
    page(TITLE, &body).into_response()
}

fn plan(state: &State, subscription: Option<&Subscription>) -> String {
    let Some(subscription) = subscription else { return "<h2>Plan</h2>\n<p>No plan</p>\n".to_owned() };
    let status = subscription.status.as_str();
    let until = day(subscription.period_end);
    let (said, button) = match (subscription.status, subscription.cancel_at_period_end) {
        (Status::Canceled, _) => (String::new(), ""),
        (_, true) => {
            (format!("Ends on {until}"), "<button name=\"action\" value=\"keep\">Don&#39;t cancel plan</button>")
        }
        (_, false) => (format!("Renews on {until}"), "<button name=\"action\" value=\"cancel\">Cancel plan</button>"),
    };
    let price = state.money(state.terms.unit_amount);
    format!(
        "<h2>Plan</h2>\n<p>Team: {} × {price} per month</p>\n<p>Status: {status}</p>\n<p>{said}</p>\n\
         <form method=\"post\">{button}</form>\n",
        subscription.quantity
    )
}

fn card(state: &State, customer: &Customer, subscription: Option<&Subscription>) -> String {
    let method = customer.payment_method.as_ref();
    let own = subscription.and_then(|s| state.card_of(&s.id));
    let card = own.or_else(|| customer.cards.iter().find(|card| Some(&card.payment_method) == method));
    let said = card.map_or_else(|| "none".to_owned(), |card| format!("ending in {}", card.last4));
    format!(
        "<h2>Card</h2>\n<p>Card: {said}</p>\n<form method=\"post\">\n{}\
         <button name=\"action\" value=\"card\">Save card</button>\n</form>\n",
        input("Card number", "card_number", "", true)
    )
}

fn details(customer: &Customer) -> String {
    let mut inputs = input("Billing email", "email", customer.email.as_deref().unwrap_or_default(), false);
    for (label, key) in ADDRESS {
        let value = customer.address.get(key).map(String::as_str).unwrap_or_default();
        inputs.push_str(&input(label, &format!("address[{key}]"), value, false));
    }
    format!(
        "<h2>Details</h2>\n<form method=\"post\">\n{inputs}\
         <button name=\"action\" value=\"details\">Save details</button>\n</form>\n"
    )
}

fn invoices(state: &State, customer: &Customer) -> String {
    let mut rows = String::new();
    for invoice in state.invoices.values().rev().filter(|i| i.customer == customer.id) {
        let _ = writeln!(
            rows,
            "<li><a href=\"/invoice/{}\">{}</a> {}, {}, {}</li>",
            invoice.id,
            escaped(&invoice.number),
            day(invoice.created),
            state.money(invoice.total()),
            invoice.status.as_str()
        );
    }
    format!("<h2>Invoices</h2>\n<ul>\n{rows}</ul>\n")
}
