//! What the server was told: enough of each object to tell whether it changed, and no more.

use std::collections::{BTreeMap, HashMap};

use kubewise_protocol::KINDS;
use uuid::Uuid;

/// What the server was told.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// 40 bytes an object.
    objects: HashMap<Uuid, Entry>,
    counts: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    kind: u16,
}

impl Default for Inventory {
    fn default() -> Self {
        Self { objects: HashMap::new(), counts: vec![0; KINDS.len()] }
    }
}

impl Inventory {
    /// The server is told of this object.
    pub(crate) fn insert(&mut self, kind: usize, uid: Uuid, hash: u64) {
        self.remove(uid);
        let Ok(index) = u16::try_from(kind) else { return };
        self.objects.insert(uid, Entry { hash, kind: index });
        self.counts[kind] += 1;
    }

    /// The server is told that this object is gone.
    pub(crate) fn remove(&mut self, uid: Uuid) {
        if let Some(entry) = self.objects.remove(&uid) {
            self.counts[usize::from(entry.kind)] -= 1;
        }
    }

    /// The server drops all objects of this kind.
    pub(crate) fn remove_kind(&mut self, kind: usize) {
        self.objects.retain(|_, entry| usize::from(entry.kind) != kind);
        self.counts[kind] = 0;
    }

    /// The hash of the object as the server knows it.
    pub(crate) fn hash(&self, uid: Uuid) -> Option<u64> {
        self.objects.get(&uid).map(|entry| entry.hash)
    }

    /// The objects of this kind.
    pub(crate) fn of_kind(&self, kind: usize) -> impl Iterator<Item = Uuid> + '_ {
        self.objects.iter().filter(move |(_, entry)| usize::from(entry.kind) == kind).map(|(uid, _)| *uid)
    }

    /// How many objects of this kind the server knows.
    pub(crate) fn count(&self, kind: usize) -> u64 {
        self.counts[kind]
    }

    /// How many objects of each kind the server should hold, but for those kinds of which that is not known.
    pub(crate) fn differences(&self, held: &BTreeMap<String, u64>, unknown: impl Fn(usize) -> bool) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (index, kind) in KINDS.iter().enumerate() {
            let name = kind.group_kind();
            let held = held.get(&name).copied().unwrap_or_default();
            if held != self.counts[index] && !unknown(index) {
                differences.push(Difference { kind: name, sent: self.counts[index], held });
            }
        }
        for (name, held) in held {
            if *held > 0 && !KINDS.iter().any(|kind| kind.group_kind() == *name) {
                differences.push(Difference { kind: name.clone(), sent: 0, held: *held });
            }
        }
        differences
    }
}

/// A kind of which the server holds another number of objects than it was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    kind: String,
    sent: u64,
    held: u64,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The name came from the server: it is quoted, so that it cannot forge a line of the log.
        write!(formatter, "{:?}: sent {}, held {}", self.kind, self.sent, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(kind: &str) -> usize {
        KINDS.iter().position(|k| k.kind == kind).unwrap()
    }

    #[test]
    fn counts_follow() {
        let (pod, service) = (index("Pod"), index("Service"));
        let mut inventory = Inventory::default();
        for n in 1..=3 {
            inventory.insert(pod, Uuid::from_u128(n), 7);
        }
        inventory.insert(pod, Uuid::from_u128(1), 8);
        inventory.insert(service, Uuid::from_u128(9), 7);
        assert_eq!((inventory.count(pod), inventory.count(service)), (3, 1));
        assert_eq!(inventory.hash(Uuid::from_u128(1)), Some(8));
        inventory.remove(Uuid::from_u128(2));
        inventory.remove(Uuid::from_u128(2));
        assert_eq!(inventory.count(pod), 2);
        assert_eq!(inventory.of_kind(pod).count(), 2);
        inventory.remove_kind(pod);
        assert_eq!((inventory.count(pod), inventory.count(service)), (0, 1));
        assert_eq!(inventory.hash(Uuid::from_u128(1)), None);
    }

    #[test]
    fn differences_between_sent_and_held() {
        let (pod, node) = (index("Pod"), index("Node"));
        let mut inventory = Inventory::default();
        inventory.insert(pod, Uuid::from_u128(1), 1);
        let held = |list: &[(&str, u64)]| list.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
        assert!(inventory.differences(&held(&[("Pod", 1), ("Node", 0)]), |_| false).is_empty());
        assert!(inventory.differences(&held(&[("Pod", 1), ("Node", 4)]), |kind| kind == node).is_empty());
        let differences = inventory.differences(&held(&[("Node", 4), ("Old.example.com", 2)]), |_| false);
        let texts: Vec<_> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [r#""Node": sent 0, held 4"#, r#""Pod": sent 1, held 0"#, r#""Old.example.com": sent 0, held 2"#]
        );
    }
}
