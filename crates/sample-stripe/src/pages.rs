//! The pages that customers see: plain HTML, no scripts.

use std::sync::Arc;

use axum::{
    Router,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::StatusCode;

use crate::shared::Shared;

mod checkout;
mod invoice;
mod portal;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/checkout/{id}", get(checkout::show).post(checkout::subscribe))
        .route("/portal/{id}", get(portal::show).post(portal::act))
        .route("/invoice/{id}", get(invoice::show))
        .route("/invoice/{id}/pdf", get(invoice::pdf))
}

/// A whole page.
fn page(title: &str, body: &str) -> Html<String> {
    let title = escaped(title);
    // An empty icon: a browser that asked for one would log that there is none.
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n\
         body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}\n\
         label {{ display: block; margin: .5rem 0 }}\n\
         input {{ display: block; font: inherit; padding: .3rem; width: 100%; box-sizing: border-box }}\n\
         button {{ font: inherit; padding: .3rem 1rem; margin: .5rem 0 }}\n\
         [role=alert] {{ color: #b00020 }}\n</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n\
         </body>\n</html>\n"
    ))
}

/// There is no such session or invoice.
fn none() -> Response {
    (StatusCode::NOT_FOUND, page("Not found — sample Stripe", "<p>There is nothing here.</p>\n")).into_response()
}

/// What went wrong, if anything did.
fn alert(message: Option<&str>) -> String {
    message.map_or_else(String::new, |message| format!("<p role=\"alert\">{}</p>\n", escaped(message)))
}

/// A labelled input.
fn input(label: &str, name: &str, value: &str, required: bool) -> String {
    let required = if required { " required" } else { "" };
    let (label, value) = (escaped(label), escaped(value));
    format!("<label>{label} <input name=\"{name}\" value=\"{value}\" autocomplete=\"off\"{required}></label>\n")
}

/// A text inside HTML, or inside an attribute's quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
