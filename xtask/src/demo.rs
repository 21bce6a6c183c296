//! `cargo xtask demo`: everything on one machine, with something to look at.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::admin::{Audit, CLUSTER, ClusterStatus, EMAIL};
use crate::check::{self, Totals};
use crate::data_dir::DataDir;
use crate::postgres::free_port;
use crate::project::{Profile, Project};
use crate::stack::{Server, ServerSettings, Stack};
use crate::{interrupt, release, setup};

/// Where the demo is found unless something else listens there.
pub(crate) const USUAL_PORT: u16 = 3000;
/// How long the cluster may take to be inventoried.
const INVENTORY_LIMIT: Duration = Duration::from_mins(2);

/// Arguments of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// With fresh data: wait until the cluster is inventoried and audited, print one JSON line of what was seen, stop everything
    #[arg(long)]
    check: bool,
    /// Listen here (default: 3000, or any free port if that is taken)
    #[arg(long)]
    port: Option<u16>,
    /// Forget what earlier demos of this checkout left
    #[arg(long)]
    fresh: bool,
}

pub(crate) fn run(project: &Project, args: &DemoArgs) -> Result<ExitCode> {
    setup::ensure(project, setup::Part::DEMO)?;
    release::build(project)?;
    release::programs(project, Profile::Release)?;
    if args.check { check(project, args) } else { show(project, args) }
}

/// Runs until Ctrl-C.
fn show(project: &Project, args: &DemoArgs) -> Result<ExitCode> {
    let data = DataDir::of_the_demo(project, args.fresh)?;
    let port = match args.port {
        Some(port) => port,
        None => usual_or_free_port()?,
    };
    eprintln!("Starting the server, the sample cluster and the agent …");
    let settings = ServerSettings { project, profile: Profile::Release, data: data.path(), port };
    let mut stack = Stack::connect(Server::start(settings)?, &data, &["--churn", "20"])?;
    print_sign_in(&stack, &data);
    let started = Instant::now();
    match inventoried(&mut stack, |status| status.status == "live")? {
        Some(status) => println!(
            "  {CLUSTER} is inventoried: {} resources of {} kinds, after {:.1} s",
            status.resources(),
            status.totals.values().filter(|count| **count > 0).count(),
            started.elapsed().as_secs_f64()
        ),
        None => eprintln!("{CLUSTER} is not inventoried yet. {}", stack.agent.last_words()),
    }
    match stack.audited()?.and_then(|status| status.audit) {
        Some(audit) => println!(
            "  and audited: {} findings, {} of them critical",
            audit.findings.values().sum::<u64>(),
            audit.findings.get("critical").copied().unwrap_or_default()
        ),
        None => eprintln!("{CLUSTER} is not audited yet. {}", stack.server.daemon.last_words()),
    }
    println!("  Ctrl-C stops everything.");
    run_until_asked(stack)
}

/// How a person gets in.
pub(crate) fn print_sign_in(stack: &Stack<'_>, data: &DataDir) {
    println!("\n  Kubewise   {}/login", stack.server.url());
    println!("  e-mail     {EMAIL}");
    println!("  password   {}", stack.password);
    println!("  data, logs {}\n", data.path().display());
}

/// Waits for Ctrl-C, or for one of the programs to end.
pub(crate) fn run_until_asked(mut stack: Stack<'_>) -> Result<ExitCode> {
    while interrupt::sleep(Duration::from_millis(500)).is_ok() {
        stack.must_run()?;
    }
    eprintln!("Stopping …");
    Ok(ExitCode::SUCCESS)
}

/// The cluster's status once it is as wanted; `None` when it has not become so in time.
pub(crate) fn inventoried(
    stack: &mut Stack<'_>,
    is_wanted: impl Fn(&ClusterStatus) -> bool,
) -> Result<Option<ClusterStatus>> {
    interrupt::poll(INVENTORY_LIMIT, Duration::from_millis(300), || {
        stack.must_run()?;
        Ok(Some(stack.status()?).filter(&is_wanted))
    })
}

/// The line that `--check` prints.
#[derive(Serialize)]
struct Seen<'a> {
    ok: bool,
    cluster: &'a str,
    status: &'a str,
    kubernetes_version: Option<&'a str>,
    totals: &'a Totals,
    served: &'a Totals,
    differences: &'a [String],
    /// What an audit of it found.
    audit: Option<&'a Audit>,
    url: String,
    /// From the start of the server.
    seconds: f64,
}

fn check(project: &Project, args: &DemoArgs) -> Result<ExitCode> {
    let data = DataDir::temporary()?;
    let port = match args.port {
        Some(port) => port,
        None => free_port()?,
    };
    eprintln!("Starting the server, the sample cluster and the agent …");
    let started = Instant::now();
    let settings = ServerSettings { project, profile: Profile::Release, data: data.path(), port };
    let mut stack = Stack::connect(Server::start(settings)?, &data, &[])?;
    let api = stack.cluster.address;
    let reached = inventoried(&mut stack, |status| {
        status.status == "live" && check::served(api).is_ok_and(|served| differs(&served, status).is_empty())
    })?;
    let seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    let status = match reached {
        Some(status) => status,
        None => stack.status()?,
    };
    let served = check::served(api)?;
    let differences = differs(&served, &status);
    let audited = stack.audited()?;
    let ok = status.status == "live" && differences.is_empty() && audited.is_some();
    let seen = Seen {
        ok,
        cluster: CLUSTER,
        status: &status.status,
        kubernetes_version: status.kubernetes_version.as_deref(),
        totals: &status.totals,
        served: &served,
        differences: &differences,
        audit: audited.as_ref().and_then(|status| status.audit.as_ref()),
        url: stack.server.url(),
        seconds,
    };
    println!("{}", serde_json::to_string(&seen)?);
    if !ok {
        if audited.is_none() {
            eprintln!("The cluster was not audited.");
        }
        eprintln!("The cluster is {}, and:\n  {}", status.status, differences.join("\n  "));
        eprintln!("{}\n{}", stack.agent.last_words(), stack.server.daemon.last_words());
    }
    drop(stack);
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What differs; an empty cluster has been read by nobody and counts as a difference.
fn differs(served: &Totals, status: &ClusterStatus) -> Vec<String> {
    if served.is_empty() {
        return vec!["nothing was listed of the cluster's API".to_owned()];
    }
    check::differences(served, &status.totals)
}

fn usual_or_free_port() -> Result<u16> {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)).is_ok() {
        return Ok(USUAL_PORT);
    }
    let port = free_port().context("no port is free on loopback")?;
    eprintln!("Port {USUAL_PORT} is taken by another program; this demo listens on {port}.");
    Ok(port)
}
