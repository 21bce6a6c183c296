//! The agent's memory in a cluster of 10,000 pods: at its most, through the first synchronisation and a minute of
//! watching a cluster in which something happens every second.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::{Figure, memory, start_server};
use crate::data_dir::DataDir;
use crate::files;
use crate::interrupt;
use crate::project::{Profile, Project};
use crate::stack::{AgentSettings, Cluster};

const PODS: &str = "10000";
const BUDGET_MIB: f64 = 64.0;
const FIRST_SYNC: Duration = Duration::from_mins(3);
const WATCHING: Duration = Duration::from_mins(1);

pub(super) fn run(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let mut server = start_server(project, &data)?;
    let cluster = Cluster::start(project, Profile::Release, data.path(), &["--generate", PODS, "--churn", "1"])?;
    let user = server.admin(|admin| admin.create_user(&files::random_password()?))?;
    let token = server.admin(|admin| admin.create_cluster(&user.organisation, "bench"))?.token;
    let agent = AgentSettings {
        project,
        profile: Profile::Release,
        data: data.path(),
        server: &server.url(),
        token: &token,
        cluster: &cluster,
    };
    let mut agent = agent.start(&[])?;
    let synchronised = interrupt::poll(FIRST_SYNC, Duration::from_millis(500), || {
        agent.must_run()?;
        server.daemon.must_run()?;
        let status = server.admin(|admin| admin.cluster_status(&user.organisation, "bench"))?;
        Ok((status.status == "live" && status.resources() > 0).then_some(()))
    })?;
    synchronised.with_context(|| format!("no synchronisation. {}", agent.last_words()))?;
    let first = memory::of(agent.pid())?;
    interrupt::sleep(WATCHING)?;
    agent.must_run()?;
    let memory = memory::of(agent.pid())?;
    let details = json!({ "after_first_sync_mib": first.peak, "resident_mib": memory.resident });
    Figure::print("agent", memory.peak, "MiB", BUDGET_MIB, details)
}
