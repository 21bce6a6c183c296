//! 200 people who sign in at once, over and over: what it costs the server in memory, and whether a list page is
//! answered meanwhile.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::people::{People, Person};
use super::{Figure, memory, start_server_behind_proxy};
use crate::data_dir::DataDir;
use crate::http::Connection;
use crate::interrupt;
use crate::project::{Profile, Project};
use crate::stack::{AgentSettings, Cluster, Server};

const AT_ONCE: usize = 200;
const PODS: &str = "200";
/// How long they go on.
const LOADED: Duration = Duration::from_secs(20);
/// Requests of the page before they begin.
const REQUESTS: usize = 200;
/// By then start-up work is over.
const SETTLE: Duration = Duration::from_secs(5);
/// Most hashes at once, one for each processor else: `HASHES_AT_ONCE` in `server/src/serve.rs`.
const HASHES_AT_ONCE: usize = 4;
/// What each takes: `MEMORY_KIB` in `crates/backend/src/password.rs`.
const HASH_MIB: f64 = 19.0;
/// 200 connections with their requests, sessions and statements.
const REST_MIB: f64 = 32.0;
/// Longer than without sign-ins; short enough that nobody notices.
const BUDGET_MS: f64 = 250.0;

pub(super) fn run(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let server = start_server_behind_proxy(project, &data)?;
    let mut connection = Connection::open(server.settings.address())?;
    let mut people = People::sign_up(&mut connection, server.url(), data.path(), AT_ONCE)?;
    let page = Page::ready(project, &data, &server, &mut people)?;
    interrupt::sleep(SETTLE)?;
    let mut alone = Vec::new();
    for _ in 0..REQUESTS {
        alone.push(page.ask(&mut connection)?);
    }
    let pid = server.daemon.pid();
    let before = memory::of(pid)?;
    memory::forget_peak(pid)?;

    // All connections first: who begins waits for all others.
    let connections: Vec<Connection> =
        (0..AT_ONCE).map(|_| Connection::open(server.settings.address())).collect::<Result<_>>()?;
    let (begin, stop) = (Barrier::new(AT_ONCE + 1), AtomicBool::new(false));
    let started = Instant::now();
    let (loaded, signed_in) = std::thread::scope(|scope| {
        let signing_in: Vec<_> = people
            .known
            .iter()
            .zip(connections)
            .map(|(person, connection)| {
                let (people, begin, stop) = (people.again(), &begin, &stop);
                scope.spawn(move || sign_in(person, people, connection, begin, stop))
            })
            .collect();
        begin.wait();
        let loaded = page.ask_for(&mut connection, LOADED);
        stop.store(true, Ordering::SeqCst);
        let mut times = Vec::new();
        for thread in signing_in {
            times.extend(thread.join().unwrap_or_else(|_| bail!("a thread panicked"))?);
        }
        anyhow::Ok((loaded?, times))
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let after = memory::of(pid)?;
    let hashes = std::thread::available_parallelism()?.get().min(HASHES_AT_ONCE);
    let hashes_mib = u32::try_from(hashes).map(f64::from)? * HASH_MIB;

    let count = u32::try_from(signed_in.len()).map_or(f64::MAX, f64::from);
    let details = json!({
        "before_mib": before.resident, "peak_mib": after.peak, "after_mib": after.resident, "hashes_mib": hashes_mib,
        "sign_ins": signed_in.len(), "sign_ins_per_second": count / seconds, "sign_in_p99_ms": p99(signed_in)?,
    });
    Figure::print("login-load/memory", after.peak - before.resident, "MiB", hashes_mib + REST_MIB, details)?;
    let details = json!({ "requests": loaded.len(), "p99_ms_alone": p99(alone)? });
    Figure::print("login-load/page", p99(loaded)?, "ms p99 TTFB", BUDGET_MS, details)
}

fn sign_in(
    person: &Person,
    mut people: People,
    mut connection: Connection,
    begin: &Barrier,
    stop: &AtomicBool,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let password = people.password().to_owned();
    begin.wait();
    while !stop.load(Ordering::SeqCst) {
        let answer = people.sign_in(&mut connection, &person.email, &password, &person.browser)?;
        ensure!(answer.status == 200, "signing in answered {}", answer.status);
        times.push(answer.first_byte);
    }
    Ok(times)
}

/// A list page of a cluster, and who looks at it.
struct Page {
    path: String,
    cookie: String,
}

impl Page {
    fn ready(project: &Project, data: &DataDir, server: &Server<'_>, people: &mut People) -> Result<Self> {
        let mut connection = Connection::open(server.settings.address())?;
        let person = people.known.first().context("nobody signed up")?.clone();
        let password = people.password().to_owned();
        let answer = people.sign_in(&mut connection, &person.email, &password, &person.browser)?;
        let cookie = answer.cookie("kubewise").context("no session began")?.to_owned();
        let organisation = answer.header("location").and_then(|to| to.split('/').nth(2)).context("no organisation")?;
        let created = server.admin(|admin| admin.create_cluster(organisation, "bench"))?;
        let cluster = Cluster::start(project, Profile::Release, data.path(), &["--generate", PODS])?;
        let url = server.url();
        let agent = AgentSettings {
            project,
            profile: Profile::Release,
            data: data.path(),
            server: &url,
            token: &created.token,
            cluster: &cluster,
        };
        let status = agent.start(&["--once"])?.wait(Duration::from_mins(1))?;
        ensure!(status.success(), "the agent ended with {status}");
        let path = format!("/o/{organisation}/clusters/{}/resources", created.cluster);
        Ok(Self { path, cookie })
    }

    /// Again and again, for so long.
    fn ask_for(&self, connection: &mut Connection, time: Duration) -> Result<Vec<Duration>> {
        let (started, mut times) = (Instant::now(), Vec::new());
        while started.elapsed() < time {
            interrupt::check()?;
            times.push(self.ask(connection)?);
        }
        Ok(times)
    }

    fn ask(&self, connection: &mut Connection) -> Result<Duration> {
        let answer = connection.get(&self.path, &[("Cookie", &self.cookie), ("Accept-Encoding", "br")])?;
        ensure!(answer.status == 200, "{} answered {}", self.path, answer.status);
        Ok(answer.first_byte)
    }
}

fn p99(mut times: Vec<Duration>) -> Result<f64> {
    times.sort_unstable();
    let at = (times.len() * 99).div_ceil(100).saturating_sub(1);
    Ok(times.get(at).context("nothing was measured")?.as_secs_f64() * 1000.0)
}
