//! Tokens of agents and of scripts: a prefix that secret scanners know + base64url(organisation id, secret, checksum).
//!
//! The organisation's id inside lets whoever checks it state its tenant before they look, so that even the lookup of a token runs
//! under row-level security. The checksum lets secret scanners and people tell a whole token from a cut one without
//! asking a server. Only the SHA-256 of a token is stored: its secret has 256 bits, so no slow hash is needed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kubewise_contract::OrgId;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::World;

const SECRET_BYTES: usize = 32;
const CHECK_BYTES: usize = 3;

/// What of a token is kept.
pub(crate) type TokenHash = [u8; 32];

/// What tokens of one sort have in common.
pub(crate) struct Sort {
    prefix: &'static str,
    /// Part of the checksum, so that no token of one sort can be made into one of another.
    context: &'static [u8],
}

/// By which agents prove themselves.
pub(crate) const AGENT: Sort = Sort { prefix: "kwc_", context: b"kubewise agent token" };
/// By which scripts prove themselves.
pub(crate) const API: Sort = Sort { prefix: "kw_", context: b"kubewise api token" };

impl Sort {
    /// A fresh token and its hash.
    pub(crate) fn generate(&self, world: &World, org: OrgId) -> (SecretString, TokenHash) {
        let mut bytes = Vec::with_capacity(16 + SECRET_BYTES + CHECK_BYTES);
        bytes.extend_from_slice(org.0.as_bytes());
        bytes.extend_from_slice(&world.random::<SECRET_BYTES>());
        let check = self.checksum(&bytes);
        bytes.extend_from_slice(&check);
        let token = format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(&bytes));
        let hash = hash(&token);
        (token.into(), hash)
    }

    /// The organisation that a token names, and its hash; none for what cannot be a token.
    pub(crate) fn parse(&self, token: &str) -> Option<(OrgId, TokenHash)> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(self.prefix)?).ok()?;
        if bytes.len() != 16 + SECRET_BYTES + CHECK_BYTES {
            return None;
        }
        let (body, check) = bytes.split_at(16 + SECRET_BYTES);
        if self.checksum(body) != check {
            return None;
        }
        let org = OrgId(Uuid::from_slice(&body[..16]).ok()?);
        Some((org, hash(token)))
    }

    fn checksum(&self, body: &[u8]) -> [u8; CHECK_BYTES] {
        let digest = Sha256::new_with_prefix(self.context).chain_update(body).finalize();
        [digest[0], digest[1], digest[2]]
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_names_its_organisation_and_no_two_are_alike() {
        let world = World::system();
        let org = OrgId(world.uuid());
        let (one, hash_one) = AGENT.generate(&world, org);
        let (two, hash_two) = AGENT.generate(&world, org);
        assert_eq!(AGENT.parse(one.expose_secret()), Some((org, hash_one)));
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert_ne!(hash_one, hash_two);
    }

    #[test]
    fn a_token_of_one_sort_is_none_of_another() {
        let world = World::system();
        let (agent, _) = AGENT.generate(&world, OrgId(world.uuid()));
        let (api, _) = API.generate(&world, OrgId(world.uuid()));
        assert_eq!(API.parse(agent.expose_secret()), None);
        assert_eq!(AGENT.parse(api.expose_secret()), None);
        assert_eq!(API.parse(&agent.expose_secret().replacen("kwc_", "kw_", 1)), None);
    }

    proptest! {
        #[test]
        fn what_is_no_token_is_refused_without_a_panic(text in ".{0,120}") {
            prop_assert_eq!(AGENT.parse(&text), None);
        }

        #[test]
        fn a_token_with_one_character_changed_is_refused(at in 4usize..72, c in "[A-Za-z0-9_-]") {
            let world = World::system();
            let (token, _) = AGENT.generate(&world, OrgId(world.uuid()));
            let mut changed = token.expose_secret().to_owned();
            changed.replace_range(at..=at, &c);
            prop_assume!(changed != token.expose_secret());
            prop_assert_eq!(AGENT.parse(&changed), None);
        }
    }
}
