//! Who is in an organisation, who was invited, and which tokens there are.

use serde::{Deserialize, Serialize};

use crate::{ClusterId, InvitationId, OrgSlug, Page, Permission, Role, Timestamp, TokenId, UserId};

/// A cluster by name, for choosing and for showing what was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterChoice {
    /// Id.
    pub id: ClusterId,
    /// Name.
    pub name: String,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Names them.
    pub id: UserId,
    /// Name as they write it.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// What they are.
    pub role: Role,
    /// Whether they see chosen clusters only.
    pub is_limited: bool,
    /// Which, of those that the viewer sees.
    pub clusters: Vec<ClusterChoice>,
    /// Whether signing in asks them for more than one proof; told to who may invite.
    pub has_second_factor: Option<bool>,
    /// When they joined.
    pub joined_at: Timestamp,
    /// Whether it is who looks.
    pub is_viewer: bool,
    /// Whether who looks may change or remove them.
    pub can_change: bool,
}

/// A member whose rights are to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub row: MemberRow,
    /// Clusters to choose from.
    pub clusters: Vec<ClusterChoice>,
    /// Whether who looks is an Owner.
    pub is_owner: bool,
}

/// An invitation that waits, or is too old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRow {
    /// Names it, and does not open it.
    pub id: InvitationId,
    /// Who was invited.
    pub email: String,
    /// What they become.
    pub role: Role,
    /// Whether they will see chosen clusters only.
    pub is_limited: bool,
    /// Which.
    pub clusters: Vec<ClusterChoice>,
    /// Who invited.
    pub invited_by: Option<String>,
    /// Until when the link works.
    pub expires_at: Timestamp,
    /// Whether it has ended.
    pub is_expired: bool,
}

/// Who is in an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// One page of the members, by name.
    pub members: Page<MemberRow>,
    /// How many there are.
    pub count: i64,
    /// How many of them are Owners.
    pub owners: i64,
    /// Invitations that wait; empty for who may not invite.
    pub invitations: Vec<InvitationRow>,
    /// Clusters to choose from, for who may invite.
    pub clusters: Vec<ClusterChoice>,
    /// Whether who looks may invite, and change and remove members.
    pub can_manage: bool,
    /// Whether who looks may do so with Owners.
    pub is_owner: bool,
}

/// An invitation, as whoever opens its link sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Where to.
    pub organisation: String,
    /// The address that was invited.
    pub email: String,
    /// What they become.
    pub role: Role,
    /// Whether they will see chosen clusters only.
    pub is_limited: bool,
    /// Who invited.
    pub invited_by: Option<String>,
    /// Whether the address has an account already.
    pub has_account: bool,
    /// The address that is signed in, if somebody is.
    pub signed_in: Option<String>,
}

/// Who joins by the domain of their address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRule {
    /// The domain: `example.com`.
    pub domain: String,
    /// What they become.
    pub role: Role,
}

/// An organisation that a person may join by their address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joinable {
    /// Its address after `/o/`.
    pub slug: OrgSlug,
    /// Its name.
    pub name: String,
    /// What they become.
    pub role: Role,
}

/// An API token, without what opens anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Names it.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// Whose it is; none: the organisation's.
    pub owner: Option<String>,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// Whether it sees chosen clusters only.
    pub is_limited: bool,
    /// Which, of those that the viewer sees.
    pub clusters: Vec<ClusterChoice>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it has ended.
    pub is_expired: bool,
    /// When it was used last, to a minute.
    pub last_used_at: Option<Timestamp>,
}
