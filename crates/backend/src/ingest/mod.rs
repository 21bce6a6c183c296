//! What agents send: who they are, what they say, and how it becomes what people see.

mod application;
mod counts;
mod delta;
mod extract;
mod full;
mod health;
mod image;
mod read;
mod record;
mod report;
mod sync;
mod vulnerabilities;

use std::time::Duration;

pub use application::ApplicationLabels;
pub use extract::{NamespaceInfo, NodeInfo};
pub use image::ImageReference;
pub use read::{Chunk, Item, read};
pub use record::{Record, Unfit};
pub(crate) use sync::REMEMBERED_FOR;
pub use sync::{Agent, Ingest, Refused};

/// How long an agent may be quiet. A cluster that was not heard for three times as long is shown as silent.
pub const HEARTBEAT: Duration = Duration::from_mins(1);
