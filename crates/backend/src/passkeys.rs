//! Passkeys (WebAuthn): a second factor, and a way to sign in without a password. The authenticator itself asks for a
//! PIN, a finger or a face (user verification), so that a passkey is worth two proofs.
//!
//! A ceremony has two halves. What the first leaves for the second is kept in the session of the browser, on the server.

use kubewise_contract::{PasskeyName, UserId};
use secrecy::SecretString;
use serde_json::Value;
use tower_sessions::session::Id;
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{
        AuthenticationResult, DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration,
        PublicKeyCredential, RegisterPublicKeyCredential, Url, WebauthnError,
    },
};
use webauthn_rs_proto::ResidentKeyRequirement;

use crate::{
    Actor, Error, Visitor, Web,
    attempts::{self, Counter},
    database,
    error::is_taken,
    factors::forget_useless_codes,
    mail::{self, Changed, Mail},
    oidc::lock_ways_in,
};

/// Passkeys of one account.
const MOST: i64 = 20;

/// The first half of a ceremony.
pub struct Ceremony {
    /// What the browser is asked, as JSON.
    pub options: String,
    /// What the second half needs to know.
    pub state: Value,
}

/// Makes what judges passkeys of the site at this address; none if it has no name, as a bare IP address: browsers accept
/// passkeys for names alone.
pub(crate) fn judge(public_url: &str) -> Option<Webauthn> {
    let url = Url::parse(public_url).ok()?;
    let name = url.domain()?.to_owned();
    WebauthnBuilder::new(&name, &url).ok()?.rp_name("Kubewise").build().ok()
}

impl Web {
    /// Whether the site has a name, without which there are no passkeys.
    pub fn has_passkeys(&self) -> bool {
        self.webauthn.is_some()
    }

    /// Begins to add a passkey.
    pub async fn begin_passkey(&self, actor: &Actor) -> Result<Ceremony, Error> {
        let known = self.passkeys(actor.user).await?;
        if i64::try_from(known.len()).unwrap_or(MOST) >= MOST {
            return Err(Error::Forbidden);
        }
        let known = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let (mut options, state) = self
            .webauthn()?
            .start_passkey_registration(actor.user.0, &actor.email, &actor.name, Some(known))
            .map_err(refused)?;
        // So that it can be found without saying first who one is: the library asks for less than a passkey.
        if let Some(wanted) = &mut options.public_key.authenticator_selection {
            wanted.resident_key = Some(ResidentKeyRequirement::Required);
            wanted.require_resident_key = true;
        }
        ceremony(&options, &state)
    }

    /// Adds the passkey that the browser made. Whoever else is signed in to the account is signed out. Answers recovery
    /// codes, if there were none.
    pub async fn add_passkey(
        &self,
        actor: &Actor,
        current: Option<Id>,
        state: Value,
        answer: &str,
        name: &PasskeyName,
    ) -> Result<Option<Vec<SecretString>>, Error> {
        let state: PasskeyRegistration = serde_json::from_value(state).map_err(|_| Error::PasskeyRefused)?;
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(|_| Error::PasskeyRefused)?;
        let passkey = self.webauthn()?.finish_passkey_registration(&answer, &state).map_err(refused)?;
        let stored = serde_json::to_value(&passkey).map_err(|e| Error::Internal(format!("passkey: {e}")))?;
        let id: &[u8] = passkey.cred_id().as_ref();
        let mut tx = database::begin(&self.pool, None, None).await?;
        sqlx::query!(
            "INSERT INTO passkeys (user_id, credential_id, name, passkey, created_at) VALUES ($1, $2, $3, $4, $5)",
            actor.user.0,
            id,
            name.as_str(),
            stored,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await
        // WebAuthn §7.1 step 26: a credential that is known is refused.
        .map_err(|e| if is_taken(&e, "passkeys_credential_id_key") { Error::PasskeyRefused } else { Error::from(e) })?;
        let codes = self.factor_added(&mut tx, actor.user, current, Changed::PasskeyAdded).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Asks for a passkey of one person.
    pub async fn ask_passkey(&self, user: UserId) -> Result<Ceremony, Error> {
        let known = self.passkeys(user).await?;
        if known.is_empty() {
            return Err(Error::NotFound);
        }
        let (options, state) = self.webauthn()?.start_passkey_authentication(&known).map_err(refused)?;
        ceremony(&options, &state)
    }

    /// Judges what the browser answered about a passkey of one person.
    pub async fn check_passkey(&self, user: UserId, state: Value, answer: &str) -> Result<(), Error> {
        let state: PasskeyAuthentication = serde_json::from_value(state).map_err(|_| Error::PasskeyRefused)?;
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| Error::PasskeyRefused)?;
        let result = self.webauthn()?.finish_passkey_authentication(&answer, &state).map_err(refused)?;
        self.used(user, &result).await
    }

    /// Asks for a passkey of anybody: who it is, the passkey tells. Each time makes a session for the answer, so a network
    /// that asks again and again and never answers has to wait.
    pub async fn ask_any_passkey(&self, visitor: &Visitor) -> Result<Ceremony, Error> {
        attempts::begin(&self.pool, &self.world, vec![Counter::passkeys(visitor.address)]).await?;
        let (options, state) = self.webauthn()?.start_discoverable_authentication().map_err(refused)?;
        ceremony(&options, &state)
    }

    /// Who it is, by the passkey with which the browser answered.
    pub async fn identify_passkey(&self, state: Value, answer: &str, visitor: &Visitor) -> Result<UserId, Error> {
        let webauthn = self.webauthn()?;
        let state: DiscoverableAuthentication = serde_json::from_value(state).map_err(|_| Error::PasskeyRefused)?;
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| Error::PasskeyRefused)?;
        let (user, id) = webauthn.identify_discoverable_authentication(&answer).map_err(refused)?;
        let stored =
            sqlx::query_scalar!("SELECT passkey FROM passkeys WHERE user_id = $1 AND credential_id = $2", user, id)
                .fetch_optional(&self.pool)
                .await?
                .ok_or(Error::PasskeyRefused)?;
        let passkey = parse(stored)?;
        let result = webauthn.finish_discoverable_authentication_v2(&answer, state, &passkey).map_err(refused)?;
        self.used(UserId(user), &result).await?;
        attempts::succeeded(&self.pool, &self.world, &[Counter::passkeys(visitor.address)]).await?;
        Ok(UserId(user))
    }

    /// Removes a passkey of who asks. One that is not theirs is [`Error::NotFound`].
    pub async fn remove_passkey(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let id = hex::decode(id).map_err(|_| Error::NotFound)?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        lock_ways_in(&mut tx, actor.user).await?;
        let removed = sqlx::query!("DELETE FROM passkeys WHERE user_id = $1 AND credential_id = $2", actor.user.0, id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if removed == 0 {
            return Err(Error::NotFound);
        }
        self.must_have_way_in(&mut tx, actor.user).await?;
        forget_useless_codes(&mut tx, actor.user).await?;
        mail::enqueue(&mut tx, &Mail::SecurityChanged { user: actor.user, what: Changed::PasskeyRemoved }).await?;
        Ok(tx.commit().await?)
    }

    fn webauthn(&self) -> Result<&Webauthn, Error> {
        self.webauthn.as_deref().ok_or(Error::NoPasskeys)
    }

    async fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>, Error> {
        let rows = sqlx::query_scalar!(
            "SELECT passkey FROM passkeys WHERE user_id = $1 ORDER BY created_at, credential_id LIMIT $2",
            user.0,
            MOST,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(parse).collect()
    }

    /// Notes that a passkey was used, and its counter: one that does not go up is a copy.
    async fn used(&self, user: UserId, result: &AuthenticationResult) -> Result<(), Error> {
        // The ceremony asks for it; without it a passkey that was found is worth one proof only.
        if !result.user_verified() {
            return Err(Error::PasskeyRefused);
        }
        let id: &[u8] = result.cred_id().as_ref();
        let mut tx = database::begin(&self.pool, None, None).await?;
        let stored = sqlx::query_scalar!(
            "SELECT passkey FROM passkeys WHERE user_id = $1 AND credential_id = $2 FOR UPDATE",
            user.0,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?
        // Removed meanwhile.
        .ok_or(Error::PasskeyRefused)?;
        let mut passkey = parse(stored)?;
        passkey.update_credential(result);
        let stored = serde_json::to_value(&passkey).map_err(|e| Error::Internal(format!("passkey: {e}")))?;
        sqlx::query!(
            "UPDATE passkeys SET passkey = $3, last_used_at = $4 WHERE user_id = $1 AND credential_id = $2",
            user.0,
            id,
            stored,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

fn parse(stored: Value) -> Result<Passkey, Error> {
    serde_json::from_value(stored).map_err(|e| Error::Internal(format!("a stored passkey cannot be read: {e}")))
}

fn ceremony(options: &impl serde::Serialize, state: &impl serde::Serialize) -> Result<Ceremony, Error> {
    let broken = |e: serde_json::Error| Error::Internal(format!("passkey: {e}"));
    Ok(Ceremony {
        options: serde_json::to_string(options).map_err(broken)?,
        state: serde_json::to_value(state).map_err(broken)?,
    })
}

fn refused(error: WebauthnError) -> Error {
    tracing::info!(%error, "a passkey was not accepted");
    Error::PasskeyRefused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_site_with_a_name_has_passkeys() {
        for name in ["https://kubewise.example.com", "http://localhost:3000"] {
            assert!(judge(name).is_some(), "{name}");
        }
        for bare in ["http://127.0.0.1:3000", "http://[::1]:3000", "nonsense"] {
            assert!(judge(bare).is_none(), "{bare}");
        }
    }
}
