//! The server's own PostgreSQL, as its superuser: for upkeep that would come by itself, later, and for its log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cmd;
use crate::postgres::Programs;
use crate::project::Project;

pub(super) struct Embedded<'a> {
    project: &'a Project,
    data: &'a Path,
}

impl<'a> Embedded<'a> {
    /// The instance under a server's data folder.
    pub(super) const fn new(project: &'a Project, data: &'a Path) -> Self {
        Self { project, data }
    }

    /// Runs one command.
    pub(super) fn run(&self, sql: &str) -> Result<String> {
        let path = self.data.join("postgres-passwords.json");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let passwords: BTreeMap<String, String> =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let mut psql = self.project.command(Programs::find(self.project)?.program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--username=postgres", "--dbname=kubewise", "--port=5432", "--command", sql])
            .arg(format!("--host={}", self.data.join("postgres/run").display()))
            .env("PGPASSWORD", passwords.get("postgres").context("the superuser has no password")?);
        cmd::text(&mut psql)
    }

    /// Its log.
    pub(super) fn log(&self) -> PathBuf {
        self.data.join("postgres/log")
    }

    /// The process that started all its others.
    pub(super) fn pid(&self) -> Result<u32> {
        let path = self.data.join("postgres/data/postmaster.pid");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.lines().next().and_then(|line| line.trim().parse().ok()).context("the pid in postmaster.pid")
    }
}
