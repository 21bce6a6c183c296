//! `cargo xtask bench`: the figures that have a budget, measured on release builds, a JSON line each.

mod agent;
mod audit;
mod cpu;
mod embedded;
mod idle;
mod ingest;
mod load;
mod login_load;
mod login_timing;
mod mann_whitney;
mod memory;
mod pages;
mod people;
mod steady;
mod wasm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::data_dir::DataDir;
use crate::postgres::free_port;
use crate::project::{Profile, Project};
use crate::stack::{Server, ServerSettings};
use crate::{release, setup};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// What a first visit loads
    Wasm,
    /// The server's memory after its start
    Idle,
    /// A full synchronisation of 10,000 pods with their owners
    Ingest,
    /// The agent's memory in a cluster of 10,000 pods
    Agent,
    /// Every page of an organisation with a million objects
    Pages,
    /// 3,500 clusters that live
    Steady,
    /// Whether answers tell by their time which addresses have an account
    LoginTiming,
    /// 200 sign-ins at once
    LoginLoad,
    /// 100,000 resources by every rule, and the same manifests by checkov
    Audit,
}

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Only this one (default: all)
    name: Option<Bench>,
    /// Make the million objects anew
    #[arg(long)]
    fresh: bool,
}

pub(crate) fn run(project: &Project, args: &BenchArgs) -> Result<ExitCode> {
    if args.name == Some(Bench::Audit) {
        // Needs neither the pages nor a database.
        audit::run(project)?;
        return Ok(ExitCode::SUCCESS);
    }
    setup::ensure(project, setup::Part::DEMO)?;
    release::build(project)?;
    release::programs(project, Profile::Release)?;
    let chosen = match args.name {
        Some(bench) => vec![bench],
        None => Bench::value_variants().to_vec(),
    };
    for bench in chosen {
        match bench {
            Bench::Wasm => wasm::run(project)?,
            Bench::Idle => idle::run(project)?,
            Bench::Ingest => ingest::run(project)?,
            Bench::Agent => agent::run(project)?,
            Bench::Pages => pages::run(project, args.fresh)?,
            Bench::Steady => steady::run(project)?,
            Bench::LoginTiming => login_timing::run(project)?,
            Bench::LoginLoad => login_load::run(project)?,
            Bench::Audit => audit::run(project)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One figure.
#[derive(Serialize)]
struct Figure<'a> {
    bench: &'a str,
    value: f64,
    unit: &'static str,
    /// Largest allowed value; of a probability or a ratio, the smallest.
    budget: f64,
    within: bool,
    /// What the figure was made from.
    details: serde_json::Value,
}

impl Figure<'_> {
    fn print(bench: &str, value: f64, unit: &'static str, budget: f64, details: serde_json::Value) -> Result<()> {
        Figure { bench, value, unit, budget, within: value <= budget, details }.show()
    }

    /// How probable it is that something makes no difference: within, when that cannot be ruled out.
    fn print_probability(bench: &str, value: f64, budget: f64, details: serde_json::Value) -> Result<()> {
        Figure { bench, value, unit: "p", budget, within: value > budget, details }.show()
    }

    /// What is the better the larger it is.
    fn print_at_least(
        bench: &str,
        value: f64,
        unit: &'static str,
        budget: f64,
        details: serde_json::Value,
    ) -> Result<()> {
        Figure { bench, value, unit, budget, within: value >= budget, details }.show()
    }

    fn show(mut self) -> Result<()> {
        self.value = (self.value * 1000.0).round() / 1000.0;
        println!("{}", serde_json::to_string(&self)?);
        Ok(())
    }
}

/// A server with a database of its own.
fn start_server<'a>(project: &'a Project, data: &'a DataDir) -> Result<Server<'a>> {
    Server::start(settings(project, data)?)
}

/// The same, for requests that come from many places.
fn start_server_behind_proxy<'a>(project: &'a Project, data: &'a DataDir) -> Result<Server<'a>> {
    Server::start_behind_proxy(settings(project, data)?)
}

fn settings<'a>(project: &'a Project, data: &'a DataDir) -> Result<ServerSettings<'a>> {
    Ok(ServerSettings { project, profile: Profile::Release, data: data.path(), port: free_port()? })
}
