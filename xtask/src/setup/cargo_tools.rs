//! Tools that `cargo install` builds.

use anyhow::{Context, Result};

use super::{Presence, version_line};
use crate::project::Project;
use crate::{cmd, files};

/// A tool and which versions of it will do.
pub(super) struct Tool {
    package: &'static str,
    program: &'static str,
    version: String,
    fits: Fits,
    args: &'static [&'static str],
}

/// Which versions of a tool will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    /// That one only: it reads what a library of the same version wrote.
    Exactly,
    /// That one or a newer one of the same minor version.
    AtLeast,
}

/// A tool whose version is known here.
pub(super) struct Pinned {
    package: &'static str,
    version: &'static str,
    args: &'static [&'static str],
}

/// 0.3.11 wants a newer Rust than the workspace. Without downloads it takes wasm-bindgen and wasm-opt from the PATH.
pub(super) const LEPTOS: Pinned = Pinned {
    package: "cargo-leptos",
    version: "0.3.10",
    // Its precompression would take most of a minute if the compressor were not optimised.
    args: &[
        "--locked",
        "--no-default-features",
        "--features=no_downloads",
        "--config=profile.release.package.brotli.opt-level=3",
    ],
};
pub(super) const DENY: Pinned = Pinned { package: "cargo-deny", version: "0.20.2", args: &["--locked"] };
pub(super) const MACHETE: Pinned = Pinned { package: "cargo-machete", version: "0.9.2", args: &["--locked"] };

impl Pinned {
    fn tool(&self) -> Tool {
        Tool {
            package: self.package,
            program: self.package,
            version: self.version.to_owned(),
            fits: Fits::AtLeast,
            args: self.args,
        }
    }

    pub(super) fn presence(&self, project: &Project) -> Presence {
        self.tool().presence(project)
    }

    pub(super) fn install(&self, project: &Project) -> Result<()> {
        self.tool().install(project)
    }
}

/// The command-line half of wasm-bindgen must be of the version that the WASM was compiled with.
pub(super) fn wasm_bindgen(project: &Project) -> Result<Tool> {
    let path = project.root.join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let version = locked_version(&text, "wasm-bindgen").context("Cargo.lock names no wasm-bindgen")?;
    Ok(Tool {
        package: "wasm-bindgen-cli",
        program: "wasm-bindgen",
        version,
        fits: Fits::Exactly,
        // Its own lock file names a crate that the registry does not have.
        args: &[],
    })
}

impl Tool {
    pub(super) fn presence(&self, project: &Project) -> Presence {
        match version_line(project, self.program) {
            None => Presence::No("not installed yet".to_owned()),
            Some(line) => {
                let found = line.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("");
                if self.fits(found) {
                    Presence::Yes
                } else {
                    Presence::No(format!("found {line}, needed {}", self.version))
                }
            }
        }
    }

    fn fits(&self, found: &str) -> bool {
        match self.fits {
            Fits::Exactly => found == self.version,
            Fits::AtLeast => match (numbers(found), numbers(&self.version)) {
                (Some(found), Some(wanted)) => found[..2] == wanted[..2] && found >= wanted,
                _ => false,
            },
        }
    }

    /// Takes minutes; unoptimised, since the tools spend their time in what they start.
    pub(super) fn install(&self, project: &Project) -> Result<()> {
        let build = files::TempDir::new("install")?;
        let mut cargo = project.cargo(&["install", self.package, "--version", &self.version]);
        cargo
            .args(self.args)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .env("CARGO_TARGET_DIR", build.path())
            // Outside of the workspace, whose settings are not the tool's.
            .current_dir(build.path());
        cmd::run_ok(project, &format!("cargo install {}", self.package), &mut cargo)?;
        Ok(())
    }
}

/// The three numbers of a version.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let lock: toml::Table = toml::from_str(lock).ok()?;
    let packages = lock.get("package")?.as_array()?;
    let found = packages.iter().find(|entry| entry.get("name").and_then(|name| name.as_str()) == Some(package))?;
    Some(found.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_found() {
        let lock = "version = 4\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(locked_version(lock, "leptos"), None);
    }

    #[test]
    fn newer_patch_versions_will_do_others_will_not() {
        let tool = LEPTOS.tool();
        for (version, fits) in [("0.3.10", true), ("0.3.12", true), ("0.3.9", false), ("0.4.0", false), ("", false)] {
            assert_eq!(tool.fits(version), fits, "{version}");
        }
    }
}
