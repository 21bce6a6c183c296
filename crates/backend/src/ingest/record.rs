//! One object, ready to be stored.

use time::OffsetDateTime;
use uuid::Uuid;

/// One object, ready to be stored: what lists need as columns, the rest compressed.
#[derive(Clone, Debug)]
pub struct Record {
    /// `metadata.uid`
    pub uid: Uuid,
    /// Group-kind.
    pub kind: String,
    /// `apps/v1`
    pub api_version: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `metadata.creationTimestamp`
    pub created_at: Option<OffsetDateTime>,
    /// True for what a person deployed.
    pub workload: bool,
    /// [`kubewise_contract::Health`] as the database spells it.
    pub health: &'static str,
    /// Replicas ready.
    pub ready: Option<i32>,
    /// Replicas asked for.
    pub desired: Option<i32>,
    /// Application it belongs to.
    pub application: Option<String>,
    /// [`kubewise_contract::AppSource`] as the database spells it.
    pub app_source: Option<&'static str>,
    /// Version that it says it is.
    pub app_version: Option<String>,
    /// Distinct images of its pod (template), sorted.
    pub images: Vec<String>,
    /// Controlling owner.
    pub owner: Option<Owner>,
    /// Node it runs on.
    pub node: Option<String>,
    /// What only nodes, namespaces and reports of scanners have.
    pub info: Option<serde_json::Value>,
    /// First half of the SHA-256 of the JSON.
    pub hash: [u8; 16],
    /// The JSON, zstd.
    pub manifest: Vec<u8>,
}

/// The controlling owner of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// UID.
    pub uid: Uuid,
    /// Group-kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Why an object cannot be stored. Says nothing of its content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unfit {
    /// Not an object as Kubernetes writes them.
    #[error("the resource is not a Kubernetes object (at column {0})")]
    NotAnObject(usize),
    /// A field is missing, too long, or holds what Kubernetes would not accept.
    #[error("{0} is missing or not what Kubernetes accepts")]
    Field(&'static str),
    /// Agents must never send these.
    #[error("resources of kind {0} are never accepted")]
    Secret(&'static str),
}
