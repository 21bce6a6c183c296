//! What whoever runs the installation may do from its command line. Runs as the part that may do it anyway; who can
//! run it can read the database's credentials.

use std::collections::BTreeMap;

use kubewise_contract::{AuditRun, ClusterId, ClusterName, EmailAddress, OrgId, OrgSlug, Timestamp, TokenId, UserId};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    Error, NewToken, SignUp, Web, World,
    authorize::permission::{AddClusters, MakeTokens, ManageClusters, RunAudits, ViewInventory},
    database::{self, Scope},
    jobs::{BEGUN_AGAIN, DEAD},
    links,
};

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
    /// The last audit that ended well.
    pub audit: Option<AuditRun>,
}

impl Web {
    /// Makes an account and its organisation, whatever `KUBEWISE_SIGNUP` says; none when the address has one already.
    pub async fn admin_create_user(&self, request: SignUp) -> Result<Option<OrgSlug>, Error> {
        if self.admin_find_user(&request.email).await?.is_some() {
            return Ok(None);
        }
        Ok(self.create_account(request, None, false).await?.slug)
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
        let org = self.organisation::<AddClusters>(&actor, slug).await?;
        match self.admin_find_cluster(org.id, name).await? {
            Some(id) => {
                let cluster = self.cluster::<ManageClusters>(&actor, slug, id).await?;
                Ok((id, self.rotate_token(&cluster).await?))
            }
            None => self.add_cluster(&org, name).await,
        }
    }

    /// Makes an API token of the organisation of an owner.
    pub async fn admin_create_token(
        &self,
        owner: UserId,
        slug: &OrgSlug,
        wanted: &NewToken,
    ) -> Result<(TokenId, SecretString), Error> {
        let actor = self.actor(owner).await?.ok_or(Error::NotFound)?;
        let org = self.organisation::<MakeTokens>(&actor, slug).await?;
        self.make_api_token(&org, wanted).await
    }

    async fn admin_find_cluster(&self, org: OrgId, name: &ClusterName) -> Result<Option<ClusterId>, Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
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
        let org = self.organisation::<ViewInventory>(&actor, slug).await?;
        let id = self.admin_find_cluster(org.id, name).await?.ok_or(Error::NotFound)?;
        let cluster = self.cluster::<ViewInventory>(&actor, slug, id).await?;
        let detail = self.cluster_detail(&cluster).await?;
        let audit = self.cluster_audit(&cluster).await?;
        Ok(ClusterReport {
            status: detail.summary.status,
            kubernetes_version: detail.summary.kubernetes_version,
            last_heard: detail.summary.last_heard,
            totals: detail.totals.into_iter().map(|total| (total.kind, total.count)).collect(),
            audit: audit.cluster.last,
        })
    }

    /// Has a cluster audited, in the right of its organisation's owner. Answers the number of the audit.
    pub async fn admin_run_audit(&self, owner: UserId, slug: &OrgSlug, name: &ClusterName) -> Result<i64, Error> {
        let actor = self.actor(owner).await?.ok_or(Error::NotFound)?;
        let org = self.organisation::<ViewInventory>(&actor, slug).await?;
        let id = self.admin_find_cluster(org.id, name).await?.ok_or(Error::NotFound)?;
        self.run_audit(&self.cluster::<RunAudits>(&actor, slug, id).await?).await
    }
}

/// Sets or lifts the limit on objects of an organisation. `owner` logs in as `kubewise_owner`.
pub async fn set_resource_limit(owner: &PgPool, org: OrgId, limit: Option<i64>) -> Result<(), Error> {
    let mut tx = database::tenant_tx(owner, org, &Scope::All).await?;
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

/// A job that failed as often as it is tried.
#[derive(Debug, serde::Serialize)]
pub struct DeadJob {
    /// Names it.
    pub id: String,
    /// The queue it waited in.
    pub queue: String,
    /// Which mail it is, if it is one; to whom is not told.
    pub mail: Option<String>,
    /// How often it was begun.
    pub attempts: i32,
    /// Why it failed last.
    pub why: Option<serde_json::Value>,
}

/// Jobs that failed for good, latest last. `owner` logs in as `kubewise_owner`. The queue's tables are its own, so these
/// statements are not checked when they are compiled.
pub async fn dead_jobs(owner: &PgPool) -> Result<Vec<DeadJob>, Error> {
    use sqlx::Row;
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT id, job_type, job, attempts, last_result FROM apalis.jobs WHERE {DEAD} ORDER BY run_at, id LIMIT 1000",
    )))
    .fetch_all(owner)
    .await?;
    let jobs = rows.into_iter().map(|row| {
        let job: Vec<u8> = row.try_get("job")?;
        let job: Option<serde_json::Value> = serde_json::from_slice(&job).ok();
        Ok(DeadJob {
            id: row.try_get("id")?,
            queue: row.try_get("job_type")?,
            mail: job.and_then(|job| Some(job.get("mail")?.as_str()?.to_owned())),
            attempts: row.try_get("attempts")?,
            why: row.try_get("last_result")?,
        })
    });
    Ok(jobs.collect::<Result<_, sqlx::Error>>()?)
}

/// Has jobs that failed for good tried again: this one, or all. Answers how many. `owner` logs in as `kubewise_owner`.
pub async fn retry_dead_jobs(owner: &PgPool, id: Option<&str>) -> Result<u64, Error> {
    let done = sqlx::query(AssertSqlSafe(format!(
        "UPDATE apalis.jobs SET {BEGUN_AGAIN} WHERE {DEAD} AND ($1::text IS NULL OR id = $1)",
    )))
    .bind(id)
    .execute(owner)
    .await?;
    Ok(done.rows_affected())
}

/// Ends all sessions: of the account with this address, or of everybody. Answers how many. `owner` logs in as
/// `kubewise_owner`.
pub async fn end_sessions(owner: &PgPool, email: Option<&EmailAddress>) -> Result<u64, Error> {
    let done = sqlx::query!(
        "DELETE FROM sessions WHERE $1::text IS NULL OR user_id IN (SELECT id FROM users WHERE email_canonical = $1)",
        email.map(EmailAddress::canonical),
    )
    .execute(owner)
    .await?;
    Ok(done.rows_affected())
}

/// How long an invitation to make an account is good for.
pub(crate) const SIGN_UP_INVITATION: time::Duration = time::Duration::days(7);

/// Invites somebody to make an account, with this address, within a week. Answers what the link to the sign-up page
/// carries. `owner` logs in as `kubewise_owner`.
pub async fn invite(owner: &PgPool, world: &World, email: &EmailAddress) -> Result<SecretString, Error> {
    let token = links::text(world);
    let now = world.now();
    sqlx::query!(
        "INSERT INTO sign_up_invitations (hash, email_canonical, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        links::hash(&token),
        email.canonical(),
        now,
        now + SIGN_UP_INVITATION,
    )
    .execute(owner)
    .await?;
    Ok(token.into())
}
