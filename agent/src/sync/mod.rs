//! The conversation with the server: epochs, each a full synchronisation and the changes after it.

mod agent;
mod changes;
mod epoch;
mod full;
mod numbers;

pub(crate) use agent::Agent;
pub use agent::Mode;
pub use epoch::BatchLimits;
pub use numbers::Epochs;
