//! Members: who is in an organisation, in which role, limited to which clusters. Whoever changes that waits for others
//! who do, and proves to still have the right to when it is their turn; the database has the last word on there being an
//! Owner (migration 0010).

use kubewise_contract::{
    Access, Action, ClusterChoice, ClusterId, Field, FieldError, InvitationId, InvitationRow, ListQuery, Member,
    MemberRow, OrgId, Page, Permission, Problem, Role, Team, UserId,
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Actor, Authorized, Error, Organisation, Web,
    activity::Entry,
    authorize::{self, Right, Write},
    inventory::cursor,
    live,
    permission::{Grant, ManageOwnership, ManageTeam, ViewOrganisation, ViewTeam},
    world::timestamp,
};

/// Clusters that are offered to choose from.
const CHOICES: i64 = 1_000;
/// Invitations that are shown; there can be no more that wait.
pub(crate) const WAITING: i64 = 200;

impl Web {
    /// Who is in the organisation; for who may invite also who was invited. Who asks by a token is whose token it is.
    pub async fn team(&self, org: &Authorized<Organisation, ViewTeam>, query: &ListQuery) -> Result<Team, Error> {
        let (can_manage, is_owner) = (org.may(Permission::ManageTeam), org.may(Permission::ManageOwnership));
        let mut tx = org.read(&self.pool).await?;
        let clusters = choices(&mut tx, org).await?;
        let members = members(&mut tx, org, query, None, &clusters).await?;
        let counts = sqlx::query!(
            r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE role = 'owner') AS "owners!"
               FROM memberships WHERE org_id = $1"#,
            org.id.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        let invitations =
            if can_manage { self.waiting_invitations(&mut tx, org.id, &clusters).await? } else { Vec::new() };
        tx.commit().await?;
        Ok(Team {
            members,
            count: counts.all,
            owners: counts.owners,
            invitations,
            clusters: if can_manage { clusters } else { Vec::new() },
            can_manage,
            is_owner,
        })
    }

    /// One member, as who changes what they may do needs it: with the clusters to choose from.
    pub async fn member(&self, org: &Authorized<Organisation, ManageTeam>, member: UserId) -> Result<Member, Error> {
        let mut tx = org.read(&self.pool).await?;
        let clusters = choices(&mut tx, org).await?;
        let found = members(&mut tx, org, &ListQuery::default(), Some(member), &clusters).await?;
        tx.commit().await?;
        let row = found.rows.into_iter().next().ok_or(Error::NotFound)?;
        Ok(Member { row, clusters, is_owner: org.may(Permission::ManageOwnership) })
    }

    async fn waiting_invitations(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        clusters: &[ClusterChoice],
    ) -> Result<Vec<InvitationRow>, Error> {
        let now = self.world.now();
        let rows = sqlx::query!(
            r#"SELECT i.id, i.email, i.role, i.clusters, i.expires_at, u.name AS "invited_by?"
               FROM invitations i LEFT JOIN users u ON u.id = i.invited_by
               WHERE i.org_id = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL
               ORDER BY i.created_at DESC, i.id LIMIT $2"#,
            org.0,
            WAITING,
        )
        .fetch_all(tx)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(InvitationRow {
                    id: InvitationId(row.id),
                    email: row.email,
                    role: authorize::parse_role(&row.role)?,
                    is_limited: row.clusters.is_some(),
                    clusters: named(row.clusters, clusters),
                    invited_by: row.invited_by,
                    expires_at: timestamp(row.expires_at),
                    is_expired: row.expires_at <= now,
                })
            })
            .collect()
    }

    /// Changes what a member may do. `lately`: whether who asks proved so lately, which is asked for where ownership is
    /// given or taken.
    pub async fn change_member(
        &self,
        org: &Authorized<Organisation, ManageTeam>,
        member: UserId,
        access: &Access,
        lately: bool,
    ) -> Result<(), Error> {
        let mut tx = org.write_alone(self).await?;
        let clusters = checked_clusters(&mut tx, org.id, access).await?;
        let before = membership(&mut tx, org.id, member).await?;
        ownership(tx.may(Permission::ManageOwnership), &[before.role, access.role], lately)?;
        if before.role == Role::Owner && access.role != Role::Owner {
            keep_an_owner(&mut tx, org.id, member).await?;
        }
        set_access(&mut tx, org.id, member, access.role, clusters.as_deref()).await?;
        live::notify_members(&mut tx, org.id).await?;
        let after =
            Access { role: access.role, clusters: clusters.map(|ids| ids.into_iter().map(ClusterId).collect()) };
        let entry = Entry::person(Action::MemberChange, member);
        tx.commit(entry.before(described(&before)).after(described(&after))).await
    }

    /// Ends a membership, and with it the member's tokens.
    pub async fn remove_member(
        &self,
        org: &Authorized<Organisation, ManageTeam>,
        member: UserId,
        lately: bool,
    ) -> Result<(), Error> {
        let mut tx = org.write_alone(self).await?;
        let before = membership(&mut tx, org.id, member).await?;
        ownership(tx.may(Permission::ManageOwnership), &[before.role], lately)?;
        end_membership(tx, org, member, &before, Action::MemberRemove).await
    }

    /// Ends one's own membership. The last Owner cannot.
    pub async fn leave(&self, org: &Authorized<Organisation, ViewOrganisation>, actor: &Actor) -> Result<(), Error> {
        let mut tx = org.write_alone(self).await?;
        let before = membership(&mut tx, org.id, actor.user).await?;
        end_membership(tx, org, actor.user, &before, Action::MemberLeave).await
    }

    /// Makes a member Owner, and who asks an Admin: both, or nothing.
    pub async fn transfer_ownership(
        &self,
        org: &Authorized<Organisation, ManageOwnership>,
        actor: &Actor,
        to: UserId,
    ) -> Result<(), Error> {
        let mut tx = org.write_alone(self).await?;
        let before = membership(&mut tx, org.id, to).await?;
        if to == actor.user {
            return Err(Error::NotFound);
        }
        set_access(&mut tx, org.id, to, Role::Owner, None).await?;
        set_access(&mut tx, org.id, actor.user, Role::Admin, None).await?;
        live::notify_members(&mut tx, org.id).await?;
        let entry = Entry::person(Action::OwnershipTransfer, to);
        let after = Access { role: Role::Owner, clusters: None };
        tx.commit(entry.before(described(&before)).after(described(&after))).await
    }
}

/// One page of the members by name, or one member.
async fn members<P>(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, P>,
    query: &ListQuery,
    only: Option<UserId>,
    clusters: &[ClusterChoice],
) -> Result<Page<MemberRow>, Error> {
    let viewer = org.holder().by.person();
    let (can_manage, is_owner) = (org.may(Permission::ManageTeam), org.may(Permission::ManageOwnership));
    let [name, id] = cursor::decode(query.after.as_ref())?;
    let rows = sqlx::query!(
        r#"SELECT m.user_id, u.name, u.email, m.role, m.clusters, m.created_at, lower(u.name) AS "key!",
                  EXISTS (SELECT FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL)
                  OR EXISTS (SELECT FROM passkeys p WHERE p.user_id = u.id) AS "has_second_factor!"
           FROM memberships m JOIN users u ON u.id = m.user_id
           WHERE m.org_id = $1 AND (lower(u.name), m.user_id) > ($2, $3)
             AND ($4::text IS NULL OR u.name ILIKE $4 OR u.email ILIKE $4)
             AND ($6::uuid IS NULL OR m.user_id = $6)
           ORDER BY lower(u.name), m.user_id LIMIT $5"#,
        org.id.0,
        name,
        cursor::uid(&id),
        cursor::pattern(query.q.as_deref()),
        cursor::ONE_MORE,
        only.map(|user| user.0),
    )
    .fetch_all(tx)
    .await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let role = authorize::parse_role(&row.role)?;
        members.push((
            row.key,
            MemberRow {
                id: UserId(row.user_id),
                name: row.name,
                email: row.email,
                role,
                is_limited: row.clusters.is_some(),
                clusters: named(row.clusters, clusters),
                has_second_factor: can_manage.then_some(row.has_second_factor),
                joined_at: timestamp(row.created_at),
                is_viewer: viewer == Some(UserId(row.user_id)),
                can_change: can_manage && (role != Role::Owner || is_owner),
            },
        ));
    }
    let page = cursor::page(members, |(key, row)| vec![key.clone(), row.id.to_string()]);
    Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
}

async fn end_membership<P: Grant>(
    mut tx: Write<'_>,
    org: &Authorized<Organisation, P>,
    member: UserId,
    before: &Access,
    action: Action,
) -> Result<(), Error> {
    if before.role == Role::Owner {
        keep_an_owner(&mut tx, org.id, member).await?;
    }
    sqlx::query!("DELETE FROM memberships WHERE org_id = $1 AND user_id = $2", org.id.0, member.0)
        .execute(&mut *tx)
        .await?;
    live::notify_members(&mut tx, org.id).await?;
    tx.commit(Entry::person(action, member).before(described(before))).await
}

/// What somebody holds; whoever else would change it waits.
async fn membership(tx: &mut PgConnection, org: OrgId, member: UserId) -> Result<Access, Error> {
    Right::Member(org, member).take(tx).await?;
    let row = sqlx::query!(
        "SELECT role, clusters FROM memberships WHERE org_id = $1 AND user_id = $2 FOR UPDATE",
        org.0,
        member.0,
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound)?;
    authorize::access(&row.role, row.clusters)
}

async fn set_access(
    tx: &mut PgConnection,
    org: OrgId,
    member: UserId,
    role: Role,
    clusters: Option<&[Uuid]>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE memberships SET role = $3, clusters = $4 WHERE org_id = $1 AND user_id = $2",
        org.0,
        member.0,
        role.as_str(),
        clusters,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Refuses what would leave no Owner but this one, who is about to be none.
async fn keep_an_owner(tx: &mut PgConnection, org: OrgId, but: UserId) -> Result<(), Error> {
    let another = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM memberships WHERE org_id = $1 AND role = 'owner' AND user_id <> $2) AS "is!""#,
        org.0,
        but.0,
    )
    .fetch_one(tx)
    .await?;
    if another { Ok(()) } else { Err(Error::LastOwner) }
}

/// Ownership is given and taken by Owners alone, who proved lately that it is them.
pub(crate) fn ownership(is_owner: bool, roles: &[Role], lately: bool) -> Result<(), Error> {
    if !roles.contains(&Role::Owner) {
        return Ok(());
    }
    if !is_owner {
        return Err(Error::Forbidden);
    }
    if lately { Ok(()) } else { Err(Error::ProofNeeded) }
}

/// The clusters that somebody is to be limited to: some, and all of them of the organisation.
pub(crate) async fn checked_clusters(
    tx: &mut PgConnection,
    org: OrgId,
    access: &Access,
) -> Result<Option<Vec<Uuid>>, Error> {
    let wrong = |problem| Err(FieldError { field: Field::Clusters, problem }.into());
    let Some(clusters) = &access.clusters else { return Ok(None) };
    if !access.role.can_be_limited() {
        return wrong(Problem::NotForThisRole);
    }
    let mut ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return wrong(Problem::Missing);
    }
    let known = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM clusters WHERE org_id = $1 AND id = ANY ($2) AND deleted_at IS NULL"#,
        org.0,
        &ids,
    )
    .fetch_one(tx)
    .await?;
    if usize::try_from(known) == Ok(ids.len()) { Ok(Some(ids)) } else { wrong(Problem::NotUnderstood) }
}

/// The clusters that the holder sees, by name.
pub(crate) async fn choices<P>(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, P>,
) -> Result<Vec<ClusterChoice>, Error> {
    let rows = sqlx::query!(
        "SELECT id, name FROM clusters
         WHERE org_id = $1 AND deleted_at IS NULL AND ($2::uuid[] IS NULL OR id = ANY ($2)) ORDER BY name LIMIT $3",
        org.id.0,
        org.holder().scope.column(),
        CHOICES,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ClusterChoice { id: ClusterId(row.id), name: row.name }).collect())
}

/// Those of them that are known, with their names.
pub(crate) fn named(ids: Option<Vec<Uuid>>, known: &[ClusterChoice]) -> Vec<ClusterChoice> {
    let ids = ids.unwrap_or_default();
    known.iter().filter(|choice| ids.contains(&choice.id.0)).cloned().collect()
}

/// As the activity log writes it.
pub(crate) fn described(access: &Access) -> Value {
    match &access.clusters {
        None => json!({ "role": access.role }),
        Some(clusters) => json!({ "role": access.role, "clusters": clusters }),
    }
}
