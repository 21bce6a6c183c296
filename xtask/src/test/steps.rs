//! The steps of `cargo xtask test`. Each prints its own closing lines.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cmd::{self, Finished};
use crate::files::TempDir;
use crate::postgres::Throwaway;
use crate::project::{Profile, Project};
use crate::release::{self, FirstLoad};
use crate::setup::{self, Python};

/// Everything that runs on a machine; the browser's part is compiled for WASM only.
const SERVER_SIDE: &[&str] = &["--workspace", "--exclude", "kubewise-frontend"];

pub(super) fn fmt(project: &Project) -> Result<()> {
    close(project, "fmt", &mut project.cargo(&["fmt", "--all", "--", "--check", "--color=never"]), 60)
}

pub(super) fn machete(project: &Project) -> Result<()> {
    close(project, "machete", &mut project.cargo(&["machete"]), 40)
}

pub(super) fn deny(project: &Project) -> Result<()> {
    // Duplicates of small crates are warnings, and many: the log has them.
    let mut deny = project.cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]);
    close(project, "deny", &mut deny, 60)
}

pub(super) fn clippy(project: &Project) -> Result<()> {
    let mut clippy = project.cargo(&["clippy"]);
    clippy.args(SERVER_SIDE).args(["--all-targets", "--", "-D", "warnings"]);
    close(project, "clippy", &mut clippy, 80)
}

pub(super) fn clippy_wasm(project: &Project) -> Result<()> {
    let mut clippy = project.cargo(&["clippy", "--package", "kubewise-frontend"]);
    clippy.args(["--target", "wasm32-unknown-unknown", "--", "-D", "warnings"]);
    close(project, "clippy-wasm", &mut clippy, 80)
}

/// With a PostgreSQL that each test makes a database in, and a Python that has localstripe. `chosen`: some of them; none: all.
pub(super) fn unit(project: &Project, chosen: &[String], database: &Throwaway) -> Result<()> {
    let nextest = cmd::text(&mut project.cargo(&["nextest", "--version"])).is_ok();
    let mut tests = if nextest {
        project.cargo(&["nextest", "run", "--no-fail-fast"])
    } else {
        project.cargo(&["test", "--no-fail-fast"])
    };
    if chosen.is_empty() {
        tests.args(SERVER_SIDE);
    } else {
        tests.args(chosen);
    }
    tests.env("KUBEWISE_TEST_DATABASE_URL", database.url("postgres"));
    // Databases that tests made are thrown away with PostgreSQL, and what belongs to them with this folder.
    let folder = TempDir::new("t")?;
    tests.env("TMPDIR", folder.path());
    tests.env("KUBEWISE_TEST_LOCALSTRIPE", setup::LOCALSTRIPE_PYTHON.program(project, "python"));
    close(project, "unit", &mut tests, 120)
}

/// What the chart renders is audited too.
pub(super) fn chart(project: &Project) -> Result<()> {
    with_agent(project, "chart", &setup::CHART_PYTHON, "deploy/test_chart.py")
}

pub(super) fn reports(project: &Project) -> Result<()> {
    with_agent(project, "reports", &setup::REPORTS_PYTHON, "end2end/reports/test_reports.py")
}

/// A test in Python that is told where the agent of this very tree is.
fn with_agent(project: &Project, name: &str, python: &Python, test: &str) -> Result<()> {
    // The whole workspace, so that features are those of the other steps and nothing is compiled twice.
    let mut build = project.cargo(&["build"]);
    build.args(SERVER_SIDE).args(["--bin", "kubewise-agent"]);
    cmd::run_ok(project, &format!("{name}-agent"), &mut build)?;
    let mut command = project.command(python.program(project, "python"));
    command.env("KUBEWISE_AGENT", project.programs(Profile::Debug).join("kubewise-agent"));
    close(project, name, command.arg(test), 60)
}

pub(super) fn wasm(project: &Project) -> Result<()> {
    let sizes = FirstLoad::measure(project)?;
    println!(
        "first load, brotli: {} bytes of WASM, {} of script, {} of styles; all chunks: {}",
        sizes.wasm, sizes.script, sizes.style, sizes.all_chunks
    );
    for (chunk, size) in &sizes.chunks {
        println!("  a page of {chunk}: {size} more, so {} of WASM and script", sizes.common() + size);
    }
    println!("largest: {}; budget: {}", sizes.code(), FirstLoad::BUDGET);
    if sizes.code() > FirstLoad::BUDGET {
        bail!("over the budget by {} bytes", sizes.code() - FirstLoad::BUDGET);
    }
    Ok(())
}

/// As a person would start it: xtask once more.
pub(super) fn demo(project: &Project) -> Result<()> {
    let xtask = std::env::current_exe().context("xtask's own path")?;
    let mut demo = project.command(xtask);
    demo.args(["demo", "--check"]);
    close(project, "demo", &mut demo, 60)
}

pub(super) fn end_to_end(project: &Project) -> Result<()> {
    let mut playwright = project.command("npx");
    playwright
        .args(["--no-install", "playwright", "test"])
        .current_dir(project.root.join("end2end"))
        .env("KUBEWISE_E2E_BIN_DIR", release::programs(project, Profile::Release)?)
        .env("KUBEWISE_E2E_SITE", project.site());
    close(project, "e2e", &mut playwright, 100)
}

/// Runs a step and prints how it closed: a few lines when it passed, up to `lines` when it failed.
pub(super) fn close(project: &Project, name: &str, command: &mut Command, lines: usize) -> Result<()> {
    const WHEN_PASSED: usize = 6;
    let finished: Finished = cmd::run(project, name, command)?;
    let count = if finished.status.success() { WHEN_PASSED } else { lines };
    for line in finished.last(count) {
        println!("{line}");
    }
    if !finished.status.success() {
        bail!("{name} failed ({}); all of it: {}", finished.status, finished.log.display());
    }
    Ok(())
}
