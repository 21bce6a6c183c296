//! Checkout.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;

use super::{alert, escaped, input, none, page};
use crate::{
    checkout::Typed,
    fields::Fields,
    shared::Shared,
    state::{Session, State},
};

const TITLE: &str = "Checkout — sample Stripe";

pub(super) async fn show(Extract(shared): Extract<Arc<Shared>>, Path(id): Path<String>) -> Response {
    shared.act(|state| shown(state, &id, None))
}

pub(super) async fn subscribe(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<String>,
    Form(form): Form<Fields>,
) -> Response {
    let text = |name: &str| form.get(name).map(String::as_str);
    let typed =
        Typed { card: text("card_number"), name: text("name"), country: text("country"), tax_id: text("tax_id") };
    shared.act(|state| match state.complete(&id, &typed) {
        Ok(_) => {
            let to = state.sessions.get(&id).map_or("", |session| session.success_url.as_str());
            Redirect::to(&to.replace("{CHECKOUT_SESSION_ID}", &id)).into_response()
        }
        Err(message) => shown(state, &id, Some(&message)),
    })
}

fn shown(state: &State, id: &str, message: Option<&str>) -> Response {
    let Some(session) = state.sessions.get(id) else { return none() };
    if session.status != "open" {
        let body =
            format!("<p>This session is {}.</p>\n", if session.status == "complete" { "completed" } else { "expired" });
        return (StatusCode::GONE, page(TITLE, &body)).into_response();
    }
    page(TITLE, &format!("{}{}{}", alert(message), offer(state, session), form(state, session))).into_response()
}

fn offer(state: &State, session: &Session) -> String {
    let (unit, sum) = (state.terms.unit_amount, session.quantity * state.terms.unit_amount);
    let trial = session.trial_days.map_or_else(String::new, |days| format!("<p>{days} days free, then:</p>\n"));
    format!(
        "<h2>Subscribe to Team</h2>\n{trial}<p>{} × {} = {} per month</p>\n",
        session.quantity,
        state.money(unit),
        state.money(sum)
    )
}

fn form(state: &State, session: &Session) -> String {
    let customer = state.customers.get(&session.customer);
    let name = customer.and_then(|c| c.name.as_deref()).unwrap_or_default();
    let country = customer.and_then(|c| c.address.get("country")).map(String::as_str).unwrap_or_default();
    let tax_id = if session.tax_id_collection { input("VAT ID", "tax_id", "", false) } else { String::new() };
    let back = session
        .cancel_url
        .as_deref()
        .map_or_else(String::new, |url| format!("<p><a href=\"{}\">Back</a></p>\n", escaped(url)));
    format!(
        "<form method=\"post\">\n{}{}{}{tax_id}<button>Subscribe</button>\n</form>\n{back}",
        input("Card number", "card_number", "", !session.card_optional()),
        input("Company name", "name", name, false),
        input("Country", "country", country, false),
    )
}
