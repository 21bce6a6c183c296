//! The agent in the cluster: it lists and watches the kinds of the protocol, strips them, and sends them.
//!
//! ```text
//! kubernetes::Listing ─┐                    ┌─ full synchronisation ─┐
//!   (one after another)├─ object + strip ──▶│ sync::Epoch            │─▶ send::Sender ─▶ server
//! kubernetes::Follower ┘   (per object)     └─ changes, heartbeats ──┘
//!   (one task per kind)
//! ```
//!
//! Apart from all that, [`audit`] judges manifests on disk.
//!
//! What bounds its memory: objects are read one at a time from pages that are never held as a whole; of what was sent
//! only a hash is kept; changes that cannot be sent are gathered up to a limit and then forgotten, which costs a full
//! synchronisation later.
#![warn(missing_docs)]

pub mod audit;
mod backoff;
mod chain;
mod config;
mod filtered;
mod health;
mod inventory;
mod kubernetes;
mod metrics;
mod object;
mod pending;
mod run;
mod send;
pub mod strip;
mod sync;
mod timing;

pub use backoff::Growth;
pub use config::{Config, ConfigError, Environment, LogConfig};
pub use pending::Capacity;
pub use run::{Options, run};
pub use sync::{BatchLimits, Epochs, Mode};
pub use timing::Timing;
