//! The second factor: an authenticator app (TOTP, RFC 6238), and the recovery codes for when it is lost. Passkeys are in
//! passkeys.rs.

use kubewise_contract::{
    AuthenticatorSetup, Field, FieldError, PasskeyRow, Problem, SecondFactors, SecondProofs, UserId,
};
use qrcodegen::{QrCode, QrCodeEcc};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use totp_rs::{Builder, Totp};
use tower_sessions::session::Id;

use crate::{
    Actor, Error, Visitor, Web,
    attempts::{self, Counter},
    database,
    keys::KeyOf,
    mail::{self, Changed, Mail},
    session,
    world::timestamp,
};

/// RFC 4226 §4 R6: 160 bits are recommended.
const SEED_BYTES: usize = 20;
/// Codes that are made at once.
const CODES: usize = 10;
/// Random bits of a recovery code: so many that no slow hash is needed (OWASP ASVS 5.0, 6.5.2 asks for one below 112).
const CODE_BYTES: usize = 15;

impl Web {
    /// Whether signing in asks this person for more than one proof.
    pub async fn has_second_factor(&self, user: UserId) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM authenticators WHERE user_id = $1 AND confirmed_at IS NOT NULL)
                   OR EXISTS (SELECT FROM passkeys WHERE user_id = $1) AS "has!""#,
            user.0,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// What can be used to prove who somebody is, besides the password.
    pub async fn second_factors(&self, actor: &Actor) -> Result<SecondFactors, Error> {
        self.second_factors_of(actor.user).await
    }

    /// What who gave the first proof can be asked for as the second.
    pub async fn second_proofs(&self, user: UserId) -> Result<SecondProofs, Error> {
        Ok(self.second_factors_of(user).await?.proofs())
    }

    async fn second_factors_of(&self, user: UserId) -> Result<SecondFactors, Error> {
        let row = sqlx::query!(
            r#"SELECT (SELECT confirmed_at FROM authenticators WHERE user_id = $1) AS app,
                      (SELECT count(*) FROM recovery_codes WHERE user_id = $1) AS "codes!""#,
            user.0,
        )
        .fetch_one(&self.pool)
        .await?;
        let passkeys = sqlx::query!(
            "SELECT credential_id, name, created_at, last_used_at FROM passkeys
             WHERE user_id = $1 ORDER BY created_at, credential_id LIMIT 100",
            user.0,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(SecondFactors {
            app_since: row.app.map(timestamp),
            codes: u32::try_from(row.codes).unwrap_or_default(),
            passkeys: passkeys
                .into_iter()
                .map(|row| PasskeyRow {
                    id: hex::encode(row.credential_id),
                    name: row.name,
                    created_at: timestamp(row.created_at),
                    last_used_at: row.last_used_at.map(timestamp),
                })
                .collect(),
        })
    }

    /// Makes a seed for an authenticator app. Nothing asks for its codes before one was given.
    pub async fn begin_authenticator(&self, actor: &Actor) -> Result<(), Error> {
        let mut tx = database::begin(&self.pool, None, Some(actor.user)).await?;
        let key = self.keys.get(&mut tx, KeyOf::Person(actor.user)).await?;
        let seed = key.seal(&seed_place(actor.user), &self.world.random::<SEED_BYTES>())?;
        // One that is in use is not replaced by who has only begun.
        sqlx::query!(
            "INSERT INTO authenticators AS a (user_id, seed, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE SET seed = excluded.seed, created_at = excluded.created_at
             WHERE a.confirmed_at IS NULL",
            actor.user.0,
            seed,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// What an app needs to know, while no code was given yet.
    pub async fn authenticator_setup(&self, actor: &Actor) -> Result<AuthenticatorSetup, Error> {
        let (_, seed) = self.unconfirmed_seed(actor.user).await?;
        let totp = totp(&seed, &actor.email)?;
        let url = totp.to_url().map_err(|e| Error::Internal(format!("authenticator: {e}")))?;
        let qr = QrCode::encode_text(&url, QrCodeEcc::Medium)
            .map_err(|e| Error::Internal(format!("authenticator: {e:?}")))?;
        Ok(AuthenticatorSetup { seed: totp.secret().to_base32(), url, size: qr.size().unsigned_abs(), dark: path(&qr) })
    }

    /// The app shows this code: from now on signing in asks for one. Whoever else is signed in to the account is signed
    /// out. Answers recovery codes, if there were none.
    pub async fn confirm_authenticator(
        &self,
        actor: &Actor,
        current: Option<Id>,
        code: &str,
        visitor: &Visitor,
    ) -> Result<Option<Vec<SecretString>>, Error> {
        let counters = counters(actor.user, visitor, false);
        attempts::begin(&self.pool, &self.world, counters.clone()).await?;
        let (sealed, seed) = self.unconfirmed_seed(actor.user).await?;
        let step = self.step(&seed, &plain(code))?.ok_or_else(wrong)?;
        attempts::succeeded(&self.pool, &self.world, &counters).await?;
        let mut tx = database::begin(&self.pool, None, None).await?;
        let confirmed = sqlx::query!(
            "UPDATE authenticators SET confirmed_at = $2, last_step = $3
             WHERE user_id = $1 AND confirmed_at IS NULL AND seed = $4",
            actor.user.0,
            self.world.now(),
            step,
            sealed,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if confirmed == 0 {
            return Err(Error::NotFound);
        }
        let codes = self.factor_added(&mut tx, actor.user, current, Changed::AuthenticatorAdded).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// What follows when a second factor was added: other sessions began with less and end, the person is told, and who
    /// has no recovery codes gets some.
    pub(crate) async fn factor_added(
        &self,
        tx: &mut PgConnection,
        user: UserId,
        current: Option<Id>,
        what: Changed,
    ) -> Result<Option<Vec<SecretString>>, Error> {
        session::end_others(&mut *tx, user, current).await?;
        mail::enqueue(tx, &Mail::SecurityChanged { user, what }).await?;
        let has =
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM recovery_codes WHERE user_id = $1) AS "has!""#, user.0)
                .fetch_one(&mut *tx)
                .await?;
        if has { Ok(None) } else { Ok(Some(self.make_codes(tx, user).await?)) }
    }

    /// The app's codes are asked for no more.
    pub async fn remove_authenticator(&self, actor: &Actor) -> Result<(), Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        let removed =
            sqlx::query!("DELETE FROM authenticators WHERE user_id = $1 RETURNING confirmed_at", actor.user.0)
                .fetch_optional(&mut *tx)
                .await?
                .ok_or(Error::NotFound)?;
        if removed.confirmed_at.is_some() {
            forget_useless_codes(&mut tx, actor.user).await?;
            let what = Changed::AuthenticatorRemoved;
            mail::enqueue(&mut tx, &Mail::SecurityChanged { user: actor.user, what }).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Fresh recovery codes; those from before open nothing any more. Without a second factor there is nothing to recover.
    pub async fn new_recovery_codes(&self, actor: &Actor) -> Result<Vec<SecretString>, Error> {
        if !self.has_second_factor(actor.user).await? {
            return Err(Error::NotFound);
        }
        let mut tx = database::begin(&self.pool, None, None).await?;
        sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", actor.user.0).execute(&mut *tx).await?;
        let codes = self.make_codes(&mut tx, actor.user).await?;
        let what = Changed::RecoveryCodesMade;
        mail::enqueue(&mut tx, &Mail::SecurityChanged { user: actor.user, what }).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Judges a code: of the app, each once, or a recovery code, which is used up by it.
    pub async fn check_code(&self, user: UserId, code: &str, visitor: &Visitor) -> Result<(), Error> {
        let known = self.is_known(user, visitor).await?;
        let counters = counters(user, visitor, known);
        attempts::begin(&self.pool, &self.world, counters.clone()).await?;
        let code = plain(code);
        let right = if code.len() == 6 {
            self.take_app_code(user, &code).await?
        } else {
            self.take_recovery_code(user, &code).await?
        };
        if !right {
            return Err(wrong().into());
        }
        attempts::succeeded(&self.pool, &self.world, &counters).await
    }

    /// The seed of an app that gave no code yet, as it is stored and as it is.
    async fn unconfirmed_seed(&self, user: UserId) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let sealed =
            sqlx::query_scalar!("SELECT seed FROM authenticators WHERE user_id = $1 AND confirmed_at IS NULL", user.0,)
                .fetch_optional(&self.pool)
                .await?
                .ok_or(Error::NotFound)?;
        let seed = self.seed(user, &sealed).await?;
        Ok((sealed, seed))
    }

    async fn seed(&self, user: UserId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        let key = self.keys.get(&mut tx, KeyOf::Person(user)).await?;
        tx.commit().await?;
        self.keys.open(&key, &seed_place(user), sealed)
    }

    async fn take_app_code(&self, user: UserId, code: &str) -> Result<bool, Error> {
        let row =
            sqlx::query!("SELECT seed FROM authenticators WHERE user_id = $1 AND confirmed_at IS NOT NULL", user.0)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else { return Ok(false) };
        let seed = self.seed(user, &row.seed).await?;
        let Some(step) = self.step(&seed, code)? else { return Ok(false) };
        // RFC 6238 §5.2: the second use of a code is refused. Of two at once, one is first.
        let taken = sqlx::query!(
            "UPDATE authenticators SET last_step = $2 WHERE user_id = $1 AND (last_step IS NULL OR last_step < $2)",
            user.0,
            step,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(taken == 1)
    }

    async fn take_recovery_code(&self, user: UserId, code: &str) -> Result<bool, Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        let taken = sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2", user.0, hash(code))
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if taken == 1 {
            mail::enqueue(&mut tx, &Mail::SecurityChanged { user, what: Changed::RecoveryCodeUsed }).await?;
        }
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// The time step of which this is the code, if it is of now: clocks may differ by one step of 30 seconds.
    fn step(&self, seed: &[u8], code: &str) -> Result<Option<i64>, Error> {
        let now = u64::try_from(self.world.now().unix_timestamp()).unwrap_or_default();
        Ok(totp(seed, "")?.check(code, now).and_then(|step| i64::try_from(step).ok()))
    }

    async fn make_codes(&self, tx: &mut PgConnection, user: UserId) -> Result<Vec<SecretString>, Error> {
        let mut codes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            let code = hex::encode(self.world.random::<CODE_BYTES>());
            sqlx::query!(
                "INSERT INTO recovery_codes (user_id, hash, created_at) VALUES ($1, $2, $3)",
                user.0,
                hash(&code),
                self.world.now(),
            )
            .execute(&mut *tx)
            .await?;
            codes.push(grouped(&code).into());
        }
        Ok(codes)
    }
}

/// Codes for when a second factor is lost, when there is none any more.
pub(crate) async fn forget_useless_codes(tx: &mut PgConnection, user: UserId) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM recovery_codes WHERE user_id = $1
           AND NOT EXISTS (SELECT FROM authenticators WHERE user_id = $1 AND confirmed_at IS NOT NULL)
           AND NOT EXISTS (SELECT FROM passkeys WHERE user_id = $1)",
        user.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Guesses of a code: only who gave the password gets so far, so there are few, and a browser that the account was
/// signed in with is counted by itself.
fn counters(user: UserId, visitor: &Visitor, known: bool) -> Vec<Counter> {
    match visitor.hash() {
        Some(hash) if known => vec![Counter::code_by_browser(user, &hash)],
        _ => vec![Counter::code_from(user, visitor.address), Counter::code(user)],
    }
}

fn wrong() -> FieldError {
    FieldError { field: Field::Code, problem: Problem::WrongCode }
}

/// As people type it: with or without spaces and hyphens.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect::<String>().to_ascii_lowercase()
}

/// `3f2a9-c01b7-…`: easier to read and to type.
fn grouped(code: &str) -> String {
    let groups: Vec<&str> = (0..code.len()).step_by(5).map(|at| &code[at..(at + 5).min(code.len())]).collect();
    groups.join("-")
}

fn hash(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// Where a seed is kept: what is encrypted for one person opens for no other.
pub(crate) fn seed_place(user: UserId) -> String {
    format!("authenticators.seed:{user}")
}

/// SHA-1, six digits, 30 seconds: what all apps understand.
fn totp(seed: &[u8], account: &str) -> Result<Totp, Error> {
    let builder = Builder::new().with_secret(seed.to_vec()).with_skew(1).with_issuer(Some("Kubewise"));
    // A colon would end the account's name in the address that apps read.
    let account: String = account.chars().filter(|c| *c != ':').collect();
    builder.with_account_name(account).build().map_err(|e| Error::Internal(format!("authenticator: {e}")))
}

/// The dark squares of a QR code, as the path of an SVG in which each has the size 1.
fn path(qr: &QrCode) -> String {
    use std::fmt::Write as _;
    let squares = (0..qr.size()).flat_map(|y| (0..qr.size()).map(move |x| (x, y)));
    squares.filter(|(x, y)| qr.get_module(*x, *y)).fold(String::new(), |mut path, (x, y)| {
        // Writing to a String does not fail.
        let _ = write!(path, "M{x} {y}h1v1h-1z");
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B, SHA1, the last six of its eight digits.
        let totp = totp(b"12345678901234567890", "maya@example.com").unwrap();
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(totp.check(code, time), Some(time / 30));
            assert_eq!(totp.check(code, time + 30), Some(time / 30), "a clock may be one step behind");
            assert_eq!(totp.check(code, time + 61), None, "and no more");
        }
        assert_eq!(totp.check("", 59), None);
    }

    #[test]
    fn codes_are_taken_as_people_type_them() {
        assert_eq!(plain(" 123 456\n"), "123456");
        assert_eq!(plain(&grouped("0123456789abcdef0123456789abcd")), "0123456789abcdef0123456789abcd");
        assert_eq!(plain("ABCDE-f0123"), "abcdef0123");
    }
}
