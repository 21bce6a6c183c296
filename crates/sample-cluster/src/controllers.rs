//! What the controllers of a real cluster would have made of a manifest: defaults, dependents and status, always the
//! same ones.

mod batch;
mod cron;
mod defaults;
mod directives;
mod environment;
mod managed_fields;
mod names;
mod others;
mod pod;
mod scene;
mod storage;
mod workload;

pub(crate) use directives::{Directives, PodState};
pub(crate) use names::pick;
pub(crate) use others::KUBERNETES_VERSION;
pub(crate) use scene::Scene;
pub(crate) use workload::{deployment_status, replica_set_name, replica_set_status};
