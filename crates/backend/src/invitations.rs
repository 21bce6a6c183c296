//! Invitations to an organisation, by mail: who reads the address that was invited becomes a member. And who needs none,
//! since their address is of the organisation's domain.

use kubewise_contract::{
    Access, Action, EmailAddress, Field, FieldError, InvitationId, Invited, JoinRule, Joinable, Limit, OrgId, OrgSlug,
    Permission, Problem, Role, UserId,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::{PgConnection, PgExecutor};
use time::Duration;
use uuid::Uuid;

use crate::{
    Actor, Authorized, Error, Organisation, Web,
    activity::Entry,
    attempts::{self, Counter},
    authorize::{self, Holder},
    billing,
    database::{self, Scope},
    links, live,
    mail::{self, Mail},
    permission::{ManageOrganisation, ManageTeam},
    team,
};

/// How long the link of an invitation works.
pub(crate) const LASTS: Duration = Duration::days(7);

/// Where anybody can have an address: who has one there has nothing else in common. The largest ones; whoever sets a rule
/// has an address of the domain, and reads what it means.
const PUBLIC_MAIL: [&str; 40] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "hotmail.fr",
    "hotmail.co.uk",
    "live.com",
    "msn.com",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.fr",
    "yahoo.de",
    "yahoo.co.jp",
    "ymail.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "aol.com",
    "proton.me",
    "protonmail.com",
    "pm.me",
    "tutanota.com",
    "tuta.io",
    "gmx.de",
    "gmx.net",
    "gmx.com",
    "web.de",
    "t-online.de",
    "mail.com",
    "mail.ru",
    "yandex.ru",
    "yandex.com",
    "qq.com",
    "163.com",
    "126.com",
    "naver.com",
    "free.fr",
    "orange.fr",
    "laposte.net",
    "fastmail.com",
];

/// An invitation that was found by its link.
struct Opened {
    email: String,
    email_canonical: String,
    access: Access,
    /// Who invited, unless their account is gone.
    invited_by: Option<Uuid>,
    organisation: String,
    slug: String,
}

impl Web {
    /// Invites somebody by mail.
    pub async fn invite(
        &self,
        org: &Authorized<Organisation, ManageTeam>,
        actor: &Actor,
        email: &EmailAddress,
        access: &Access,
        lately: bool,
    ) -> Result<(), Error> {
        team::ownership(org.may(Permission::ManageOwnership), &[access.role], lately)?;
        self.limit_invitations(org.id, actor).await?;
        let (id, now) = (self.world.uuid(), self.world.now());
        let mut tx = org.write(self).await?;
        team::ownership(tx.may(Permission::ManageOwnership), &[access.role], lately)?;
        let clusters = team::checked_clusters(&mut tx, org.id, access).await?;
        let refused = |problem| Err(FieldError { field: Field::Email, problem }.into());
        let is_member = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id
                              WHERE m.org_id = $1 AND u.email_canonical = $2) AS "is!""#,
            org.id.0,
            email.canonical(),
        )
        .fetch_one(&mut *tx)
        .await?;
        if is_member {
            return refused(Problem::IsMember);
        }
        tx.one_more(Limit::Members).await?;
        let made = sqlx::query!(
            "INSERT INTO invitations (org_id, id, email, email_canonical, role, clusters, invited_by, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
             WHERE (SELECT count(*) FROM invitations WHERE org_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL) < $10
             ON CONFLICT (org_id, email_canonical) WHERE accepted_at IS NULL AND revoked_at IS NULL DO NOTHING",
            org.id.0,
            id,
            email.as_str(),
            email.canonical(),
            access.role.as_str(),
            clusters.as_deref(),
            actor.user.0,
            now,
            now + LASTS,
            team::WAITING,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if made == 0 {
            return refused(Problem::IsInvited);
        }
        mail::enqueue(&mut tx, &Mail::Invitation { org: org.id, invitation: InvitationId(id) }).await?;
        let given = Access { role: access.role, clusters: access.clusters.clone().filter(|_| clusters.is_some()) };
        tx.commit(Entry::invitation(Action::MemberInvite, InvitationId(id)).after(team::described(&given))).await
    }

    /// Sends the mail again, with a new link that works for as long as a first one; the one before ends. Who is not Owner
    /// does not have one that makes an Owner work again.
    pub async fn resend_invitation(
        &self,
        org: &Authorized<Organisation, ManageTeam>,
        actor: &Actor,
        id: InvitationId,
    ) -> Result<(), Error> {
        self.limit_invitations(org.id, actor).await?;
        let mut tx = org.write(self).await?;
        let is_over = sqlx::query_scalar!(
            r#"SELECT expires_at <= $3 AS "is!" FROM invitations WHERE org_id = $1 AND id = $2"#,
            org.id.0,
            id.0,
            self.world.now(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        // One that is over counts no more, and would again.
        if is_over == Some(true) {
            tx.one_more(Limit::Members).await?;
        }
        let role = sqlx::query_scalar!(
            "UPDATE invitations SET expires_at = $3, hash = NULL
             WHERE org_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL RETURNING role",
            org.id.0,
            id.0,
            self.world.now() + LASTS,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        if authorize::parse_role(&role)? == Role::Owner && !tx.may(Permission::ManageOwnership) {
            return Err(Error::Forbidden);
        }
        mail::enqueue(&mut tx, &Mail::Invitation { org: org.id, invitation: id }).await?;
        tx.commit(Entry::invitation(Action::InvitationResend, id)).await
    }

    /// Ends an invitation.
    pub async fn revoke_invitation(
        &self,
        org: &Authorized<Organisation, ManageTeam>,
        id: InvitationId,
    ) -> Result<(), Error> {
        let mut tx = org.write(self).await?;
        let found = sqlx::query!(
            "UPDATE invitations SET revoked_at = $3, hash = NULL
             WHERE org_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
            org.id.0,
            id.0,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if found == 0 {
            return Err(Error::NotFound);
        }
        tx.commit(Entry::invitation(Action::InvitationRevoke, id)).await
    }

    // Whoever may invite could have our mail written to anybody.
    async fn limit_invitations(&self, org: OrgId, actor: &Actor) -> Result<(), Error> {
        attempts::begin(&self.pool, &self.world, vec![Counter::invitations(org), Counter::invitations_by(actor.user)])
            .await
    }

    /// What a link leads to, for who opens it. Fails with [`Error::LinkEnded`] when it leads nowhere any more.
    pub async fn invitation(&self, link: &SecretString, actor: Option<&Actor>) -> Result<Invited, Error> {
        let (org, id) = self.find_invitation(link).await?;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let opened = self.open_invitation(&mut tx, org, id).await?;
        let people = sqlx::query!(
            r#"SELECT (SELECT name FROM users WHERE id = $1) AS invited_by,
                      EXISTS (SELECT FROM users WHERE email_canonical = $2) AS "has_account!""#,
            opened.invited_by,
            opened.email_canonical,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Invited {
            organisation: opened.organisation,
            email: opened.email,
            role: opened.access.role,
            is_limited: opened.access.clusters.is_some(),
            invited_by: people.invited_by,
            has_account: people.has_account,
            signed_in: actor.map(|actor| actor.email.clone()),
        })
    }

    /// Makes who asks a member, as the invitation says. It is for their address alone, and ends with it. Answers where
    /// the organisation is.
    pub async fn accept_invitation(&self, actor: &Actor, link: &SecretString) -> Result<OrgSlug, Error> {
        let (org, id) = self.find_invitation(link).await?;
        let mut tx = database::begin(&self.pool, Some((org, &Scope::All)), Some(actor.user)).await?;
        let slug = self.accept(&mut tx, org, id, actor.user, &actor.place).await?;
        tx.commit().await?;
        Ok(slug)
    }

    /// The organisation and the invitation that a link leads to.
    pub(crate) async fn find_invitation(&self, link: &SecretString) -> Result<(OrgId, InvitationId), Error> {
        let found = sqlx::query!(
            r#"SELECT org_id AS "org_id!", id AS "id!" FROM invitation_by_hash($1)"#,
            links::hash(link.expose_secret()),
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::LinkEnded)?;
        Ok((OrgId(found.org_id), InvitationId(found.id)))
    }

    /// Reads an invitation that waits; whoever else would end it has to wait, too.
    async fn open_invitation(&self, tx: &mut PgConnection, org: OrgId, id: InvitationId) -> Result<Opened, Error> {
        let row = sqlx::query!(
            "SELECT i.email, i.email_canonical, i.role, i.clusters, i.invited_by, o.name, o.slug
             FROM invitations i JOIN organisations o ON o.id = i.org_id
             WHERE i.org_id = $1 AND i.id = $2 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $3
             FOR UPDATE OF i",
            org.0,
            id.0,
            self.world.now(),
        )
        .fetch_optional(tx)
        .await?
        .ok_or(Error::LinkEnded)?;
        Ok(Opened {
            email: row.email,
            email_canonical: row.email_canonical,
            access: authorize::access(&row.role, row.clusters)?,
            invited_by: row.invited_by,
            organisation: row.name,
            slug: row.slug,
        })
    }

    /// Makes a person a member by an invitation, as part of the caller's transaction, which has stated the organisation.
    pub(crate) async fn accept(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        id: InvitationId,
        user: UserId,
        place: &str,
    ) -> Result<OrgSlug, Error> {
        let now = self.world.now();
        let opened = self.open_invitation(tx, org, id).await?;
        // Who has the link reads the address, if it is theirs.
        let is_theirs = sqlx::query!(
            "UPDATE users SET email_verified_at = coalesce(email_verified_at, $3) WHERE id = $1 AND email_canonical = $2",
            user.0,
            opened.email_canonical,
            now,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if is_theirs == 0 {
            return Err(Error::InvitedAnother);
        }
        sqlx::query!(
            "UPDATE invitations SET accepted_at = $3, accepted_by = $4, hash = NULL WHERE org_id = $1 AND id = $2",
            org.0,
            id.0,
            now,
            user.0,
        )
        .execute(&mut *tx)
        .await?;
        self.join_as(tx, org, user, &opened.access, place).await?;
        opened.slug.parse().map_err(|e| Error::Internal(format!("slug: {e}")))
    }

    /// Adds a member, unless they are one: what they hold then stays.
    async fn join_as(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        user: UserId,
        access: &Access,
        place: &str,
    ) -> Result<(), Error> {
        let clusters: Option<Vec<Uuid>> = access.clusters.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        let joined = sqlx::query!(
            "INSERT INTO memberships (org_id, user_id, role, clusters, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (org_id, user_id) DO NOTHING",
            org.0,
            user.0,
            access.role.as_str(),
            clusters.as_deref(),
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if joined == 0 {
            return Ok(());
        }
        live::notify_members(tx, org).await?;
        let holder = Holder::member(user, place, org, access);
        self.record(tx, &holder, Entry::person(Action::MemberJoin, user).after(team::described(access))).await
    }

    /// Decides who joins by their address. The domain is that of who decides, and they proved that they read their address.
    pub async fn set_join_rule(
        &self,
        org: &Authorized<Organisation, ManageOrganisation>,
        actor: &Actor,
        role: Option<Role>,
    ) -> Result<(), Error> {
        let rule = match role {
            None => None,
            Some(role) => Some(JoinRule { domain: domain_of(&self.pool, actor).await?, role: joins(role)? }),
        };
        let mut tx = org.write_alone(self).await?;
        let before = join_rule(&mut tx, org.id).await?;
        sqlx::query!(
            "UPDATE organisations SET join_domain = $2, join_role = $3 WHERE id = $1",
            org.id.0,
            rule.as_ref().map(|rule| rule.domain.as_str()),
            rule.as_ref().map(|rule| rule.role.as_str()),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit(Entry::of(Action::JoinByDomain).before(json!(before)).after(json!(rule))).await
    }

    /// The organisations that a person may join by their address.
    pub async fn joinable(&self, actor: &Actor) -> Result<Vec<Joinable>, Error> {
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let rows = sqlx::query!(
            r#"SELECT o.slug, o.name, o.join_role AS "role!" FROM organisations o
               WHERE o.join_domain = (SELECT asking_domain())
                 AND NOT EXISTS (SELECT FROM memberships m WHERE m.org_id = o.id AND m.user_id = $1)
               ORDER BY o.name, o.slug LIMIT 50"#,
            actor.user.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        rows.into_iter()
            .map(|row| {
                let slug = row.slug.parse().map_err(|e| Error::Internal(format!("slug: {e}")))?;
                Ok(Joinable { slug, name: row.name, role: authorize::parse_role(&row.role)? })
            })
            .collect()
    }

    /// Makes who asks a member by their address.
    pub async fn join_by_domain(&self, actor: &Actor, slug: &OrgSlug) -> Result<(), Error> {
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let org = sqlx::query_scalar!(
            "SELECT id FROM organisations WHERE slug = $1 AND join_domain = (SELECT asking_domain())",
            slug.as_str(),
        )
        .fetch_optional(&mut *tx)
        .await?
        .map(OrgId)
        .ok_or(Error::NotFound)?;
        tx.commit().await?;
        let mut tx = database::begin(&self.pool, Some((org, &Scope::All)), Some(actor.user)).await?;
        // Looked at again under a lock: the rule may be another by now.
        let rule = sqlx::query!("SELECT id FROM organisations WHERE id = $1 FOR NO KEY UPDATE", org.0)
            .fetch_optional(&mut *tx)
            .await?;
        let rule = if rule.is_some() { join_rule(&mut tx, org).await? } else { None };
        let rule = rule.ok_or(Error::NotFound)?;
        // By this transaction's own connection: who holds a lock must not wait for another.
        if domain_of(&mut *tx, actor).await? != rule.domain {
            return Err(Error::NotFound);
        }
        billing::one_more(&mut tx, self, org, Limit::Members).await?;
        self.join_as(&mut tx, org, actor.user, &Access { role: rule.role, clusters: None }, &actor.place).await?;
        Ok(tx.commit().await?)
    }
}

/// The domain of a person's address, if they proved that they read it and not everybody can have one there.
pub(crate) async fn domain_of(database: impl PgExecutor<'_>, actor: &Actor) -> Result<String, Error> {
    let domain = sqlx::query_scalar!(
        "SELECT substring(email_canonical FROM '@([^@]+)$') FROM users WHERE id = $1 AND email_verified_at IS NOT NULL",
        actor.user.0,
    )
    .fetch_optional(database)
    .await?
    .flatten();
    let refused = |problem| Err(FieldError { field: Field::Domain, problem }.into());
    match domain {
        None => refused(Problem::NotProven),
        Some(domain) if PUBLIC_MAIL.contains(&domain.as_str()) => refused(Problem::IsPublic),
        Some(domain) => Ok(domain),
    }
}

/// A role that people may come by without being invited: none that decides what others may do.
fn joins(role: Role) -> Result<Role, Error> {
    match role {
        Role::Operator | Role::Viewer | Role::Billing => Ok(role),
        Role::Owner | Role::Admin => Err(FieldError { field: Field::Role, problem: Problem::NotForThisRole }.into()),
    }
}

/// Who joins by their address.
pub(crate) async fn join_rule(tx: &mut PgConnection, org: OrgId) -> Result<Option<JoinRule>, Error> {
    let row = sqlx::query!("SELECT join_domain, join_role FROM organisations WHERE id = $1", org.0)
        .fetch_optional(tx)
        .await?;
    let Some((domain, role)) = row.and_then(|row| row.join_domain.zip(row.join_role)) else { return Ok(None) };
    Ok(Some(JoinRule { domain, role: authorize::parse_role(&role)? }))
}
