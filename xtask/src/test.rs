//! `cargo xtask test`: every check there is, each with its closing lines, and a table at the end.

mod api;
mod steps;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::interrupt::{self, Interrupted};
use crate::postgres::Throwaway;
use crate::project::Project;
use crate::setup::{self, Part};

/// One check. In the order they run: what fails soonest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting
    Fmt,
    /// Unused dependencies
    Machete,
    /// Licences, sources and banned crates
    Deny,
    /// Lints of everything that runs on a machine
    Clippy,
    /// Lints of what runs in the browser
    ClippyWasm,
    /// Unit and integration tests
    Unit,
    /// The checked queries' offline data
    Sqlx,
    /// The agent's Helm chart
    Chart,
    /// Reports of audits, read by programs of others
    Reports,
    /// The release build
    Build,
    /// Size of what a first visit loads
    Wasm,
    /// The demo, from nothing to an inventoried cluster
    Demo,
    /// The public API against its own description
    Api,
    /// Browser tests
    E2e,
}

impl Step {
    /// As it is written on the command line.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn needs(self) -> &'static [Part] {
        match self {
            Self::Fmt | Self::Clippy => &[],
            Self::Machete => &[Part::CargoMachete],
            Self::Deny => &[Part::CargoDeny],
            Self::ClippyWasm => &[Part::WasmTarget],
            Self::Unit => &[Part::PostgreSql, Part::LocalstripePython],
            Self::Sqlx => &[Part::PostgreSql],
            Self::Chart => &[Part::ChartPython],
            Self::Reports => &[Part::ReportsPython],
            Self::Build | Self::Wasm | Self::Demo => Part::DEMO,
            Self::Api => &[Part::ApiPython, Part::PostgreSql],
            Self::E2e => &[Part::Chromium, Part::End2EndPackages],
        }
    }

    fn needs_database(self) -> bool {
        matches!(self, Self::Unit | Self::Sqlx)
    }
}

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// Only these steps, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// After `--`: what unit tests to run, as cargo-nextest takes it (default: all of them)
    #[arg(last = true)]
    unit: Vec<String>,
}

/// How a step ended.
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    /// What it builds on failed.
    Skipped,
}

pub(crate) fn run(project: &Project, args: &TestArgs) -> Result<ExitCode> {
    let chosen: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| args.only.is_empty() || args.only.contains(step))
        .collect();
    let started = Instant::now();
    let mut outcomes: Vec<(String, Outcome)> = Vec::new();
    // What a step needs is set up before all steps: a machine that cannot be set up is said at once.
    let parts: Vec<Part> =
        Part::ALL.iter().copied().filter(|part| chosen.iter().any(|step| step.needs().contains(part))).collect();
    setup::ensure(project, &parts)?;
    outcomes.push(("setup".to_owned(), Outcome::Passed(started.elapsed())));

    let mut database = None;
    for step in chosen {
        let depends_on = match step {
            Step::Wasm | Step::Demo | Step::Api | Step::E2e => Some(Step::Build.name()),
            _ => None,
        };
        let failed = outcomes
            .iter()
            .any(|(name, outcome)| Some(name) == depends_on.as_ref() && !matches!(outcome, Outcome::Passed(_)));
        if failed {
            outcomes.push((step.name(), Outcome::Skipped));
            continue;
        }
        println!("\n== {}", step.name());
        let started = Instant::now();
        let result = run_step(project, step, &args.unit, &mut database);
        let outcome = match result {
            Ok(()) => Outcome::Passed(started.elapsed()),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                println!("{error:#}");
                Outcome::Failed(started.elapsed())
            }
        };
        interrupt::check()?;
        outcomes.push((step.name(), outcome));
    }
    drop(database);
    Ok(summary(&outcomes))
}

fn run_step(project: &Project, step: Step, tests: &[String], database: &mut Option<Throwaway>) -> Result<()> {
    if step.needs_database() && database.is_none() {
        *database = Some(Throwaway::start(project)?);
    }
    match (step, database) {
        (Step::Fmt, _) => steps::fmt(project),
        (Step::Machete, _) => steps::machete(project),
        (Step::Deny, _) => steps::deny(project),
        (Step::Clippy, _) => steps::clippy(project),
        (Step::ClippyWasm, _) => steps::clippy_wasm(project),
        (Step::Unit, Some(database)) => steps::unit(project, tests, database),
        (Step::Sqlx, Some(database)) => crate::sqlx::check(project, database),
        (Step::Unit | Step::Sqlx, None) => anyhow::bail!("there is no database"),
        (Step::Chart, _) => steps::chart(project),
        (Step::Reports, _) => steps::reports(project),
        (Step::Build, _) => crate::release::build(project),
        (Step::Wasm, _) => steps::wasm(project),
        (Step::Demo, _) => steps::demo(project),
        (Step::Api, _) => api::test(project),
        (Step::E2e, _) => steps::end_to_end(project),
    }
}

fn summary(outcomes: &[(String, Outcome)]) -> ExitCode {
    println!("\n{:<14} {:<8} seconds", "step", "result");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, outcome) in outcomes {
        let (result, took) = match outcome {
            Outcome::Passed(took) => {
                passed += 1;
                ("passed", Some(took))
            }
            Outcome::Failed(took) => {
                failed += 1;
                ("FAILED", Some(took))
            }
            Outcome::Skipped => {
                skipped += 1;
                ("skipped", None)
            }
        };
        let seconds = took.map_or_else(String::new, |took| format!("{:>7.1}", took.as_secs_f64()));
        println!("{name:<14} {result:<8} {seconds}");
    }
    println!("\nsteps: {passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
