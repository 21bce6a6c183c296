//! A cluster, a server and an agent between them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use kubewise_agent::{Capacity, Environment, Growth, Mode, Options, Timing, run};
use kubewise_protocol::{KINDS, UnreadableReason};
use kubewise_sample_cluster::{SampleCluster, ServeHandle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ingest::Ingest;

pub(crate) const TOKEN: &str = "kwa_test";

/// A cluster, a server and an agent between them.
pub(crate) struct Scene {
    pub(crate) cluster: SampleCluster,
    pub(crate) ingest: Ingest,
    /// Serves as long as it is held.
    _api: ServeHandle,
    pub(crate) folder: TempDir,
    agent: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl Scene {
    /// A cluster and a server, without an agent.
    pub(crate) async fn new(cluster: SampleCluster) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap());
        let api = cluster.serve(0).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), cluster.kubeconfig(api.addr)).unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        Self { cluster, ingest: Ingest::start(TOKEN).await, _api: api, folder, agent: None }
    }

    /// The bundled cluster, a server, and an agent that has told it everything.
    pub(crate) async fn synchronised() -> Self {
        let mut scene = Self::new(SampleCluster::bundled().unwrap()).await;
        scene.start(options());
        scene.settled().await;
        scene
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("KUBEWISE_SERVER", self.ingest.url().into()),
            ("KUBEWISE_TOKEN_FILE", self.path("token").into()),
            ("KUBECONFIG", self.path("kubeconfig").into()),
            ("KUBEWISE_HEALTH_LISTEN", "127.0.0.1:0".into()),
            ("KUBEWISE_SYNC_INTERVAL", "100ms".into()),
        ]
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> kubewise_agent::Config {
        let values = self.environment();
        let lookup = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        Environment(lookup).config().unwrap()
    }

    pub(crate) fn start(&mut self, options: Options) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(self.config(), Mode::Forever, options, stop.clone()));
        self.agent = Some((stop, task));
    }

    /// Ends the agent, which must end well.
    pub(crate) async fn stop(&mut self) {
        let (stop, task) = self.agent.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    pub(crate) async fn once(&self) -> anyhow::Result<()> {
        run(self.config(), Mode::Once, options(), CancellationToken::new()).await
    }

    /// What the API serves of the kinds that the agent reads.
    pub(crate) fn expected(&self) -> BTreeMap<String, u64> {
        let mut totals = self.cluster.totals();
        totals.retain(|name, _| KINDS.iter().any(|kind| kind.group_kind() == *name));
        totals
    }

    /// Waits until the server holds what the API serves.
    pub(crate) async fn settled(&self) {
        eventually("the server holds what the API serves", || {
            self.ingest.is_synchronised() && self.ingest.totals() == self.expected()
        })
        .await;
    }

    /// Why the last header says that this kind cannot be read.
    pub(crate) fn unreadable(&self, kind: &str) -> Option<UnreadableReason> {
        self.ingest.last_header()?.unreadable.iter().find(|u| u.kind == kind).map(|u| u.reason)
    }

    /// Lists of this kind that the API was asked for.
    pub(crate) fn lists(&self, resource: &str) -> usize {
        self.cluster.requests().iter().filter(|r| r.resource == resource && r.verb == "list").count()
    }

    /// Watches of this kind that the API was asked for.
    pub(crate) fn watches(&self, resource: &str) -> usize {
        self.cluster.requests().iter().filter(|r| r.resource == resource && r.verb == "watch").count()
    }
}

/// As the program has them, but quicker.
pub(crate) fn options() -> Options {
    let ms = Duration::from_millis;
    let quick = Growth { least: ms(20), most: ms(200) };
    let timing = Timing {
        forbidden: ms(300),
        not_installed: ms(500),
        unavailable: quick,
        watch_pause: ms(20),
        send: quick,
        conflict: quick,
        refused: quick,
        difference: quick,
        token_file: ms(20),
        ..Timing::default()
    };
    Options { timing, ..Options::default() }
}

pub(crate) fn small(objects: usize) -> Options {
    Options { capacity: Capacity { objects, ..Capacity::default() }, ..options() }
}

/// Waits until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits long enough for things to happen that must not.
pub(crate) async fn a_while() {
    sleep(Duration::from_millis(600)).await;
}

/// A pod of its own.
pub(crate) fn pod(n: u128) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("extra-{n}"), "namespace": "default", "uid": uid(n)},
        "spec": {"containers": [{"name": "a", "image": "a:1", "env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
    })
}

pub(crate) fn uid(n: u128) -> Uuid {
    Uuid::from_u128(0xbeef_0000 + n)
}
