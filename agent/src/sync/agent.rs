//! One epoch after another.

use std::sync::Arc;
use std::time::Duration;

use kubewise_protocol::KINDS;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::epoch::{BatchLimits, End, Epoch};
use super::numbers::Epochs;
use crate::backoff::Backoff;
use crate::health::Health;
use crate::kubernetes::Kubernetes;
use crate::metrics::Metrics;
use crate::object::Reader;
use crate::pending::Capacity;
use crate::send::{Restart, Sender};
use crate::timing::Timing;

/// How long the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until it is told to stop.
    Forever,
    /// One full synchronisation.
    Once,
}

/// Reads the cluster and tells the server.
pub(crate) struct Agent {
    /// What to read.
    pub kubernetes: Kubernetes,
    /// How to read it.
    pub reader: Reader,
    /// How to send.
    pub sender: Arc<Sender>,
    /// How long to wait for what.
    pub timing: Arc<Timing>,
    /// What is counted.
    pub metrics: Metrics,
    /// What is told to those who ask whether the agent is well.
    pub health: Health,
    /// Numbers of epochs.
    pub epochs: Epochs,
    /// Where a batch is cut.
    pub limits: BatchLimits,
    /// How many changes may wait.
    pub capacity: Capacity,
    /// How long to run.
    pub mode: Mode,
    /// Says when to stop.
    pub stop: CancellationToken,
    /// The namespace `kube-system`'s UID, once it is known.
    pub cluster_uid: String,
}

/// How long to wait before the next epoch, by what ended the last one.
struct Pauses {
    conflict: Backoff,
    refused: Backoff,
    difference: Backoff,
}

impl Agent {
    /// Runs. An error ends `run --once` only, or is one that no waiting mends.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut pauses = Pauses {
            conflict: self.timing.conflict.backoff(),
            refused: self.timing.refused.backoff(),
            difference: self.timing.difference.backoff(),
        };
        let mut restarts = 0;
        let mut reason = "start";
        loop {
            let Some(version) = self.kubernetes_version().await? else { return Ok(()) };
            self.metrics.epoch(reason);
            let number = self.epochs.take();
            info!(epoch = number, reason, kinds = KINDS.len(), "full synchronisation begins");
            let (end, progress) = Epoch::new(&mut self, number, version).run().await;
            if progress.synchronised {
                pauses.conflict.reset();
            }
            // Only a conversation that went well for a while shows that the difference, or the refusal, was passing.
            if progress.agreed >= 10 {
                pauses.refused.reset();
                pauses.difference.reset();
            }
            let restart = match end {
                End::Stopped | End::Done => return Ok(()),
                End::GaveUp(why) => anyhow::bail!(why),
                End::Again(restart) => restart,
            };
            reason = restart.as_str();
            restarts += 1;
            if self.mode == Mode::Once && restarts >= self.timing.tries_once {
                anyhow::bail!(
                    "the full synchronisation did not succeed in {restarts} tries; the last ended with: {reason}"
                );
            }
            if restart == Restart::TooLarge && !self.limits.halve() {
                error!("the server refuses even the smallest batches as too large");
            }
            let wait = match restart {
                Restart::Conflict | Restart::Overflow | Restart::TooLarge => pauses.conflict.next(),
                Restart::PlanLimit | Restart::Refused => pauses.refused.next(),
                Restart::Difference => pauses.difference.next(),
            };
            self.health.synchronised(false);
            info!(reason, seconds = wait.as_secs_f32(), "everything will be sent anew");
            if !self.pause(wait).await {
                return Ok(());
            }
        }
    }

    /// The version of the API server, as soon as it answers; none when told to stop.
    async fn kubernetes_version(&self) -> anyhow::Result<Option<String>> {
        let mut backoff = self.timing.unavailable.backoff();
        let mut tries = 0;
        loop {
            let error = tokio::select! {
                version = self.kubernetes.version() => match version {
                    Ok(version) => return Ok(Some(version)),
                    Err(error) => error,
                },
                () = self.stop.cancelled() => return Ok(None),
            };
            tries += 1;
            if self.mode == Mode::Once && tries >= self.timing.tries_once {
                anyhow::bail!("the Kubernetes API does not answer: {error}");
            }
            if tries == 1 {
                warn!("the Kubernetes API does not answer; trying again until it does: {error}");
            }
            if !self.pause(backoff.next()).await {
                return Ok(None);
            }
        }
    }

    /// False when told to stop.
    pub(super) async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            () = sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }
}
