//! Invoices, as a page and as a text in place of a PDF.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::{Path, State as Extract},
    response::{IntoResponse, Response},
};
use http::header;

use super::{escaped, none, page};
use crate::{
    calendar::day,
    shared::Shared,
    state::{Invoice, State},
};

pub(super) async fn show(Extract(shared): Extract<Arc<Shared>>, Path(id): Path<String>) -> Response {
    shared.act(|state| {
        let Some(invoice) = state.invoice(&id) else { return none() };
        let body = format!(
            "<pre>{}</pre>\n<p><a href=\"/invoice/{id}/pdf\">Download</a></p>\n",
            escaped(&text(state, invoice))
        );
        page(&format!("Invoice {} — sample Stripe", invoice.number), &body).into_response()
    })
}

pub(super) async fn pdf(Extract(shared): Extract<Arc<Shared>>, Path(id): Path<String>) -> Response {
    shared.act(|state| {
        let Some(invoice) = state.invoice(&id) else { return none() };
        ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text(state, invoice)).into_response()
    })
}

fn text(state: &State, invoice: &Invoice) -> String {
    let mut text = format!("Invoice {} of {}\n", invoice.number, day(invoice.created));
    for line in &invoice.lines {
        let (from, until, amount) = (day(line.period_start), day(line.period_end), state.money(line.amount));
        let _ = writeln!(text, "{}, {from} to {until}: {amount}", state.said(line));
    }
    let _ = writeln!(text, "Total: {}", state.money(invoice.total()));
    let _ = writeln!(text, "Due: {}", state.money(invoice.due()));
    let _ = writeln!(text, "Status: {}", invoice.status.as_str());
    text
}
