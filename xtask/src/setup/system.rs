//! What comes with the machine: Debian's packages and Rust's targets.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{Presence, version_line};
use crate::project::Project;
use crate::{cmd, files};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// Node.js 18 is what Playwright needs.
const OLDEST_NODE: u32 = 18;

/// True when missing packages can be installed without asking anybody.
pub(super) fn may_install(project: &Project) -> bool {
    files::is_root() && project.which("apt-get").is_some()
}

/// Installs Debian packages.
pub(super) fn install(project: &Project, packages: &[&str]) -> Result<()> {
    let apt = |args: &[&str]| {
        let mut command = project.command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        command
    };
    cmd::run_ok(project, "apt-get update", &mut apt(&["update", "--quiet"]))?;
    let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    args.extend(packages);
    cmd::run_ok(project, "apt-get install", &mut apt(&args))?;
    Ok(())
}

pub(super) fn node(project: &Project) -> Presence {
    let Some(version) = version_line(project, "node") else {
        return Presence::No("node is not on the PATH".to_owned());
    };
    if project.which("npm").is_none() {
        return Presence::No("npm is not on the PATH".to_owned());
    }
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= OLDEST_NODE) {
        Presence::Yes
    } else {
        Presence::No(format!("node is {version}; {OLDEST_NODE} or newer is needed"))
    }
}

pub(super) fn chromium(project: &Project) -> Presence {
    match project.which("chromium") {
        Some(_) => Presence::Yes,
        None => Presence::No("chromium is not on the PATH".to_owned()),
    }
}

pub(super) fn wasm_target(project: &Project) -> Result<Presence> {
    let sysroot = cmd::text(project.command("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(&sysroot).join("lib/rustlib").join(WASM_TARGET).join("lib");
    Ok(if library.is_dir() { Presence::Yes } else { Presence::No(format!("rustc has no library for {WASM_TARGET}")) })
}

pub(super) fn add_wasm_target(project: &Project) -> Result<()> {
    if project.which("rustup").is_none() {
        bail!(
            "this Rust was not installed by rustup, so its {WASM_TARGET} library must come from where Rust came from \
             (Debian: apt-get install libstd-rust-dev-wasm32)"
        );
    }
    cmd::run_ok(project, "rustup-target", project.command("rustup").args(["target", "add", WASM_TARGET]))
        .with_context(|| format!("rustup target add {WASM_TARGET}"))?;
    Ok(())
}
