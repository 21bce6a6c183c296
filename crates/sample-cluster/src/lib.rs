//! A small Kubernetes API on loopback that serves the bundled sample cluster, a recording, or a generated one.
//!
//! It speaks as much of the Kubernetes API as an inventory reads: discovery, GET, LIST in pages from one snapshot,
//! WATCH with bookmarks and 410 Gone; nothing can be written through it, and secrets, configmaps and events are
//! forbidden. What goes wrong in real clusters goes wrong here on demand ([`Faults`]). Objects change through
//! [`SampleCluster::upsert`] and its neighbours, or through the control routes under `/_sample/`.

mod api;
mod bundled;
mod clock;
mod cluster;
mod controllers;
mod faults;
mod generated;
mod history;
mod live;
mod load;
mod object;
mod recording;
mod request_log;
mod resource_type;
mod serve;
mod store;

pub use cluster::SampleCluster;
pub use faults::{Effect, Fault, Faults};
pub use load::{Load, LoadSettings, Steady, Synchronised};
pub use request_log::RecordedRequest;
pub use serve::ServeHandle;
