//! The full synchronisation: every kind listed, one after another, each object sent as it arrives.

use std::collections::HashSet;

use kubewise_protocol::{BatchKind, Encoder, KINDS, UnreadableReason};
use tracing::{debug, warn};
use uuid::Uuid;

use super::agent::Mode;
use super::epoch::{End, Epoch, unwritten};
use crate::kubernetes::{ApiError, Listing, Start};
use crate::object::Object;
use crate::send::Restart;

/// How much of the namespaces is held back until one of them has said which cluster this is.
const HELD_BACK: usize = 4 << 20;

/// The batch that is being filled.
#[derive(Default)]
struct Open {
    encoder: Option<Encoder>,
    /// Namespaces, until it is known which cluster this is: the header of the first batch says it.
    held_back: Vec<Object>,
    held_back_bytes: usize,
}

impl Epoch<'_> {
    /// Sends everything there is.
    pub(super) async fn synchronise(&mut self) -> Result<(), End> {
        let mut open = Open::default();
        for index in 0..KINDS.len() {
            let start = self.list(index, &mut open).await?;
            for object in std::mem::take(&mut open.held_back) {
                self.write(index, &object, &mut open).await?;
            }
            if self.agent.mode == Mode::Forever {
                self.follow(index, start);
            }
        }
        if let Some(encoder) = open.encoder.take() {
            self.submit(encoder, false).await?;
        }
        // Which kinds could not be read is known only now, and a header comes before what it heads.
        let last = self.begin(BatchKind::Full, true)?;
        self.submit(last, true).await?;
        self.settle().await
    }

    /// Lists one kind.
    async fn list(&mut self, index: usize, open: &mut Open) -> Result<Start, End> {
        let kind = &KINDS[index];
        let mut backoff = self.agent.timing.unavailable.backoff();
        let mut failures = 0;
        let mut checks = 0;
        loop {
            match self.list_once(index, open).await? {
                Ok((version, there)) => {
                    // What was sent of a list that broke off may be gone by now.
                    if failures > 0 {
                        self.complete(index, &there);
                    }
                    return Ok(Start::Watch(version));
                }
                Err(ApiError::NotInstalled) => {
                    if failures > 0 {
                        self.complete(index, &HashSet::new());
                    }
                    return Ok(Start::NotInstalled);
                }
                Err(error @ ApiError::Forbidden(_)) => {
                    warn!(kind = kind.plural, "{error}");
                    self.set_unreadable(index, Some(UnreadableReason::Forbidden));
                    return Ok(Start::Unreadable(UnreadableReason::Forbidden));
                }
                Err(error) => {
                    failures += 1;
                    debug!(kind = kind.plural, failures, "{error}");
                    if failures >= self.agent.timing.failures {
                        if self.agent.kubernetes.version().await.is_ok() {
                            warn!(kind = kind.plural, "{error}");
                            self.set_unreadable(index, Some(UnreadableReason::Unavailable));
                            self.unknown.insert(index, false);
                            return Ok(Start::Unreadable(UnreadableReason::Unavailable));
                        }
                        // Not this kind is away, but the whole API.
                        checks += 1;
                        if self.agent.mode == Mode::Once && checks >= self.agent.timing.tries_once {
                            return Err(End::GaveUp(format!("the Kubernetes API does not answer: {error}")));
                        }
                        if checks == 1 {
                            warn!("the Kubernetes API does not answer; trying again until it does: {error}");
                        }
                    }
                    let wait = match error {
                        ApiError::Busy(Some(wait)) => wait.min(self.agent.timing.unavailable.most),
                        _ => backoff.next(),
                    };
                    if !self.agent.pause(wait).await {
                        return Err(End::Stopped);
                    }
                }
            }
        }
    }

    /// Lists one kind, if nothing goes wrong: where watching begins, and what there is.
    async fn list_once(
        &mut self,
        index: usize,
        open: &mut Open,
    ) -> Result<Result<(String, HashSet<Uuid>), ApiError>, End> {
        let kind = &KINDS[index];
        let (kubernetes, reader) = (self.agent.kubernetes.clone(), self.agent.reader.clone());
        let stop = self.agent.stop.clone();
        let mut listing = Listing::new(&kubernetes, &reader, kind);
        let mut there = HashSet::new();
        loop {
            let read = tokio::select! {
                read = listing.next() => read,
                () = stop.cancelled() => return Err(End::Stopped),
            };
            match read {
                Ok(Some(read)) => match read.object {
                    Ok(object) => {
                        there.insert(object.uid);
                        self.add(index, object, open).await?;
                    }
                    Err(why) => {
                        self.agent.metrics.skipped(kind.plural);
                        debug!(kind = kind.plural, "an object is left out: {why}");
                    }
                },
                Ok(None) => return Ok(Ok((listing.resource_version(), there))),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Takes an object into the batch, or holds it back while it is not known which cluster this is.
    async fn add(&mut self, index: usize, object: Object, open: &mut Open) -> Result<(), End> {
        if object.identifies_cluster {
            self.agent.cluster_uid = object.uid.to_string();
        }
        let is_namespace = KINDS[index].kind == "Namespace";
        if is_namespace && self.agent.cluster_uid.is_empty() && open.held_back_bytes < HELD_BACK {
            open.held_back_bytes += object.json.get().len();
            open.held_back.push(object);
            return Ok(());
        }
        for object in std::mem::take(&mut open.held_back) {
            self.write(index, &object, open).await?;
        }
        self.write(index, &object, open).await
    }

    async fn write(&mut self, index: usize, object: &Object, open: &mut Open) -> Result<(), End> {
        // Nothing new when a list had to be begun again.
        if self.inventory.hash(object.uid) == Some(object.hash) {
            return Ok(());
        }
        let mut encoder = match open.encoder.take() {
            Some(encoder) => encoder,
            None => self.begin(BatchKind::Full, false)?,
        };
        encoder.upsert(&object.json).map_err(|error| unwritten(&error))?;
        self.inventory.insert(index, object.uid, object.hash);
        let limits = self.agent.limits;
        if encoder.operations() < limits.operations && encoder.uncompressed_len() < limits.bytes {
            open.encoder = Some(encoder);
            return Ok(());
        }
        self.submit(encoder, false).await?;
        if self.pending.overflowed() {
            return Err(End::Again(Restart::Overflow));
        }
        Ok(())
    }
}
