//! An organisation with a million objects, made once and kept: making it takes minutes.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::super::embedded::Embedded;
use super::super::load::{Load, Synchronised};
use super::super::start_server;
use crate::admin;
use crate::data_dir::DataDir;
use crate::files;
use crate::fingerprint::Fnv;
use crate::http::Connection;
use crate::postgres::migrations;
use crate::project::Project;

const CLUSTERS: usize = 45;
const PODS: u32 = 10_000;
const AT_LEAST: u64 = 1_000_000;
/// Written when all is there.
const MARK: &str = "million.json";

/// The organisation, in a data folder that a server can be started on.
pub(super) struct Million {
    pub(super) data: DataDir,
    pub(super) made: Made,
    password: String,
}

/// What is noted of it.
#[derive(Deserialize, Serialize)]
pub(super) struct Made {
    /// The organisation, as it stands in URLs.
    pub(super) organisation: String,
    /// Its clusters' ids.
    pub(super) clusters: Vec<String>,
    pub(super) resources: u64,
}

impl Million {
    /// Makes it, unless it is there.
    pub(super) fn ready(project: &Project, fresh: bool) -> Result<Self> {
        let data = DataDir::of_a_bench(project, &format!("million-{:016x}", schema(project)?), fresh)?;
        let password = data.keep("password", files::random_password)?;
        let made = if let Ok(text) = std::fs::read_to_string(data.join(MARK)) {
            serde_json::from_str(&text).with_context(|| MARK)?
        } else {
            let made = make(project, &data, &password)?;
            std::fs::write(data.join(MARK), serde_json::to_string(&made)?)?;
            made
        };
        Ok(Self { data, made, password })
    }

    /// The session's cookie.
    pub(super) fn sign_in(&self, connection: &mut Connection, origin: &str) -> Result<String> {
        let email = admin::EMAIL.replace('@', "%40");
        let form = format!("email={email}&password={}", self.password);
        let answer = connection.post("/api/log_in", &[("Origin", origin), ("Accept", "text/html")], &form)?;
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        cookie.map(str::to_owned).with_context(|| format!("signing in answered {} without a cookie", answer.status))
    }
}

/// One number for the schema: what was made under another is made anew.
fn schema(project: &Project) -> Result<u64> {
    let mut hash = Fnv::new();
    for file in migrations(&project.root.join("migrations"))? {
        hash.add(&std::fs::read(&file).with_context(|| file.display().to_string())?);
    }
    Ok(hash.finish())
}

fn make(project: &Project, data: &DataDir, password: &str) -> Result<Made> {
    eprintln!("Making an organisation with a million objects (this takes minutes, once) …");
    let server = start_server(project, data)?;
    let user = server.admin(|admin| admin.create_user(password))?;
    let created = server.admin(|admin| admin.create_clusters(&user.organisation, "bench", CLUSTERS))?;
    let (clusters, tokens): (Vec<_>, Vec<_>) = created.into_iter().map(|c| (c.cluster, c.token)).unzip();
    let load = Load { project, data: data.path(), server: &server.url(), tokens: &tokens, pods: PODS, steady: None };
    let synchronised: Synchronised = load.start()?.next()?;
    eprintln!("  {} objects in {:.0} s", synchronised.resources, synchronised.seconds);
    ensure!(synchronised.resources >= AT_LEAST, "{} objects are not a million", synchronised.resources);
    // What autovacuum would do in its own time.
    Embedded::new(project, data.path()).run("VACUUM ANALYZE")?;
    Ok(Made { organisation: user.organisation, clusters, resources: synchronised.resources })
}
