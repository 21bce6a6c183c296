//! Events: what changed, as it stood then.

use serde_json::{Map, Value, json};

use crate::{API_VERSION, state::State};

/// An event, as a webhook is sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Its `type`, like `invoice.paid`.
    pub kind: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The JSON that is signed and sent.
    pub body: String,
}

impl State {
    /// Remembers that something changed, and sends it when there is somewhere to.
    pub(crate) fn emit(&mut self, kind: &str, object: Value) {
        self.push_event(kind, json!({ "object": object }));
    }

    /// The same for what looked otherwise before. Nothing when it looks the same.
    pub(crate) fn emit_change(&mut self, kind: &str, before: &Value, after: Value) {
        let previous = previous_attributes(before, &after);
        if !previous.is_empty() {
            self.push_event(kind, json!({"object": after, "previous_attributes": previous}));
        }
    }

    fn push_event(&mut self, kind: &str, data: Value) {
        let id = self.id("evt");
        let created = self.at;
        let body = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": created,
            "data": data,
            "livemode": false,
            "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null},
            "type": kind,
        });
        self.events.push(Event { id, kind: kind.to_owned(), created, body: body.to_string() });
        if self.webhook {
            self.outbox.push_back(self.events.len() - 1);
        }
    }

    /// Sends the last so many events again, of one type or of all.
    pub(crate) fn redeliver(&mut self, kind: Option<&str>, count: usize, reverse: bool) -> usize {
        let matching = self.events.iter().enumerate().rev();
        let matching = matching.filter(|(_, event)| kind.is_none_or(|kind| kind == event.kind));
        let mut places: Vec<usize> = matching.take(count).map(|(place, _)| place).collect();
        if !reverse {
            places.reverse();
        }
        self.outbox.extend(&places);
        places.len()
    }
}

/// What was there before, of the keys that changed.
fn previous_attributes(before: &Value, after: &Value) -> Map<String, Value> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return Map::new() };
    let changed = before.iter().filter(|(key, value)| after.get(*key) != Some(value));
    changed.map(|(key, value)| (key.clone(), value.clone())).collect()
}
