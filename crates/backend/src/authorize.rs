//! A lookup is the authorization: it returns an [`Authorized`] value, and what reads or writes accepts nothing weaker.

use std::{marker::PhantomData, ops::Deref};

use kubewise_contract::{ClusterId, OrgId, OrgSlug, Permission, Role, UserId};

use crate::{Error, Web, database};

/// Permissions as types, so that what a function needs is in its signature.
pub mod permission {
    use kubewise_contract::Permission;

    /// A permission as a type.
    pub trait Grant: Send + Sync + 'static {
        /// The permission that the role must have.
        const PERMISSION: Permission;
    }

    macro_rules! grant {
        ($($name:ident),*) => {$(
            #[doc = concat!("[`Permission::", stringify!($name), "`] as a type.")]
            #[derive(Debug)]
            pub enum $name {}
            impl Grant for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*};
    }

    grant!(ViewOrganisation, ViewInventory, ManageClusters, ManageOrganisation);
}

/// Proof that an [`Actor`] holds permission `P` on a `T`. Only this module can make one.
#[derive(Debug)]
pub struct Authorized<T, P> {
    subject: T,
    role: Role,
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
        self.role.may(permission)
    }
}

/// A person who proved who they are.
#[derive(Clone, Debug)]
pub struct Actor {
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) email: String,
    /// Whether signing in asked them for more than one proof.
    pub(crate) has_second_factor: bool,
}

impl Actor {
    /// Their id.
    pub const fn user_id(&self) -> UserId {
        self.user
    }
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
    /// Who a session's user id stands for; none when the account is gone.
    pub async fn actor(&self, user: UserId) -> Result<Option<Actor>, Error> {
        let row = sqlx::query!(
            r#"SELECT name, email,
                      EXISTS (SELECT FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL)
                      OR EXISTS (SELECT FROM passkeys p WHERE p.user_id = u.id) AS "has_second_factor!"
               FROM users u WHERE id = $1"#,
            user.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Actor { user, name: row.name, email: row.email, has_second_factor: row.has_second_factor }))
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
            "SELECT o.id, o.name, o.requires_second_factor, m.role FROM organisations o JOIN memberships m ON m.org_id = o.id
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
        let role = Role::parse(&row.role).ok_or_else(|| Error::Internal(format!("unknown role {:?}", row.role)))?;
        if !role.may(P::PERMISSION) {
            return Err(Error::Forbidden);
        }
        Ok(Authorized { subject: Organisation { id: OrgId(row.id), name: row.name }, role, permission: PhantomData })
    }

    /// Looks up a cluster of an organisation; one of another organisation is [`Error::NotFound`].
    pub async fn cluster<P: permission::Grant>(
        &self,
        actor: &Actor,
        slug: &OrgSlug,
        id: ClusterId,
    ) -> Result<Authorized<Cluster, P>, Error> {
        // Who may not see clusters at all is not told which exist.
        let organisation = self.organisation::<permission::ViewInventory>(actor, slug).await?;
        let mut tx = database::tenant_tx(&self.pool, organisation.id).await?;
        let name = sqlx::query_scalar!(
            "SELECT name FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL",
            organisation.id.0,
            id.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        tx.commit().await?;
        if !organisation.may(P::PERMISSION) {
            return Err(Error::Forbidden);
        }
        let subject = Cluster { org: organisation.id, id, name };
        Ok(Authorized { subject, role: organisation.role, permission: PhantomData })
    }
}
