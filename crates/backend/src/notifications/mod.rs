//! What is told to people and programs that do not look at pages: made and ended by people, enqueued in the transaction of
//! what happened, sent by the worker.

mod deliver;
mod found;
mod letter;
mod look;
mod manage;
mod occasion;
mod told;
mod webhook;
mod words;

pub(crate) use deliver::Deliver;
pub(crate) use look::{KEPT, Looked, MISSED_AFTER};
pub use manage::{NewNotification, Receiver};
pub(crate) use occasion::{Occasion, tell};
pub use webhook::Webhooks;
pub(crate) use webhook::{secret_place, url_place};
