//! The sample Stripe from outside, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod common;
mod ending;
mod idempotency;
mod life;
mod pages;
mod prorations;
mod sent;
mod webhooks;
