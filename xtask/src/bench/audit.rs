//! The audit: 100,000 resources by every rule, and the same manifests by `kubewise-agent audit` and by checkov.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Figure;
use crate::data_dir::DataDir;
use crate::project::{Profile, Project};
use crate::{cmd, setup};

const RESOURCES: &str = "100000";
/// On two threads.
const BUDGET_SECONDS: f64 = 1.0;
/// As many as the comparison is known for, where no recorded cluster is.
const COMPARED: &str = "359";
/// How many times faster than checkov.
const BUDGET_RATIO: f64 = 200.0;
/// How often what takes milliseconds is measured. The middle one counts.
const TIMES: usize = 9;

pub(super) fn run(project: &Project) -> Result<()> {
    let mut engine = bench(project);
    let engine: Value = serde_json::from_str(&said(engine.args(["audit", RESOURCES]))?)?;
    let seconds = engine["audit_s"].as_f64().context("audit_s")?;
    Figure::print("audit", seconds, "s", BUDGET_SECONDS, engine)?;

    let mut build = project.cargo(&["build", "--release", "--package", "kubewise-agent"]);
    cmd::run_ok(project, "agent", &mut build)?;
    // An installation that fails takes none of the other figures with it.
    if let Err(error) = setup::ensure(project, &[setup::Part::CheckovPython]) {
        eprintln!("checkov is not compared: {error:#}");
        return Ok(());
    }
    compare(project)
}

/// Both read the same files as whole processes, one after the other.
fn compare(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let folder = data.path().join("manifests");
    let recorded = recorded(project);
    let mut write = bench(project);
    match &recorded {
        Some(cluster) => write.arg("record").arg(&folder).arg(cluster),
        None => write.arg("write").arg(&folder).arg(COMPARED),
    };
    let written: Value = serde_json::from_str(&said(&mut write)?)?;

    let mut ours = Vec::new();
    let mut findings = Value::Null;
    for _ in 0..TIMES {
        let mut audit = Command::new(project.programs(Profile::Release).join("kubewise-agent"));
        audit.args(["audit", "--format", "json", "--fail-on", "never"]).arg(&folder);
        let (took, report) = timed(&mut audit)?;
        ours.push(took);
        findings = serde_json::from_slice::<Value>(&report)?["summary"]["findings"].take();
    }
    ours.sort_unstable();
    let ours = ours[TIMES / 2];

    // Its report as it is without further options, and as short as it gets: of what failed alone, without excerpts.
    let (theirs, summary) = checkov(project, &folder, &[])?;
    let (shortest, _) = checkov(project, &folder, &["--quiet", "--compact"])?;

    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    let details = json!({
        "resources": written["resources"],
        "recorded": recorded.is_some(),
        "kubewise_s": ours.as_secs_f64(),
        "kubewise_findings": findings,
        "checkov_s": theirs.as_secs_f64(),
        "checkov_short_s": shortest.as_secs_f64(),
        "checkov_short_ratio": shortest.as_secs_f64() / ours.as_secs_f64(),
        "checkov_failed": summary.failed,
        "checkov_resources": summary.resource_count,
        "checkov_version": summary.checkov_version,
    });
    Figure::print_at_least("audit-checkov", ratio, "times", BUDGET_RATIO, details)
}

/// Without looking anything up elsewhere.
fn checkov(project: &Project, folder: &Path, options: &[&str]) -> Result<(Duration, Summary)> {
    let mut checkov = Command::new(setup::CHECKOV_PYTHON.program(project, "checkov"));
    checkov.args(["--framework", "kubernetes", "--skip-download", "--soft-fail", "--output", "json"]);
    checkov.args(options).arg("--directory").arg(folder);
    let (took, report) = timed(&mut checkov)?;
    let Checked { summary } = serde_json::from_slice(&report).context("checkov's report")?;
    Ok((took, summary))
}

/// What checkov says of a run.
#[derive(Deserialize)]
struct Checked {
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    failed: u64,
    resource_count: u64,
    checkov_version: String,
}

/// The crate's own measurement, built for release.
fn bench(project: &Project) -> Command {
    project.cargo(&["bench", "--quiet", "--package", "kubewise-audit", "--bench", "audit", "--"])
}

/// The last line of standard output.
fn said(command: &mut Command) -> Result<String> {
    let text = cmd::text(command.stderr(Stdio::inherit()))?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

fn timed(command: &mut Command) -> Result<(Duration, Vec<u8>)> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let output = command.output().with_context(|| format!("{program} could not be started"))?;
    let took = begun.elapsed();
    if !output.status.success() {
        bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok((took, output.stdout))
}

/// A cluster that was recorded, where there is one (`KUBEWISE_CLUSTERS_DIR`).
fn recorded(project: &Project) -> Option<PathBuf> {
    let folder = std::env::var_os("KUBEWISE_CLUSTERS_DIR")
        .map_or_else(|| project.root.join("../shared/clusters"), PathBuf::from);
    first_folder(&folder)
}

fn first_folder(folder: &Path) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.into_iter().next()
}
