//! The same answer to the same request, by its `Idempotency-Key`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use http::StatusCode;
use serde_json::Value;

use crate::{fields::Fields, refused::Refused, shared::locked};

/// What a key was first sent with, and what was answered.
#[derive(Clone, Debug)]
struct Remembered {
    request: (String, Fields),
    answer: (StatusCode, Value),
}

/// One key. Locked for as long as its first request is under way.
type Slot = Arc<tokio::sync::Mutex<Option<Remembered>>>;

#[derive(Debug, Default)]
pub(crate) struct Idempotency {
    slots: Mutex<HashMap<String, Slot>>,
}

/// An answer, and whether it was given before.
pub(crate) type Answer = (StatusCode, Value, bool);

impl Idempotency {
    /// Answers as before, or does it now. What failed on our side is not remembered.
    pub(crate) async fn once(
        &self,
        key: &str,
        request: (String, Fields),
        act: impl Future<Output = (StatusCode, Value)>,
    ) -> Answer {
        let slot = locked(&self.slots).entry(key.to_owned()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(remembered) = slot.as_ref() {
            if remembered.request != request {
                let message = format!(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. \
                     Try using a key other than '{key}' if you meant to execute a different request."
                );
                let refused = Refused::invalid("", message).kind("idempotency_error");
                return (refused.status, refused.body(), false);
            }
            let (status, body) = remembered.answer.clone();
            return (status, body, true);
        }
        let answer = act.await;
        if !answer.0.is_server_error() {
            *slot = Some(Remembered { request, answer: answer.clone() });
        }
        (answer.0, answer.1, false)
    }
}
