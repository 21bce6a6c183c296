//! The person who looks, as the pages need them.

use serde::{Deserialize, Serialize};

use crate::{OrgSlug, Role};

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
