//! Changes while the cluster is served.

mod churn;
mod day;
mod garbage;
mod reconcile;

pub(crate) use churn::churn;
pub(crate) use day::a_days_events;
pub(crate) use garbage::{delete, is_same, upsert};
