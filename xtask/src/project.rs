//! Where things are, and how commands are started so that they find them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The checkout and the folders that are derived from it.
pub(crate) struct Project {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, else `target`.
    pub(crate) target: PathBuf,
    /// What cargo-leptos is told in the root manifest.
    pub(crate) leptos: Leptos,
}

/// The part of `[[workspace.metadata.leptos]]` that xtask needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Leptos {
    pub(crate) output_name: String,
    pub(crate) site_root: PathBuf,
    pub(crate) site_pkg_dir: PathBuf,
    #[serde(default)]
    pub(crate) hash_files: bool,
}

#[derive(Deserialize)]
struct Manifest {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    leptos: Vec<Leptos>,
}

/// Which build of the programs is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Project {
    /// The checkout that this xtask was started from.
    pub(crate) fn find() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(manifest_dir) => PathBuf::from(manifest_dir),
            None => env::current_dir()?,
        };
        let root = start
            .ancestors()
            .find(|dir| dir.join("Cargo.lock").is_file() && dir.join("xtask").is_dir())
            .context("this is not started from inside the Kubewise checkout")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) if !dir.is_empty() => env::current_dir()?.join(dir),
            _ => root.join("target"),
        };
        let manifest = root.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        let manifest: Manifest = toml::from_str(&text).with_context(|| manifest.display().to_string())?;
        let Some(leptos) = manifest.workspace.metadata.leptos.into_iter().next() else {
            bail!("Cargo.toml has no [[workspace.metadata.leptos]]");
        };
        Ok(Self { root, target, leptos })
    }

    /// What the browser loads, as cargo-leptos leaves it.
    pub(crate) fn site(&self) -> PathBuf {
        self.root.join(&self.leptos.site_root)
    }

    /// The site's folder with the WASM, the script and the stylesheet.
    pub(crate) fn site_pkg(&self) -> PathBuf {
        self.site().join(&self.leptos.site_pkg_dir)
    }

    /// xtask's own files, of this checkout even if the target folder is shared with others.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("target/xtask")
    }

    /// Where Cargo puts the programs of a profile.
    pub(crate) fn programs(&self, profile: Profile) -> PathBuf {
        self.target.join(match profile {
            Profile::Debug => "debug",
            Profile::Release => "release",
        })
    }

    /// A command in the root folder, without what only concerns xtask itself or would change what is built.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_unwanted) {
                command.env_remove(name);
            }
        }
        // `cargo run` adds its own folders; whoever compares environments would see a change.
        if let Some(paths) = env::var_os("LD_LIBRARY_PATH") {
            let kept: Vec<_> = env::split_paths(&paths)
                .filter(|path| {
                    !path.starts_with(&self.target) && !path.components().any(|c| c.as_os_str() == "rustlib")
                })
                .collect();
            match env::join_paths(&kept) {
                Ok(joined) if !joined.is_empty() => command.env("LD_LIBRARY_PATH", joined),
                _ => command.env_remove("LD_LIBRARY_PATH"),
            };
        }
        command.env("PATH", self.path()).env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1");
        command
    }

    /// `cargo …`
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.command("cargo");
        command.args(args);
        command
    }

    /// One of the workspace's programs, without any setting of Kubewise that happens to be in the environment.
    pub(crate) fn program(&self, profile: Profile, name: &str) -> Command {
        let mut command = self.command(self.programs(profile).join(name));
        for (variable, _) in env::vars_os() {
            if variable.to_str().is_some_and(|name| name.starts_with("KUBEWISE_") || name == "KUBECONFIG") {
                command.env_remove(variable);
            }
        }
        command
    }

    /// Where a program would be found by the commands that are started here.
    pub(crate) fn which(&self, program: &str) -> Option<PathBuf> {
        env::split_paths(&self.path()).map(|dir| dir.join(program)).find(|path| is_program(path))
    }

    fn path(&self) -> OsString {
        let mut paths = vec![self.root.join("node_modules/.bin")];
        paths.extend(cargo_home().map(|home| home.join("bin")));
        if let Some(path) = env::var_os("PATH") {
            paths.extend(env::split_paths(&path));
        }
        env::join_paths(paths).unwrap_or_else(|_| env::var_os("PATH").unwrap_or_default())
    }
}

/// True for a file that can be run.
pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}

/// What `cargo run` sets for xtask, and what would silently change a build.
fn is_unwanted(name: &str) -> bool {
    const SET_BY_CARGO_RUN: &[&str] = &[
        "CARGO",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    SET_BY_CARGO_RUN.contains(&name)
        || name.starts_with("CARGO_PKG_")
        || name.starts_with("LEPTOS_")
        || name.starts_with("SQLX_")
        || name == "KUBEWISE_SQLX_DATABASE_URL"
}
