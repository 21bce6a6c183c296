//! Deletions of accounts, clusters and organisations. A page writes a row of `erasures`, in the right of who asks; a job does
//! the rest ([`run`]), as often as it takes, and signs a certificate at the end.

mod account;
mod cluster;
mod held;
mod organisation;
mod run;

use std::fmt;

use kubewise_contract::{
    Access, Action, ClusterId, DeletionRow, Field, FieldError, OrgId, OrganisationData, OrganisationRef, Permission,
    Problem, Role, Timestamp, UserId,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    Actor, Authorized, Error, Organisation, Web,
    activity::Entry,
    authorize::{self, Holder, Right},
    database::{self, Scope},
    jobs, links, live,
    permission::{ManageOrganisation, ManageOwnership, ViewOrganisation},
    retention::UNDO,
    team,
    world::timestamp,
};

use held::Held;
pub(crate) use run::Erase;

/// How long after a job was enqueued another one is, if it has not ended.
pub(crate) const TRIED_AGAIN: Duration = Duration::seconds(3);
/// Deletions that an organisation's page shows.
const SHOWN: i64 = 100;

/// How a deletion is doing, for who has its address.
#[derive(Clone, Debug)]
pub struct ErasureState {
    /// What is deleted: `account`, `cluster` or `organisation`.
    pub kind: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until then it can be taken back.
    pub due_at: Timestamp,
    /// Whether it has begun: then it cannot.
    pub has_begun: bool,
    /// When all was removed.
    pub ended_at: Option<Timestamp>,
    /// The signed certificate, a JSON document, once all was removed.
    pub certificate: Option<String>,
}

/// That an organisation will be deleted, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionNotice {
    organisation: String,
    at: OffsetDateTime,
    has_come: bool,
}

impl fmt::Display for DeletionNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { organisation, at, has_come } = self;
        if *has_come {
            return write!(f, "{organisation} is being deleted.");
        }
        let (day, month, year) = (at.day(), at.month(), at.year());
        write!(
            f,
            "{organisation} will be deleted on {day} {month} {year}. Each Owner can take that back under Settings, Data."
        )
    }
}

/// What is asked to be deleted.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Account(UserId),
    Cluster(OrgId, ClusterId),
    Organisation(OrgId),
}

impl Subject {
    const fn kind(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Cluster(..) => "cluster",
            Self::Organisation(_) => "organisation",
        }
    }

    const fn id(self) -> Uuid {
        match self {
            Self::Account(user) => user.0,
            Self::Cluster(_, cluster) => cluster.0,
            Self::Organisation(org) => org.0,
        }
    }
}

/// Writes down that something is to be deleted, with its job, as part of the caller's transaction. Answers what the address
/// of its page carries.
pub(crate) async fn ask(
    web: &Web,
    tx: &mut PgConnection,
    subject: Subject,
    due_at: OffsetDateTime,
) -> Result<SecretString, Error> {
    ask_after(web, tx, subject, due_at, None).await
}

/// The same where some of it is removed already.
async fn ask_after(
    web: &Web,
    tx: &mut PgConnection,
    subject: Subject,
    due_at: OffsetDateTime,
    removed: Option<Held>,
) -> Result<SecretString, Error> {
    let (id, now) = (web.world.uuid(), web.world.now());
    let token = links::text(&web.world);
    let (user, org, cluster) = match subject {
        Subject::Account(user) => (Some(user.0), None, None),
        Subject::Cluster(org, cluster) => (None, Some(org.0), Some(cluster.0)),
        Subject::Organisation(org) => (None, Some(org.0), None),
    };
    sqlx::query!(
        "INSERT INTO erasures (id, kind, hash, user_id, org_id, cluster_id, requested_at, due_at, next_try_at, held)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id,
        subject.kind(),
        links::hash(&token),
        user,
        org,
        cluster,
        now,
        due_at,
        now + TRIED_AGAIN,
        removed.map(|held| json!(held)),
    )
    .execute(&mut *tx)
    .await?;
    jobs::enqueue(tx, &Erase { erasure: id }).await?;
    Ok(token.into())
}

impl Web {
    /// Organisations that somebody is the only Owner of.
    pub(crate) async fn only_owner_of(&self, actor: &Actor) -> Result<Vec<OrganisationRef>, Error> {
        let mut owned = self.viewer(actor).await?.organisations;
        owned.retain(|organisation| organisation.role == Role::Owner);
        let mut only = Vec::new();
        for organisation in owned {
            let org = self.organisation::<ManageOwnership>(actor, &organisation.slug).await?;
            let mut tx = org.read(&self.pool).await?;
            let owners = sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM memberships WHERE org_id = $1 AND role = 'owner'"#,
                org.id.0,
            )
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            if owners == 1 {
                only.push(organisation);
            }
        }
        Ok(only)
    }

    /// Deletes the account of who asks, who typed its address once more: they are signed out everywhere and leave every
    /// organisation at once; a job removes the rest. Who is the only Owner of an organisation is [`Error::LastOwner`]. Answers
    /// what the address of the deletion's page carries.
    pub async fn delete_account(&self, actor: &Actor, typed: &str) -> Result<SecretString, Error> {
        if typed.trim().to_lowercase() != actor.email.to_lowercase() {
            return Err(FieldError { field: Field::Email, problem: Problem::Wrong }.into());
        }
        let mut tx = database::begin(&self.pool, None, Some(actor.user)).await?;
        let mut left = self.leave_all(&mut tx, actor).await?;
        // Who is joining or making an organisation just now has this lock: that one is left, too. From the row of the deletion
        // on, the account is disabled and joins nothing.
        sqlx::query!("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", actor.user.0)
            .fetch_optional(&mut *tx)
            .await?;
        left += self.leave_all(&mut tx, actor).await?;
        let signed_out =
            sqlx::query!("DELETE FROM sessions WHERE user_id = $1", actor.user.0).execute(&mut *tx).await?;
        let mut removed = Held::default();
        removed.add("memberships", left);
        removed.add("sessions", i64::try_from(signed_out.rows_affected()).unwrap_or(i64::MAX));
        let now = self.world.now();
        let token = ask_after(self, &mut tx, Subject::Account(actor.user), now, Some(removed)).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Answers how many there were.
    async fn leave_all(&self, tx: &mut PgConnection, actor: &Actor) -> Result<i64, Error> {
        let orgs =
            sqlx::query_scalar!("SELECT org_id FROM memberships WHERE user_id = $1 ORDER BY org_id", actor.user.0)
                .fetch_all(&mut *tx)
                .await?;
        let mut left = 0;
        for org in orgs {
            left += i64::from(self.leave_for_good(tx, actor, OrgId(org)).await?);
        }
        Ok(left)
    }

    /// Answers whether they were in it.
    async fn leave_for_good(&self, tx: &mut PgConnection, actor: &Actor, org: OrgId) -> Result<bool, Error> {
        database::state_tenant(tx, org, &Scope::All).await?;
        // As whoever changes what others may do: one after the other.
        sqlx::query!("SELECT id FROM organisations WHERE id = $1 FOR NO KEY UPDATE", org.0)
            .fetch_optional(&mut *tx)
            .await?;
        Right::Member(org, actor.user).take(tx).await?;
        let row = sqlx::query!(
            "DELETE FROM memberships WHERE org_id = $1 AND user_id = $2 RETURNING role, clusters",
            org.0,
            actor.user.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let access: Access = authorize::access(&row.role, row.clusters)?;
        if access.role == Role::Owner {
            let another = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM memberships WHERE org_id = $1 AND role = 'owner') AS "is!""#,
                org.0,
            )
            .fetch_one(&mut *tx)
            .await?;
            if !another {
                return Err(Error::LastOwner);
            }
        }
        live::notify_members(tx, org).await?;
        let holder = Holder::member(actor.user, &actor.place, org, &access);
        let entry = Entry::person(Action::MemberLeave, actor.user).before(team::described(&access));
        self.record(tx, &holder, entry).await?;
        Ok(true)
    }

    /// What an organisation does with its data.
    pub async fn organisation_data(
        &self,
        org: &Authorized<Organisation, ManageOrganisation>,
    ) -> Result<OrganisationData, Error> {
        let mut tx = org.read(&self.pool).await?;
        let deleted_at = sqlx::query_scalar!(
            "SELECT due_at FROM erasures WHERE org_id = $1 AND kind = 'organisation' AND begun_at IS NULL",
            org.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            "SELECT id, requested_at, ended_at FROM erasures WHERE org_id = $1 AND kind = 'cluster'
             ORDER BY requested_at DESC, id LIMIT $2",
            org.id.0,
            SHOWN,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let deletions = rows.into_iter().map(|row| DeletionRow {
            id: row.id.to_string(),
            requested_at: timestamp(row.requested_at),
            ended_at: row.ended_at.map(timestamp),
        });
        Ok(OrganisationData {
            name: org.name.clone(),
            is_owner: org.may(Permission::ManageOwnership),
            deleted_at: deleted_at.map(timestamp),
            deletions: deletions.collect(),
        })
    }

    /// Has an organisation deleted: in a week, or at once. Who asks typed its name once more. Asked for again, the last word
    /// counts. Answers what the address of the deletion's page carries.
    pub async fn delete_organisation(
        &self,
        org: &Authorized<Organisation, ManageOwnership>,
        typed: &str,
        at_once: bool,
    ) -> Result<SecretString, Error> {
        let mut tx = org.write_alone(self).await?;
        let name =
            sqlx::query_scalar!("SELECT name FROM organisations WHERE id = $1", org.id.0).fetch_one(&mut *tx).await?;
        if typed.trim() != name {
            return Err(FieldError { field: Field::Organisation, problem: Problem::Wrong }.into());
        }
        sqlx::query!("DELETE FROM erasures WHERE org_id = $1 AND kind = 'organisation' AND begun_at IS NULL", org.id.0)
            .execute(&mut *tx)
            .await?;
        let now = self.world.now();
        let due_at = if at_once { now } else { now + UNDO };
        let token = ask(self, &mut tx, Subject::Organisation(org.id), due_at).await?;
        live::notify_members(&mut tx, org.id).await?;
        tx.commit(Entry::of(Action::OrganisationDelete).after(json!({ "at": timestamp(due_at).to_string() }))).await?;
        Ok(token)
    }

    /// Takes back that an organisation is deleted. One whose deletion has begun is gone: [`Error::NotFound`].
    pub async fn keep_organisation(&self, org: &Authorized<Organisation, ManageOwnership>) -> Result<(), Error> {
        let mut tx = org.write_alone(self).await?;
        let kept = sqlx::query!(
            "DELETE FROM erasures WHERE org_id = $1 AND kind = 'organisation' AND begun_at IS NULL",
            org.id.0
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if kept == 0 {
            return Err(Error::NotFound);
        }
        live::notify_members(&mut tx, org.id).await?;
        tx.commit(Entry::of(Action::OrganisationKeep)).await
    }

    /// What all members are told on every page of an organisation that will be deleted.
    pub async fn deletion_notice(
        &self,
        actor: &Actor,
        here: &OrganisationRef,
    ) -> Result<Option<DeletionNotice>, Error> {
        let org = match self.organisation::<ViewOrganisation>(actor, &here.slug).await {
            Ok(org) => org,
            // The page itself says why not.
            Err(Error::NotFound | Error::Forbidden | Error::SecondFactorNeeded) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut tx = org.read(&self.pool).await?;
        let at = sqlx::query_scalar!(
            "SELECT due_at FROM erasures WHERE org_id = $1 AND kind = 'organisation' AND ended_at IS NULL",
            org.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        let now = self.world.now();
        Ok(at.map(|at| DeletionNotice { organisation: org.name.clone(), at, has_come: at <= now }))
    }

    /// The certificate of a cluster that was deleted, for who manages its organisation.
    pub async fn cluster_certificate(
        &self,
        org: &Authorized<Organisation, ManageOrganisation>,
        id: &str,
    ) -> Result<String, Error> {
        let id: Uuid = id.parse().map_err(|_| Error::NotFound)?;
        let mut tx = org.read(&self.pool).await?;
        let certificate = sqlx::query_scalar!(
            "SELECT certificate FROM erasures WHERE org_id = $1 AND id = $2 AND kind = 'cluster'",
            org.id.0,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        certificate.flatten().ok_or(Error::NotFound)
    }

    /// How a deletion is doing, by what its address carries.
    pub async fn erasure(&self, token: &SecretString) -> Result<ErasureState, Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        let row = sqlx::query!(
            r#"SELECT kind AS "kind!", requested_at AS "requested_at!", due_at AS "due_at!", begun_at, ended_at, certificate
               FROM erasure_by_hash($1)"#,
            links::hash(token.expose_secret()),
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::LinkEnded)?;
        tx.commit().await?;
        Ok(ErasureState {
            kind: row.kind,
            requested_at: timestamp(row.requested_at),
            due_at: timestamp(row.due_at),
            has_begun: row.begun_at.is_some(),
            ended_at: row.ended_at.map(timestamp),
            certificate: row.certificate,
        })
    }
}
