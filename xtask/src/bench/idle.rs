//! The server's memory after its start, with no cluster connected.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Figure, memory, start_server};
use crate::data_dir::DataDir;
use crate::interrupt;
use crate::project::Project;

const BUDGET_MIB: f64 = 80.0;
/// By then start-up work is over.
const SETTLE: Duration = Duration::from_secs(15);

pub(super) fn run(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let server = start_server(project, &data)?;
    interrupt::sleep(SETTLE)?;
    let memory = memory::of(server.daemon.pid())?;
    Figure::print("idle", memory.resident, "MiB", BUDGET_MIB, json!({ "peak_mib": memory.peak }))
}
