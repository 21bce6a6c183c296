//! Attempts that may be guesses: after a few, each that fails makes the next wait longer. Counted in PostgreSQL, so that
//! all processes count together.
//!
//! An attempt is counted before it is judged, so that a hundred at once are a hundred; one that succeeds is taken
//! back. Whoever guesses from elsewhere must not lock a person out: a browser that the account was signed in with before
//! is counted by itself alone, and a link by mail makes any browser such a one.

use std::net::IpAddr;

use kubewise_contract::{OrgId, UserId};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::{Error, World, database};

/// Longest wait.
const LONGEST: Duration = Duration::minutes(15);
/// Failures that are so old are forgotten.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::hours(24);

/// What is counted, and how many attempts are free of waiting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counter {
    key: [u8; 32],
    free: i32,
}

impl Counter {
    /// Signing in to one account from one network.
    pub(crate) fn account_from(account: &str, address: IpAddr) -> Self {
        Self::new("account from", &[account.as_bytes(), &network(address)], 5)
    }

    /// Signing in to any account from one network: an office signs in from one, too.
    pub(crate) fn network(address: IpAddr) -> Self {
        Self::new("network", &[&network(address)], 50)
    }

    /// Signing in to one account from anywhere.
    pub(crate) fn account(account: &str) -> Self {
        Self::new("account", &[account.as_bytes()], 30)
    }

    /// Signing in to one account with a browser that it was signed in with before.
    pub(crate) fn browser(user: UserId, hash: &[u8]) -> Self {
        Self::new("browser", &[user.0.as_bytes(), hash], 10)
    }

    /// The password once more, by who is signed in.
    pub(crate) fn proof(user: UserId) -> Self {
        Self::new("proof", &[user.0.as_bytes()], 5)
    }

    /// A code for one account, from one network.
    pub(crate) fn code_from(user: UserId, address: IpAddr) -> Self {
        Self::new("code from", &[user.0.as_bytes(), &network(address)], 5)
    }

    /// A code for one account, from anywhere: of six digits, a few thousand guesses find one.
    pub(crate) fn code(user: UserId) -> Self {
        Self::new("code", &[user.0.as_bytes()], 15)
    }

    /// A code for one account, by a browser that it was signed in with before.
    pub(crate) fn code_by_browser(user: UserId, hash: &[u8]) -> Self {
        Self::new("code by browser", &[user.0.as_bytes(), hash], 10)
    }

    /// Going to the provider from one network, and not coming back.
    pub(crate) fn provider(address: IpAddr) -> Self {
        Self::new("provider", &[&network(address)], 50)
    }

    /// Questions for a passkey, from one network.
    pub(crate) fn passkeys(address: IpAddr) -> Self {
        Self::new("passkeys", &[&network(address)], 100)
    }

    /// Accounts made from one network; none is taken back.
    pub(crate) fn sign_ups(address: IpAddr) -> Self {
        Self::new("sign up", &[&network(address)], 100)
    }

    /// Links asked for from one network; none is taken back.
    pub(crate) fn resets(address: IpAddr) -> Self {
        Self::new("reset", &[&network(address)], 20)
    }

    /// Organisations made by one person; none is taken back.
    pub(crate) fn organisations(user: UserId) -> Self {
        Self::new("organisations", &[user.0.as_bytes()], 20)
    }

    /// Invitations of one organisation; none is taken back.
    pub(crate) fn invitations(org: OrgId) -> Self {
        Self::new("invitations", &[org.0.as_bytes()], 200)
    }

    /// Invitations by one person; none is taken back.
    pub(crate) fn invitations_by(user: UserId) -> Self {
        Self::new("invitations by", &[user.0.as_bytes()], 100)
    }

    fn new(what: &str, parts: &[&[u8]], free: i32) -> Self {
        let mut hash = Sha256::new();
        for part in [what.as_bytes()].iter().chain(parts) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self { key: hash.finalize().into(), free }
    }
}

/// What one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 address (RFC 6177).
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    }
}

/// Counts one attempt, unless one of the counters says that it comes too early.
pub(crate) async fn begin(pool: &PgPool, world: &World, mut counters: Vec<Counter>) -> Result<(), Error> {
    // In one order, so that two attempts never wait for each other.
    counters.sort_unstable();
    let now = world.now();
    let mut tx = database::begin(pool, None, None).await?;
    for counter in &counters {
        let counted = sqlx::query_scalar!(
            r#"INSERT INTO attempts AS a (key, failures, until, last_at) VALUES ($1, 1, '-infinity', $2)
               ON CONFLICT (key) DO UPDATE SET
                 failures = CASE WHEN a.last_at < $3 THEN 1 ELSE a.failures + 1 END,
                 -- Of two at once, either may be the first to get here: without a wait there is no moment to be before.
                 until = CASE WHEN a.last_at < $3 OR a.failures + 1 < $4 THEN '-infinity'
                         ELSE $2 + make_interval(secs => least($5::float8, 2 ^ least(20, a.failures + 1 - $4))) END,
                 last_at = greatest(a.last_at, $2)
               WHERE a.until <= $2
               RETURNING true AS "counted!""#,
            &counter.key[..],
            now,
            now - FORGOTTEN_AFTER,
            counter.free,
            LONGEST.as_seconds_f64(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        if counted.is_none() {
            let until = sqlx::query_scalar!("SELECT until FROM attempts WHERE key = $1", &counter.key[..])
                .fetch_optional(&mut *tx)
                .await?;
            // What was counted of this attempt goes with the transaction.
            return Err(Error::TooMany { seconds: seconds(now, until.unwrap_or(now)) });
        }
    }
    Ok(tx.commit().await?)
}

/// Forgets what was counted of an account, as far as it is known what was: the rest is forgotten in a day.
pub(crate) async fn forget(pool: &PgPool, user: UserId, account: &str) -> Result<(), Error> {
    let counters = [
        Counter::account(account),
        Counter::proof(user),
        Counter::code(user),
        Counter::organisations(user),
        Counter::invitations_by(user),
    ];
    let keys: Vec<Vec<u8>> = counters.iter().map(|counter| counter.key.to_vec()).collect();
    sqlx::query!("DELETE FROM attempts WHERE key = ANY ($1)", &keys).execute(pool).await?;
    Ok(())
}

/// Takes one attempt back: it was none that failed.
pub(crate) async fn succeeded(pool: &PgPool, world: &World, counters: &[Counter]) -> Result<(), Error> {
    let mut keys: Vec<Vec<u8>> = counters.iter().map(|counter| counter.key.to_vec()).collect();
    keys.sort_unstable();
    sqlx::query!(
        "UPDATE attempts SET failures = greatest(failures - 1, 0), until = least(until, $2)
         WHERE key IN (SELECT key FROM attempts WHERE key = ANY ($1) ORDER BY key FOR UPDATE)",
        &keys,
        world.now(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) fn seconds(now: OffsetDateTime, until: OffsetDateTime) -> u32 {
    u32::try_from((until - now).whole_seconds() + 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_counted_once() {
        let of = |text: &str| Counter::network(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[test]
    fn what_is_counted_is_never_taken_for_something_else() {
        let address = "192.0.2.7".parse().unwrap();
        assert_ne!(Counter::account("a@example.com"), Counter::account_from("a@example.com", address));
        assert_ne!(Counter::new("x", &[b"ab", b"c"], 1), Counter::new("x", &[b"a", b"bc"], 1));
    }
}
