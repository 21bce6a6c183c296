//! HTTP to where people say: never into a network that is this installation's own.

mod addresses;
mod client;

pub use addresses::AllowedNetworks;
pub(crate) use client::{Failed, Outbound, address};
