//! What changed lately, for watches: a ring with a bound on its events and on their bytes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

/// Most changes that are remembered. etcd's watch cache keeps between 100 and 102,400 per resource.
const MAX_CHANGES: usize = 10_000;
/// Most bytes of objects that are remembered.
const MAX_BYTES: usize = 32 << 20;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    Added,
    Modified,
    Deleted,
}

impl EventType {
    /// As a watch event writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    /// Which collection of the store.
    pub(crate) collection: usize,
    pub(crate) event: EventType,
    pub(crate) key: Arc<str>,
    /// The object after the change; for a deletion the object as it was, with the deletion's revision.
    pub(crate) object: Bytes,
}

/// The revision that was asked for is no longer known.
#[derive(Debug)]
pub(crate) struct TooOld {
    /// The oldest revision from which a watch could begin.
    pub(crate) oldest: u64,
}

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct History {
    changes: VecDeque<Change>,
    bytes: usize,
    /// Changes up to and including this revision are forgotten.
    forgotten: u64,
}

impl History {
    /// Remembers nothing before `revision`, and nothing that was remembered.
    pub(crate) fn begin_at(&mut self, revision: u64) {
        *self = Self { forgotten: revision, ..Self::default() };
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.bytes += change.object.len();
        self.changes.push_back(change);
        while self.changes.len() > MAX_CHANGES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= oldest.object.len();
            self.forgotten = oldest.revision;
        }
    }

    /// At most `limit` changes of one collection after `revision`, oldest first.
    pub(crate) fn after(
        &self,
        revision: u64,
        collection: usize,
        key_prefix: &str,
        limit: usize,
    ) -> Result<Vec<Change>, TooOld> {
        if revision < self.forgotten {
            return Err(TooOld { oldest: self.forgotten });
        }
        let start = self.changes.partition_point(|c| c.revision <= revision);
        let matching = |c: &&Change| c.collection == collection && c.key.starts_with(key_prefix);
        Ok(self.changes.range(start..).filter(matching).take(limit).cloned().collect())
    }
}
