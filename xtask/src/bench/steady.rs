//! 3,500 clusters that live: from each a heartbeat a minute and five changed pods every half minute.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::embedded::Embedded;
use super::load::{Load, Synchronised};
use super::{Figure, cpu, memory, start_server};
use crate::data_dir::DataDir;
use crate::files;
use crate::project::Project;

const CLUSTERS: usize = 3_500;
const PODS: u32 = 50;
const LIVING: Duration = Duration::from_mins(2);
const BUDGET_MIB: f64 = 512.0;
/// Both processors of the machine that the budget names.
const BUDGET_PROCESSORS: f64 = 2.0;
/// Agents wait 15 s and more before they think that a server is away.
const BUDGET_P99_MS: f64 = 1_000.0;

#[derive(Deserialize)]
struct Steady {
    batches: u64,
    batches_per_second: f64,
    errors: u64,
    first_error: Option<String>,
    retries: u64,
    p50_ms: f64,
    p99_ms: f64,
    most_ms: f64,
}

pub(super) fn run(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let mut server = start_server(project, &data)?;
    let person = server.admin(|admin| admin.create_user(&files::random_password()?))?;
    let created = server.admin(|admin| admin.create_clusters(&person.organisation, "steady", CLUSTERS))?;
    let tokens: Vec<String> = created.into_iter().map(|cluster| cluster.token).collect();
    let load =
        Load { project, data: data.path(), server: &server.url(), tokens: &tokens, pods: PODS, steady: Some(LIVING) };
    let mut loading = load.start()?;
    let synchronised: Synchronised = loading.next()?;
    let embedded = Embedded::new(project, data.path());
    let (pid, postgres) = (server.daemon.pid(), embedded.pid()?);
    let (started, cpu_before, postgres_before) = (Instant::now(), cpu::of(pid)?, cpu::of_family(postgres)?);
    memory::forget_peak(pid)?;
    let steady: Steady = loading.next()?;
    server.daemon.must_run()?;
    let wall = started.elapsed().as_secs_f64();
    let (used, postgres_used) = (cpu::of(pid)? - cpu_before, cpu::of_family(postgres)? - postgres_before);
    let memory = memory::of(pid)?;

    let details = json!({
        "clusters": synchronised.clusters, "resources": synchronised.resources, "resident_mib": memory.resident,
        "first_synchronisation_seconds": synchronised.seconds,
    });
    Figure::print("steady/memory", memory.peak, "MiB", BUDGET_MIB, details)?;
    let details = json!({ "server": used / wall, "postgresql": postgres_used / wall, "wall_seconds": wall });
    Figure::print("steady/processors", (used + postgres_used) / wall, "processors", BUDGET_PROCESSORS, details)?;
    let details = json!({
        "batches": steady.batches, "batches_per_second": steady.batches_per_second, "errors": steady.errors,
        "retries": steady.retries, "p50_ms": steady.p50_ms, "most_ms": steady.most_ms,
    });
    Figure::print("steady/latency", steady.p99_ms, "ms p99", BUDGET_P99_MS, details)?;
    if steady.errors > 0 {
        bail!("{} conversations broke off: {}", steady.errors, steady.first_error.unwrap_or_default());
    }
    Ok(())
}
