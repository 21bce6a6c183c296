//! What is counted, for `/metrics`.

use std::sync::Arc;

use kubewise_protocol::{KINDS, UnreadableReason};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::inventory::Inventory;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Unreadable {
    kind: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// What is counted. Clones count together.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    objects: Family<Kind, Gauge>,
    pending: Gauge,
    unreadable: Family<Unreadable, Gauge>,
    answers: Family<Status, Counter>,
    sent: Counter,
    epochs: Family<Reason, Counter>,
    lists: Family<Kind, Counter>,
    watches: Family<Kind, Counter>,
    skipped: Family<Kind, Counter>,
    connected: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("kubewise_agent");
        let info = Family::<Version, Gauge>::default();
        info.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build", "The version of this agent", info);
        let objects = Family::default();
        registry.register("objects", "Objects that the server was told of", objects.clone());
        let pending = Gauge::default();
        registry.register("pending_changes", "Changes that wait to be sent", pending.clone());
        let unreadable = Family::default();
        registry.register("unreadable", "1 for each kind that cannot be read", unreadable.clone());
        let answers = Family::default();
        registry.register(
            "answers",
            "The server's answers by HTTP status; \"none\" when there was none",
            answers.clone(),
        );
        let sent = Counter::default();
        registry.register_with_unit("sent", "Compressed bytes that were sent", Unit::Bytes, sent.clone());
        let epochs = Family::default();
        registry.register("epochs", "Full synchronisations that were begun, by reason", epochs.clone());
        let lists = Family::default();
        registry.register("lists", "Lists that were made after the first one", lists.clone());
        let watches = Family::default();
        registry.register("watches_ended", "Watches that ended", watches.clone());
        let skipped = Family::default();
        registry.register("skipped_objects", "Objects that could not be sent", skipped.clone());
        let connected = Gauge::default();
        registry.register("connected", "1 when the server took the last batch", connected.clone());
        Self {
            registry: Arc::new(registry),
            objects,
            pending,
            unreadable,
            answers,
            sent,
            epochs,
            lists,
            watches,
            skipped,
            connected,
        }
    }
}

impl Metrics {
    /// Everything, in the `OpenMetrics` text format.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn inventory(&self, inventory: &Inventory, pending: usize) {
        for (index, kind) in KINDS.iter().enumerate() {
            set(&self.objects.get_or_create(&Kind { kind: kind.group_kind() }), inventory.count(index));
        }
        set(&self.pending, pending as u64);
    }

    pub(crate) fn unreadable<'a>(&self, kinds: impl Iterator<Item = (&'a usize, &'a UnreadableReason)>) {
        self.unreadable.clear();
        for (kind, reason) in kinds {
            let labels = Unreadable { kind: KINDS[*kind].group_kind(), reason: reason.as_str() };
            self.unreadable.get_or_create(&labels).set(1);
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.inc_by(bytes as u64);
    }

    pub(crate) fn answered(&self, status: Option<u16>) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.answers.get_or_create(&Status { status }).inc();
    }

    pub(crate) fn connected(&self, connected: bool) {
        self.connected.set(i64::from(connected));
    }

    pub(crate) fn epoch(&self, reason: &'static str) {
        self.epochs.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn listed(&self, plural: &str) {
        self.lists.get_or_create(&Kind { kind: plural.to_owned() }).inc();
    }

    pub(crate) fn watch_ended(&self, plural: &str) {
        self.watches.get_or_create(&Kind { kind: plural.to_owned() }).inc();
    }

    pub(crate) fn skipped(&self, plural: &str) {
        self.skipped.get_or_create(&Kind { kind: plural.to_owned() }).inc();
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
