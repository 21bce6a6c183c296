//! What the handle, the API, the pages and the deliveries share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;

use crate::{idempotency::Idempotency, options::Options, sent::Sent, state::State, webhooks::Outgoing};

/// A request to the API, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Of the query and the form.
    pub fields: BTreeMap<String, String>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// What goes wrong on demand.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) down: AtomicBool,
    pub(crate) unreachable: AtomicBool,
    pub(crate) slow: Mutex<Duration>,
    /// No answer leaves: every connection breaks instead.
    pub(crate) mute: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    state: Mutex<State>,
    /// Seconds by which the clock was moved.
    moved: AtomicI64,
    pub(crate) faults: Faults,
    pub(crate) requests: Mutex<Vec<Request>>,
    pub(crate) sent: Sent,
    pub(crate) idempotency: Idempotency,
    pub(crate) outgoing: Outgoing,
}

impl Shared {
    pub(crate) fn new(options: Options, state: State, sent: Sent) -> Self {
        Self {
            options,
            state: Mutex::new(state),
            moved: AtomicI64::new(0),
            faults: Faults::default(),
            requests: Mutex::default(),
            sent,
            idempotency: Idempotency::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.options.now)() + self.moved.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.moved.fetch_add(seconds, Ordering::SeqCst);
        self.act(|_| ());
    }

    /// Lets everything due happen, then acts; what both say is delivered.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let now = self.now();
        let done = {
            let mut state = locked(&self.state);
            state.tick(now);
            act(&mut state)
        };
        self.outgoing.wake();
        done
    }

    /// Looks without letting time pass.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&locked(&self.state))
    }

    /// Changes what is no business of time's, like the outbox.
    pub(crate) fn touch<T>(&self, touch: impl FnOnce(&mut State) -> T) -> T {
        let done = touch(&mut locked(&self.state));
        self.outgoing.wake();
        done
    }
}

/// A lock, although another thread panicked in it: what a test failed at is told by that test.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
