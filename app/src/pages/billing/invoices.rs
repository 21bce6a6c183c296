//! Invoices, which are at Stripe.

use kubewise_contract::{InvoiceRow, Payment};
use leptos::prelude::*;

use super::day;

pub(super) fn list(payment: &Payment) -> AnyView {
    if payment.subscription.is_none() {
        return ().into_any();
    }
    let rows: Vec<_> = payment.invoices.iter().map(row).collect();
    let body = if rows.is_empty() {
        view! { <p class="pad">"There is none yet."</p> }.into_any()
    } else {
        view! {
            <table>
                <thead><tr>
                    <th scope="col">"Invoice"</th><th scope="col">"State"</th><th scope="col" class="num">"Amount"</th>
                    <th scope="col" class="num"><span class="visually-hidden">"As a file"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <section class="card list-card next" aria-labelledby="invoices">
            <header><h2 id="invoices">"Invoices"</h2></header>
            {body}
        </section>
    }
    .into_any()
}

fn row(invoice: &InvoiceRow) -> AnyView {
    let number = invoice.number.clone().unwrap_or_else(|| "not numbered yet".to_owned());
    let (class, state) = match invoice.status.as_str() {
        "paid" => ("tag ok", "paid"),
        "open" => ("tag crit", "to be paid"),
        "draft" => ("tag", "being made"),
        "void" => ("tag", "void"),
        _ => ("tag high", "not paid"),
    };
    let again = invoice
        .next_attempt_at
        .filter(|_| invoice.status == "open")
        .map(|at| view! { <div class="second">{format!("tried again on {}", day(at))}</div> });
    let name = match invoice.page.clone() {
        Some(page) => view! { <a href=page rel="external noreferrer">{number.clone()}</a> }.into_any(),
        None => number.clone().into_any(),
    };
    let pdf = invoice.pdf.clone().map(|pdf| {
        view! { <a class="btn small" href=pdf rel="external noreferrer" aria-label=format!("PDF of {number}")>"PDF"</a> }
    });
    view! {
        <tr>
            <td><div class="first">{name}</div><div class="second">{day(invoice.made_at)}</div></td>
            <td><span class=class>{state}</span>{again}</td>
            <td class="num">{invoice.total.to_string()}</td>
            <td class="num">{pdf}</td>
        </tr>
    }
    .into_any()
}
