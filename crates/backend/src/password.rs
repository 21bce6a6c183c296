//! Passwords: argon2id, never more at once than memory allows.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use kubewise_contract::{Field, FieldError, Strength};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;

use crate::{Error, World, hashing::Hashing, strength};

/// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A judgement takes some milliseconds; of a text that is made for it, half a second.
const JUDGED_AT_ONCE: usize = 2;

/// How passwords are hashed and judged.
#[derive(Clone)]
pub struct PasswordPolicy {
    hashing: Hashing,
    /// How many passwords may be judged at once.
    judging: Arc<Semaphore>,
    /// The hash of a password that nobody has: verified when there is no such account, so that it takes as long.
    dummy: Arc<str>,
}

impl PasswordPolicy {
    /// At most `at_once` hashes at a time, which take 19 MiB each.
    pub fn new(world: &World, at_once: usize) -> Result<Self, Error> {
        let nobody = hex::encode(world.random::<16>());
        let dummy = compute(&mut Vec::new(), nobody.as_bytes(), &world.random())?;
        Ok(Self {
            hashing: Hashing::start(at_once)?,
            judging: Arc::new(Semaphore::new(JUDGED_AT_ONCE)),
            dummy: dummy.into(),
        })
    }

    /// The hash to store of a password that somebody chose. Refuses what is too short or easy to guess; `about` is what
    /// an attacker would try first: name, address, organisation.
    pub(crate) async fn accept(&self, world: &World, password: &SecretString, about: &[&str]) -> Result<String, Error> {
        self.check(password, about).await?;
        self.hash(world, password).await
    }

    async fn check(&self, password: &SecretString, about: &[&str]) -> Result<(), Error> {
        let permit = Arc::clone(&self.judging).acquire_owned().await.map_err(broken)?;
        match judge(permit, password, about).await?.problem {
            None => Ok(()),
            Some(problem) => Err(FieldError { field: Field::Password, problem }.into()),
        }
    }

    /// How hard a password is to guess, and why it would be refused. Not answered while too many others ask.
    pub(crate) async fn strength(&self, password: &SecretString, about: &[&str]) -> Result<Strength, Error> {
        let permit = Arc::clone(&self.judging).try_acquire_owned().map_err(|_| Error::TooMany { seconds: 1 })?;
        judge(permit, password, about).await
    }

    /// The hash to store, as a PHC string.
    pub(crate) async fn hash(&self, world: &World, password: &SecretString) -> Result<String, Error> {
        let salt = world.random();
        let password = normalised(password);
        self.hashing.run(move |memory| compute(memory, password.expose_secret().as_bytes(), &salt)).await?
    }

    /// True when the password is the one that was hashed. Takes as long without a hash as with one.
    pub(crate) async fn verify(&self, hash: Option<String>, password: &SecretString) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.to_string());
        let password = normalised(password);
        let matches =
            self.hashing.run(move |memory| is_of(memory, password.expose_secret().as_bytes(), &hash)).await??;
        Ok(known && matches)
    }

    /// Whether this hash costs a guesser less than a new one would.
    pub(crate) fn is_outdated(hash: &str) -> bool {
        let Ok(parsed) = PasswordHash::new(hash) else { return true };
        let of = |name| parsed.params.get_decimal(name);
        parsed.algorithm.as_str() != "argon2id"
            || parsed.version != Some(Version::V0x13.into())
            || of("m") < Some(MEMORY_KIB)
            || of("t") < Some(PASSES)
    }
}

async fn judge(permit: OwnedSemaphorePermit, password: &SecretString, about: &[&str]) -> Result<Strength, Error> {
    let password = normalised(password);
    let about: Vec<String> = about.iter().map(|text| (*text).to_owned()).collect();
    let judged = tokio::task::spawn_blocking(move || {
        let strength = strength::of(password.expose_secret(), &about.iter().map(String::as_str).collect::<Vec<_>>());
        drop(permit);
        strength
    });
    judged.await.map_err(broken)
}

/// The same letters typed at another keyboard may be other characters: NIST SP 800-63B §3.1.1.2 has them made the same.
fn normalised(password: &SecretString) -> SecretString {
    password.expose_secret().nfkc().collect::<String>().into()
}

fn compute(memory: &mut Vec<Block>, password: &[u8], salt: &[u8; 16]) -> Result<String, Error> {
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(broken)?;
    let mut hash = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(memory, &Argon2::new(algorithm, version, params.clone()), password, salt, &mut hash)?;
    let stored = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params).map_err(broken)?,
        salt: Some(Salt::new(salt).map_err(broken)?),
        hash: Some(Output::new(&hash).map_err(broken)?),
    };
    Ok(stored.to_string())
}

/// Whether this is the password that was hashed, with the parameters of then.
fn is_of(memory: &mut Vec<Block>, password: &[u8], hash: &str) -> Result<bool, Error> {
    let stored = PasswordHash::new(hash).map_err(broken)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else { return Err(broken("it is not whole")) };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(broken)?;
    let version = stored.version.map(Version::try_from).transpose().map_err(broken)?.unwrap_or_default();
    let params = Params::try_from(&stored).map_err(broken)?;
    let mut hash = vec![0; expected.len()];
    fill(memory, &Argon2::new(algorithm, version, params), password, &salt, &mut hash)?;
    // In constant time.
    Ok(Output::new(&hash).map_err(broken)? == expected)
}

/// Hashes in memory that is kept for the next one: 19 MiB that are asked for and given back with each hash stay with
/// the allocator, several times over.
fn fill(
    memory: &mut Vec<Block>,
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> Result<(), Error> {
    let blocks = argon2.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    argon2.hash_password_into_with_memory(password, salt, hash, &mut memory[..blocks]).map_err(broken)
}

fn broken(cause: impl std::fmt::Display) -> Error {
    Error::Internal(format!("hashing: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_that_was_hashed_matches() {
        let world = World::system();
        let policy = PasswordPolicy::new(&world, 2).unwrap();
        let hash = policy.hash(&world, &"correct horse".to_owned().into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(policy.verify(Some(hash.clone()), &"correct horse".to_owned().into()).await.unwrap());
        assert!(!policy.verify(Some(hash), &"correct house".to_owned().into()).await.unwrap());
        assert!(!policy.verify(None, &"correct horse".to_owned().into()).await.unwrap());
    }

    #[test]
    fn a_hash_is_outdated_when_it_costs_less_than_a_new_one() {
        let rest = "$9sTbSlTio3Biev89thdrlA$WQE5v1Hp4Y1mJhJ1lTnQmQ0V1Hh0e0r0y3d8Y8J5sXo";
        for (parameters, outdated) in [
            ("$argon2id$v=19$m=19456,t=2,p=1", false),
            ("$argon2id$v=19$m=65536,t=3,p=4", false),
            ("$argon2id$v=19$m=9728,t=2,p=1", true),
            ("$argon2id$v=19$m=19456,t=1,p=1", true),
            ("$argon2id$v=16$m=19456,t=2,p=1", true),
            ("$argon2i$v=19$m=19456,t=2,p=1", true),
        ] {
            assert_eq!(PasswordPolicy::is_outdated(&format!("{parameters}{rest}")), outdated, "{parameters}");
        }
    }

    #[tokio::test]
    async fn a_password_is_the_same_on_every_keyboard() {
        let world = World::system();
        let policy = PasswordPolicy::new(&world, 1).unwrap();
        let composed = policy.hash(&world, &"gr\u{fc}ne \u{c5}ngstr\u{f6}m".to_owned().into()).await.unwrap();
        for same in ["gru\u{308}ne A\u{30a}ngstro\u{308}m", "gr\u{fc}ne \u{212b}ngstr\u{f6}m"] {
            assert!(policy.verify(Some(composed.clone()), &same.to_owned().into()).await.unwrap(), "{same}");
        }
        assert!(!policy.verify(Some(composed), &"grune Angstrom".to_owned().into()).await.unwrap());
    }
}
