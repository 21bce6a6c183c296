//! What the agent and the server agree on: the ingest protocol, version 1.
//!
//! A batch is the body of one `POST /ingest/v1/sync`: a zstd frame of newline-delimited JSON. The first line is the
//! [`Header`], each further line one operation:
//!
//! ```json
//! {"protocol":1,"agent_version":"0.1.0","cluster_uid":"…","kubernetes_version":"1.35.4","epoch":1,"seq":0,"kind":"full","last":true}
//! {"op":"upsert","resource":{"apiVersion":"v1","kind":"Pod","metadata":{"uid":"…","name":"…"}}}
//! {"op":"delete","uid":"0e8a3b5e-…"}
//! ```
//!
//! The rules of epochs and sequence numbers, and what each status means, are in `docs/protocol.md`.
#![warn(missing_docs)]

mod answer;
mod decode;
mod encode;
mod header;
mod kinds;

pub use answer::{ErrorAnswer, ErrorCode, SyncAnswer};
pub use decode::{DecodeError, Decoder, Limits, Operation};
pub use encode::Encoder;
pub use header::{BatchKind, Header, Unreadable, UnreadableReason};
pub use kinds::{KINDS, MOST_VULNERABILITIES, VULNERABILITY_REPORT, WatchedKind, group_kind};

/// The version of this protocol, and the oldest that a server of this version accepts.
pub const PROTOCOL_VERSION: u32 = 1;

/// Media type of a batch.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// `Content-Encoding` of a batch.
pub const CONTENT_ENCODING: &str = "zstd";

/// Where batches are sent, below the server's address.
pub const SYNC_PATH: &str = "/ingest/v1/sync";
