//! Puts the parts together.

use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Config;
use crate::health::Health;
use crate::kubernetes::Kubernetes;
use crate::metrics::Metrics;
use crate::object::Reader;
use crate::pending::Capacity;
use crate::send::{Client, Link, Sender};
use crate::sync::{Agent, BatchLimits, Epochs, Mode};
use crate::timing::Timing;

/// What the program never changes, and tests do.
pub struct Options {
    /// How long to wait for what.
    pub timing: Timing,
    /// Where a batch is cut.
    pub limits: BatchLimits,
    /// How many changes may wait.
    pub capacity: Capacity,
    /// Numbers of epochs.
    pub epochs: Epochs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            limits: BatchLimits::default(),
            capacity: Capacity::default(),
            epochs: Epochs::system(),
        }
    }
}

/// Reads the cluster and tells the server, until `stop` or (once) until everything is sent.
///
/// Fails when something is wrong from the start that no waiting mends, and (once) when the server does not take
/// everything.
pub async fn run(config: Config, mode: Mode, options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let Options { mut timing, limits, capacity, epochs } = options;
    timing.gather = config.sync_interval;
    let timing = Arc::new(timing);
    let metrics = Metrics::default();
    let link = Link::new(metrics.clone());
    let health = Health::new(link.clone(), metrics.clone());
    let client = Client::new(config.endpoint.clone(), config.token, config.ca_file.as_deref())?;
    let kubernetes = Kubernetes::connect(config.kubeconfig).await.context("KUBECONFIG")?;
    if mode == Mode::Forever {
        let (address, serve) = health.clone().listen(config.health_listen, stop.clone()).await?;
        info!(%address, "health and metrics");
        tokio::spawn(async move {
            if let Err(error) = serve.await {
                error!("health and metrics are no longer served: {error}");
            }
        });
    }
    info!(version = env!("CARGO_PKG_VERSION"), server = %config.endpoint, "the agent starts");
    let sender = Sender {
        client,
        link,
        timing: Arc::clone(&timing),
        metrics: metrics.clone(),
        once: mode == Mode::Once,
        stop: stop.clone(),
    };
    let agent = Agent {
        kubernetes,
        reader: Reader::default(),
        sender: Arc::new(sender),
        timing,
        metrics,
        health,
        epochs,
        limits,
        capacity,
        mode,
        stop,
        cluster_uid: String::new(),
    };
    agent.run().await
}
