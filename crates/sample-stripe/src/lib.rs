//! A Stripe on loopback: the parts of its API that Kubewise asks, with Checkout, the customer portal, a clock that is
//! moved, and signed webhooks. Shapes as of API version 2026-09-30.
//!
//! What is billed is kept twice: in money, as Stripe does, and exactly, in node-seconds. A request or a field that
//! `docs/billing/data-sent.md` does not have is refused, and remembered: the last [`Stripe`] panics over it.

// `json!` recurses once for each key, and Stripe's objects have many.
#![recursion_limit = "512"]

mod api;
mod billing;
mod calendar;
mod cards;
mod checkout;
mod control;
mod customers;
mod due;
mod events;
mod fields;
mod handle;
mod idempotency;
mod invoices;
mod ledger;
mod lists;
mod options;
mod pages;
mod portal;
mod refused;
mod sent;
mod serve;
mod shapes;
mod shared;
mod state;
mod webhooks;

pub use events::Event;
pub use handle::Stripe;
pub use ledger::{Billed, Ledger};
pub use options::Options;
pub use shared::Request;
pub use webhooks::{Delivery, signature};

/// The version that answers and events name.
pub const API_VERSION: &str = "2026-09-30.endive";
