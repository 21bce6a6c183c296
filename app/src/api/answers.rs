//! What the server functions answer, around the shapes of the contract.

use kubewise_contract::{ClusterStatus, OrganisationRef, Page, Timestamp, Viewer};
use serde::{Deserialize, Serialize};

/// What a page shows, and what time it was on the server when it was read: a view never asks a clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At<T> {
    pub(crate) now: Timestamp,
    pub(crate) body: T,
}

/// What surrounds every page of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) viewer: Viewer,
    /// The organisation in the address.
    pub(crate) here: OrganisationRef,
}

/// One page of a list of a cluster, with what its filters offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing<T> {
    pub(crate) now: Timestamp,
    pub(crate) page: Page<T>,
    /// The cluster's namespaces; empty where the list has no such filter.
    pub(crate) namespaces: Vec<String>,
}

/// How far the installation of an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstallStatus {
    pub(crate) status: ClusterStatus,
    pub(crate) has_token: bool,
    pub(crate) resources: i64,
}
