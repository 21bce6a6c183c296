//! A full synchronisation of 10,000 pods with their owners: from the agent's start to its end, and what it costs the
//! server in memory.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::{Figure, memory, start_server};
use crate::check;
use crate::data_dir::DataDir;
use crate::files;
use crate::interrupt;
use crate::project::{Profile, Project};
use crate::stack::{AgentSettings, Cluster};

const PODS: &str = "10000";
const BUDGET_SECONDS: f64 = 3.0;
const BUDGET_GROWTH_MIB: f64 = 64.0;
/// Each in a cluster of its own, so that each writes everything.
const ROUNDS: usize = 3;
/// By then start-up work is over.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) fn run(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let server = start_server(project, &data)?;
    let cluster = Cluster::start(project, Profile::Release, data.path(), &["--generate", PODS])?;
    let user = server.admin(|admin| admin.create_user(&files::random_password()?))?;
    interrupt::sleep(SETTLE)?;
    let before = memory::of(server.daemon.pid())?;
    memory::forget_peak(server.daemon.pid())?;

    let mut seconds = Vec::new();
    for round in 1..=ROUNDS {
        let name = format!("bench-{round}");
        let token = server.admin(|admin| admin.create_cluster(&user.organisation, &name))?.token;
        let agent = AgentSettings {
            project,
            profile: Profile::Release,
            data: data.path(),
            server: &server.url(),
            token: &token,
            cluster: &cluster,
        };
        let started = Instant::now();
        let mut agent = agent.start(&["--once"])?;
        let status = agent.wait(Duration::from_mins(2))?;
        seconds.push(started.elapsed().as_secs_f64());
        if !status.success() {
            bail!("the agent ended with {status}. {}", agent.last_words());
        }
        let held = server.admin(|admin| admin.cluster_status(&user.organisation, &name))?;
        let differences = check::differences(&check::served(cluster.address)?, &held.totals);
        if !differences.is_empty() {
            bail!("the synchronisation is not complete:\n  {}", differences.join("\n  "));
        }
    }
    let after = memory::of(server.daemon.pid())?;
    let mut sorted = seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let resources: u64 = cluster.totals.values().sum();
    let details = json!({ "rounds": seconds, "resources": resources });
    Figure::print("ingest", sorted[ROUNDS / 2], "s", BUDGET_SECONDS, details)?;
    let details = json!({ "before_mib": before.resident, "peak_mib": after.peak, "after_mib": after.resident });
    Figure::print("ingest-memory", after.peak - before.resident, "MiB", BUDGET_GROWTH_MIB, details)
}
