//! The objects, each once, already serialised; the revision; what changed lately.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    history::{Change, EventType, History, TooOld},
    object,
    resource_type::{ResourceType, is_forbidden, split_api_version},
};

/// Most snapshots that are kept for continued lists; the oldest is dropped first and its continue tokens expire.
const MAX_SNAPSHOTS: usize = 64;

/// Objects of one type by `namespace/name` (or `name`): the order of etcd's keys, in which lists are paginated.
/// Each is serialised without its apiVersion and kind, which begin an object only where the API sends them.
pub(crate) type Objects = BTreeMap<Arc<str>, Bytes>;

#[derive(Debug)]
struct Collection {
    kind: Arc<ResourceType>,
    /// False once its definition was deleted.
    served: bool,
    // Shared with the snapshots of lists that are being paginated; copied on the next write only then.
    objects: Arc<Objects>,
}

#[derive(Debug)]
struct Snapshot {
    collection: usize,
    revision: u64,
    objects: Arc<Objects>,
}

/// Everything the API serves.
#[derive(Debug, Default)]
pub(crate) struct Store {
    collections: Vec<Collection>,
    revision: u64,
    history: History,
    snapshots: VecDeque<Snapshot>,
    /// Answers to discovery requests as they were recorded, by path; others are made from the kinds.
    pub(crate) recorded: BTreeMap<String, Bytes>,
    /// API groups of an aggregated API server that does not answer.
    pub(crate) unavailable_groups: Vec<String>,
    /// The answer to `/version`.
    pub(crate) version: Value,
}

impl Store {
    /// An empty cluster of this version that serves these kinds.
    pub(crate) fn new(version: Value, kinds: &[ResourceType]) -> Self {
        let mut store = Self { version, ..Self::default() };
        for kind in kinds {
            store.add_kind(kind.clone());
        }
        store
    }

    /// Serves one more type (or serves it again); returns its collection.
    pub(crate) fn add_kind(&mut self, kind: ResourceType) -> usize {
        let same = |k: &ResourceType| k.plural == kind.plural && k.group == kind.group && k.version == kind.version;
        if let Some(known) = self.collections.iter().position(|c| same(&c.kind)) {
            self.collections[known].served = true;
            return known;
        }
        let id = self.collections.len();
        self.collections.push(Collection { kind: Arc::new(kind), served: true, objects: Arc::default() });
        id
    }

    /// The types that are served now.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        self.collections.iter().filter(|c| c.served).map(|c| &c.kind)
    }

    /// The collection of a served type.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<usize> {
        self.collections
            .iter()
            .position(|c| c.served && c.kind.plural == plural && c.kind.group == group && c.kind.version == version)
    }

    /// The collection of a served type in whichever version.
    pub(crate) fn find_any_version(&self, group: &str, plural: &str) -> Option<usize> {
        self.collections.iter().position(|c| c.served && c.kind.plural == plural && c.kind.group == group)
    }

    /// The collection that an object belongs to, by its apiVersion and kind.
    pub(crate) fn find_of(&self, object: &Value) -> Result<usize> {
        let api_version = object["apiVersion"].as_str().context("an object needs an apiVersion")?;
        let kind = object["kind"].as_str().context("an object needs a kind")?;
        let (group, version) = split_api_version(api_version);
        self.collections
            .iter()
            .position(|c| c.served && c.kind.kind == kind && c.kind.group == group && c.kind.version == version)
            .with_context(|| format!("no resource type is served for {api_version} {kind}"))
    }

    pub(crate) fn kind(&self, collection: usize) -> &Arc<ResourceType> {
        &self.collections[collection].kind
    }

    pub(crate) fn objects(&self, collection: usize) -> &Arc<Objects> {
        &self.collections[collection].objects
    }

    /// The revision of the last change: what lists carry as their resourceVersion.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Group-kinds and how many objects there are of each. What is served in several versions counts once.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        let mut totals = BTreeMap::new();
        for c in self.collections.iter().filter(|c| c.served && !c.objects.is_empty()) {
            let total: &mut u64 = totals.entry(c.kind.group_kind()).or_default();
            *total = (*total).max(c.objects.len() as u64);
        }
        totals
    }

    /// Adds an object at the start, when nobody watches yet. Its resourceVersion is kept if it has one.
    pub(crate) fn load(&mut self, collection: usize, mut value: Value) -> Result<()> {
        let kind = Arc::clone(&self.collections[collection].kind);
        ensure!(!is_forbidden(&kind.group, &kind.plural), "{} are never held", kind.plural);
        let key = object::key(&value, kind.namespaced)?;
        let recorded = value["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok());
        if let Some(revision) = recorded {
            self.revision = self.revision.max(revision);
        } else {
            self.revision += 1;
            value["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        }
        let bytes = serialise(value)?;
        Arc::make_mut(&mut self.collections[collection].objects).insert(key, bytes);
        Ok(())
    }

    /// The start is over: watches begin at this revision or later.
    pub(crate) fn begin(&mut self, at_least: u64) {
        self.revision = self.revision.max(at_least);
        self.history.begin_at(self.revision);
        self.snapshots.clear();
    }

    /// Forgets what changed: watches from an older revision and continue tokens get 410.
    pub(crate) fn forget(&mut self) {
        self.begin(0);
    }

    /// Adds or replaces an object. What a client may leave out (uid, creationTimestamp, generation) is kept or made.
    pub(crate) fn apply(&mut self, collection: usize, mut value: Value) -> Result<()> {
        let kind = Arc::clone(&self.collections[collection].kind);
        ensure!(!is_forbidden(&kind.group, &kind.plural), "{} are never held", kind.plural);
        let key = object::key(&value, kind.namespaced)?;
        let old = match self.collections[collection].objects.get(&key) {
            Some(bytes) => Some(serde_json::from_slice::<Value>(bytes)?),
            None => None,
        };
        let revision = self.revision + 1;
        object::complete(&mut value, old.as_ref(), &kind, revision);
        value["metadata"]["resourceVersion"] = json!(revision.to_string());
        let bytes = serialise(value)?;
        let objects = Arc::make_mut(&mut self.collections[collection].objects);
        objects.insert(Arc::clone(&key), bytes.clone());
        let event = if old.is_some() { EventType::Modified } else { EventType::Added };
        self.revision = revision;
        self.history.push(Change { revision, collection, event, key, object: bytes });
        Ok(())
    }

    /// Removes one object; false when it is not there.
    pub(crate) fn remove(&mut self, collection: usize, key: &str) -> Result<bool> {
        let objects = &mut self.collections[collection].objects;
        if !objects.contains_key(key) {
            return Ok(false);
        }
        let Some((key, bytes)) = Arc::make_mut(objects).remove_entry(key) else { return Ok(false) };
        let revision = self.revision + 1;
        let mut last: Value = serde_json::from_slice(&bytes)?;
        last["metadata"]["resourceVersion"] = json!(revision.to_string());
        self.revision = revision;
        let object = serialise(last)?;
        self.history.push(Change { revision, collection, event: EventType::Deleted, key, object });
        Ok(true)
    }

    /// Stops serving the versions of a custom kind (its definition was deleted), with all its objects.
    pub(crate) fn remove_kind(&mut self, group: &str, plural: &str) -> Result<()> {
        for id in 0..self.collections.len() {
            let c = &self.collections[id];
            if c.kind.group == group && c.kind.plural == plural {
                let keys: Vec<Arc<str>> = c.objects.keys().cloned().collect();
                for key in keys {
                    self.remove(id, &key)?;
                }
                self.collections[id].served = false;
            }
        }
        Ok(())
    }

    /// The objects of a collection as they are now, kept so that a continued list goes on where it began.
    pub(crate) fn snapshot(&mut self, collection: usize) -> (u64, Arc<Objects>) {
        let revision = self.revision;
        let objects = Arc::clone(&self.collections[collection].objects);
        if self.kept_snapshot(collection, revision).is_none() {
            if self.snapshots.len() >= MAX_SNAPSHOTS {
                self.snapshots.pop_front();
            }
            self.snapshots.push_back(Snapshot { collection, revision, objects: Arc::clone(&objects) });
        }
        (revision, objects)
    }

    /// A snapshot that [`Self::snapshot`] kept, unless it was dropped since.
    pub(crate) fn kept_snapshot(&self, collection: usize, revision: u64) -> Option<Arc<Objects>> {
        let found = self.snapshots.iter().find(|s| s.collection == collection && s.revision == revision);
        found.map(|s| Arc::clone(&s.objects))
    }

    /// At most `limit` changes of one collection after `revision`, oldest first.
    pub(crate) fn changes_after(
        &self,
        revision: u64,
        collection: usize,
        key_prefix: &str,
        limit: usize,
    ) -> Result<Vec<Change>, TooOld> {
        self.history.after(revision, collection, key_prefix, limit)
    }
}

/// An object as it is kept: without apiVersion and kind.
pub(crate) fn serialise(mut value: Value) -> Result<Bytes> {
    let map = value.as_object_mut().context("an object is a JSON object")?;
    map.remove("apiVersion");
    map.remove("kind");
    Ok(Bytes::from(serde_json::to_vec(&value)?))
}
