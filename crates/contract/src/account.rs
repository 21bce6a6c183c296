//! The person who looks, as the pages need them.

use serde::{Deserialize, Serialize};

use crate::{OrgSlug, Role, Timestamp};

/// The signed-in person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// Name as given at sign-up.
    pub name: String,
    /// E-mail address as given at sign-up.
    pub email: String,
    /// The organisations this person is a member of, by name.
    pub organisations: Vec<OrganisationRef>,
}

/// An organisation, as seen by one of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationRef {
    /// Its address after `/o/`.
    pub slug: OrgSlug,
    /// Its name.
    pub name: String,
    /// What the viewer is in it.
    pub role: Role,
}

/// A person's account, as they see it themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Name as they write it.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// Whether they proved that they read it.
    pub is_verified: bool,
}

/// Somewhere a person is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Names the session, and does not open it.
    pub id: String,
    /// What browser it is, on what system: `Firefox on Linux`.
    pub browser: String,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was used last, to five minutes.
    pub last_seen_at: Timestamp,
    /// Whether it is the one that asks.
    pub is_current: bool,
}
