//! `cargo xtask sqlx`: what the checked queries need to compile without a database.
//!
//! The query macros ask a database when the variable that `sqlx.toml` names holds its address, and then write what they
//! learnt to `SQLX_OFFLINE_DIR`. A compiler wrapper sets both, for the workspace's own crates alone. Its path is new
//! each time, so that Cargo compiles those crates once more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::cmd;
use crate::files::TempDir;
use crate::postgres::Throwaway;
use crate::project::{Profile, Project};
use crate::setup::{self, Part};

/// Whose queries are checked, and where it is.
const PACKAGE: &str = "kubewise-backend";
const FOLDER: &str = "crates/backend";

/// What to do with `.sqlx`.
#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Write it anew
    Prepare,
    /// Fail if it is not what writing it anew would give
    Check,
}

/// Arguments of `cargo xtask sqlx`.
#[derive(Args)]
pub(crate) struct SqlxArgs {
    action: Action,
}

pub(crate) fn run(project: &Project, args: &SqlxArgs) -> Result<ExitCode> {
    setup::ensure(project, &[Part::PostgreSql])?;
    let database = Throwaway::start(project)?;
    match args.action {
        Action::Prepare => prepare(project, &database)?,
        Action::Check => check(project, &database)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Replaces `.sqlx`.
fn prepare(project: &Project, database: &Throwaway) -> Result<()> {
    let fresh = generate(project, database)?;
    let folder = project.root.join(".sqlx");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for name in read(&folder)?.into_keys().filter(|name| !fresh.contains_key(name)) {
        std::fs::remove_file(folder.join(name))?;
    }
    for (name, content) in &fresh {
        std::fs::write(folder.join(name), content)?;
    }
    println!(".sqlx holds {} queries", fresh.len());
    Ok(())
}

/// Fails if `.sqlx` is not up to date.
pub(crate) fn check(project: &Project, database: &Throwaway) -> Result<()> {
    let fresh = generate(project, database)?;
    let committed = read(&project.root.join(".sqlx"))?;
    let differing: Vec<_> = fresh
        .iter()
        .filter(|(name, content)| committed.get(*name) != Some(content))
        .map(|(name, content)| format!("{name}: {}", query(content)))
        .chain(committed.keys().filter(|name| !fresh.contains_key(*name)).map(|name| format!("{name}: no longer used")))
        .collect();
    if !differing.is_empty() {
        bail!(".sqlx is not up to date; run `cargo xtask sqlx prepare`:\n  {}", differing.join("\n  "));
    }
    println!(".sqlx is up to date: {} queries", fresh.len());
    Ok(())
}

/// Compiles the queries against a migrated database: file name → content.
fn generate(project: &Project, database: &Throwaway) -> Result<BTreeMap<String, String>> {
    const DATABASE: &str = "kubewise_queries";
    database.create_migrated(project, DATABASE)?;
    let dir = TempDir::new("sqlx")?;
    let (output, seen) = (dir.path().join("queries"), dir.path().join("seen"));
    std::fs::create_dir(&output)?;
    let wrapper = dir.path().join("rustc-with-database");
    let address = format!("{}='{}'", address_variable(project)?, database.url(DATABASE));
    write_wrapper(&wrapper, &address, &output, &seen)?;
    let mut cargo = project.cargo(&["build", "--package", PACKAGE, "--lib", "--all-features"]);
    cargo.env("RUSTC_WORKSPACE_WRAPPER", &wrapper).env("CARGO_INCREMENTAL", "0");
    let built = cmd::run_ok(project, "sqlx-queries", &mut cargo);
    remove_leftovers(&project.programs(Profile::Debug), &std::fs::read_to_string(&seen).unwrap_or_default());
    built?;
    let queries = read(&output)?;
    if queries.is_empty() {
        bail!("{PACKAGE} was compiled and no checked query was seen");
    }
    Ok(queries)
}

/// The variable that holds the database's address for the macros: as `sqlx.toml` says, else `DATABASE_URL`.
fn address_variable(project: &Project) -> Result<String> {
    let path = project.root.join(FOLDER).join("sqlx.toml");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok("DATABASE_URL".to_owned()) };
    let settings: toml::Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let name = settings.get("common").and_then(|common| common.get("database-url-var")).and_then(toml::Value::as_str);
    Ok(name.unwrap_or("DATABASE_URL").to_owned())
}

fn write_wrapper(path: &Path, address: &str, output: &Path, seen: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let script = format!(
        "#!/bin/sh\n\
         printf '%s\\n' \"$*\" >>'{seen}'\n\
         exec env {address} SQLX_OFFLINE_DIR='{output}' SQLX_OFFLINE=false \"$@\"\n",
        seen = seen.display(),
        output = output.display(),
    );
    std::fs::write(path, script).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// What was compiled with the wrapper cannot be used again, since its path will be another: each file is removed.
fn remove_leftovers(profile: &Path, seen: &str) {
    for line in seen.lines() {
        let mut words = line.split(' ');
        let Some(suffix) = words.find_map(|word| word.strip_prefix("extra-filename=-")) else { continue };
        if suffix.len() < 16 || !suffix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        for folder in [".fingerprint", "deps"] {
            for entry in std::fs::read_dir(profile.join(folder)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let stem = name.split('.').next().unwrap_or(&name);
                if stem.ends_with(suffix) {
                    let path = entry.path();
                    // Only disk space is lost when one stays.
                    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
                }
            }
        }
    }
}

/// The offline data in a folder: file name → content. An absent folder holds none.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with("query-") && path.extension().is_some_and(|extension| extension == "json") {
            files.insert(name.to_owned(), std::fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}

/// The beginning of the query that a file of offline data is about.
fn query(content: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
    let text = json["query"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(100).collect()
}
