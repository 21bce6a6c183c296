//! `kubewise-server admin …`, against the data folder of a running server.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The organisation that the demo's person belongs to.
pub(crate) const ORGANISATION: &str = "Northwind Retail";
/// The person who signs in.
pub(crate) const PERSON: &str = "Maya Duran";
/// What that person signs in with.
pub(crate) const EMAIL: &str = "maya@northwind.example";
/// The demo's cluster.
pub(crate) const CLUSTER: &str = "eu-prod";

/// The answer of `admin create-user`.
#[derive(Debug, Deserialize)]
pub(crate) struct CreatedUser {
    /// False: the person was there already, and the password stays as it was.
    pub(crate) created: bool,
    /// The organisation, as it stands in URLs.
    pub(crate) organisation: String,
}

/// The answer of `admin create-cluster`.
#[derive(Deserialize)]
pub(crate) struct CreatedCluster {
    /// Its id, as it stands in URLs.
    pub(crate) cluster: String,
    /// What the agent proves itself with.
    pub(crate) token: String,
}

/// The answer of `admin create-token`.
#[derive(Deserialize)]
pub(crate) struct CreatedToken {
    /// What a script proves itself with.
    pub(crate) token: String,
}

/// The answer of `admin cluster-status`.
#[derive(Debug, Deserialize)]
pub(crate) struct ClusterStatus {
    pub(crate) status: String,
    pub(crate) kubernetes_version: Option<String>,
    /// Objects per group-kind that the server holds.
    pub(crate) totals: BTreeMap<String, u64>,
    /// The last audit that ended well.
    pub(crate) audit: Option<Audit>,
}

/// How an audit ended.
#[derive(Debug, Deserialize, serde::Serialize)]
pub(crate) struct Audit {
    pub(crate) number: i64,
    /// Objects that were judged.
    pub(crate) objects: u64,
    /// From 0 to 100.
    pub(crate) score: Option<f64>,
    /// Findings by severity.
    pub(crate) findings: BTreeMap<String, u64>,
}

/// The answer of `admin run-audit`.
#[derive(Deserialize)]
pub(crate) struct AskedAudit {
    /// Its number.
    pub(crate) audit: i64,
}

impl ClusterStatus {
    /// All objects.
    pub(crate) fn resources(&self) -> u64 {
        self.totals.values().sum()
    }
}

/// A way to call the server's program with the settings of the running one.
pub(crate) struct Admin<'a>(pub(crate) &'a dyn Fn() -> Command);

impl Admin<'_> {
    pub(crate) fn create_user(&self, password: &str) -> Result<CreatedUser> {
        self.ask(&["create-user", "--name", PERSON, "--email", EMAIL, "--organisation", ORGANISATION], Some(password))
    }

    pub(crate) fn create_cluster(&self, organisation: &str, name: &str) -> Result<CreatedCluster> {
        self.ask(&["create-cluster", "--organisation", organisation, "--name", name], None)
    }

    /// `count` clusters, named `{name}-0001` and so on.
    pub(crate) fn create_clusters(&self, organisation: &str, name: &str, count: usize) -> Result<Vec<CreatedCluster>> {
        let count = count.to_string();
        self.lines(&["create-cluster", "--organisation", organisation, "--name", name, "--count", &count], None)
    }

    pub(crate) fn cluster_status(&self, organisation: &str, name: &str) -> Result<ClusterStatus> {
        self.ask(&["cluster-status", "--organisation", organisation, "--name", name], None)
    }

    pub(crate) fn run_audit(&self, organisation: &str, name: &str) -> Result<AskedAudit> {
        self.ask(&["run-audit", "--organisation", organisation, "--name", name], None)
    }

    /// A token of the organisation for the public API, that may do all that a token can.
    pub(crate) fn create_token(&self, organisation: &str, name: &str) -> Result<CreatedToken> {
        const ALL: &str = "view_inventory,add_clusters,manage_clusters,view_team,view_activity";
        self.ask(&["create-token", "--organisation", organisation, "--name", name, "--permissions", ALL], None)
    }

    fn ask<T: DeserializeOwned>(&self, args: &[&str], input: Option<&str>) -> Result<T> {
        let last = self.lines(args, input)?.pop();
        last.with_context(|| format!("kubewise-server admin {} answered no JSON", args.first().unwrap_or(&"")))
    }

    fn lines<T: DeserializeOwned>(&self, args: &[&str], input: Option<&str>) -> Result<Vec<T>> {
        let mut command = (self.0)();
        command.arg("admin").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let verb = args.first().copied().unwrap_or_default();
        let mut child = command.spawn().with_context(|| format!("kubewise-server admin {verb}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended without reading says why itself.
            let _ = writeln!(stdin, "{}", input.unwrap_or_default());
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            // Standard output may hold a token, so it is not shown.
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("kubewise-server admin {verb} failed ({}): {}", output.status, said.trim());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("the answer of kubewise-server admin {verb}"))
            })
            .collect()
    }
}
