//! Accounts: sign up, log in, who is looking.

use kubewise_contract::{
    EmailAddress, Field, FieldError, InvitationId, OrgId, OrgSlug, OrganisationName, OrganisationRef, PersonName,
    Problem, Role, Strength, UserId, Viewer, Ways,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Actor, Error, Visitor, Web,
    attempts::{self, Counter},
    database::{self, Scope},
    links,
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
    /// From which network they come.
    pub place: String,
}

/// What somebody gives who was invited to an organisation; the address is the one that was invited.
pub struct SignUpInvited {
    /// The person's name.
    pub name: PersonName,
    /// The password they chose.
    pub password: SecretString,
    /// What the link of the invitation carries.
    pub link: SecretString,
    /// From which network they come.
    pub place: String,
}

/// Somebody for whom an account is made: what they chose is checked.
pub(crate) struct Newcomer<'a> {
    pub(crate) name: &'a PersonName,
    pub(crate) email: &'a EmailAddress,
    pub(crate) beginning: Beginning<'a>,
    pub(crate) password_hash: Option<&'a str>,
    /// Who they are at the issuer, which proved that they read the address.
    pub(crate) identity: Option<&'a Proven>,
    /// By whoever runs the installation.
    pub(crate) invitation: Option<&'a SecretString>,
    /// From which network they come.
    pub(crate) place: &'a str,
    /// Whether they make it themselves, on a page that says to what they agree by that.
    pub(crate) agrees: bool,
}

/// Where somebody is a member from the beginning.
#[derive(Clone, Copy)]
pub(crate) enum Beginning<'a> {
    /// In an organisation of this name, which is made for them.
    Own(&'a OrganisationName),
    /// Where the link of an invitation leads.
    Invited(&'a SecretString),
    /// Nowhere yet: they were invited, and accept it themselves.
    Later,
}

/// The same, once it is known where a link leads.
#[derive(Clone, Copy)]
enum Joins<'a> {
    New(OrgId, &'a OrganisationName),
    By(OrgId, InvitationId),
    None,
}

/// What signing up made.
pub struct SignedUp {
    /// The person.
    pub user: UserId,
    /// Where their organisation is, if they are in one.
    pub slug: Option<OrgSlug>,
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
        self.create_account(request, None, true).await
    }

    /// The same with an invitation, which is used up by it. Fails with [`Error::LinkEnded`] when it is none or too
    /// old, with [`Error::Invalid`] when it is for another address, and with [`Error::SignUpClosed`] where nobody is let in.
    pub async fn sign_up_by_invitation(&self, request: SignUp, invitation: &SecretString) -> Result<SignedUp, Error> {
        if self.signup == SignUpPolicy::Closed {
            return Err(Error::SignUpClosed);
        }
        self.create_account(request, Some(invitation), true).await
    }

    /// Makes an account for who was invited to an organisation, as its member. Fails with [`Error::LinkEnded`] when the
    /// invitation has ended, and with [`Error::SignUpClosed`] where nobody is let in.
    pub async fn sign_up_invited(&self, request: SignUpInvited) -> Result<SignedUp, Error> {
        if self.signup == SignUpPolicy::Closed {
            return Err(Error::SignUpClosed);
        }
        let invited = self.invitation(&request.link, None).await?;
        let email = EmailAddress::parse(&invited.email)?;
        let about = [request.name.as_str(), email.as_str(), &invited.organisation, "kubewise"];
        let hash = self.passwords.accept(&self.world, &request.password, &about).await?;
        self.make_account(Newcomer {
            name: &request.name,
            email: &email,
            beginning: Beginning::Invited(&request.link),
            password_hash: Some(&hash),
            identity: None,
            invitation: None,
            place: &request.place,
            agrees: true,
        })
        .await
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
        agrees: bool,
    ) -> Result<SignedUp, Error> {
        let about = [request.name.as_str(), request.email.as_str(), request.organisation.as_str(), "kubewise"];
        let hash = self.passwords.accept(&self.world, &request.password, &about).await?;
        let newcomer = Newcomer {
            name: &request.name,
            email: &request.email,
            beginning: Beginning::Own(&request.organisation),
            password_hash: Some(&hash),
            identity: None,
            invitation,
            place: &request.place,
            agrees,
        };
        self.make_account(newcomer).await
    }

    pub(crate) async fn make_account(&self, request: Newcomer<'_>) -> Result<SignedUp, Error> {
        let now = self.world.now();
        let user = UserId(self.world.uuid());
        let joins = match request.beginning {
            Beginning::Own(organisation) => Joins::New(OrgId(self.world.uuid()), organisation),
            Beginning::Invited(link) => {
                let (org, invitation) = self.find_invitation(link).await?;
                Joins::By(org, invitation)
            }
            Beginning::Later => Joins::None,
        };
        let tenant = match joins {
            Joins::New(org, _) | Joins::By(org, _) => Some((org, &Scope::All)),
            Joins::None => None,
        };
        let mut tx = database::begin(&self.pool, tenant, Some(user)).await?;
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
        if request.agrees {
            self.agree(&mut tx, user).await?;
        }
        let slug = match joins {
            Joins::New(org, name) => Some(self.insert_organisation(&mut tx, org, name, user, request.place).await?),
            Joins::By(org, invitation) => Some(self.accept(&mut tx, org, invitation, user, request.place).await?),
            Joins::None => None,
        };
        match request.identity {
            Some(proven) => oidc::insert(&mut tx, &self.world, user, proven).await?,
            // The link of the invitation was the proof.
            None if matches!(joins, Joins::By(..)) => {}
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
            r#"SELECT o.slug, o.name, m.role, m.clusters IS NOT NULL AS "is_limited!" FROM memberships m JOIN organisations o ON o.id = m.org_id
             WHERE m.user_id = $1 ORDER BY o.name, o.slug LIMIT 200"#,
            actor.user.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let organisations = rows
            .into_iter()
            .filter_map(|row| {
                Some(OrganisationRef {
                    slug: row.slug.parse().ok()?,
                    name: row.name,
                    role: Role::parse(&row.role)?,
                    is_limited: row.is_limited,
                })
            })
            .collect();
        Ok(Viewer {
            name: actor.name.clone(),
            email: actor.email.clone(),
            organisations,
            is_administrator: actor.is_administrator,
        })
    }
}
