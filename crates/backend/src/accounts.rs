//! Accounts: sign up, log in, who is looking.

use kubewise_contract::{
    EmailAddress, Field, FieldError, OrgId, OrgSlug, OrganisationName, OrganisationRef, PersonName, Problem, Role,
    Strength, UserId, Viewer, Ways,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Actor, Error, Visitor, Web,
    attempts::{self, Counter},
    database, links,
    mail::{self, Mail},
    oidc::{self, Proven},
    password::PasswordPolicy,
};

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpPolicy {
    /// Anybody.
    Open,
    /// Who was invited.
    Invite,
    /// Nobody; whoever runs the installation makes accounts.
    Closed,
}

/// What signing up asks for.
pub struct SignUp {
    /// The person's name.
    pub name: PersonName,
    /// Their e-mail address.
    pub email: EmailAddress,
    /// The password they chose.
    pub password: SecretString,
    /// The organisation that is made, with them as its owner.
    pub organisation: OrganisationName,
}

/// Somebody for whom an account is made: what they chose is checked.
pub(crate) struct Newcomer<'a> {
    pub(crate) name: &'a PersonName,
    pub(crate) email: &'a EmailAddress,
    pub(crate) organisation: &'a OrganisationName,
    pub(crate) password_hash: Option<&'a str>,
    /// Who they are at the issuer, which proved that they read the address.
    pub(crate) identity: Option<&'a Proven>,
    pub(crate) invitation: Option<&'a SecretString>,
}

/// What signing up made.
pub struct SignedUp {
    /// The person.
    pub user: UserId,
    /// Where their organisation is.
    pub slug: OrgSlug,
}

impl Web {
    /// Makes an account and an organisation owned by it.
    ///
    /// Fails with [`Error::Invalid`] when the password is weak or the address has an account, and with
    /// [`Error::SignUpClosed`] where strangers are not let in.
    pub async fn sign_up(&self, request: SignUp) -> Result<SignedUp, Error> {
        if self.signup != SignUpPolicy::Open {
            return Err(Error::SignUpClosed);
        }
        self.create_account(request, None).await
    }

    /// The same with an invitation, which is used up by it. Fails with [`Error::LinkEnded`] when it is none or too
    /// old, with [`Error::Invalid`] when it is for another address, and with [`Error::SignUpClosed`] where nobody is let in.
    pub async fn sign_up_by_invitation(&self, request: SignUp, invitation: &SecretString) -> Result<SignedUp, Error> {
        if self.signup == SignUpPolicy::Closed {
            return Err(Error::SignUpClosed);
        }
        self.create_account(request, Some(invitation)).await
    }

    /// How people sign in and up here.
    pub fn ways(&self) -> Ways {
        Ways { provider: self.provider(), passkeys: self.has_passkeys(), sign_up: self.signup == SignUpPolicy::Open }
    }

    /// The same without asking whether strangers are let in: for whoever runs the installation.
    pub(crate) async fn create_account(
        &self,
        request: SignUp,
        invitation: Option<&SecretString>,
    ) -> Result<SignedUp, Error> {
        let about = [request.name.as_str(), request.email.as_str(), request.organisation.as_str(), "kubewise"];
        self.passwords.check(&request.password, &about).await?;
        let hash = self.passwords.hash(&self.world, &request.password).await?;
        let newcomer = Newcomer {
            name: &request.name,
            email: &request.email,
            organisation: &request.organisation,
            password_hash: Some(&hash),
            identity: None,
            invitation,
        };
        self.make_account(newcomer).await
    }

    pub(crate) async fn make_account(&self, request: Newcomer<'_>) -> Result<SignedUp, Error> {
        let now = self.world.now();
        let user = UserId(self.world.uuid());
        let org = OrgId(self.world.uuid());
        let mut tx = database::begin(&self.pool, Some(org), Some(user)).await?;
        if let Some(invitation) = request.invitation {
            let invited = sqlx::query_scalar!(
                "DELETE FROM sign_up_invitations WHERE hash = $1 AND expires_at > $2 RETURNING email_canonical",
                links::hash(invitation.expose_secret()),
                now,
            )
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::LinkEnded)?;
            if invited != request.email.canonical() {
                // The invitation comes back with the end of the transaction.
                return Err(FieldError { field: Field::Email, problem: Problem::NotInvited }.into());
            }
        }
        // Not by an error of PostgreSQL's: its log would hold the address.
        let inserted = sqlx::query!(
            "INSERT INTO users (id, name, email, email_canonical, password_hash, email_verified_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (email_canonical) DO NOTHING",
            user.0,
            request.name.as_str(),
            request.email.as_str(),
            request.email.canonical(),
            request.password_hash,
            request.identity.map(|_| now),
            now,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if inserted == 0 {
            return Err(FieldError { field: Field::Email, problem: Problem::Taken }.into());
        }
        let wanted = OrgSlug::from_name(request.organisation.as_str());
        let mut slug = wanted.clone();
        // Other organisations are invisible here, so a taken address shows only as a conflict. A random ending settles
        // it: counting up would tell how many of the same name there are.
        for attempt in 0.. {
            let inserted = sqlx::query!(
                "INSERT INTO organisations (id, slug, name, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (slug) DO NOTHING",
                org.0,
                slug.as_str(),
                request.organisation.as_str(),
                now,
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if inserted == 1 {
                break;
            }
            if attempt == 8 {
                return Err(Error::Internal("no free address for the organisation".to_owned()));
            }
            let ending = hex::encode(self.world.random::<3>());
            slug = format!("{wanted}-{ending}").parse().map_err(|e| Error::Internal(format!("slug: {e}")))?;
        }
        sqlx::query!(
            "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)",
            org.0,
            user.0,
            Role::Owner.as_str(),
            now,
        )
        .execute(&mut *tx)
        .await?;
        match request.identity {
            Some(proven) => oidc::insert(&mut tx, &self.world, user, proven).await?,
            None => mail::enqueue(&mut tx, &Mail::VerifyAddress { user }).await?,
        }
        tx.commit().await?;
        Ok(SignedUp { user, slug })
    }

    /// How hard a password is to guess that somebody is choosing. `about`: what they wrote of themselves.
    pub async fn strength(
        &self,
        actor: Option<&Actor>,
        password: &SecretString,
        about: &str,
    ) -> Result<Strength, Error> {
        let (name, email) = actor.map_or(("", ""), |actor| (&actor.name, &actor.email));
        self.passwords.strength(password, &[name, email, "kubewise", about]).await
    }

    /// Refuses a network that had many accounts made already.
    pub async fn limit_sign_ups(&self, visitor: &Visitor) -> Result<(), Error> {
        attempts::begin(&self.pool, &self.world, vec![Counter::sign_ups(visitor.address)]).await
    }

    /// Checks an address and a password. Whatever is wrong, the answer is [`Error::WrongCredentials`], after the same
    /// work; after several that failed, [`Error::TooMany`].
    pub async fn log_in(&self, email: &str, password: &SecretString, visitor: &Visitor) -> Result<UserId, Error> {
        // What is no address has no account; it is looked up all the same, so that it takes as long.
        let canonical = EmailAddress::parse(email).map(|e| e.canonical()).unwrap_or_default();
        let kept = visitor.hash();
        let row = sqlx::query!(
            r#"SELECT id, password_hash,
                      EXISTS (SELECT FROM known_browsers b WHERE b.user_id = u.id AND b.hash = $2) AS "known!"
               FROM users u WHERE email_canonical = $1"#,
            canonical,
            kept,
        )
        .fetch_optional(&self.pool)
        .await?;
        let counters = match (&row, kept) {
            (Some(row), Some(hash)) if row.known => vec![Counter::browser(UserId(row.id), &hash)],
            _ => vec![
                Counter::account_from(&canonical, visitor.address),
                Counter::network(visitor.address),
                Counter::account(&canonical),
            ],
        };
        attempts::begin(&self.pool, &self.world, counters.clone()).await?;
        let (id, hash) = row.map_or((None, None), |row| (Some(row.id), row.password_hash));
        let matches = self.passwords.verify(hash.clone(), password).await?;
        let (Some(user), Some(hash), true) = (id.map(UserId), hash, matches) else {
            return Err(Error::WrongCredentials);
        };
        attempts::succeeded(&self.pool, &self.world, &counters).await?;
        if PasswordPolicy::is_outdated(&hash) {
            let fresh = self.passwords.hash(&self.world, password).await?;
            // Unless it was changed meanwhile.
            sqlx::query!(
                "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
                user.0,
                hash,
                fresh,
            )
            .execute(&self.pool)
            .await?;
        }
        Ok(user)
    }

    /// What pages show of the person who looks, and the organisations they may choose from.
    pub async fn viewer(&self, actor: &Actor) -> Result<Viewer, Error> {
        let mut tx = database::user_tx(&self.pool, actor.user).await?;
        let rows = sqlx::query!(
            "SELECT o.slug, o.name, m.role FROM memberships m JOIN organisations o ON o.id = m.org_id
             WHERE m.user_id = $1 ORDER BY o.name, o.slug LIMIT 200",
            actor.user.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let organisations = rows
            .into_iter()
            .filter_map(|row| {
                Some(OrganisationRef { slug: row.slug.parse().ok()?, name: row.name, role: Role::parse(&row.role)? })
            })
            .collect();
        Ok(Viewer { name: actor.name.clone(), email: actor.email.clone(), organisations })
    }
}
