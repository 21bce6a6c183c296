//! A lookup is the authorization: it returns an [`Authorized`] value, and what reads or writes accepts nothing weaker.

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use kubewise_contract::{Access, ClusterId, OrgId, OrgSlug, Permission, Permissions, Role, TokenId, UserId};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Web,
    activity::Entry,
    database::{self, Scope},
};

/// Permissions as types, so that what a function needs is in its signature.
pub mod permission {
    use kubewise_contract::Permission;

    /// A permission as a type.
    pub trait Grant: Send + Sync + 'static {
        /// The permission that is needed.
        const PERMISSION: Permission;
    }

    macro_rules! grant {
        ($($name:ident),* $(,)?) => {$(
            #[doc = concat!("[`Permission::", stringify!($name), "`] as a type.")]
            #[derive(Debug)]
            pub enum $name {}
            impl Grant for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*};
    }

    grant!(
        ViewOrganisation,
        ViewInventory,
        ManageClusters,
        AddClusters,
        RunAudits,
        WaiveFindings,
        ManagePolicies,
        ViewTeam,
        ManageTeam,
        ManageOwnership,
        ManageOrganisation,
        ViewActivity,
        MakeTokens,
        ManageTokens,
        ManageNotifications,
        ManageBilling,
    );
}

/// Proof that somebody holds permission `P` on a `T`. Only this module can make one.
#[derive(Debug)]
pub struct Authorized<T, P> {
    subject: T,
    holder: Holder,
    permission: PhantomData<P>,
}

impl<T, P> Deref for Authorized<T, P> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.subject
    }
}

impl<T, P> Authorized<T, P> {
    /// Whether the same person could do more here: for showing or hiding, never for deciding.
    pub const fn may(&self, permission: Permission) -> bool {
        self.holder.permissions.contain(permission)
    }

    /// Whether the same person sees this cluster.
    pub fn sees(&self, cluster: ClusterId) -> bool {
        self.holder.scope.sees(cluster)
    }

    pub(crate) const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// A transaction that reads what the holder sees.
    pub(crate) async fn read(&self, pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
        self.holder.read(pool).await
    }
}

impl<T, P: permission::Grant> Authorized<T, P> {
    /// A transaction that changes something, in the right of the holder: whoever takes that right away waits until it
    /// has ended, or was faster, and then nothing is done.
    pub(crate) async fn write<'a>(&'a self, web: &'a Web) -> Result<Write<'a>, Error> {
        let mut tx = self.read(&web.pool).await?;
        let held = self.holder.still_holds(&mut tx, P::PERMISSION, web.world.now()).await?;
        Ok(Write { tx, web, holder: &self.holder, held })
    }

    /// The same for who changes what others may do. One after the other within an organisation, so that two who take
    /// each other's rights away do not wait for each other.
    pub(crate) async fn write_alone<'a>(&'a self, web: &'a Web) -> Result<Write<'a>, Error> {
        let mut tx = self.read(&web.pool).await?;
        sqlx::query!("SELECT id FROM organisations WHERE id = $1 FOR NO KEY UPDATE", self.holder.org.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::NotFound)?;
        let held = self.holder.still_holds(&mut tx, P::PERMISSION, web.world.now()).await?;
        Ok(Write { tx, web, holder: &self.holder, held })
    }
}

/// Who does something, where, and what they may.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) by: Author,
    /// From which network.
    pub(crate) place: String,
    pub(crate) org: OrgId,
    pub(crate) permissions: Permissions,
    pub(crate) scope: Scope,
}

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A person.
    Person(UserId),
    /// A token: of a person, or of the organisation.
    Token { id: TokenId, of: Option<UserId> },
}

impl Author {
    /// The person, if there is one.
    pub(crate) const fn person(self) -> Option<UserId> {
        match self {
            Self::Person(user) => Some(user),
            Self::Token { of, .. } => of,
        }
    }

    /// The token, if it is by one.
    pub(crate) const fn token(self) -> Option<TokenId> {
        match self {
            Self::Person(_) => None,
            Self::Token { id, .. } => Some(id),
        }
    }
}

impl Holder {
    /// Somebody who has just become a member.
    pub(crate) fn member(user: UserId, place: &str, org: OrgId, access: &Access) -> Self {
        let clusters = access.clusters.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        Self {
            by: Author::Person(user),
            place: place.to_owned(),
            org,
            permissions: Permissions::of(access.role, clusters.is_some()),
            scope: Scope::from_column(clusters),
        }
    }

    /// A transaction that reads what the holder sees.
    pub(crate) async fn read(&self, pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
        database::tenant_tx(pool, self.org, &self.scope).await
    }

    /// Looks again, and has whoever changes it wait until the transaction ends. The scope may have become narrower: what
    /// is written then would not be seen. Answers all that is held now: more than the one permission may be asked for.
    async fn still_holds(
        &self,
        tx: &mut PgConnection,
        permission: Permission,
        now: OffsetDateTime,
    ) -> Result<Permissions, Error> {
        let mut held = (Permissions::of(Role::Owner, false), Scope::All);
        if let Some(user) = self.by.person() {
            Right::Member(self.org, user).stand_by(tx).await?;
            let row = sqlx::query!(
                "SELECT m.role, m.clusters FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.org_id = $1 AND m.user_id = $2 AND u.disabled_at IS NULL FOR SHARE OF m",
                self.org.0,
                user.0,
            )
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::NotFound)?;
            held = held_by(&row.role, row.clusters)?;
        }
        if let Author::Token { id, .. } = self.by {
            Right::Token(id).stand_by(tx).await?;
            let row = sqlx::query!(
                "SELECT permissions, clusters FROM api_tokens
                 WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL AND expires_at > $3 FOR SHARE",
                self.org.0,
                id.0,
                now,
            )
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::NotFound)?;
            held.0 = held.0.and(row.permissions.iter().filter_map(|p| Permission::parse(p)).collect());
            held.1 = held.1.and(&Scope::from_column(row.clusters));
        }
        if self.scope.and(&held.1) != self.scope {
            return Err(Error::NotFound);
        }
        let held = held.0.and(self.permissions);
        if held.contain(permission) { Ok(held) } else { Err(Error::Forbidden) }
    }
}

/// What somebody acts by, and what others take from them. In the database its row is locked, which lets who acts by it
/// again and again go ahead of who would take it; so both line up for it first, and whoever comes after who takes it waits.
pub(crate) enum Right {
    /// A membership.
    Member(OrgId, UserId),
    /// An API token.
    Token(TokenId),
}

impl Right {
    fn name(&self) -> String {
        match self {
            Self::Member(org, user) => format!("kubewise member {org} {user}"),
            Self::Token(id) => format!("kubewise token {id}"),
        }
    }

    /// To act by it, until the transaction ends.
    async fn stand_by(&self, tx: &mut PgConnection) -> Result<(), Error> {
        sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))", self.name()).execute(tx).await?;
        Ok(())
    }

    /// To change it or take it away: nobody acts by it until the transaction ends.
    pub(crate) async fn take(&self, tx: &mut PgConnection) -> Result<(), Error> {
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", self.name()).execute(tx).await?;
        Ok(())
    }
}

/// A transaction that changes something. It is committed together with the line of the activity log that says what.
pub(crate) struct Write<'a> {
    tx: Transaction<'static, Postgres>,
    web: &'a Web,
    holder: &'a Holder,
    held: Permissions,
}

impl<'a> Write<'a> {
    /// Whether the holder may do this as well, as of now: until the transaction ends nobody takes it away. What
    /// [`Authorized::may`] says may be over.
    pub(crate) const fn may(&self, permission: Permission) -> bool {
        self.held.contain(permission)
    }

    /// By which part of the server, and in which organisation.
    pub(crate) const fn by(&self) -> (&'a Web, OrgId) {
        (self.web, self.holder.org)
    }

    /// Commits, and says in the activity log what was done.
    pub(crate) async fn commit(mut self, entry: Entry) -> Result<(), Error> {
        self.web.record(&mut self.tx, self.holder, entry).await?;
        Ok(self.tx.commit().await?)
    }
}

impl Deref for Write<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Write<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// What somebody holds, from the columns of a membership.
pub(crate) fn held_by(role: &str, clusters: Option<Vec<Uuid>>) -> Result<(Permissions, Scope), Error> {
    let role = parse_role(role)?;
    Ok((Permissions::of(role, clusters.is_some()), Scope::from_column(clusters)))
}

pub(crate) fn parse_role(role: &str) -> Result<Role, Error> {
    Role::parse(role).ok_or_else(|| Error::Internal(format!("unknown role {role:?}")))
}

/// What somebody was given, from the columns of a membership or an invitation.
pub(crate) fn access(role: &str, clusters: Option<Vec<Uuid>>) -> Result<Access, Error> {
    let clusters = clusters.map(|clusters| clusters.into_iter().map(ClusterId).collect());
    Ok(Access { role: parse_role(role)?, clusters })
}

/// A person who proved who they are.
#[derive(Clone, Debug)]
pub struct Actor {
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) email: String,
    /// Whether signing in asked them for more than one proof.
    pub(crate) has_second_factor: bool,
    /// Whether they administer the installation: for showing or hiding, never for deciding.
    pub(crate) is_administrator: bool,
    /// From which network they ask.
    pub(crate) place: String,
}

impl Actor {
    /// Their id.
    pub const fn user_id(&self) -> UserId {
        self.user
    }

    /// The same, asking from this network.
    #[must_use]
    pub fn at(self, place: String) -> Self {
        Self { place, ..self }
    }
}

/// A token that is what it says, and what may be done by it.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The organisation's name.
    pub(crate) name: String,
    pub(crate) holder: Holder,
}

/// An organisation that was looked up.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Id.
    pub id: OrgId,
    /// Name.
    pub name: String,
}

/// A cluster that was looked up.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The organisation it belongs to.
    pub org: OrgId,
    /// Id.
    pub id: ClusterId,
    /// Name.
    pub name: String,
}

impl Web {
    /// Who a session's user id stands for; none when the account is gone or was disabled.
    pub async fn actor(&self, user: UserId) -> Result<Option<Actor>, Error> {
        let row = sqlx::query!(
            r#"SELECT name, email, is_administrator,
                      EXISTS (SELECT FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL)
                      OR EXISTS (SELECT FROM passkeys p WHERE p.user_id = u.id) AS "has_second_factor!"
               FROM users u WHERE id = $1 AND disabled_at IS NULL"#,
            user.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Actor {
            user,
            name: row.name,
            email: row.email,
            has_second_factor: row.has_second_factor,
            is_administrator: row.is_administrator,
            place: "the server's command line".to_owned(),
        }))
    }

    /// Looks up an organisation. Not a member: [`Error::NotFound`]; a member without the second factor that it asks for:
    /// [`Error::SecondFactorNeeded`]; a member whose role lacks `P`: [`Error::Forbidden`].
    pub async fn organisation<P: permission::Grant>(
        &self,
        actor: &Actor,
        slug: &OrgSlug,
    ) -> Result<Authorized<Organisation, P>, Error> {
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let row = sqlx::query!(
            "SELECT o.id, o.name, o.requires_second_factor, m.role, m.clusters
             FROM organisations o JOIN memberships m ON m.org_id = o.id
             WHERE o.slug = $1 AND m.user_id = $2",
            slug.as_str(),
            actor.user.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        tx.commit().await?;
        if row.requires_second_factor && !actor.has_second_factor {
            return Err(Error::SecondFactorNeeded);
        }
        let (permissions, scope) = held_by(&row.role, row.clusters)?;
        let org = OrgId(row.id);
        let holder = Holder { by: Author::Person(actor.user), place: actor.place.clone(), org, permissions, scope };
        Authorized::check(Organisation { id: org, name: row.name }, holder)
    }

    /// Looks up a cluster of an organisation; one of another organisation, or one that the person does not see, is
    /// [`Error::NotFound`].
    pub async fn cluster<P: permission::Grant>(
        &self,
        actor: &Actor,
        slug: &OrgSlug,
        id: ClusterId,
    ) -> Result<Authorized<Cluster, P>, Error> {
        // Who may not see clusters at all is not told which exist.
        let organisation = self.organisation::<permission::ViewInventory>(actor, slug).await?;
        self.cluster_of(&organisation, id).await
    }

    /// Looks up a cluster of an organisation that was looked up.
    pub async fn cluster_of<P: permission::Grant>(
        &self,
        organisation: &Authorized<Organisation, permission::ViewInventory>,
        id: ClusterId,
    ) -> Result<Authorized<Cluster, P>, Error> {
        if !organisation.holder.scope.sees(id) {
            return Err(Error::NotFound);
        }
        let mut tx = organisation.read(&self.pool).await?;
        let name = sqlx::query_scalar!(
            "SELECT name FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL",
            organisation.id.0,
            id.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        tx.commit().await?;
        Authorized::check(Cluster { org: organisation.id, id, name }, organisation.holder.clone())
    }
}

impl<P: permission::Grant> Authorized<Organisation, P> {
    /// The organisation that a token is of. What the token may not do is [`Error::Forbidden`].
    pub(crate) fn of_bearer(bearer: &Bearer) -> Result<Self, Error> {
        Self::check(Organisation { id: bearer.holder.org, name: bearer.name.clone() }, bearer.holder.clone())
    }
}

impl<T, P: permission::Grant> Authorized<T, P> {
    /// The same subject, for somebody who holds `Q` on it besides.
    pub fn also<Q: permission::Grant>(&self) -> Result<Authorized<T, Q>, Error>
    where
        T: Clone,
    {
        Authorized::check(self.subject.clone(), self.holder.clone())
    }

    fn check(subject: T, holder: Holder) -> Result<Self, Error> {
        if !holder.permissions.contain(P::PERMISSION) {
            return Err(Error::Forbidden);
        }
        Ok(Self { subject, holder, permission: PhantomData })
    }
}
