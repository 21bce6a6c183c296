//! One conversation with the server: what was said, what is being said, what is still to be said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kubewise_protocol::{
    BatchKind, Encoder, Header, KINDS, PROTOCOL_VERSION, SyncAnswer, Unreadable, UnreadableReason,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::agent::{Agent, Mode};
use crate::inventory::Inventory;
use crate::kubernetes::{Event, Follower, Start};
use crate::pending::Pending;
use crate::send::{Batch, Outcome, Restart};

/// zstd's level. Higher ones save a tenth of the bytes for twice the time.
const COMPRESSION: i32 = 3;

/// Events that may wait between the followers and the epoch. Few, since each holds an object.
const EVENTS: usize = 32;

/// Lists that may be made at the same time after the first ones.
const LISTS: usize = 2;

/// Where a batch is cut.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Operations.
    pub operations: usize,
    /// Bytes before compression.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { operations: 2_000, bytes: 4 << 20 }
    }
}

impl BatchLimits {
    /// After the server found a batch too large. False when batches cannot become smaller.
    pub(super) const fn halve(&mut self) -> bool {
        let smaller = self.operations > 16;
        if smaller {
            self.operations /= 2;
            self.bytes /= 2;
        }
        smaller
    }
}

/// How an epoch ended.
#[derive(Debug)]
pub(super) enum End {
    /// The agent was told to stop.
    Stopped,
    /// Everything was sent, and that was all that was to be done.
    Done,
    /// Another epoch is to begin.
    Again(Restart),
    /// It is no use to go on (`run --once` only).
    GaveUp(String),
}

/// How far an epoch came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The server took the whole full synchronisation.
    pub(super) synchronised: bool,
    /// How many batches in a row the totals agreed after.
    pub(super) agreed: u32,
}

/// One conversation with the server.
pub(super) struct Epoch<'a> {
    pub(super) agent: &'a mut Agent,
    number: u64,
    seq: u64,
    kubernetes_version: watch::Receiver<String>,
    pub(super) inventory: Inventory,
    pub(super) pending: Pending,
    /// Kinds that cannot be read, as the next header says.
    unreadable: BTreeMap<usize, UnreadableReason>,
    /// Kinds of which the server may hold objects that this epoch never saw, since they could not be read at its
    /// beginning. True once they were listed.
    pub(super) unknown: BTreeMap<usize, bool>,
    in_flight: Option<InFlight>,
    pub(super) progress: Progress,
    pub(super) heartbeat: Duration,
    pub(super) last_sent: Instant,
    /// Since when something waits to be sent.
    pub(super) waiting_since: Option<Instant>,
    pub(super) events: mpsc::Receiver<Event>,
    tell: mpsc::Sender<Event>,
    lists: Arc<Semaphore>,
    /// Ends with the epoch.
    followers: JoinSet<()>,
}

struct InFlight {
    completes: bool,
    delivery: AbortOnDropHandle<Outcome>,
}

impl<'a> Epoch<'a> {
    pub(super) fn new(agent: &'a mut Agent, number: u64, kubernetes_version: String) -> Self {
        let (tell, events) = mpsc::channel(EVENTS);
        let (version, kubernetes_version) = watch::channel(kubernetes_version);
        let mut followers = JoinSet::new();
        if agent.mode == Mode::Forever {
            followers.spawn(follow_version(agent.kubernetes.clone(), agent.timing.version, version));
        }
        Self {
            number,
            seq: 0,
            kubernetes_version,
            inventory: Inventory::default(),
            pending: Pending::new(agent.capacity),
            unreadable: BTreeMap::new(),
            unknown: BTreeMap::new(),
            in_flight: None,
            progress: Progress::default(),
            heartbeat: agent.timing.heartbeat.most,
            last_sent: Instant::now(),
            waiting_since: None,
            events,
            tell,
            lists: Arc::new(Semaphore::new(LISTS)),
            followers,
            agent,
        }
    }

    /// Sends everything there is, then what changes.
    pub(super) async fn run(mut self) -> (End, Progress) {
        let end = match self.converse().await {
            Ok(()) => End::Done,
            Err(end) => end,
        };
        (end, self.progress)
    }

    async fn converse(&mut self) -> Result<(), End> {
        self.synchronise().await?;
        match self.agent.mode {
            Mode::Once => Ok(()),
            Mode::Forever => self.send_changes().await,
        }
    }

    /// Follows a kind from here on.
    pub(super) fn follow(&mut self, kind: usize, start: Start) {
        let follower = Follower {
            kubernetes: self.agent.kubernetes.clone(),
            reader: self.agent.reader.clone(),
            kind,
            events: self.tell.clone(),
            lists: Arc::clone(&self.lists),
            timing: Arc::clone(&self.agent.timing),
            metrics: self.agent.metrics.clone(),
        };
        self.followers.spawn(follower.run(start));
    }

    /// Says from the next batch on that a kind cannot be read, or that it can.
    pub(super) fn set_unreadable(&mut self, kind: usize, reason: Option<UnreadableReason>) {
        let before = match reason {
            Some(reason) => self.unreadable.insert(kind, reason),
            None => self.unreadable.remove(&kind),
        };
        if before != reason {
            self.agent.metrics.unreadable(self.unreadable.iter());
            self.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    /// Hears of no changes any more.
    pub(super) fn stop_following(&mut self) {
        self.followers.abort_all();
        self.events.close();
        // Each holds an object.
        while self.events.try_recv().is_ok() {}
    }

    /// Begins the next batch.
    pub(super) fn begin(&mut self, kind: BatchKind, last: bool) -> Result<Encoder, End> {
        // What may not be read, the server drops when it reads this header.
        for (kind, reason) in &self.unreadable {
            if *reason == UnreadableReason::Forbidden {
                self.inventory.remove_kind(*kind);
                self.pending.forget_kind(*kind);
                self.unknown.remove(kind);
            }
        }
        let unreadable = self.unreadable.iter();
        let header = Header {
            protocol: PROTOCOL_VERSION,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_uid: self.agent.cluster_uid.clone(),
            kubernetes_version: self.kubernetes_version.borrow().clone(),
            epoch: self.number,
            seq: self.seq,
            kind,
            last,
            unreadable: unreadable
                .map(|(k, reason)| Unreadable { kind: KINDS[*k].group_kind(), reason: *reason })
                .collect(),
        };
        self.seq += 1;
        Encoder::new(&header, COMPRESSION).map_err(|error| unwritten(&error))
    }

    /// Sends a batch as soon as the one before was taken. `completes`: afterwards, the totals should agree.
    pub(super) async fn submit(&mut self, encoder: Encoder, completes: bool) -> Result<(), End> {
        let body = Bytes::from(encoder.finish().map_err(|error| unwritten(&error))?);
        self.settle().await?;
        // Batches are begun in the order in which they are sent, and one is begun only when the last is submitted.
        let batch = Batch { epoch: self.number, seq: self.seq - 1, body };
        let delivery = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.agent.sender).deliver(batch)));
        self.in_flight = Some(InFlight { completes, delivery });
        self.last_sent = Instant::now();
        Ok(())
    }

    /// True while a batch is under way.
    pub(super) const fn is_sending(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Waits until nothing is under way; takes in what happens meanwhile.
    pub(super) async fn settle(&mut self) -> Result<(), End> {
        while self.is_sending() {
            self.next().await?;
        }
        Ok(())
    }

    /// Waits for the next thing that happens: an answer, or a change in the cluster.
    pub(super) async fn next(&mut self) -> Result<(), End> {
        let answered = async {
            match &mut self.in_flight {
                Some(in_flight) => (&mut in_flight.delivery).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = answered => {
                let outcome = outcome.unwrap_or_else(|error| {
                    // A delivery is aborted only when the epoch ends.
                    Outcome::GaveUp(format!("sending failed: {error}"))
                });
                self.answered(outcome)
            }
            Some(event) = self.events.recv() => {
                self.absorb(event);
                Ok(())
            }
        }
    }

    fn answered(&mut self, outcome: Outcome) -> Result<(), End> {
        let completes = self.in_flight.take().is_some_and(|in_flight| in_flight.completes);
        self.last_sent = Instant::now();
        match outcome {
            Outcome::Accepted(answer) => {
                self.heartbeat = self.agent.timing.heartbeat.clamp(Duration::from_secs(answer.heartbeat_seconds));
                if completes { self.compare(&answer) } else { Ok(()) }
            }
            Outcome::Again(restart) => Err(End::Again(restart)),
            Outcome::Stopped => Err(End::Stopped),
            Outcome::GaveUp(why) => Err(End::GaveUp(why)),
        }
    }

    /// Compares what the server holds with what it was told.
    fn compare(&mut self, answer: &SyncAnswer) -> Result<(), End> {
        if !std::mem::replace(&mut self.progress.synchronised, true) {
            let objects: u64 = answer.totals.values().sum();
            info!(epoch = self.number, batches = self.seq, objects, "full synchronisation is complete");
        }
        self.agent.health.synchronised(true);
        self.agent.metrics.inventory(&self.inventory, self.pending.len());
        let differences = self.inventory.differences(&answer.totals, |kind| self.unknown.contains_key(&kind));
        if differences.is_empty() {
            self.progress.agreed = self.progress.agreed.saturating_add(1);
            return Ok(());
        }
        self.progress.agreed = 0;
        let named: Vec<_> = differences.iter().take(5).map(ToString::to_string).collect();
        warn!(
            kinds = differences.len(),
            "the server holds another number of objects than it was told: {}",
            named.join("; ")
        );
        Err(End::Again(Restart::Difference))
    }
}

pub(super) fn unwritten(error: &std::io::Error) -> End {
    End::GaveUp(format!("a batch could not be written: {error}"))
}

/// Clusters are upgraded while the agent runs.
async fn follow_version(kubernetes: crate::kubernetes::Kubernetes, every: Duration, tell: watch::Sender<String>) {
    loop {
        tokio::time::sleep(every).await;
        if let Ok(version) = kubernetes.version().await {
            tell.send_if_modified(|known| {
                let changed = *known != version;
                *known = version;
                changed
            });
        }
    }
}
