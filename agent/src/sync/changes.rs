//! After the full synchronisation: what changes, gathered for some seconds, and heartbeats.

use std::collections::HashSet;

use kubewise_protocol::{BatchKind, UnreadableReason};
use tokio::time::{Instant, sleep_until};
use tracing::debug;
use uuid::Uuid;

use super::epoch::{End, Epoch, unwritten};
use crate::kubernetes::{Change, Event};
use crate::pending::Waiting;
use crate::send::Restart;

impl Epoch<'_> {
    /// Sends what changes, until the epoch ends.
    pub(super) async fn send_changes(&mut self) -> Result<(), End> {
        let stop = self.agent.stop.clone();
        loop {
            if stop.is_cancelled() {
                // What is under way may end; nothing new is begun.
                self.settle().await?;
                return Err(End::Stopped);
            }
            if self.pending.overflowed() {
                // Followers must not go on gathering for nothing while the server is away.
                self.stop_following();
                self.settle().await?;
                return Err(End::Again(Restart::Overflow));
            }
            let due = match self.waiting_since {
                Some(since) => since + self.agent.timing.gather,
                None => self.last_sent + self.heartbeat,
            };
            let sending = self.is_sending();
            tokio::select! {
                happened = self.next() => happened?,
                () = sleep_until(due), if !sending => self.send_waiting().await?,
                () = stop.cancelled() => {}
            }
        }
    }

    /// Takes in what happened in the cluster.
    pub(super) fn absorb(&mut self, event: Event) {
        let Event { kind, change } = event;
        match change {
            Change::Upsert(object) => {
                if object.identifies_cluster {
                    self.agent.cluster_uid = object.uid.to_string();
                }
                if self.inventory.hash(object.uid) == Some(object.hash) {
                    self.pending.forget(object.uid);
                } else {
                    self.pending.upsert(kind, object);
                }
            }
            Change::Delete(uid) => {
                if self.inventory.hash(uid).is_some() {
                    self.pending.delete(kind, uid);
                } else {
                    self.pending.forget(uid);
                }
            }
            Change::Listed(uids) => {
                self.complete(kind, &uids.into_iter().collect());
                if let Some(listed) = self.unknown.get_mut(&kind) {
                    *listed = true;
                    // Even when nothing of it changed, the totals are to be compared again.
                    self.waiting_since.get_or_insert_with(Instant::now);
                }
            }
            Change::Unreadable(reason) => {
                self.set_unreadable(kind, Some(reason));
                if reason == UnreadableReason::Forbidden {
                    self.pending.forget_kind(kind);
                }
            }
            Change::Readable => self.set_unreadable(kind, None),
        }
        if !self.pending.is_empty() {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    /// A kind was listed as a whole: what is not in the list is gone.
    pub(super) fn complete(&mut self, kind: usize, there: &HashSet<Uuid>) {
        self.pending.retain(kind, there);
        let gone: Vec<_> = self.inventory.of_kind(kind).filter(|uid| !there.contains(uid)).collect();
        for uid in gone {
            self.pending.delete(kind, uid);
        }
        if !self.pending.is_empty() {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    /// Sends what waits, or as much as one batch holds of it; a heartbeat when nothing does.
    async fn send_waiting(&mut self) -> Result<(), End> {
        let kind = if self.waiting_since.is_some() { BatchKind::Delta } else { BatchKind::Heartbeat };
        let mut batch = self.begin(kind, true)?;
        let limits = self.agent.limits;
        while batch.operations() < limits.operations && batch.uncompressed_len() < limits.bytes {
            let Some((uid, kind, change)) = self.pending.pop() else { break };
            let written = match change {
                Waiting::Upsert(object) => {
                    self.inventory.insert(kind, uid, object.hash);
                    batch.upsert(&object.json)
                }
                Waiting::Delete => {
                    self.inventory.remove(uid);
                    batch.delete(uid)
                }
            };
            written.map_err(|error| unwritten(&error))?;
        }
        if self.pending.is_empty() {
            self.waiting_since = None;
            // What was unknown has been listed, and with this batch all of it is sent.
            self.unknown.retain(|_, listed| !*listed);
        }
        debug!(operations = batch.operations(), left = self.pending.len(), "changes are sent");
        self.submit(batch, true).await
    }
}
