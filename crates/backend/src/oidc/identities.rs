//! Whose identity at the issuer is whose account here. An address alone never decides that: it may have been given to
//! somebody else since, or be claimed by an issuer or an account that never proved it.

use kubewise_contract::{
    EmailAddress, LinkedIdentity, OrganisationName, PersonName, Provider, ProviderRefusal, UserId,
};
use secrecy::SecretString;
use sqlx::PgConnection;

use super::{Oidc, Proven};
use crate::{
    Actor, Error, SignUpPolicy, Visitor, Web,
    accounts::{Beginning, Newcomer},
    attempts::{self, Counter},
    database,
    error::is_taken,
    mail::{self, Changed, Mail},
    world::timestamp,
};

impl Web {
    /// Has people sign in through an issuer too.
    #[must_use]
    pub fn with_oidc(mut self, oidc: Option<Oidc>) -> Self {
        self.oidc = oidc;
        self
    }

    /// The issuer, if there is one.
    pub const fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_ref()
    }

    /// What people call the issuer.
    pub fn provider(&self) -> Option<String> {
        self.oidc.as_ref().map(|oidc| oidc.label().to_owned())
    }

    /// Counts somebody who goes to the issuer; who does so again and again without coming back has to wait.
    pub async fn leaves_for_provider(&self, visitor: &Visitor) -> Result<(), Error> {
        attempts::begin(&self.pool, &self.world, vec![Counter::provider(visitor.address)]).await
    }

    /// Somebody came back, proven.
    pub async fn returns_from_provider(&self, visitor: &Visitor) -> Result<(), Error> {
        attempts::succeeded(&self.pool, &self.world, &[Counter::provider(visitor.address)]).await
    }

    /// The account of who came from the issuer. One is made for who has none, if strangers are let in. One with the same
    /// address is theirs if the issuer and we both know that they read it; otherwise they must link it themselves.
    /// `invitation`: what the link carries by which they came, if it was one to an organisation.
    pub async fn enter(
        &self,
        proven: &Proven,
        visitor: &Visitor,
        invitation: Option<&SecretString>,
    ) -> Result<UserId, Error> {
        if let Some(user) = self.used_identity(proven).await? {
            return Ok(user);
        }
        let email = proven.email.as_deref().and_then(|email| EmailAddress::parse(email).ok());
        let Some(email) = email.filter(|_| proven.email_verified) else {
            return Err(ProviderRefusal::Unverified.into());
        };
        let found = sqlx::query!(
            "SELECT id, email, email_verified_at FROM users WHERE email_canonical = $1",
            email.canonical(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else { return self.welcome(proven, &email, visitor, invitation).await };
        // Letters that only look or compare alike may be another mailbox.
        if found.email_verified_at.is_none() || !found.email.eq_ignore_ascii_case(email.as_str()) {
            return Err(ProviderRefusal::AccountExists.into());
        }
        match self.add_identity(UserId(found.id), proven).await {
            // The account is linked to somebody else there: the address was given to another person since.
            Err(Error::Provider(ProviderRefusal::Taken)) => Err(ProviderRefusal::AccountExists.into()),
            added => added.map(|()| UserId(found.id)),
        }
    }

    async fn used_identity(&self, proven: &Proven) -> Result<Option<UserId>, Error> {
        let user = sqlx::query_scalar!(
            "UPDATE identities SET last_used_at = $3, email = coalesce($4, email) WHERE issuer = $1 AND subject = $2
             RETURNING user_id",
            proven.issuer,
            proven.subject,
            self.world.now(),
            proven.email,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(user.map(UserId))
    }

    async fn welcome(
        &self,
        proven: &Proven,
        email: &EmailAddress,
        visitor: &Visitor,
        invitation: Option<&SecretString>,
    ) -> Result<UserId, Error> {
        // An invitation to another address is none: who comes is then somebody like any other.
        let is_invited = match invitation {
            Some(link) => self.is_invited(link, email).await?,
            None => false,
        };
        if self.signup != SignUpPolicy::Open && (!is_invited || self.signup == SignUpPolicy::Closed) {
            return Err(ProviderRefusal::SignUpClosed.into());
        }
        self.limit_sign_ups(visitor).await?;
        let name = name_of(proven, email)?;
        let own = organisation_of(&name)?;
        let newcomer = Newcomer {
            name: &name,
            email,
            beginning: if is_invited { Beginning::Later } else { Beginning::Own(&own) },
            password_hash: None,
            identity: Some(proven),
            invitation: None,
            place: &visitor.place(),
            agrees: true,
        };
        match self.make_account(newcomer).await {
            Ok(made) => Ok(made.user),
            // Made by somebody a moment ago.
            Err(Error::Invalid(_)) => Err(ProviderRefusal::AccountExists.into()),
            Err(error) => Err(error),
        }
    }

    async fn is_invited(&self, link: &SecretString, email: &EmailAddress) -> Result<bool, Error> {
        match self.invitation(link, None).await {
            Ok(invited) => Ok(EmailAddress::parse(&invited.email)?.canonical() == email.canonical()),
            Err(Error::LinkEnded) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has who asks sign in with this from now on.
    pub async fn link_identity(&self, actor: &Actor, proven: &Proven) -> Result<(), Error> {
        self.add_identity(actor.user, proven).await
    }

    async fn add_identity(&self, user: UserId, proven: &Proven) -> Result<(), Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        insert(&mut tx, &self.world, user, proven).await?;
        mail::enqueue(&mut tx, &Mail::SecurityChanged { user, what: Changed::ProviderLinked }).await?;
        Ok(tx.commit().await?)
    }

    /// Whether it is them, and they proved it to the issuer just now.
    pub async fn is_confirmed_by(&self, actor: &Actor, proven: &Proven) -> Result<(), Error> {
        if self.used_identity(proven).await? != Some(actor.user) {
            return Err(ProviderRefusal::Other.into());
        }
        if proven.is_fresh { Ok(()) } else { Err(ProviderRefusal::Stale.into()) }
    }

    /// Has who asks sign in through the issuer no more. Refused while nothing else would let them in.
    pub async fn unlink_identity(&self, actor: &Actor) -> Result<(), Error> {
        let issuer = self.oidc.as_ref().ok_or(Error::NotFound)?.issuer();
        let mut tx = database::begin(&self.pool, None, None).await?;
        lock_ways_in(&mut tx, actor.user).await?;
        let removed = sqlx::query!("DELETE FROM identities WHERE user_id = $1 AND issuer = $2", actor.user.0, issuer)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if removed == 0 {
            return Err(Error::NotFound);
        }
        self.must_have_way_in(&mut tx, actor.user).await?;
        let what = Changed::ProviderUnlinked;
        mail::enqueue(&mut tx, &Mail::SecurityChanged { user: actor.user, what }).await?;
        Ok(tx.commit().await?)
    }

    /// Refuses what was done in this transaction if nothing is left that signs the person in. [`lock_ways_in`] comes first.
    pub(crate) async fn must_have_way_in(&self, tx: &mut PgConnection, user: UserId) -> Result<(), Error> {
        let has = sqlx::query_scalar!(
            r#"SELECT password_hash IS NOT NULL
                      OR EXISTS (SELECT FROM passkeys WHERE user_id = $1)
                      OR EXISTS (SELECT FROM identities WHERE user_id = $1 AND issuer = $2) AS "has!"
               FROM users WHERE id = $1"#,
            user.0,
            self.oidc.as_ref().map(Oidc::issuer),
        )
        .fetch_one(tx)
        .await?;
        if has { Ok(()) } else { Err(ProviderRefusal::LastWayIn.into()) }
    }

    /// The issuer, and who the person is there.
    pub(crate) async fn provider_of(&self, user: UserId) -> Result<Option<Provider>, Error> {
        let Some(oidc) = &self.oidc else { return Ok(None) };
        let linked = sqlx::query!(
            "SELECT email, created_at FROM identities WHERE user_id = $1 AND issuer = $2",
            user.0,
            oidc.issuer(),
        )
        .fetch_optional(&self.pool)
        .await?
        .map(|row| LinkedIdentity { email: row.email, since: timestamp(row.created_at) });
        Ok(Some(Provider { name: oidc.label().to_owned(), linked }))
    }
}

/// Has others who remove a way in wait: of two at once, neither would see what the other removes.
pub(crate) async fn lock_ways_in(tx: &mut PgConnection, user: UserId) -> Result<(), Error> {
    sqlx::query!("SELECT id FROM users WHERE id = $1 FOR UPDATE", user.0).fetch_one(tx).await?;
    Ok(())
}

/// Links an identity to an account. One of either that is linked already is [`ProviderRefusal::Taken`].
pub(crate) async fn insert(
    tx: &mut PgConnection,
    world: &crate::World,
    user: UserId,
    proven: &Proven,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO identities (issuer, subject, user_id, email, created_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $5)",
        proven.issuer,
        proven.subject,
        user.0,
        proven.email.as_deref().unwrap_or_default(),
        world.now(),
    )
    .execute(tx)
    .await
    .map_err(|e| {
        if is_taken(&e, "identities_pkey") || is_taken(&e, "identities_user_id_issuer_key") {
            ProviderRefusal::Taken.into()
        } else {
            Error::from(e)
        }
    })?;
    Ok(())
}

/// What the issuer calls them, as far as it is a name; else what stands before the `@`.
fn name_of(proven: &Proven, email: &EmailAddress) -> Result<PersonName, Error> {
    let local = email.as_str().split('@').next().unwrap_or_default();
    let plain = |text: &str| PersonName::parse(&cut(text, PersonName::MAX));
    Ok(proven.name.as_deref().and_then(|name| plain(name).ok()).map_or_else(|| plain(local), Ok)?)
}

fn organisation_of(name: &PersonName) -> Result<OrganisationName, Error> {
    const ENDING: &str = "'s organisation";
    let name = cut(name.as_str(), OrganisationName::MAX - ENDING.len());
    Ok(OrganisationName::parse(&format!("{}{ENDING}", name.trim_end()))?)
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}
