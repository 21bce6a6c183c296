//! Changes that wait to be sent. Bounded: a server that is away for a day must not cost a cluster its memory.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::object::Object;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Objects.
    pub objects: usize,
    /// Bytes of stripped JSON.
    pub bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { objects: 5_000, bytes: 8 << 20 }
    }
}

/// A change that waits to be sent.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The object is there, and looks like this.
    Upsert(Object),
    /// The object is gone.
    Delete,
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Self::Upsert(object) => object.json.get().len(),
            Self::Delete => 0,
        }
    }
}

/// Changes that wait to be sent: of each object, the latest.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    capacity: Capacity,
    changes: HashMap<Uuid, (usize, Waiting)>,
    bytes: usize,
    overflowed: bool,
}

impl Pending {
    /// Nothing waits yet.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// The object is there, and looks like this.
    pub(crate) fn upsert(&mut self, kind: usize, object: Object) {
        self.put(kind, object.uid, Waiting::Upsert(object));
    }

    /// The object is gone.
    pub(crate) fn delete(&mut self, kind: usize, uid: Uuid) {
        self.put(kind, uid, Waiting::Delete);
    }

    /// The object is as the server knows it.
    pub(crate) fn forget(&mut self, uid: Uuid) {
        if let Some((_, change)) = self.changes.remove(&uid) {
            self.bytes -= change.bytes();
        }
    }

    /// Of this kind, only these objects are there.
    pub(crate) fn retain(&mut self, kind: usize, there: &HashSet<Uuid>) {
        self.retain_changes(|uid, of, change| of != kind || matches!(change, Waiting::Delete) || there.contains(&uid));
    }

    /// No change of this kind is sent.
    pub(crate) fn forget_kind(&mut self, kind: usize) {
        self.retain_changes(|_, of, _| of != kind);
    }

    /// Takes out one change.
    pub(crate) fn pop(&mut self) -> Option<(Uuid, usize, Waiting)> {
        let uid = *self.changes.keys().next()?;
        let (kind, change) = self.changes.remove(&uid)?;
        self.bytes -= change.bytes();
        Some((uid, kind, change))
    }

    /// True when more changed than could be kept: everything has to be sent anew.
    pub(crate) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// How many changes wait.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// True when no change waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn put(&mut self, kind: usize, uid: Uuid, change: Waiting) {
        if self.overflowed {
            return;
        }
        self.bytes += change.bytes();
        if let Some((_, before)) = self.changes.insert(uid, (kind, change)) {
            self.bytes -= before.bytes();
        }
        if self.changes.len() > self.capacity.objects || self.bytes > self.capacity.bytes {
            self.overflowed = true;
            self.bytes = 0;
            self.changes = HashMap::new();
        }
    }

    fn retain_changes(&mut self, keep: impl Fn(Uuid, usize, &Waiting) -> bool) {
        let bytes = &mut self.bytes;
        self.changes.retain(|uid, (kind, change)| {
            let keep = keep(*uid, *kind, change);
            if !keep {
                *bytes -= change.bytes();
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn object(n: u128, bytes: usize) -> Object {
        let json = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap();
        Object { uid: Uuid::from_u128(n), hash: 0, json, identifies_cluster: false }
    }

    #[test]
    fn the_latest_change_wins() {
        let mut pending = Pending::default();
        pending.upsert(0, object(1, 10));
        pending.upsert(0, object(1, 20));
        assert_eq!((pending.len(), pending.bytes), (1, 20));
        pending.delete(0, Uuid::from_u128(1));
        assert_eq!((pending.len(), pending.bytes), (1, 0));
        assert!(matches!(pending.pop(), Some((_, 0, Waiting::Delete))));
        assert!(pending.is_empty());
    }

    #[test]
    fn too_many_objects_or_bytes_overflow() {
        let capacity = Capacity { objects: 2, bytes: 100 };
        let mut pending = Pending::new(capacity);
        pending.upsert(0, object(1, 50));
        pending.upsert(0, object(2, 50));
        assert!(!pending.overflowed());
        pending.delete(0, Uuid::from_u128(3));
        assert!(pending.overflowed());
        assert!(pending.is_empty());
        pending.delete(0, Uuid::from_u128(4));
        assert!(pending.is_empty(), "nothing is gathered after that");

        let mut pending = Pending::new(capacity);
        pending.upsert(0, object(1, 101));
        assert!(pending.overflowed());
    }

    #[test]
    fn kinds_are_told_apart() {
        let mut pending = Pending::default();
        for n in 1..=4 {
            pending.upsert(usize::from(n > 2), object(n, 10));
        }
        pending.retain(0, &HashSet::from([Uuid::from_u128(1)]));
        assert_eq!((pending.len(), pending.bytes), (3, 30));
        pending.forget_kind(1);
        assert_eq!((pending.len(), pending.bytes), (1, 10));
        pending.forget(Uuid::from_u128(1));
        assert_eq!((pending.len(), pending.bytes), (0, 0));
    }
}
