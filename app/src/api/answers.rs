//! What the server functions answer, around the shapes of the contract.

use kubewise_contract::{
    ClusterChoice, ClusterStatus, Most, OrganisationData, OrganisationRef, Page, Permission, Plan, Timestamp, TokenId,
    TokenRow, Viewer,
};
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
    /// What members are told on every page.
    pub(crate) notice: Option<String>,
    /// The page that says it better.
    pub(crate) notice_page: String,
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

/// The API tokens that the viewer sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) rows: Vec<TokenRow>,
    /// The one that was made a moment ago.
    pub(crate) made: Option<MadeToken>,
    /// Whether the viewer manages those of the organisation and of others.
    pub(crate) manages: bool,
}

/// A token that is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeToken {
    pub(crate) id: TokenId,
    pub(crate) secret: String,
}

impl std::fmt::Debug for MadeToken {
    // A token must not get into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a new API token can be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenChoices {
    pub(crate) permissions: Vec<Permission>,
    pub(crate) clusters: Vec<ClusterChoice>,
    /// Whether the viewer may make tokens of the organisation.
    pub(crate) manages: bool,
}

/// What an organisation does with its data, and for how long findings and audits of the past are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptData {
    pub(crate) data: OrganisationData,
    pub(crate) plan: Plan,
    /// Days that the plan has.
    pub(crate) plan_days: Most,
    /// Days that are set.
    pub(crate) setting: Option<u32>,
    /// Days that hold.
    pub(crate) effective: Most,
}
