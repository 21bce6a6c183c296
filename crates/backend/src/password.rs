//! Passwords: argon2id, in a thread that may block, never more at once than memory allows.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use kubewise_contract::{Field, FieldError, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Problem};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::{Error, World};

/// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many hashes may be computed at once, and by it how much memory hashing takes.
#[derive(Clone)]
pub struct PasswordPolicy {
    permits: Arc<Semaphore>,
    /// The hash of a password that nobody has: verified when there is no such account, so that it takes as long.
    dummy: Arc<str>,
}

impl PasswordPolicy {
    /// At most `at_once` hashes at a time; each takes 19 MiB while it is computed.
    pub fn new(world: &World, at_once: usize) -> Result<Self, Error> {
        let nobody = hex::encode(world.random::<16>());
        let dummy = compute(&nobody, &world.random())?;
        Ok(Self { permits: Arc::new(Semaphore::new(at_once)), dummy: dummy.into() })
    }

    /// Checks length and strength. `about` is what an attacker would try first: name, address, organisation.
    pub fn check(password: &SecretString, about: &[&str]) -> Result<(), FieldError> {
        let refuse = |problem| Err(FieldError { field: Field::Password, problem });
        let password = normalised(password);
        let text = password.expose_secret();
        let chars = text.chars().count();
        if chars == 0 {
            return refuse(Problem::Missing);
        }
        if chars < PASSWORD_MIN_CHARS {
            return refuse(Problem::TooShort { min: PASSWORD_MIN_CHARS });
        }
        if chars > PASSWORD_MAX_CHARS {
            return refuse(Problem::TooLong { max: PASSWORD_MAX_CHARS });
        }
        // Score 3 of 4: more than 10^8 guesses. Only the beginning is judged: the estimate takes quadratic time.
        let judged: String = text.chars().take(72).collect();
        let words: Vec<&str> =
            about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).filter(|w| w.len() > 2).collect();
        if zxcvbn::zxcvbn(&judged, &words).score() < zxcvbn::Score::Three {
            return refuse(Problem::TooWeak);
        }
        Ok(())
    }

    /// The hash to store, as a PHC string.
    pub(crate) async fn hash(&self, world: &World, password: &SecretString) -> Result<String, Error> {
        let salt = world.random();
        let password = normalised(password);
        self.blocking(move || compute(password.expose_secret(), &salt)).await?
    }

    /// True when the password is the one that was hashed. Takes as long without a hash as with one.
    pub(crate) async fn verify(&self, hash: Option<String>, password: &SecretString) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.to_string());
        let password = normalised(password);
        let matches = self
            .blocking(move || {
                let parsed = PasswordHash::new(&hash).map_err(|e| Error::Internal(format!("stored hash: {e}")))?;
                Ok::<_, Error>(hasher()?.verify_password(password.expose_secret().as_bytes(), &parsed).is_ok())
            })
            .await??;
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

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|e| Error::Internal(e.to_string()))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        })
        .await
        .map_err(|e| Error::Internal(format!("hashing: {e}")))
    }
}

/// The same letters typed at another keyboard may be other characters: NIST SP 800-63B §3.1.1.2 has them made the same.
fn normalised(password: &SecretString) -> SecretString {
    password.expose_secret().nfkc().collect::<String>().into()
}

fn hasher() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn compute(password: &str, salt: &[u8; 16]) -> Result<String, Error> {
    let hash = hasher()?
        .hash_password_with_salt(password.as_bytes(), salt)
        .map_err(|e| Error::Internal(format!("hashing: {e}")))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(password: &str) -> Option<Problem> {
        PasswordPolicy::check(&password.to_owned().into(), &["Maya Duran", "maya@example.com"]).err().map(|e| e.problem)
    }

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        assert_eq!(problem(""), Some(Problem::Missing));
        assert_eq!(problem("short"), Some(Problem::TooShort { min: PASSWORD_MIN_CHARS }));
        assert_eq!(problem("password123456"), Some(Problem::TooWeak));
        assert_eq!(problem("duranduran"), Some(Problem::TooWeak));
        assert_eq!(problem(&"a".repeat(257)), Some(Problem::TooLong { max: PASSWORD_MAX_CHARS }));
        assert_eq!(problem("correct horse battery staple"), None);
        assert_eq!(problem("ὀρθὸς ἵππος μπαταρία"), None);
    }

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
