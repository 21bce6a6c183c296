//! What is held about people and organisations: taking it out, and having it deleted.

use serde::{Deserialize, Serialize};

use crate::{AcceptedPolicy, ExportId, OrganisationRef, Timestamp};

/// A person's privacy page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy {
    /// What they took out lately, latest first.
    pub exports: Vec<ExportRow>,
    /// What they agreed to, latest first.
    pub agreed: Vec<AcceptedPolicy>,
    /// Whether they are mailed when a policy changes significantly.
    pub policy_mails: bool,
    /// Organisations that they are the only Owner of: these are handed over, or deleted, before the account can be.
    pub only_owner_of: Vec<OrganisationRef>,
    /// The address that their account is known by: typed once more to delete it.
    pub email: String,
}

/// Something that a person takes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRow {
    /// Names it, and does not open it.
    pub id: ExportId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How it is doing.
    pub state: ExportState,
}

/// How something is doing that a person takes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ExportState {
    /// It is being made.
    Making,
    /// It is there, and the link was mailed.
    Ready {
        /// Until then.
        expires_at: Timestamp,
        /// How large it is in the bucket.
        bytes: i64,
    },
    /// The link was used.
    Taken,
    /// Nobody came for it.
    Ended,
}

/// What an organisation does with its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationData {
    /// Its name: typed once more to delete it.
    pub name: String,
    /// Whether who looks may take everything out, and delete it.
    pub is_owner: bool,
    /// When it will be deleted, if that was asked for.
    pub deleted_at: Option<Timestamp>,
    /// Clusters that were deleted, latest first.
    pub deletions: Vec<DeletionRow>,
}

/// A deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionRow {
    /// Names it.
    pub id: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When all was removed; from then on there is a certificate.
    pub ended_at: Option<Timestamp>,
}
