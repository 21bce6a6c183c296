//! Live updates: one stream of events per organisation, opened by the browser. An event says only that something
//! changed; the page that is shown asks again for what it shows: at most once a second what is about one cluster, at most
//! every five seconds what is about all of them, and not while nobody looks.

use std::time::Duration;

use kubewise_contract::LiveEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Event, EventSource, MessageEvent};

use crate::place::org_href;

/// How long changes are gathered before the page asks again.
const GATHER: Duration = Duration::from_secs(1);
/// How long what runs in the clusters may have changed before a page about all of them asks again. Among thousands of
/// clusters one always changes.
const GATHER_ALL: Duration = Duration::from_secs(5);
/// How long after a refused stream it is tried again. A dropped one is reopened by the browser itself.
const RETRY: Duration = Duration::from_secs(5);

/// How the stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Not opened yet (and never, without JavaScript).
    Closed,
    /// Open.
    Open,
    /// Lost; being opened again.
    Lost,
}

#[derive(Clone, Debug)]
enum Changed {
    Nothing,
    Clusters(Vec<LiveEvent>),
    /// Events may have been missed, or this page changed something itself.
    Anything,
}

/// What a page wants to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Whether agents are heard, and everything else.
    Status,
    /// What runs in a cluster.
    Inventory,
}

/// The organisation's live updates; in the context of all its pages.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    stream: RwSignal<Stream>,
    changed: RwSignal<Changed>,
    /// Grows some time after what runs in any cluster changed.
    inventories: RwSignal<u32>,
    /// What happened since the page last asked.
    waiting: StoredValue<Waiting>,
    attempt: RwSignal<u32>,
    /// Grows when the person who looks may have other rights than before.
    members: RwSignal<u32>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<LiveEvent>,
    /// Whether a page about one cluster, and one about all, will be told at the end of a timer.
    soon: bool,
    later: bool,
}

impl Live {
    /// No stream yet.
    pub(crate) fn new() -> Self {
        Self {
            stream: RwSignal::new(Stream::Closed),
            changed: RwSignal::new(Changed::Nothing),
            inventories: RwSignal::new(0),
            waiting: StoredValue::new(Waiting::default()),
            attempt: RwSignal::new(0),
            members: RwSignal::new(0),
        }
    }

    /// How the stream is doing.
    pub(crate) fn stream(self) -> Stream {
        self.stream.get()
    }

    /// Something that differs whenever the person who looks may have other rights than before.
    pub(crate) fn rights(self) -> u32 {
        self.members.get()
    }

    /// Something that differs whenever what a page shows may have changed. With a cluster: only when that one did.
    pub(crate) fn version(
        self,
        interest: Interest,
        cluster: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Memo<(u32, u32)> {
        let cluster = Memo::new(move |_| cluster());
        // A page that is being left asks for nothing more: its cluster may have been deleted just now. By the address, not by
        // what a route made of it: the page that is left keeps its own until the next one is there.
        let path = use_location().pathname;
        let is_here = Memo::new(move |_| {
            cluster.with(|id| id.as_ref().is_none_or(|id| path.with(|path| path.contains(id.as_str()))))
        });
        Memo::new(move |version: Option<&(u32, u32)>| {
            if !is_here.get() {
                return version.copied().unwrap_or_default();
            }
            let cluster = cluster.get();
            let concerns = |event: &LiveEvent| match &cluster {
                Some(id) => *id == event.cluster.to_string() && (interest == Interest::Status || event.inventory),
                None => interest == Interest::Status && !event.inventory,
            };
            let hit = self.changed.with(|changed| match changed {
                Changed::Nothing => false,
                Changed::Anything => true,
                Changed::Clusters(events) => events.iter().any(concerns),
            });
            let inventories = if cluster.is_none() { self.inventories.get() } else { 0 };
            (version.map_or(0, |v| v.0) + u32::from(hit), inventories)
        })
    }

    /// Makes every page ask again: this browser changed something itself.
    pub(crate) fn touch(self) {
        self.changed.try_set(Changed::Anything);
    }

    /// Opens the organisation's stream, in the browser, for as long as the caller lives.
    pub(crate) fn open(self, org: String) {
        Effect::new(move |_| {
            self.attempt.track();
            let opened = Opened::new(self, &org);
            // Dropped, and with it closed, when this effect runs again or its page is left.
            StoredValue::new_local(opened);
            let looked = window_event_listener_untyped("visibilitychange", move |_| self.look());
            on_cleanup(move || looked.remove());
        });
    }

    fn gather(self, event: LiveEvent) {
        let inventory = event.inventory;
        let (soon, later) = self
            .waiting
            .try_update_value(|waiting| {
                if !waiting.events.contains(&event) {
                    waiting.events.push(event);
                }
                let start = (!waiting.soon, inventory && !waiting.later);
                waiting.soon = true;
                waiting.later |= inventory;
                start
            })
            .unwrap_or_default();
        if soon {
            set_timeout(move || self.tell_soon(), GATHER);
        }
        if later {
            set_timeout(move || self.tell_later(), GATHER_ALL);
        }
    }

    fn tell_soon(self) {
        if !is_seen() {
            return;
        }
        let events = self.waiting.try_update_value(|waiting| {
            waiting.soon = false;
            std::mem::take(&mut waiting.events)
        });
        if let Some(events) = events.filter(|events| !events.is_empty()) {
            self.changed.try_set(Changed::Clusters(events));
        }
    }

    fn tell_later(self) {
        if is_seen() && self.waiting.try_update_value(|waiting| std::mem::take(&mut waiting.later)) == Some(true) {
            self.inventories.try_update(|n| *n += 1);
        }
    }

    /// What had to wait until somebody looked.
    fn look(self) {
        self.tell_soon();
        self.tell_later();
    }
}

fn is_seen() -> bool {
    !document().hidden()
}

/// An open event source, with the closures it calls; closed when dropped.
struct Opened {
    source: EventSource,
    _on_change: Closure<dyn FnMut(MessageEvent)>,
    _on_missed: Closure<dyn FnMut(Event)>,
    _on_open: Closure<dyn FnMut(Event)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Opened {
    fn new(live: Live, org: &str) -> Option<Self> {
        let source = EventSource::new(&org_href(org, "/events")).ok()?;
        let on_change = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            let event = message.data().as_string().and_then(|data| serde_json::from_str::<LiveEvent>(&data).ok());
            if let Some(event) = event {
                live.gather(event);
            }
        });
        // Of changes that were too many to be told each, or of what members may do.
        let on_missed = Closure::<dyn FnMut(Event)>::new(move |_| {
            live.touch();
            live.members.try_update(|n| *n += 1);
        });
        let on_open = Closure::<dyn FnMut(Event)>::new(move |_| {
            if live.stream.try_get_untracked() == Some(Stream::Lost) {
                live.touch();
            }
            live.stream.try_set(Stream::Open);
        });
        let on_error = Closure::<dyn FnMut(Event)>::new({
            let source = source.clone();
            move |_| {
                live.stream.try_set(Stream::Lost);
                // The browser reopens what was dropped, but not what was answered with an error, as by a proxy whose
                // server restarts.
                if source.ready_state() == EventSource::CLOSED {
                    let again = move || {
                        live.attempt.try_update(|n| *n += 1);
                    };
                    set_timeout(again, RETRY);
                }
            }
        });
        // Adding a listener does not fail.
        let _ = source.add_event_listener_with_callback("change", on_change.as_ref().unchecked_ref());
        for missed in ["lagged", "members"] {
            let _ = source.add_event_listener_with_callback(missed, on_missed.as_ref().unchecked_ref());
        }
        source.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(Self { source, _on_change: on_change, _on_missed: on_missed, _on_open: on_open, _on_error: on_error })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.source.close();
    }
}
