//! WATCH: changes as they happen, a JSON line each.
//!
//! A watch holds a position in the history and nothing else, so a reader that is slow costs no memory: when the
//! history has moved on past it, it gets 410 like any other reader of an old revision.

use std::{collections::VecDeque, io, pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tokio::{
    sync::watch::Receiver,
    time::{Interval, MissedTickBehavior, Sleep},
};

use super::{
    answer::{BEFORE_BREAKING, Status, json_bytes, push_typed, type_prefix},
    target::{Query, ResourceTarget, is_true},
};
use crate::{cluster::Shared, faults::Effect, history::EventType, resource_type::ResourceType, store::Store};

/// How long a watch lasts that does not say: within the 30 to 60 minutes of kube-apiserver's --min-request-timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);
/// kube-apiserver sends bookmarks about once a minute; here they come often enough for a test to see one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(10);
/// Most changes that are written at once.
const BATCH: usize = 256;

struct Watch {
    shared: Arc<Shared>,
    kind: Arc<ResourceType>,
    collection: usize,
    key_prefix: String,
    type_prefix: String,
    revision: u64,
    /// Objects there are already, for a watch that begins with them.
    initial: VecDeque<Bytes>,
    /// Send the bookmark that ends the initial events.
    initial_bookmark: bool,
    revisions: Receiver<u64>,
    closings: Receiver<u64>,
    timeout: Pin<Box<Sleep>>,
    bookmarks: Option<Interval>,
    /// Events that may still be sent, and whether the end is abrupt.
    until_closed: Option<(usize, bool)>,
    ended: bool,
}

/// Begins a watch.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    store: &Store,
    collection: usize,
    target: &ResourceTarget,
    query: &Query,
    effect: &Effect,
) -> Response {
    let kind = Arc::clone(store.kind(collection));
    let key_prefix = target.namespace.as_ref().map(|n| format!("{n}/")).unwrap_or_default();
    let asked = query.resource_version.as_deref().unwrap_or_default();
    let Ok(asked) = (if asked.is_empty() { Ok(0) } else { asked.parse::<u64>() }) else {
        return Status::bad_request(format!("Invalid value: \"{asked}\": strconv.ParseUint: invalid syntax"))
            .into_response();
    };
    let list_first = is_true(query.send_initial_events.as_ref());
    let begins_with_all = asked == 0 || list_first;
    let too_old = match effect {
        Effect::Gone => true,
        // A revision from the future is one of an earlier life of this API: its history is unknown here.
        _ => {
            !begins_with_all
                && (asked > store.revision() || store.changes_after(asked, collection, &key_prefix, 0).is_err())
        }
    };
    if too_old {
        return json_bytes(error_event(asked, store.revision()));
    }
    let initial: VecDeque<Bytes> = if begins_with_all {
        let objects = store.objects(collection).iter();
        objects.filter(|(key, _)| key.starts_with(&key_prefix)).map(|(_, object)| object.clone()).collect()
    } else {
        VecDeque::new()
    };
    let bookmarks = is_true(query.allow_watch_bookmarks.as_ref()).then(|| {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    });
    let watch = Watch {
        shared: Arc::clone(shared),
        type_prefix: type_prefix(&kind),
        kind,
        collection,
        key_prefix,
        revision: if begins_with_all { store.revision() } else { asked },
        initial,
        initial_bookmark: list_first,
        revisions: shared.revisions.subscribe(),
        closings: shared.closings.subscribe(),
        timeout: Box::pin(tokio::time::sleep(query.timeout_seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs))),
        bookmarks,
        until_closed: match effect {
            Effect::CloseWatch { after, abruptly } => Some((*after, *abruptly)),
            _ => None,
        },
        ended: false,
    };
    let mut response = json_bytes(Bytes::new());
    *response.body_mut() = Body::from_stream(stream::unfold(watch, Watch::next));
    response
}

impl Watch {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.ended {
            return None;
        }
        loop {
            if let Some((0, abruptly)) = self.until_closed {
                self.ended = true;
                if !abruptly {
                    return None;
                }
                tokio::time::sleep(BEFORE_BREAKING).await;
                return Some((Err(io::Error::other("the watch was told to break")), self));
            }
            let lines = self.lines();
            if !lines.is_empty() {
                return Some((Ok(lines.into()), self));
            }
            tokio::select! {
                changed = self.revisions.changed() => {
                    // The store is gone only when the whole cluster is.
                    changed.ok()?;
                }
                closed = self.closings.changed() => {
                    closed.ok()?;
                    return None;
                }
                () = &mut self.timeout => {
                    self.ended = true;
                    self.bookmarks.as_ref()?;
                    let bookmark = self.bookmark(false);
                    return Some((Ok(bookmark.into()), self));
                }
                () = tick(self.bookmarks.as_mut()) => {
                    let bookmark = self.bookmark(false);
                    return Some((Ok(bookmark.into()), self));
                }
            }
        }
    }

    /// What there is to send now.
    fn lines(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let room = self.until_closed.map_or(BATCH, |(left, _)| left.min(BATCH));
        if !self.initial.is_empty() || self.initial_bookmark {
            let count = room.min(self.initial.len());
            for object in self.initial.drain(..count) {
                event(&mut out, EventType::Added, &self.type_prefix, &object);
            }
            self.sent(count);
            if self.initial.is_empty() && self.initial_bookmark {
                self.initial_bookmark = false;
                out.extend_from_slice(&self.bookmark(true));
            }
            return out;
        }
        self.revisions.borrow_and_update();
        let store = self.shared.store();
        match store.changes_after(self.revision, self.collection, &self.key_prefix, room) {
            Ok(changes) => {
                // Fewer than there was room for: everything up to now was seen.
                self.revision = match changes.last() {
                    Some(last) if changes.len() == room => last.revision,
                    _ => store.revision(),
                };
                drop(store);
                for change in &changes {
                    event(&mut out, change.event, &self.type_prefix, &change.object);
                }
                self.sent(changes.len());
            }
            Err(too_old) => {
                drop(store);
                self.ended = true;
                out = error_event(self.revision, too_old.oldest);
            }
        }
        out
    }

    fn sent(&mut self, events: usize) {
        if let Some((left, _)) = &mut self.until_closed {
            *left = left.saturating_sub(events);
        }
    }

    fn bookmark(&self, initial_events_end: bool) -> Vec<u8> {
        let mut metadata = json!({"resourceVersion": self.revision.to_string(), "creationTimestamp": null});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"apiVersion": self.kind.api_version(), "kind": self.kind.kind, "metadata": metadata});
        format!("{}\n", json!({"type": "BOOKMARK", "object": object})).into_bytes()
    }
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

fn event(out: &mut Vec<u8>, event: EventType, prefix: &str, object: &[u8]) {
    out.extend_from_slice(format!(r#"{{"type":"{}","object":"#, event.as_str()).as_bytes());
    push_typed(out, prefix, object);
    out.extend_from_slice(b"}\n");
}

fn error_event(asked: u64, oldest: u64) -> Vec<u8> {
    let status = Status::expired(format!("too old resource version: {asked} ({oldest})")).body();
    format!("{}\n", json!({"type": "ERROR", "object": status})).into_bytes()
}
