//! The browsers that an account was signed in with: such a one is not slowed down by who guesses elsewhere, and a
//! sign-in by another is told by mail. A browser keeps a random text in a cookie; stored is its SHA-256.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kubewise_contract::UserId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::Duration;

use crate::{
    Error, Web, database,
    mail::{self, Mail},
};

/// A browser that did not sign in for so long is forgotten, by it and by us.
pub const KEPT: Duration = Duration::days(180);
/// Browsers of one account that are remembered.
const MOST: i64 = 50;

/// Who asks, before it is known who they are.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Where the request comes from.
    pub address: IpAddr,
    /// What a person calls the browser, such as `Firefox on Linux`; empty if it does not say.
    pub browser: String,
    /// What the browser keeps from an earlier sign-in.
    pub kept: Option<SecretString>,
}

impl Visitor {
    /// Where from, as far as the address tells, and no closer than a neighbourhood of the network: an address is a
    /// person's.
    pub fn place(&self) -> String {
        match self.address.to_canonical() {
            address if address.is_loopback() => "this machine".to_owned(),
            IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => "a private network".to_owned(),
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => "a private network".to_owned(),
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }
    }

    pub(crate) fn hash(&self) -> Option<Vec<u8>> {
        self.kept.as_ref().map(|kept| hash(kept.expose_secret()))
    }
}

fn hash(kept: &str) -> Vec<u8> {
    Sha256::digest(kept.as_bytes()).to_vec()
}

impl Web {
    /// Whether the account was signed in with this browser before.
    pub(crate) async fn is_known(&self, user: UserId, visitor: &Visitor) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM known_browsers WHERE user_id = $1 AND hash = $2) AS "known!""#,
            user.0,
            visitor.hash(),
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Remembers that an account was signed in with this browser, and tells its owner if it is not the first and was not
    /// seen before (`tell`). Answers what the browser shall keep from now on, for [`KEPT`]: what it keeps already, if it is ours.
    pub async fn remember(&self, user: UserId, visitor: &Visitor, tell: bool) -> Result<Option<SecretString>, Error> {
        let now = self.world.now();
        let mut tx = database::begin(&self.pool, None, None).await?;
        let kept = visitor.hash();
        let seen = sqlx::query!(
            "UPDATE known_browsers SET last_seen_at = $3 WHERE user_id = $1 AND hash = $2",
            user.0,
            kept,
            now,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if seen == 1 {
            tx.commit().await?;
            return Ok(visitor.kept.clone());
        }
        let has = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM known_browsers WHERE user_id = $1) AS "others!",
                      EXISTS (SELECT FROM known_browsers WHERE hash = $2) AS "ours!""#,
            user.0,
            kept,
        )
        .fetch_one(&mut *tx)
        .await?;
        // What a browser keeps is taken only if it is from us: somebody else's choice may be known to them.
        let fresh = match kept {
            Some(hash) if has.ours => (hash, visitor.kept.clone()),
            _ => {
                let text = URL_SAFE_NO_PAD.encode(self.world.random::<32>());
                (hash(&text), Some(SecretString::from(text)))
            }
        };
        sqlx::query!(
            "INSERT INTO known_browsers (user_id, hash, created_at, last_seen_at) VALUES ($1, $2, $3, $3)
             ON CONFLICT (user_id, hash) DO NOTHING",
            user.0,
            fresh.0,
            now,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "DELETE FROM known_browsers WHERE user_id = $1 AND hash IN
               (SELECT hash FROM known_browsers WHERE user_id = $1 ORDER BY last_seen_at DESC, hash OFFSET $2)",
            user.0,
            MOST,
        )
        .execute(&mut *tx)
        .await?;
        if tell && has.others {
            let browser = visitor.browser.clone();
            mail::enqueue(&mut tx, &Mail::NewBrowser { user, browser, at: now.unix_timestamp() }).await?;
        }
        tx.commit().await?;
        Ok(fresh.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_no_closer_than_a_neighbourhood() {
        let place =
            |address: &str| Visitor { address: address.parse().unwrap(), browser: String::new(), kept: None }.place();
        assert_eq!(place("198.51.100.7"), "198.51.100.0/24");
        assert_eq!(place("::ffff:198.51.100.7"), "198.51.100.0/24");
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
        assert_eq!(place("10.1.2.3"), "a private network");
        assert_eq!(place("fd00::7"), "a private network");
        assert_eq!(place("127.0.0.1"), "this machine");
    }
}
