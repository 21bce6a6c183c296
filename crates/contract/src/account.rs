//! The person who looks, as the pages need them.

use serde::{Deserialize, Serialize};

use crate::{JoinRule, OrgSlug, Permission, Permissions, Provider, Role, Timestamp};

/// The signed-in person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// Name as given at sign-up.
    pub name: String,
    /// E-mail address as given at sign-up.
    pub email: String,
    /// The organisations this person is a member of, by name.
    pub organisations: Vec<OrganisationRef>,
    /// Whether they administer the installation.
    pub is_administrator: bool,
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
    /// Whether they see chosen clusters only.
    pub is_limited: bool,
}

impl OrganisationRef {
    /// Whether the viewer could do something here: for showing or hiding, never for deciding.
    pub fn may(&self, permission: Permission) -> bool {
        Permissions::of(self.role, self.is_limited).contain(permission)
    }
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
    /// Whether a password signs them in.
    pub has_password: bool,
    /// By whom else they can sign in.
    pub provider: Option<Provider>,
}

/// A policy that a person agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedPolicy {
    /// What it is called in addresses, which are `/policies/{policy}/{version}`.
    pub policy: String,
    /// What people call it: `Privacy policy`.
    pub title: String,
    /// The date of the version: `2026-11-28`.
    pub version: String,
    /// When they did.
    pub at: Timestamp,
}

/// Somewhere a person is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Names the session, and does not open it.
    pub id: String,
    /// What browser it is, on what system: `Firefox on Linux`.
    pub browser: String,
    /// From which network they signed in: `198.51.100.0/24`.
    pub place: String,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was used last, to five minutes.
    pub last_seen_at: Timestamp,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// What a person can prove who they are with, besides the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactors {
    /// Since when an authenticator app gives codes, if one does.
    pub app_since: Option<Timestamp>,
    /// Recovery codes that are left.
    pub codes: u32,
    /// Passkeys, oldest first.
    pub passkeys: Vec<PasskeyRow>,
}

impl SecondFactors {
    /// Whether signing in asks for more than one proof.
    pub const fn is_on(&self) -> bool {
        self.app_since.is_some() || !self.passkeys.is_empty()
    }
}

/// What somebody can give as the second proof. No more is told before they gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondProofs {
    /// Codes of an app.
    pub app: bool,
    /// A passkey.
    pub passkey: bool,
}

impl SecondFactors {
    /// Which of them can be given at sign-in.
    pub const fn proofs(&self) -> SecondProofs {
        SecondProofs { app: self.app_since.is_some(), passkey: !self.passkeys.is_empty() }
    }
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRow {
    /// Names it, and does not open anything.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

/// What an authenticator app needs to know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticatorSetup {
    /// The seed in base32, for who cannot scan.
    pub seed: String,
    /// The `otpauth:` address, for an app on the same device.
    pub url: String,
    /// Width and height of the QR code of that address, in squares.
    pub size: u32,
    /// Its dark squares, as the path of an SVG.
    pub dark: String,
}

impl core::fmt::Debug for AuthenticatorSetup {
    // A seed must not get into a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AuthenticatorSetup").finish_non_exhaustive()
    }
}

/// What an organisation asks of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationSettings {
    /// Its name.
    pub name: String,
    /// Whether members without a second factor see nothing of it.
    pub requires_second_factor: bool,
    /// How many members there are.
    pub members: i64,
    /// How many of them have no second factor.
    pub without_second_factor: i64,
    /// Who joins by their address, if anybody does.
    pub join_rule: Option<JoinRule>,
    /// The domain that the viewer could have people join by: theirs, if it is confirmed and not open to anybody.
    pub domain: Option<String>,
}

/// How people sign in and up here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// What the provider is called that people may sign in through, if there is one.
    pub provider: Option<String>,
    /// Whether the site has a name, so that passkeys can belong to it.
    pub passkeys: bool,
    /// Whether anybody may make an account.
    pub sign_up: bool,
}
