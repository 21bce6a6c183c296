//! What the server answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The answer to an accepted batch (status 200).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncAnswer {
    /// Epoch of the batch that is answered.
    pub epoch: u64,
    /// Sequence number of the batch that is answered.
    pub seq: u64,
    /// Objects per group-kind that the server now holds and shows. While a full synchronisation is under way these
    /// are still the figures from before it.
    pub totals: BTreeMap<String, u64>,
    /// How long the agent may be quiet, in seconds, before it sends a heartbeat.
    pub heartbeat_seconds: u64,
}

/// The answer to a refused batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// For programs.
    pub error: ErrorCode,
    /// For the agent's log: one sentence that says what to do.
    pub message: String,
}

/// Why a batch was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 401: the token is unknown or was revoked.
    Unauthorized,
    /// 402: the organisation's plan does not allow more.
    PlanLimit,
    /// 409: begin a new epoch with a full synchronisation.
    NewEpoch,
    /// 413: the batch is larger than the server takes.
    TooLarge,
    /// 415: not zstd-compressed NDJSON.
    UnsupportedMediaType,
    /// 422: the batch cannot be understood; nothing of it was applied.
    Malformed,
    /// 426: the agent is too old for this server.
    ProtocolTooOld,
    /// 429: the server is busy; send the same batch again after `Retry-After` seconds.
    Busy,
    /// 500, 503: a fault on the server's side; send the same batch again, later each time.
    Unavailable,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::PlanLimit => 402,
            Self::NewEpoch => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Malformed => 422,
            Self::ProtocolTooOld => 426,
            Self::Busy => 429,
            Self::Unavailable => 503,
        }
    }
}
