//! Who is in the organisation.

use axum::{Json, extract::State};
use kubewise_backend::{Web, permission::ViewTeam};
use kubewise_contract::{Cursor, ListQuery, MemberRow, Role as Is};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asks::Asks,
    input::Query,
    page::{ClusterRef, List, Moment},
    problem::Problem,
};

/// Which members.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MembersQuery {
    /// Only those whose name or address contains this text.
    #[param(nullable = false)]
    q: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
}

/// What a member is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Everything.
    Owner,
    /// Everything but ownership.
    Admin,
    /// Clusters.
    Operator,
    /// Reads.
    Viewer,
    /// Billing only.
    Billing,
}

impl From<Is> for Role {
    fn from(role: Is) -> Self {
        match role {
            Is::Owner => Self::Owner,
            Is::Admin => Self::Admin,
            Is::Operator => Self::Operator,
            Is::Viewer => Self::Viewer,
            Is::Billing => Self::Billing,
        }
    }
}

/// A member.
#[derive(Serialize, ToSchema)]
pub(super) struct Member {
    /// Their id.
    id: Uuid,
    /// Their name.
    #[schema(example = "Maya Duran")]
    name: String,
    /// The address that they sign in with.
    #[schema(example = "maya@example.com")]
    email: String,
    /// What they are.
    role: Role,
    /// Whether they see chosen clusters only.
    is_limited: bool,
    /// Which, of those that the token sees.
    clusters: Vec<ClusterRef>,
    /// When they joined.
    joined_at: Moment,
}

impl From<MemberRow> for Member {
    fn from(member: MemberRow) -> Self {
        Self {
            id: member.id.0,
            name: member.name,
            email: member.email,
            role: member.role.into(),
            is_limited: member.is_limited,
            clusters: member.clusters.into_iter().map(ClusterRef::from).collect(),
            joined_at: member.joined_at.into(),
        }
    }
}

/// Lists members
///
/// By name.
#[utoipa::path(
    get,
    path = "/v1/members",
    tag = "members",
    params(MembersQuery),
    responses((status = 200, description = "One page of them.", body = List<Member>)),
)]
pub(super) async fn list_members(
    State(web): State<Web>,
    Asks(organisation): Asks<ViewTeam>,
    Query(query): Query<MembersQuery>,
) -> Result<Json<List<Member>>, Problem> {
    let query = ListQuery { q: query.q, after: query.after.map(Cursor), ..ListQuery::default() };
    let team = web.team(&organisation, &query).await?;
    Ok(Json(List::of(team.members, Member::from)))
}
