//! Setting up what is missing, each thing only when it is.

mod cargo_tools;
mod npm;
mod python;
mod system;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::project::Project;
use crate::{cmd, files, postgres};

pub(crate) use python::{
    API as API_PYTHON, CHART as CHART_PYTHON, CHECKOV as CHECKOV_PYTHON, LOCALSTRIPE as LOCALSTRIPE_PYTHON, Python,
    REPORTS as REPORTS_PYTHON,
};

/// One thing that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    WasmTarget,
    Node,
    Packages,
    CargoLeptos,
    WasmBindgen,
    PostgreSql,
    Chromium,
    End2EndPackages,
    CargoDeny,
    CargoMachete,
    ChartPython,
    ReportsPython,
    ApiPython,
    LocalstripePython,
    CheckovPython,
}

/// Whether a thing is there.
enum Presence {
    Yes,
    /// Why not, as a sentence about it.
    No(String),
}

impl Part {
    /// What the release build and the demo need.
    pub(crate) const DEMO: &[Self] =
        &[Self::Node, Self::PostgreSql, Self::WasmTarget, Self::Packages, Self::WasmBindgen, Self::CargoLeptos];

    /// All that tests need, in the order it is set up: what needs an administrator first, what takes longest last.
    pub(crate) const ALL: &[Self] = &[
        Self::Node,
        Self::PostgreSql,
        Self::Chromium,
        Self::WasmTarget,
        Self::Packages,
        Self::End2EndPackages,
        Self::ChartPython,
        Self::ReportsPython,
        Self::ApiPython,
        Self::LocalstripePython,
        Self::CargoMachete,
        Self::WasmBindgen,
        Self::CargoDeny,
        Self::CargoLeptos,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::WasmTarget => "Rust's WASM target",
            Self::Node => "Node.js and npm",
            Self::Packages => "npm packages (wasm-opt, fonts)",
            Self::CargoLeptos => "cargo-leptos",
            Self::WasmBindgen => "wasm-bindgen",
            Self::PostgreSql => "PostgreSQL",
            Self::Chromium => "Chromium",
            Self::End2EndPackages => "npm packages of the end-to-end tests",
            Self::CargoDeny => "cargo-deny",
            Self::CargoMachete => "cargo-machete",
            Self::ChartPython => "Helm's SDK for Python",
            Self::ReportsPython => "junitparser for Python",
            Self::ApiPython => "schemathesis for Python",
            Self::LocalstripePython => "localstripe for Python",
            Self::CheckovPython => "checkov for Python",
        }
    }

    fn presence(self, project: &Project) -> Result<Presence> {
        match self {
            Self::WasmTarget => system::wasm_target(project),
            Self::Node => Ok(system::node(project)),
            Self::Packages => npm::presence(&project.root),
            Self::CargoLeptos => Ok(cargo_tools::LEPTOS.presence(project)),
            Self::WasmBindgen => Ok(cargo_tools::wasm_bindgen(project)?.presence(project)),
            Self::PostgreSql => Ok(match postgres::Programs::find(project) {
                Ok(_) => Presence::Yes,
                Err(why) => Presence::No(why.to_string()),
            }),
            Self::Chromium => Ok(system::chromium(project)),
            Self::End2EndPackages => npm::presence(&project.root.join("end2end")),
            Self::CargoDeny => Ok(cargo_tools::DENY.presence(project)),
            Self::CargoMachete => Ok(cargo_tools::MACHETE.presence(project)),
            Self::ChartPython => CHART_PYTHON.presence(project),
            Self::ReportsPython => REPORTS_PYTHON.presence(project),
            Self::ApiPython => API_PYTHON.presence(project),
            Self::LocalstripePython => LOCALSTRIPE_PYTHON.presence(project),
            Self::CheckovPython => CHECKOV_PYTHON.presence(project),
        }
    }

    /// The Debian packages that bring it, for what only an administrator can install.
    const fn system_packages(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Node => Some(&["nodejs", "npm"]),
            Self::PostgreSql => Some(&["postgresql"]),
            Self::Chromium => Some(&["chromium"]),
            _ => None,
        }
    }

    fn install(self, project: &Project) -> Result<()> {
        if let Some(packages) = self.system_packages() {
            return system::install(project, packages);
        }
        match self {
            Self::WasmTarget => system::add_wasm_target(project),
            Self::Packages => npm::install(project, &project.root, "npm-packages"),
            Self::End2EndPackages => npm::install(project, &project.root.join("end2end"), "npm-end2end"),
            Self::CargoLeptos => cargo_tools::LEPTOS.install(project),
            Self::WasmBindgen => cargo_tools::wasm_bindgen(project)?.install(project),
            Self::CargoDeny => cargo_tools::DENY.install(project),
            Self::CargoMachete => cargo_tools::MACHETE.install(project),
            Self::ChartPython => CHART_PYTHON.install(project),
            Self::ReportsPython => REPORTS_PYTHON.install(project),
            Self::ApiPython => API_PYTHON.install(project),
            Self::LocalstripePython => LOCALSTRIPE_PYTHON.install(project),
            Self::CheckovPython => CHECKOV_PYTHON.install(project),
            Self::Node | Self::PostgreSql | Self::Chromium => Ok(()),
        }
    }
}

/// Makes sure that all `parts` are there. Says nothing when they are.
///
/// What only an administrator can install is looked at first: when that fails there is one message that names the
/// command, before minutes were spent on the rest.
pub(crate) fn ensure(project: &Project, parts: &[Part]) -> Result<()> {
    let mut missing = Vec::new();
    for part in parts {
        if let Presence::No(why) = part.presence(project)? {
            missing.push((*part, why));
        }
    }
    let packages: Vec<_> = missing.iter().filter_map(|(part, _)| part.system_packages()).flatten().copied().collect();
    if !packages.is_empty() && !system::may_install(project) {
        for (part, why) in missing.iter().filter(|(part, _)| part.system_packages().is_some()) {
            eprintln!("{}: {why}", part.name());
        }
        let sudo = if files::is_root() { "" } else { "sudo " };
        bail!(
            "install what is missing and start this again. On Debian or Ubuntu:\n  {sudo}apt-get install {}",
            packages.join(" ")
        );
    }
    for (part, why) in missing {
        let started = Instant::now();
        eprintln!("Setting up {} ({why}) …", part.name());
        part.install(project)?;
        if let Presence::No(why) = part.presence(project)? {
            bail!("{} was installed, and still: {why}", part.name());
        }
        eprintln!("  {}: ready after {} s", part.name(), started.elapsed().as_secs());
    }
    if parts.contains(&Part::Packages) {
        npm::copy_fonts(project)?;
    }
    Ok(())
}

/// The first line of what `program --version` says, if it can be run.
fn version_line(project: &Project, program: &str) -> Option<String> {
    let path = project.which(program)?;
    let text = cmd::text(project.command(path).arg("--version")).ok()?;
    text.lines().next().map(str::to_owned)
}
