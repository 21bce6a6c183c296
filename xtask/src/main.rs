//! `cargo xtask …`: sets up, runs, tests and measures Kubewise.
//!
//! Results go to standard output, progress to standard error. Nothing that was started is left running.
#![expect(clippy::print_stdout, reason = "a command-line tool: what it prints is its result")]

mod admin;
mod bench;
mod check;
mod cmd;
mod daemon;
mod data_dir;
mod demo;
mod dev;
mod files;
mod fingerprint;
mod http;
mod interrupt;
mod postgres;
mod project;
mod release;
mod setup;
mod sqlx;
mod stack;
mod test;

use std::process::ExitCode;

use clap::Parser;

use crate::interrupt::Interrupted;
use crate::project::Project;

/// Sets up, runs, tests and measures Kubewise.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Set up what is missing, build, start everything with the sample cluster, and print how to sign in
    Demo(demo::DemoArgs),
    /// Set up what the tests need and run them all
    Test(test::TestArgs),
    /// The same server as in the demo, rebuilt whenever a source changes
    Dev,
    /// Measure; one JSON line for each figure
    Bench(bench::BenchArgs),
    /// The checked queries' offline data in .sqlx
    Sqlx(sqlx::SqlxArgs),
    /// Only set up what is missing
    Setup,
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("Stopped.");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let project = Project::find()?;
    match task {
        Task::Demo(args) => demo::run(&project, &args),
        Task::Test(args) => test::run(&project, &args),
        Task::Dev => dev::run(&project),
        Task::Bench(args) => bench::run(&project, &args),
        Task::Sqlx(args) => sqlx::run(&project, &args),
        Task::Setup => setup::ensure(&project, setup::Part::ALL).map(|()| ExitCode::SUCCESS),
    }
}
