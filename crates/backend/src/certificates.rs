//! Deletion certificates: what was deleted, what is left of it, which keys were destroyed; signed (Ed25519, RFC 8032), so that
//! whoever keeps one can show later that it is from this installation and was not changed.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{Error, Keys, Web, World, database};

/// Bytes of what a signing key is made from.
const SEED: usize = 32;
/// Bytes by which one is known.
const ID: usize = 8;

/// A certificate as it is handed out: a JSON document in text, to the byte as it was signed, and what was signed by which key.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignedCertificate {
    /// The certificate: a JSON document.
    pub certificate: String,
    /// By which key: the beginning of the SHA-256 of the public key, in hexadecimal.
    pub key: String,
    /// Ed25519 over the certificate's bytes, in base64.
    pub signature: String,
}

/// A key that certificates of this installation are verified with.
#[derive(Debug, Serialize)]
pub struct VerifyingKey {
    /// As [`SignedCertificate::key`] names it.
    pub key: String,
    /// 32 bytes, in base64 (RFC 8032).
    pub public_key: String,
}

impl SignedCertificate {
    /// Whether it was signed by this key, and is as it was then.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let (Ok(public), Ok(signature)) = (STANDARD.decode(&key.public_key), STANDARD.decode(&self.signature)) else {
            return false;
        };
        self.key == key.key
            && hex::encode(id(&public)) == self.key
            && UnparsedPublicKey::new(&ED25519, public).verify(self.certificate.as_bytes(), &signature).is_ok()
    }
}

/// Where the seed of a signing key belongs, in the database.
pub(crate) fn signing_place(id: &[u8]) -> String {
    format!("signing_keys.sealed {}", hex::encode(id))
}

fn id(public: &[u8]) -> [u8; ID] {
    let mut id = [0; ID];
    id.copy_from_slice(&Sha256::digest(public)[..ID]);
    id
}

fn pair(seed: &[u8]) -> Result<Ed25519KeyPair, Error> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::Internal("not a signing key".to_owned()))
}

/// Signs a certificate, as part of the caller's transaction. The first one makes the key.
pub(crate) async fn sign(
    tx: &mut PgConnection,
    keys: &Keys,
    world: &World,
    certificate: String,
) -> Result<SignedCertificate, Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('kubewise signing key', 0))").execute(&mut *tx).await?;
    let found = sqlx::query!("SELECT id, sealed FROM signing_keys ORDER BY created_at DESC LIMIT 1")
        .fetch_optional(&mut *tx)
        .await?;
    let seed = match found {
        Some(found) => keys.unwrap(&signing_place(&found.id), &found.sealed)?,
        None => {
            let seed = world.random::<SEED>();
            let pair = pair(&seed)?;
            let public = pair.public_key().as_ref();
            let id = id(public);
            let sealed = keys.wrap(tx, &signing_place(&id), &seed).await?;
            sqlx::query!(
                "INSERT INTO signing_keys (id, public_key, sealed, created_at) VALUES ($1, $2, $3, $4)",
                &id[..],
                public,
                sealed,
                world.now(),
            )
            .execute(&mut *tx)
            .await?;
            seed.to_vec()
        }
    };
    let pair = pair(&seed)?;
    let signature = STANDARD.encode(pair.sign(certificate.as_bytes()).as_ref());
    Ok(SignedCertificate { certificate, key: hex::encode(id(pair.public_key().as_ref())), signature })
}

impl Web {
    /// The keys that certificates are verified with: for everybody.
    pub async fn verifying_keys(&self) -> Result<Vec<VerifyingKey>, Error> {
        let mut tx = database::begin(&self.pool, None, None).await?;
        let rows =
            sqlx::query!("SELECT id, public_key FROM signing_keys ORDER BY created_at, id").fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let keys = rows.into_iter();
        Ok(keys
            .map(|row| VerifyingKey { key: hex::encode(row.id), public_key: STANDARD.encode(row.public_key) })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_or_signed_by_another_is_found() {
        let signed = |seed: u8| {
            let pair = pair(&[seed; SEED]).unwrap();
            let public = pair.public_key().as_ref();
            let key = VerifyingKey { key: hex::encode(id(public)), public_key: STANDARD.encode(public) };
            let certificate = "{\"left\":{}}".to_owned();
            let signature = STANDARD.encode(pair.sign(certificate.as_bytes()).as_ref());
            (SignedCertificate { certificate, key: key.key.clone(), signature }, key)
        };
        let ((one, ours), (_, another)) = (signed(1), signed(2));
        assert!(one.is_signed_by(&ours) && !one.is_signed_by(&another));
        let renamed = VerifyingKey { key: ours.key.clone(), ..another };
        assert!(!one.is_signed_by(&renamed), "a key by another's name");
        for at in 0..one.certificate.len() {
            let mut text = one.certificate.clone().into_bytes();
            text[at] ^= 1;
            let Ok(certificate) = String::from_utf8(text) else { continue };
            let changed = SignedCertificate { certificate, key: one.key.clone(), signature: one.signature.clone() };
            assert!(!changed.is_signed_by(&ours), "byte {at}");
        }
    }
}
