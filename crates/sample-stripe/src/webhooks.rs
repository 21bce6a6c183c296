//! Events, signed and sent, in order, until they are taken.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Serialize;
use tokio::sync::Notify;

use crate::{
    events::Event,
    shared::{Shared, locked},
};

/// The wait after a first failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The header `Stripe-Signature` (docs.stripe.com/webhooks/signature): HMAC-SHA256 over the time and the body, with a dot
/// between. `at`: seconds since 1970.
pub fn signature(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(tag.as_ref()))
}

/// An event that was sent, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// `evt_…`
    pub event: String,
    /// Its type.
    pub kind: String,
    /// What was answered; none when nothing was.
    pub status: Option<u16>,
    /// Seconds since 1970, by `Options::now`: where the clock was moved to does not count.
    pub at: i64,
}

impl Delivery {
    /// Whether it was taken.
    pub fn taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Where events go, and how it went.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) target: Mutex<Option<(String, String)>>,
    held: AtomicBool,
    pub(crate) deliveries: Mutex<Vec<Delivery>>,
    changed: Notify,
}

impl Outgoing {
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
        self.wake();
    }
}

/// Until nothing is left to deliver.
pub(crate) async fn delivered(shared: &Shared) {
    loop {
        let changed = shared.outgoing.changed.notified();
        if shared.look(|state| state.outbox.is_empty()) {
            return;
        }
        changed.await;
    }
}

/// Delivers, for ever.
pub(crate) async fn deliver(shared: Arc<Shared>) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut wait = FIRST_WAIT;
    loop {
        let changed = shared.outgoing.changed.notified();
        let target = locked(&shared.outgoing.target).clone();
        let event = shared.look(|state| state.outbox.front().and_then(|place| state.events.get(*place)).cloned());
        let (Some((url, secret)), Some(event), false) = (target, event, shared.outgoing.held.load(Ordering::SeqCst))
        else {
            changed.await;
            continue;
        };
        // Not the moved clock: as with Stripe's test clocks, a signature is of when it is really sent.
        let at = (shared.options.now)();
        let status = match send(&client, &url, &secret, at, &event).await {
            Ok(status) => Some(status),
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "an event could not be delivered");
                None
            }
        };
        let delivery = Delivery { event: event.id, kind: event.kind, status, at };
        let taken = delivery.taken();
        locked(&shared.outgoing.deliveries).push(delivery);
        if taken {
            wait = FIRST_WAIT;
            shared.touch(|state| state.outbox.pop_front());
        } else {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    secret: &str,
    at: i64,
    event: &Event,
) -> Result<u16> {
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature(secret, at, &event.body))
        .body(Full::new(Bytes::from(event.body.clone())))?;
    let response = tokio::time::timeout(PATIENCE, client.request(request)).await??;
    Ok(response.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Python's `hmac`.
    #[test]
    fn a_signature_is_what_another_implementation_makes() {
        assert_eq!(
            signature("whsec_test", 1_492_774_577, "{}"),
            "t=1492774577,v1=0d0602f6611bd2252dd4b74b58a4528355a7380639a15e6cc21e3059d56d5b8b"
        );
    }
}
