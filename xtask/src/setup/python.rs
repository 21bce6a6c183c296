//! Pythons of the project's own, each with the packages of one test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Presence;
use crate::project::Project;
use crate::{cmd, fingerprint};

/// A Python with packages.
pub(crate) struct Python {
    /// Its folder's name.
    name: &'static str,
    /// The file that names the packages and their versions.
    requirements: &'static str,
}

/// With Helm's SDK, for the test of the agent's chart.
pub(crate) const CHART: Python = Python { name: "python", requirements: "deploy/requirements.txt" };
/// With junitparser, for the test of the audit's reports.
pub(crate) const REPORTS: Python = Python { name: "python-reports", requirements: "end2end/reports/requirements.txt" };
/// With schemathesis, for the test of the public API.
pub(crate) const API: Python = Python { name: "python-api", requirements: "end2end/api/requirements.txt" };
/// With localstripe, a Stripe that others made, for the test of billing.
pub(crate) const LOCALSTRIPE: Python =
    Python { name: "python-localstripe", requirements: "end2end/localstripe/requirements.txt" };
/// With checkov, which the audit is compared with.
pub(crate) const CHECKOV: Python = Python { name: "python-checkov", requirements: "end2end/checkov/requirements.txt" };

impl Python {
    fn folder(&self, project: &Project) -> PathBuf {
        project.state().join(self.name)
    }

    /// One of its programs: `python`, or what a package brings.
    pub(crate) fn program(&self, project: &Project, name: &str) -> PathBuf {
        self.folder(project).join("bin").join(name)
    }

    fn requirements(&self, project: &Project) -> PathBuf {
        project.root.join(self.requirements)
    }

    fn wanted(&self, project: &Project) -> Result<String> {
        let hash = fingerprint::of_paths(&[self.requirements(project)], &|_| false)?;
        Ok(format!("{hash:016x}\n"))
    }

    pub(super) fn presence(&self, project: &Project) -> Result<Presence> {
        Ok(match std::fs::read_to_string(self.folder(project).join("stamp")) {
            Ok(stamp) if stamp == self.wanted(project)? => Presence::Yes,
            Ok(_) => Presence::No("its requirements changed".to_owned()),
            Err(_) => Presence::No("not installed yet".to_owned()),
        })
    }

    pub(super) fn install(&self, project: &Project) -> Result<()> {
        if project.which("python3").is_none() {
            bail!("python3 is not on the PATH. On Debian or Ubuntu: apt-get install python3-venv");
        }
        let folder: &Path = &self.folder(project);
        let mut venv = project.command("python3");
        venv.args(["-m", "venv", "--clear"]).arg(folder);
        cmd::run_ok(project, "python-venv", &mut venv).context("On Debian or Ubuntu: apt-get install python3-venv")?;
        let mut pip = project.command(self.program(project, "python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        cmd::run_ok(project, "python-packages", pip.arg(self.requirements(project)))?;
        std::fs::write(folder.join("stamp"), self.wanted(project)?)?;
        Ok(())
    }
}
