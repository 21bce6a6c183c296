//! What whoever runs the installation may do from its command line. Runs as the part that may do it anyway; who can
//! run it can read the database's credentials.

use std::collections::BTreeMap;

use kubewise_contract::{ClusterId, ClusterName, EmailAddress, OrgId, OrgSlug, Timestamp, UserId};
use secrecy::SecretString;
use sqlx::PgPool;

use crate::{Error, SignUp, Web, authorize::permission::ManageClusters, database};

/// What a cluster holds, for scripts.
#[derive(Debug, serde::Serialize)]
pub struct ClusterReport {
    /// Whether the agent is heard.
    pub status: kubewise_contract::ClusterStatus,
    /// As the agent said.
    pub kubernetes_version: Option<String>,
    /// When the agent was last heard.
    pub last_heard: Option<Timestamp>,
    /// Objects per group-kind.
    pub totals: BTreeMap<String, i64>,
}

impl Web {
    /// Makes an account and its organisation, whatever `KUBEWISE_SIGNUP` says; none when the address has one already.
    pub async fn admin_create_user(&self, request: SignUp) -> Result<Option<OrgSlug>, Error> {
        if self.admin_find_user(&request.email).await?.is_some() {
            return Ok(None);
        }
        Ok(Some(self.create_account(request).await?.slug))
    }

    /// The account with an address.
    pub async fn admin_find_user(&self, email: &EmailAddress) -> Result<Option<UserId>, Error> {
        let id = sqlx::query_scalar!("SELECT id FROM users WHERE email_canonical = $1", email.canonical())
            .fetch_optional(&self.pool)
            .await?;
        Ok(id.map(UserId))
    }

    /// Adds a cluster to the organisation of an owner, or makes a new token if there is one of that name.
    pub async fn admin_create_cluster(
        &self,
        owner: UserId,
        slug: &OrgSlug,
        name: &ClusterName,
    ) -> Result<(ClusterId, SecretString), Error> {
        let actor = self.actor(owner).await?.ok_or(Error::NotFound)?;
        let org = self.organisation::<ManageClusters>(&actor, slug).await?;
        match self.admin_find_cluster(org.id, name).await? {
            Some(id) => {
                let cluster = self.cluster::<ManageClusters>(&actor, slug, id).await?;
                Ok((id, self.rotate_token(&cluster).await?))
            }
            None => self.add_cluster(&org, name).await,
        }
    }

    async fn admin_find_cluster(&self, org: OrgId, name: &ClusterName) -> Result<Option<ClusterId>, Error> {
        let mut tx = database::tenant_tx(&self.pool, org).await?;
        let id = sqlx::query_scalar!(
            "SELECT id FROM clusters WHERE org_id = $1 AND name = $2 AND deleted_at IS NULL",
            org.0,
            name.as_str(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(id.map(ClusterId))
    }

    /// What a cluster holds, as its organisation's owner sees it.
    pub async fn admin_cluster_report(
        &self,
        owner: UserId,
        slug: &OrgSlug,
        name: &ClusterName,
    ) -> Result<ClusterReport, Error> {
        let actor = self.actor(owner).await?.ok_or(Error::NotFound)?;
        let org = self.organisation::<crate::permission::ViewInventory>(&actor, slug).await?;
        let id = self.admin_find_cluster(org.id, name).await?.ok_or(Error::NotFound)?;
        let cluster = self.cluster::<crate::permission::ViewInventory>(&actor, slug, id).await?;
        let detail = self.cluster_detail(&cluster).await?;
        Ok(ClusterReport {
            status: detail.summary.status,
            kubernetes_version: detail.summary.kubernetes_version,
            last_heard: detail.summary.last_heard,
            totals: detail.totals.into_iter().map(|total| (total.kind, total.count)).collect(),
        })
    }
}

/// Sets or lifts the limit on objects of an organisation. `owner` logs in as `kubewise_owner`.
pub async fn set_resource_limit(owner: &PgPool, org: OrgId, limit: Option<i64>) -> Result<(), Error> {
    let mut tx = database::tenant_tx(owner, org).await?;
    let done = sqlx::query!("UPDATE organisations SET max_resources = $2 WHERE id = $1", org.0, limit)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    tx.commit().await?;
    if done == 1 { Ok(()) } else { Err(Error::NotFound) }
}

/// An organisation and one of its owners, by address. `owner` logs in as `kubewise_owner`.
pub async fn find_organisation(owner: &PgPool, slug: &OrgSlug) -> Result<(OrgId, UserId), Error> {
    let row = sqlx::query!(
        "SELECT o.id, m.user_id FROM organisations o JOIN memberships m ON m.org_id = o.id
         WHERE o.slug = $1 AND m.role = 'owner' ORDER BY m.created_at LIMIT 1",
        slug.as_str(),
    )
    .fetch_optional(owner)
    .await?
    .ok_or(Error::NotFound)?;
    Ok((OrgId(row.id), UserId(row.user_id)))
}
