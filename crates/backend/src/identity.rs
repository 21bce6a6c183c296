//! What a person does with their own account: proving an address, changing name, address and password, and seeing
//! where they are signed in.

use kubewise_contract::{Account, EmailAddress, Field, FieldError, PersonName, Problem, SessionRow};
use secrecy::SecretString;
use tower_sessions::session::Id;

use crate::{
    Actor, Error, Visitor, Web,
    attempts::{self, Counter},
    database,
    error::is_taken,
    links::{self, Purpose},
    mail::{self, Mail},
    session,
    world::timestamp,
};

/// Longest text that can be what a link carries.
const TOKEN_BYTES: usize = 64;

impl Web {
    /// The account of who asks.
    pub async fn account(&self, actor: &Actor) -> Result<Account, Error> {
        let row = sqlx::query!(
            r#"SELECT name, email, email_verified_at, password_hash IS NOT NULL AS "has_password!" FROM users WHERE id = $1"#,
            actor.user.0,
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::NotFound)?;
        Ok(Account {
            name: row.name,
            email: row.email,
            is_verified: row.email_verified_at.is_some(),
            has_password: row.has_password,
            provider: self.provider_of(actor.user).await?,
        })
    }

    /// Changes what a person is called.
    pub async fn change_name(&self, actor: &Actor, name: &PersonName) -> Result<(), Error> {
        sqlx::query!("UPDATE users SET name = $2 WHERE id = $1", actor.user.0, name.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Sends the mail that proves an address once more.
    pub async fn resend_verification(&self, actor: &Actor) -> Result<(), Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        mail::enqueue(&mut tx, &Mail::VerifyAddress { user: actor.user }).await?;
        Ok(tx.commit().await?)
    }

    /// Sends a mail to another address, which becomes the account's once its link is opened. Without a password, who asks
    /// must have proved lately who they are.
    pub async fn request_address(
        &self,
        actor: &Actor,
        password: Option<&SecretString>,
        email: &EmailAddress,
    ) -> Result<(), Error> {
        if let Some(password) = password {
            self.prove(actor, password).await?;
        }
        // Whether somebody else has it is not told here: it would tell who has an account.
        let mut tx = database::begin(&self.pool, None, None).await?;
        mail::enqueue(&mut tx, &Mail::ChangeAddress { user: actor.user, email: email.as_str().to_owned() }).await?;
        Ok(tx.commit().await?)
    }

    /// Opens a link that proves an address: the account's own, or the one that it shall be known by.
    pub async fn verify_address(&self, token: &SecretString) -> Result<(), Error> {
        limit(token)?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        let now = self.world.now();
        if let Some(link) = links::find(&mut tx, &self.world, token, Purpose::VerifyAddress).await? {
            let verified = sqlx::query!(
                "UPDATE users SET email_verified_at = $3 WHERE id = $1 AND email = $2",
                link.user.0,
                link.email,
                now,
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            // The address was changed since.
            if verified == 0 || !links::use_up(&mut tx, token, link.user, Purpose::VerifyAddress).await? {
                return Err(Error::LinkEnded);
            }
            return Ok(tx.commit().await?);
        }
        let link = links::find(&mut tx, &self.world, token, Purpose::ChangeAddress).await?.ok_or(Error::LinkEnded)?;
        if !links::use_up(&mut tx, token, link.user, Purpose::ChangeAddress).await? {
            return Err(Error::LinkEnded);
        }
        let email = EmailAddress::parse(&link.email)?;
        let before = sqlx::query!("SELECT name, email FROM users WHERE id = $1 FOR UPDATE", link.user.0)
            .fetch_one(&mut *tx)
            .await?;
        let taken = || Error::from(FieldError { field: Field::Email, problem: Problem::Taken });
        // Looked for first: what PostgreSQL logs of an error holds the address. Only two at once come to that.
        let changed = sqlx::query!(
            "UPDATE users SET email = $2, email_canonical = $3, email_verified_at = $4
             WHERE id = $1 AND NOT EXISTS (SELECT FROM users other WHERE other.email_canonical = $3 AND other.id <> $1)",
            link.user.0,
            email.as_str(),
            email.canonical(),
            now,
        )
        .execute(&mut *tx)
        .await
        .map_err(|e| if is_taken(&e, "users_email_canonical_key") { taken() } else { Error::from(e) })?
        .rows_affected();
        if changed == 0 {
            return Err(taken());
        }
        // What was sent to the address before opens nothing any more.
        links::forget(&mut tx, link.user, Purpose::VerifyAddress).await?;
        links::forget(&mut tx, link.user, Purpose::ResetPassword).await?;
        let told = Mail::AddressChanged { name: before.name, before: before.email, now: email.as_str().to_owned() };
        mail::enqueue(&mut tx, &told).await?;
        Ok(tx.commit().await?)
    }

    /// Sends a link to choose a new password, if the address has an account. The answer and the work are the same if it
    /// has none.
    pub async fn request_reset(&self, email: &EmailAddress, visitor: &Visitor) -> Result<(), Error> {
        attempts::begin(&self.pool, &self.world, vec![Counter::resets(visitor.address)]).await?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        mail::enqueue(&mut tx, &Mail::ResetPassword { email: email.canonical() }).await?;
        Ok(tx.commit().await?)
    }

    /// Chooses a new password by a link. Whoever is signed in to the account is signed out everywhere. Answers what the
    /// browser shall keep: it may sign in, however much is guessed elsewhere.
    pub async fn reset_password(
        &self,
        token: &SecretString,
        password: &SecretString,
        visitor: &Visitor,
    ) -> Result<Option<SecretString>, Error> {
        limit(token)?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        let link = links::find(&mut tx, &self.world, token, Purpose::ResetPassword).await?.ok_or(Error::LinkEnded)?;
        let person =
            sqlx::query!("SELECT name, email FROM users WHERE id = $1", link.user.0).fetch_one(&mut *tx).await?;
        // Hashing takes long: nothing is held meanwhile.
        tx.commit().await?;
        // A link is not used up by a password that is refused.
        let hash = self.passwords.accept(&self.world, password, &[&person.name, &person.email, "kubewise"]).await?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        if !links::use_up(&mut tx, token, link.user, Purpose::ResetPassword).await? {
            return Err(Error::LinkEnded);
        }
        // Opening it proved that they read the address it was sent to.
        sqlx::query!(
            "UPDATE users SET password_hash = $2,
                    email_verified_at = CASE WHEN email = $3 THEN coalesce(email_verified_at, $4) ELSE email_verified_at END
             WHERE id = $1",
            link.user.0,
            hash,
            link.email,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM sessions WHERE user_id = $1", link.user.0).execute(&mut *tx).await?;
        mail::enqueue(&mut tx, &Mail::PasswordChanged { user: link.user }).await?;
        tx.commit().await?;
        self.remember(link.user, visitor, false).await
    }

    /// Changes the password of who asks, who is signed out everywhere but in the session `current`.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: Option<Id>,
        before: &SecretString,
        password: &SecretString,
    ) -> Result<(), Error> {
        self.prove(actor, before).await?;
        let hash = self.passwords.accept(&self.world, password, &[&actor.name, &actor.email, "kubewise"]).await?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        sqlx::query!("UPDATE users SET password_hash = $2 WHERE id = $1", actor.user.0, hash).execute(&mut *tx).await?;
        session::end_others(&mut *tx, actor.user, current).await?;
        links::forget(&mut tx, actor.user, Purpose::ResetPassword).await?;
        mail::enqueue(&mut tx, &Mail::PasswordChanged { user: actor.user }).await?;
        Ok(tx.commit().await?)
    }

    /// Gives who asks a first password; they are signed out everywhere but in the session `current`. Who has one is
    /// [`Error::NotFound`]: it is changed by who knows it.
    pub async fn set_password(&self, actor: &Actor, current: Option<Id>, password: &SecretString) -> Result<(), Error> {
        let hash = self.passwords.accept(&self.world, password, &[&actor.name, &actor.email, "kubewise"]).await?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        let set = sqlx::query!(
            "UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash IS NULL",
            actor.user.0,
            hash,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if set == 0 {
            return Err(Error::NotFound);
        }
        session::end_others(&mut *tx, actor.user, current).await?;
        links::forget(&mut tx, actor.user, Purpose::ResetPassword).await?;
        mail::enqueue(&mut tx, &Mail::PasswordChanged { user: actor.user }).await?;
        Ok(tx.commit().await?)
    }

    /// Where who asks is signed in, latest first; `current` is the session that asks.
    pub async fn own_sessions(&self, actor: &Actor, current: Option<Id>) -> Result<Vec<SessionRow>, Error> {
        let now = self.world.now();
        let current = current.map(|id| session::hash(&id));
        let rows = sqlx::query!(
            "SELECT id_hash, data ->> 'browser' AS browser, data ->> 'place' AS place, created_at, last_seen_at FROM sessions
             WHERE user_id = $1 AND created_at > $2 AND last_seen_at > $3 ORDER BY last_seen_at DESC, id_hash LIMIT 100",
            actor.user.0,
            now - session::ABSOLUTE,
            now - session::IDLE,
        )
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| SessionRow {
            is_current: current.as_ref() == Some(&row.id_hash),
            id: hex::encode(&row.id_hash),
            browser: row.browser.unwrap_or_default(),
            place: row.place.unwrap_or_default(),
            created_at: timestamp(row.created_at),
            last_seen_at: timestamp(row.last_seen_at),
        });
        Ok(rows.collect())
    }

    /// Ends one session of who asks. One that is not theirs is [`Error::NotFound`].
    pub async fn end_session(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let hash = hex::decode(id).map_err(|_| Error::NotFound)?;
        let ended = sqlx::query!("DELETE FROM sessions WHERE user_id = $1 AND id_hash = $2", actor.user.0, hash)
            .execute(&self.pool)
            .await?
            .rows_affected();
        if ended == 0 { Err(Error::NotFound) } else { Ok(()) }
    }

    /// Ends all sessions of who asks but this one.
    pub async fn end_other_sessions(&self, actor: &Actor, current: Option<Id>) -> Result<(), Error> {
        session::end_others(&self.pool, actor.user, current).await
    }

    /// All that signing in asks for once more: the password, and a code from who has a second factor.
    pub async fn prove_again(
        &self,
        actor: &Actor,
        password: &SecretString,
        code: &str,
        visitor: &Visitor,
    ) -> Result<(), Error> {
        self.prove(actor, password).await?;
        if actor.has_second_factor { self.check_code(actor.user, code, visitor).await } else { Ok(()) }
    }

    /// The password once more, before something that a borrowed session must not do.
    async fn prove(&self, actor: &Actor, password: &SecretString) -> Result<(), Error> {
        let counters = [Counter::proof(actor.user)];
        attempts::begin(&self.pool, &self.world, counters.to_vec()).await?;
        let hash = sqlx::query_scalar!("SELECT password_hash FROM users WHERE id = $1", actor.user.0)
            .fetch_optional(&self.pool)
            .await?
            .flatten();
        if self.passwords.verify(hash, password).await? {
            attempts::succeeded(&self.pool, &self.world, &counters).await
        } else {
            Err(FieldError { field: Field::CurrentPassword, problem: Problem::Wrong }.into())
        }
    }
}

fn limit(token: &SecretString) -> Result<(), Error> {
    use secrecy::ExposeSecret;
    if token.expose_secret().len() > TOKEN_BYTES { Err(Error::LinkEnded) } else { Ok(()) }
}
