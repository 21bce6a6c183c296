//! Many clusters without an agent each: `sample-cluster load`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::daemon::Daemon;
use crate::files;
use crate::project::{Profile, Project};

/// The longest that loading may take.
const PATIENCE: Duration = Duration::from_mins(40);

/// What is loaded.
pub(super) struct Load<'a> {
    pub(super) project: &'a Project,
    pub(super) data: &'a Path,
    pub(super) server: &'a str,
    pub(super) tokens: &'a [String],
    pub(super) pods: u32,
    /// Go on living for so long.
    pub(super) steady: Option<Duration>,
}

/// The first answer: all clusters are synchronised.
#[derive(Debug, Deserialize)]
pub(super) struct Synchronised {
    pub(super) clusters: u64,
    pub(super) resources: u64,
    pub(super) seconds: f64,
}

/// A load under way.
pub(super) struct Loading(Daemon);

impl Load<'_> {
    pub(super) fn start(&self) -> Result<Loading> {
        let tokens = self.data.join("bench-tokens");
        files::write_private(&tokens, &self.tokens.join("\n"))?;
        let mut command = self.project.program(Profile::Release, "sample-cluster");
        command.args(["load", "--server", self.server, "--pods", &self.pods.to_string(), "--tokens"]).arg(tokens);
        if let Some(steady) = self.steady {
            command.args(["--steady", &steady.as_secs().to_string()]);
        }
        Ok(Loading(Daemon::spawn_talking("the load", &mut command, &self.data.join("logs/load.log"))?))
    }
}

impl Loading {
    /// The next line that it prints.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.0.first_line(PATIENCE)?;
        serde_json::from_str(&line).with_context(|| format!("the load said: {line}"))
    }
}
