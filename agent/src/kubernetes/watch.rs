//! The changes of a kind, as they happen.

use std::time::Duration;

use kubewise_protocol::WatchedKind;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::client::{Kubernetes, Parts, Status};
use super::error::ApiError;
use crate::object::{Read, Reader, uid_and_version};

/// How much longer than agreed the server may keep a watch open before the connection is taken for dead.
const GRACE: Duration = Duration::from_secs(30);

/// The longest line that is taken.
const LONGEST_LINE: usize = 16 << 20;

/// One change.
pub(super) enum Seen {
    /// The object is there, and looks like this.
    Upsert(Box<Read>),
    /// The object is gone.
    Delete(Uuid, Option<String>),
    /// Nothing happened up to this version.
    Bookmark(String),
}

/// A watch that is open.
pub(super) struct Watch<'a> {
    reader: &'a Reader,
    kind: &'static WatchedKind,
    parts: Parts,
    patience: Duration,
    buffer: Vec<u8>,
    /// Up to here, the buffer has been read.
    read: usize,
    /// Up to here, the buffer holds no line feed.
    searched: usize,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl<'a> Watch<'a> {
    /// Begins to watch what follows this version.
    pub(super) async fn open(
        kubernetes: &Kubernetes,
        reader: &'a Reader,
        kind: &'static WatchedKind,
        since: &str,
        seconds: u64,
    ) -> Result<Self, ApiError> {
        let parts = kubernetes.watch(kind, since, seconds).await?;
        let patience = Duration::from_secs(seconds) + GRACE;
        Ok(Self { reader, kind, parts, patience, buffer: Vec::new(), read: 0, searched: 0 })
    }

    /// The next change; none when the server has closed the watch.
    pub(super) async fn next(&mut self) -> Result<Option<Seen>, ApiError> {
        loop {
            if let Some(length) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let end = self.searched + length;
                let line = self.read..end;
                self.read = end + 1;
                self.searched = self.read;
                if !self.buffer[line.clone()].trim_ascii().is_empty() {
                    return self.event(&self.buffer[line]).map(Some);
                }
                continue;
            }
            self.buffer.drain(..self.read);
            self.read = 0;
            self.searched = self.buffer.len();
            if self.searched == 0 {
                // One large object must not be paid for until the end of days.
                self.buffer.shrink_to(64 << 10);
            }
            match self.parts.next_within(self.patience).await? {
                Some(part) if self.searched + part.len() <= LONGEST_LINE => self.buffer.extend_from_slice(&part),
                Some(_) => return Err(ApiError::unavailable("a change is too long")),
                // A line that was not ended was not sent.
                None => return Ok(None),
            }
        }
    }

    fn event(&self, line: &[u8]) -> Result<Seen, ApiError> {
        let Line { event, object } =
            serde_json::from_slice(line).map_err(|_| ApiError::unavailable("the watch sent what is no event"))?;
        let object = object.get().as_bytes();
        match event {
            "ADDED" | "MODIFIED" => Ok(Seen::Upsert(Box::new(self.reader.read(self.kind, object)))),
            "DELETED" => {
                let (uid, version) = uid_and_version(object)
                    .ok_or_else(|| ApiError::unavailable("the watch sent a deletion without a UID"))?;
                Ok(Seen::Delete(uid, version))
            }
            "BOOKMARK" => Ok(Seen::Bookmark(bookmark(object).unwrap_or_default())),
            "ERROR" => Err(match serde_json::from_slice::<Status>(object) {
                Ok(status) => status.into_error(None),
                Err(_) => ApiError::unavailable("the watch ended with an error"),
            }),
            _ => Err(ApiError::unavailable("the watch sent an unknown event")),
        }
    }
}

fn bookmark(object: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Partial {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
    }
    let Partial { metadata } = serde_json::from_slice(object).ok()?;
    Some(metadata.resource_version)
}
