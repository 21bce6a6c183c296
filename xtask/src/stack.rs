//! The whole of Kubewise on one machine: the server, a cluster's API, and the agent between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::admin::{Admin, ClusterStatus};
use crate::daemon::Daemon;
use crate::data_dir::DataDir;
use crate::files;
use crate::interrupt;
use crate::postgres::free_port;
use crate::project::{Profile, Project};

/// How long the first start may take: it makes a database.
const SERVER_START: Duration = Duration::from_mins(2);

/// How long an audit may take.
const AUDIT_LIMIT: Duration = Duration::from_mins(1);

/// The file with what the demo's person signs in with.
const PASSWORD: &str = "password";

/// Settings of the server that xtask's commands share.
pub(crate) struct ServerSettings<'a> {
    pub(crate) project: &'a Project,
    pub(crate) profile: Profile,
    pub(crate) data: &'a Path,
    pub(crate) port: u16,
}

impl ServerSettings<'_> {
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Sets them for any command that is or starts the server.
    pub(crate) fn apply(&self, command: &mut Command) {
        let leptos = &self.project.leptos;
        command
            .env("KUBEWISE_DATA_DIR", self.data)
            .env("KUBEWISE_LISTEN", self.address().to_string())
            .env("KUBEWISE_PUBLIC_URL", self.url())
            .env("LEPTOS_OUTPUT_NAME", &leptos.output_name)
            .env("LEPTOS_SITE_ROOT", self.project.site())
            .env("LEPTOS_SITE_PKG_DIR", &leptos.site_pkg_dir)
            .env("LEPTOS_SITE_ADDR", self.address().to_string())
            .env("LEPTOS_HASH_FILES", leptos.hash_files.to_string())
            .env("LEPTOS_ENV", if self.profile == Profile::Release { "PROD" } else { "DEV" });
    }

    fn command(&self) -> Command {
        let mut command = self.project.program(self.profile, "kubewise-server");
        self.apply(&mut command);
        command
    }
}

/// A running server.
pub(crate) struct Server<'a> {
    pub(crate) settings: ServerSettings<'a>,
    pub(crate) daemon: Daemon,
}

impl<'a> Server<'a> {
    /// Starts it and waits until it answers.
    pub(crate) fn start(settings: ServerSettings<'a>) -> Result<Self> {
        let command = settings.command();
        Self::run(settings, command)
    }

    /// The same, as if a proxy stood in front: where a request comes from is what `X-Forwarded-For` says.
    pub(crate) fn start_behind_proxy(settings: ServerSettings<'a>) -> Result<Self> {
        let mut command = settings.command();
        command.env("KUBEWISE_BEHIND_PROXY", "true");
        Self::run(settings, command)
    }

    fn run(settings: ServerSettings<'a>, mut command: Command) -> Result<Self> {
        let log = settings.data.join("logs/server.log");
        let daemon = Daemon::spawn("the server", command.arg("serve"), &log)?;
        let mut server = Self { settings, daemon };
        server.daemon.healthy(server.settings.address(), "/healthz", SERVER_START)?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        self.settings.url()
    }

    /// Calls `kubewise-server admin`.
    pub(crate) fn admin<T>(&self, call: impl FnOnce(&Admin<'_>) -> Result<T>) -> Result<T> {
        call(&Admin(&|| self.settings.command()))
    }
}

/// A running Kubernetes API.
pub(crate) struct Cluster {
    pub(crate) daemon: Daemon,
    pub(crate) address: SocketAddr,
    /// Objects per group-kind that it serves.
    pub(crate) totals: BTreeMap<String, u64>,
    kubeconfig: PathBuf,
}

#[derive(Deserialize)]
struct ClusterReady {
    url: String,
    totals: BTreeMap<String, u64>,
}

impl Cluster {
    /// Starts the sample cluster; `args` choose what it serves.
    pub(crate) fn start(project: &Project, profile: Profile, data: &Path, args: &[&str]) -> Result<Self> {
        let kubeconfig = data.join("kubeconfig");
        let mut command = project.program(profile, "sample-cluster");
        command.args(["serve", "--port", "0", "--kubeconfig"]).arg(&kubeconfig).args(args);
        let mut daemon =
            Daemon::spawn_talking("the sample cluster", &mut command, &data.join("logs/sample-cluster.log"))?;
        let line = daemon.first_line(Duration::from_mins(1))?;
        let ready: ClusterReady = serde_json::from_str(&line).with_context(|| format!("the sample cluster: {line}"))?;
        Ok(Self { daemon, address: crate::http::address_of(&ready.url)?, totals: ready.totals, kubeconfig })
    }
}

/// How to start an agent.
pub(crate) struct AgentSettings<'a> {
    pub(crate) project: &'a Project,
    pub(crate) profile: Profile,
    pub(crate) data: &'a Path,
    pub(crate) server: &'a str,
    pub(crate) token: &'a str,
    pub(crate) cluster: &'a Cluster,
}

impl AgentSettings<'_> {
    /// Starts the agent; `args` follow `run`.
    pub(crate) fn start(&self, args: &[&str]) -> Result<Daemon> {
        let token = self.data.join("agent-token");
        files::write_private(&token, self.token)?;
        let mut command = self.project.program(self.profile, "kubewise-agent");
        command
            .arg("run")
            .args(args)
            .env("KUBEWISE_SERVER", self.server)
            .env("KUBEWISE_TOKEN_FILE", &token)
            .env("KUBEWISE_HEALTH_LISTEN", format!("127.0.0.1:{}", free_port()?))
            .env("KUBECONFIG", &self.cluster.kubeconfig);
        Daemon::spawn("the agent", &mut command, &self.data.join("logs/agent.log"))
    }
}

/// Server, cluster and agent, and how a person signs in. Stopped in the order of the fields: who asks before who
/// answers.
pub(crate) struct Stack<'a> {
    pub(crate) agent: Daemon,
    pub(crate) cluster: Cluster,
    pub(crate) server: Server<'a>,
    pub(crate) password: String,
    pub(crate) organisation: String,
}

impl<'a> Stack<'a> {
    /// Makes the person, the organisation and the cluster where they are not there yet, and connects a cluster.
    pub(crate) fn connect(server: Server<'a>, data: &DataDir, cluster_args: &[&str]) -> Result<Self> {
        let settings = &server.settings;
        let (project, profile) = (settings.project, settings.profile);
        let cluster = Cluster::start(project, profile, data.path(), cluster_args)?;
        let known = data.join(PASSWORD).is_file();
        let password = data.keep(PASSWORD, files::random_password)?;
        let user = server.admin(|admin| admin.create_user(&password))?;
        if !user.created && !known {
            std::fs::remove_file(data.join(PASSWORD))?;
            bail!("the person in {} has a password that is no longer known: use --fresh", data.path().display());
        }
        let token = server.admin(|admin| admin.create_cluster(&user.organisation, crate::admin::CLUSTER))?.token;
        let url = server.url();
        let agent =
            AgentSettings { project, profile, data: data.path(), server: &url, token: &token, cluster: &cluster }
                .start(&[])?;
        Ok(Self { agent, cluster, server, password, organisation: user.organisation })
    }

    /// What the server knows of the cluster.
    pub(crate) fn status(&self) -> Result<ClusterStatus> {
        self.server.admin(|admin| admin.cluster_status(&self.organisation, crate::admin::CLUSTER))
    }

    /// Has the cluster audited, and waits until it is: its status then.
    pub(crate) fn audited(&mut self) -> Result<Option<ClusterStatus>> {
        let asked = self.server.admin(|admin| admin.run_audit(&self.organisation, crate::admin::CLUSTER))?.audit;
        interrupt::poll(AUDIT_LIMIT, Duration::from_millis(300), || {
            self.must_run()?;
            let is_done = |status: &ClusterStatus| status.audit.as_ref().is_some_and(|audit| audit.number >= asked);
            Ok(Some(self.status()?).filter(is_done))
        })
    }

    /// An error if one of the three has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        self.server.daemon.must_run()?;
        self.cluster.daemon.must_run()?;
        self.agent.must_run()
    }
}
