//! One batch, sent until the server has taken or refused it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kubewise_protocol::SyncAnswer;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::client::{Client, Reply};
use super::link::{Link, Standing};
use crate::metrics::Metrics;
use crate::timing::Timing;

/// A batch that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Of its header.
    pub epoch: u64,
    /// Of its header.
    pub seq: u64,
    /// The whole body.
    pub body: Bytes,
}

/// How a delivery ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The server took the batch.
    Accepted(SyncAnswer),
    /// The server wants everything anew.
    Again(Restart),
    /// The agent was told to stop.
    Stopped,
    /// It is no use to go on (`run --once` only).
    GaveUp(String),
}

/// Why everything is sent anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// The server asked for it.
    Conflict,
    /// The plan does not allow more; perhaps later it does.
    PlanLimit,
    /// The batches were too large.
    TooLarge,
    /// The server does not understand what was sent.
    Refused,
    /// More changed than could be kept while the server was away.
    Overflow,
    /// The server holds another number of objects than it was told.
    Difference,
}

impl Restart {
    /// For logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::PlanLimit => "plan_limit",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Overflow => "overflow",
            Self::Difference => "difference",
        }
    }
}

/// Delivers batches.
pub(crate) struct Sender {
    /// Sends them.
    pub client: Client,
    /// Knows how that goes.
    pub link: Link,
    /// How long to wait for what.
    pub timing: Arc<Timing>,
    /// What is counted.
    pub metrics: Metrics,
    /// Give up after some tries.
    pub once: bool,
    /// Says when to stop.
    pub stop: CancellationToken,
}

impl Sender {
    /// Sends the batch, the same bytes each time, until the server has taken or refused it.
    pub(crate) async fn deliver(self: Arc<Self>, batch: Batch) -> Outcome {
        let mut backoff = self.timing.send.backoff();
        let mut tries = 0;
        loop {
            let Some(reply) = self.post(&batch).await else { return Outcome::Stopped };
            let (standing, sentence, wait) = match reply {
                Reply::Accepted(answer) if answer.epoch == batch.epoch && answer.seq == batch.seq => {
                    self.link.set(Standing::Connected, "");
                    return Outcome::Accepted(answer);
                }
                Reply::Accepted(_) => {
                    (Standing::Away, "the server answered to another batch".to_owned(), backoff.next())
                }
                Reply::NewEpoch(sentence) => {
                    info!("the server wants everything anew: {sentence}");
                    return Outcome::Again(Restart::Conflict);
                }
                Reply::TooLarge(sentence) => {
                    warn!("the batch was too large: {sentence}");
                    return Outcome::Again(Restart::TooLarge);
                }
                Reply::PlanLimit(sentence) => return self.refused(Standing::PlanLimit, sentence, Restart::PlanLimit),
                Reply::Refused(sentence) => return self.refused(Standing::Refused, sentence, Restart::Refused),
                Reply::Unauthorized(sentence) => {
                    self.link.set(Standing::Unauthorized, &sentence);
                    if self.once {
                        return Outcome::GaveUp(format!("the token is unknown or was revoked: {sentence}"));
                    }
                    if !self.wait_for_token(backoff.next()).await {
                        return Outcome::Stopped;
                    }
                    continue;
                }
                Reply::Busy(sentence, wait) => {
                    let wait = wait.map_or_else(|| backoff.next(), |wait| wait.min(self.timing.send.most));
                    (Standing::Busy, sentence, wait)
                }
                Reply::Failed(sentence, wait) => {
                    let least = wait.unwrap_or_default().min(self.timing.send.most);
                    (Standing::Away, sentence, backoff.next().max(least))
                }
            };
            self.link.set(standing, &sentence);
            tries += 1;
            if self.once && tries >= self.timing.tries_once {
                return Outcome::GaveUp(format!("the server did not take the batch in {tries} tries: {sentence}"));
            }
            if !self.pause(wait).await {
                return Outcome::Stopped;
            }
        }
    }

    /// None when there was no time for an answer any more.
    async fn post(&self, batch: &Batch) -> Option<Reply> {
        self.metrics.sent(batch.body.len());
        let no_time = async {
            self.stop.cancelled().await;
            sleep(self.timing.stop).await;
        };
        let (status, reply) = tokio::select! {
            answered = self.client.post(batch.body.clone()) => answered,
            () = no_time => return None,
        };
        self.metrics.answered(status);
        Some(reply)
    }

    fn refused(&self, standing: Standing, sentence: String, restart: Restart) -> Outcome {
        self.link.set(standing, &sentence);
        if self.once { Outcome::GaveUp(sentence) } else { Outcome::Again(restart) }
    }

    /// Waits; less when a new token is put into the file. False when told to stop.
    async fn wait_for_token(&self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if !self.pause(left.min(self.timing.token_file)).await {
                return false;
            }
            if self.client.token.reload() {
                info!("there is a new token");
                return true;
            }
            if Instant::now() >= end {
                return true;
            }
        }
    }

    /// False when told to stop.
    async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            () = sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }
}
