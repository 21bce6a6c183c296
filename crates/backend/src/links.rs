//! Links sent by mail: each opens one thing, once, for a while. What a link carries is stored as its SHA-256 only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kubewise_contract::UserId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use time::Duration;

use crate::{Error, World};

/// Links of one purpose that are made for one person in an hour; more would only fill a mailbox.
const IN_AN_HOUR: i64 = 5;

/// What a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    VerifyAddress,
    ChangeAddress,
    ResetPassword,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyAddress => "verify_address",
            Self::ChangeAddress => "change_address",
            Self::ResetPassword => "reset_password",
        }
    }

    pub(crate) const fn lasts(self) -> Duration {
        match self {
            Self::VerifyAddress | Self::ChangeAddress => Duration::hours(24),
            // OWASP Forgot Password Cheat Sheet: as short as a person needs to read a mail.
            Self::ResetPassword => Duration::hours(1),
        }
    }
}

/// A link that is being opened.
pub(crate) struct Link {
    pub(crate) user: UserId,
    /// The address it was sent to.
    pub(crate) email: String,
}

/// Makes what a link carries; none when enough were made lately.
pub(crate) async fn make(
    pool: &PgPool,
    world: &World,
    user: UserId,
    purpose: Purpose,
    email: &str,
) -> Result<Option<String>, Error> {
    let token = text(world);
    let now = world.now();
    let made = sqlx::query!(
        "INSERT INTO account_links (hash, user_id, purpose, email, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM account_links WHERE user_id = $2 AND purpose = $3 AND created_at > $7) < $8",
        hash(&token),
        user.0,
        purpose.as_str(),
        email,
        now,
        now + purpose.lasts(),
        now - Duration::hours(1),
        IN_AN_HOUR,
    )
    .execute(pool)
    .await?
    .rows_affected();
    Ok((made == 1).then_some(token))
}

/// Finds the link that carries this, if it may be opened now.
pub(crate) async fn find(
    tx: &mut PgConnection,
    world: &World,
    token: &SecretString,
    purpose: Purpose,
) -> Result<Option<Link>, Error> {
    let row = sqlx::query!(
        "SELECT user_id, email FROM account_links WHERE hash = $1 AND purpose = $2 AND expires_at > $3",
        hash(token.expose_secret()),
        purpose.as_str(),
        world.now(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| Link { user: UserId(row.user_id), email: row.email }))
}

/// Uses the link up, and with it all others for the same: false when somebody was faster.
pub(crate) async fn use_up(
    tx: &mut PgConnection,
    token: &SecretString,
    user: UserId,
    purpose: Purpose,
) -> Result<bool, Error> {
    let used = sqlx::query!("DELETE FROM account_links WHERE hash = $1", hash(token.expose_secret()))
        .execute(&mut *tx)
        .await?
        .rows_affected();
    forget(tx, user, purpose).await?;
    Ok(used == 1)
}

/// Ends all links of a person for one purpose.
pub(crate) async fn forget(tx: &mut PgConnection, user: UserId, purpose: Purpose) -> Result<(), Error> {
    sqlx::query!("DELETE FROM account_links WHERE user_id = $1 AND purpose = $2", user.0, purpose.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// What a link carries: 256 random bits.
pub(crate) fn text(world: &World) -> String {
    URL_SAFE_NO_PAD.encode(world.random::<32>())
}

pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
