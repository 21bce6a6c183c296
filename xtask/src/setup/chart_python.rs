//! A Python of the project's own, with Helm's SDK, for the test of the agent's chart.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::Presence;
use crate::project::Project;
use crate::{cmd, fingerprint};

/// What the test imports when `deploy/requirements.txt` does not say otherwise.
const PACKAGES: &[&str] = &["helm-python-sdk", "PyYAML"];

fn folder(project: &Project) -> PathBuf {
    project.state().join("python")
}

/// The interpreter that has the packages.
pub(crate) fn python(project: &Project) -> PathBuf {
    folder(project).join("bin/python")
}

fn requirements(project: &Project) -> PathBuf {
    project.root.join("deploy/requirements.txt")
}

fn wanted(project: &Project) -> Result<String> {
    let hash = fingerprint::of_paths(&[requirements(project)], &|_| false)?;
    Ok(format!("{} {hash:016x}\n", PACKAGES.join(" ")))
}

pub(super) fn presence(project: &Project) -> Result<Presence> {
    Ok(match std::fs::read_to_string(folder(project).join("stamp")) {
        Ok(stamp) if stamp == wanted(project)? => Presence::Yes,
        Ok(_) => Presence::No("its requirements changed".to_owned()),
        Err(_) => Presence::No("not installed yet".to_owned()),
    })
}

pub(super) fn install(project: &Project) -> Result<()> {
    if project.which("python3").is_none() {
        bail!("python3 is not on the PATH. On Debian or Ubuntu: apt-get install python3-venv");
    }
    let folder = folder(project);
    let mut venv = project.command("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    cmd::run_ok(project, "python-venv", &mut venv).context("On Debian or Ubuntu: apt-get install python3-venv")?;
    let mut pip = project.command(python(project));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    if requirements(project).is_file() {
        pip.arg("--requirement").arg(requirements(project));
    } else {
        pip.args(PACKAGES);
    }
    cmd::run_ok(project, "python-packages", &mut pip)?;
    std::fs::write(folder.join("stamp"), wanted(project)?)?;
    Ok(())
}
