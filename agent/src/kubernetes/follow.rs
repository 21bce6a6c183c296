//! Follows one kind: watches it, and lists it again when the watch cannot go on.

use std::sync::Arc;
use std::time::Duration;

use kubewise_protocol::{KINDS, UnreadableReason, WatchedKind};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::client::Kubernetes;
use super::error::ApiError;
use super::list::Listing;
use super::watch::{Seen, Watch};
use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::object::{Object, Read, Reader};
use crate::timing::Timing;

/// What happened to a kind.
#[derive(Debug)]
pub(crate) struct Event {
    /// Which kind, as an index of [`KINDS`].
    pub kind: usize,
    /// What happened.
    pub change: Change,
}

/// What happened to a kind.
#[derive(Debug)]
pub(crate) enum Change {
    /// The object is there, and looks like this.
    Upsert(Object),
    /// The object is gone.
    Delete(Uuid),
    /// The kind was listed anew. Everything there is was sent before; what is not in here is gone.
    Listed(Vec<Uuid>),
    /// The kind cannot be read.
    Unreadable(UnreadableReason),
    /// The kind can be read (again).
    Readable,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It was listed: watch what follows this version.
    Watch(String),
    /// The cluster has no such kind: look again from time to time.
    NotInstalled,
    /// It could not be read, for this reason.
    Unreadable(UnreadableReason),
}

/// Follows one kind.
pub(crate) struct Follower {
    /// Where to read.
    pub kubernetes: Kubernetes,
    /// How to read.
    pub reader: Reader,
    /// Which kind, as an index of [`KINDS`].
    pub kind: usize,
    /// Where to tell what happened. Bounded: who does not listen slows the follower down.
    pub events: mpsc::Sender<Event>,
    /// Lists that may be made at the same time, over all kinds: each costs memory on both sides.
    pub lists: Arc<Semaphore>,
    /// How long to wait for what.
    pub timing: Arc<Timing>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Nobody listens any more.
struct Deaf;

/// What to do next.
enum Next {
    Watch(String),
    List,
    /// List after this time.
    ListLater(Duration),
}

impl Follower {
    /// Follows until nobody listens any more.
    pub(crate) async fn run(mut self, start: Start) {
        let _: Result<(), Deaf> = self.follow(start).await;
    }

    async fn follow(&mut self, start: Start) -> Result<(), Deaf> {
        let mut state = State { reason: None, failures: 0, backoff: self.timing.unavailable.backoff() };
        let mut next = match start {
            Start::Watch(version) => Next::Watch(version),
            Start::NotInstalled => Next::ListLater(self.timing.not_installed),
            Start::Unreadable(reason) => {
                state.reason = Some(reason);
                let wait = match reason {
                    UnreadableReason::Forbidden => self.timing.forbidden,
                    UnreadableReason::Unavailable => state.backoff.next(),
                };
                Next::ListLater(wait)
            }
        };
        loop {
            next = match next {
                Next::Watch(version) => self.watch(version, &mut state).await?,
                Next::List => self.list(&mut state).await?,
                Next::ListLater(wait) => {
                    sleep(wait).await;
                    Next::List
                }
            };
        }
    }

    /// Watches, one connection after another, until that cannot go on.
    async fn watch(&self, mut version: String, state: &mut State) -> Result<Next, Deaf> {
        loop {
            let begun = tokio::time::Instant::now();
            match self.watch_once(&mut version, state).await? {
                Ok(()) => {
                    self.metrics.watch_ended(self.kind().plural);
                    // A server that closes at once must not be asked in a tight loop.
                    let least = self.timing.watch_pause;
                    sleep(least.saturating_sub(begun.elapsed())).await;
                }
                Err(ApiError::Expired) => {
                    debug!(kind = self.kind().plural, "the watch is too far behind; listing again");
                    return Ok(Next::List);
                }
                Err(ApiError::NotInstalled) => return Ok(Next::List),
                Err(error) => {
                    self.metrics.watch_ended(self.kind().plural);
                    let wait = self.failed(error, state).await?;
                    if state.reason == Some(UnreadableReason::Forbidden) {
                        return Ok(Next::ListLater(wait));
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    async fn watch_once(&self, version: &mut String, state: &mut State) -> Result<Result<(), ApiError>, Deaf> {
        // Spread over a minute, so that not all watches end together.
        let spread = self.kind as u64 * 60 / KINDS.len() as u64;
        let seconds = self.timing.watch_seconds + spread;
        let mut watch = match Watch::open(&self.kubernetes, &self.reader, self.kind(), version, seconds).await {
            Ok(watch) => watch,
            Err(error) => return Ok(Err(error)),
        };
        self.readable(state).await?;
        loop {
            let next = match watch.next().await {
                Ok(None) => return Ok(Ok(())),
                Ok(Some(Seen::Upsert(read))) => {
                    let Read { object, resource_version } = *read;
                    match object {
                        Ok(object) => self.tell(Change::Upsert(object)).await?,
                        Err(why) => self.skipped(why),
                    }
                    resource_version
                }
                Ok(Some(Seen::Delete(uid, resource_version))) => {
                    self.tell(Change::Delete(uid)).await?;
                    resource_version
                }
                Ok(Some(Seen::Bookmark(resource_version))) => Some(resource_version),
                Err(error) => return Ok(Err(error)),
            };
            if let Some(next) = next.filter(|next| !next.is_empty()) {
                *version = next;
            }
        }
    }

    async fn list(&self, state: &mut State) -> Result<Next, Deaf> {
        let Ok(_permit) = self.lists.acquire().await else { return Err(Deaf) };
        self.metrics.listed(self.kind().plural);
        let mut listing = Listing::new(&self.kubernetes, &self.reader, self.kind());
        let mut uids = Vec::new();
        let mut first = true;
        loop {
            match listing.next().await {
                Ok(read) => {
                    if std::mem::take(&mut first) {
                        self.readable(state).await?;
                    }
                    let Some(Read { object, .. }) = read else { break };
                    match object {
                        Ok(object) => {
                            uids.push(object.uid);
                            self.tell(Change::Upsert(object)).await?;
                        }
                        Err(why) => self.skipped(why),
                    }
                }
                Err(ApiError::Expired) => {
                    debug!(kind = self.kind().plural, "the list changed while it was read; listing again");
                    return Ok(Next::ListLater(self.timing.watch_pause));
                }
                Err(ApiError::NotInstalled) => {
                    self.readable(state).await?;
                    self.tell(Change::Listed(Vec::new())).await?;
                    return Ok(Next::ListLater(self.timing.not_installed));
                }
                Err(error) => return self.failed(error, state).await.map(Next::ListLater),
            }
        }
        self.tell(Change::Listed(uids)).await?;
        Ok(Next::Watch(listing.resource_version()))
    }

    /// Counts a failure, tells when it has lasted, and says how long to wait.
    async fn failed(&self, error: ApiError, state: &mut State) -> Result<Duration, Deaf> {
        state.failures += 1;
        let plural = self.kind().plural;
        let reason = match error {
            ApiError::Forbidden(_) => UnreadableReason::Forbidden,
            _ => UnreadableReason::Unavailable,
        };
        // An API server that has just started, or that is busy, may say no and mean not yet.
        if state.reason != Some(reason) && state.failures >= self.timing.failures {
            warn!(kind = plural, reason = reason.as_str(), "{error}");
            state.reason = Some(reason);
            self.tell(Change::Unreadable(reason)).await?;
        } else {
            debug!(kind = plural, failures = state.failures, "{error}");
        }
        Ok(match (error, state.reason) {
            (ApiError::Busy(Some(wait)), _) => wait.min(self.timing.unavailable.most),
            (_, Some(UnreadableReason::Forbidden)) => self.timing.forbidden,
            _ => state.backoff.next(),
        })
    }

    async fn readable(&self, state: &mut State) -> Result<(), Deaf> {
        state.failures = 0;
        state.backoff.reset();
        if state.reason.take().is_some() {
            info!(kind = self.kind().plural, "can be read again");
            self.tell(Change::Readable).await?;
        }
        Ok(())
    }

    async fn tell(&self, change: Change) -> Result<(), Deaf> {
        self.events.send(Event { kind: self.kind, change }).await.map_err(|_| Deaf)
    }

    fn skipped(&self, why: crate::object::Unsendable) {
        self.metrics.skipped(self.kind().plural);
        debug!(kind = self.kind().plural, "an object is left out: {why}");
    }

    const fn kind(&self) -> &'static WatchedKind {
        &KINDS[self.kind]
    }
}

/// How reading this kind goes.
struct State {
    /// Why it cannot be read, as it was told.
    reason: Option<UnreadableReason>,
    /// Failures since it was last read.
    failures: u32,
    backoff: Backoff,
}
