//! The first line of a batch.

use serde::{Deserialize, Serialize};

/// The first line of a batch: who sends, and where in the conversation this batch belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`crate::PROTOCOL_VERSION`] of the sender.
    pub protocol: u32,
    /// Version of the agent: `0.1.0`.
    pub agent_version: String,
    /// UID of the namespace `kube-system`: what identifies a cluster, by convention. Empty when it may not be read.
    pub cluster_uid: String,
    /// Git version of the API server without its leading `v`: `1.35.4`.
    pub kubernetes_version: String,
    /// One conversation, begun by a full synchronisation. Any number that this cluster has not used before.
    pub epoch: u64,
    /// Counts the batches of an epoch from 0, without gaps.
    pub seq: u64,
    /// What the batch is.
    pub kind: BatchKind,
    /// True on the batch that completes a full synchronisation: with it, what was sent becomes what is seen.
    /// Always true on other kinds.
    pub last: bool,
    /// Kinds that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
}

/// What a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchKind {
    /// A part of everything there is; upserts only.
    Full,
    /// What changed since the batch before.
    Delta,
    /// Nothing changed, the agent is alive; no operations.
    Heartbeat,
}

/// A kind that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Group-kind: `Pod`, `Deployment.apps`.
    pub kind: String,
    /// Why.
    pub reason: UnreadableReason,
}

/// Why a kind could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnreadableReason {
    /// The agent's role does not allow it (401, 403). What the server holds of the kind is dropped.
    Forbidden,
    /// The API behind it does not answer now (503, time-outs). What the server holds of the kind is kept.
    Unavailable,
}

impl UnreadableReason {
    /// As it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}
