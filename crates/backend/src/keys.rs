//! The master key, and what is encrypted under it: columns that hold a secret which must be known again, not only
//! recognised. AES-256-GCM, with a key derived from the master key (HKDF-SHA256); each text is bound to its place, so
//! that one moved to another row opens nothing.

use std::{
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::{Error, World};

/// Bytes of a master key.
const KEY_BYTES: usize = 32;
/// Bytes that say which master key a text is encrypted under.
const ID_BYTES: usize = 4;

/// The master keys: the first encrypts, all decrypt.
#[derive(Clone)]
pub struct MasterKeys(Arc<[MasterKey]>);

struct MasterKey {
    id: [u8; ID_BYTES],
    columns: RandomizedNonceKey,
}

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKeys").finish_non_exhaustive()
    }
}

impl MasterKeys {
    /// Reads the file: a key a line, 32 bytes in base64; lines that begin with `#` are for people. Where there is no
    /// file, one is made with a fresh key, for its owner alone. One that others may read is refused.
    pub fn open(path: &Path, world: &World) -> Result<Self, Error> {
        let fault = |what: String| Error::Internal(format!("{}: {what}", path.display()));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match make(path, world) {
                    // Another process of this installation made it a moment ago.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    made => made.map_err(|e| fault(format!("cannot be made: {e}")))?,
                }
                std::fs::read_to_string(path).map_err(|e| fault(e.to_string()))?
            }
            Err(error) => return Err(fault(error.to_string())),
        };
        let mode = std::fs::metadata(path).map_err(|e| fault(e.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(fault(format!(
                "others than its owner may read the master key (mode {:03o}); run chmod 600 on it",
                mode & 0o777
            )));
        }
        Self::parse(&text).map_err(fault)
    }

    /// Fresh keys that are kept nowhere: for tests.
    #[cfg(feature = "testing")]
    pub fn ephemeral(world: &World) -> Self {
        Self::parse(&STANDARD.encode(world.random::<KEY_BYTES>())).expect("32 bytes are a key")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(|line| {
            // What is wrong with it is not repeated: it may be most of a key.
            let key = STANDARD.decode(line).ok().filter(|key| key.len() == KEY_BYTES);
            MasterKey::new(&key.ok_or("a line is not 32 bytes in base64; `openssl rand -base64 32` makes one")?)
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err("there is no key in it; remove the file to have one made".to_owned());
        }
        Ok(Self(keys.into()))
    }

    /// Encrypts what belongs to one place: a column and the id of its row.
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let key = &self.0[0];
        let mut sealed = secret.to_vec();
        let nonce = key
            .columns
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed)
            .map_err(|_| Error::Internal("a secret could not be encrypted".to_owned()))?;
        Ok([&key.id[..], nonce.as_ref(), &sealed].concat())
    }

    /// Decrypts what was encrypted for the same place.
    pub(crate) fn open_sealed(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let fault = |why: &str| Error::Internal(format!("{place}: {why}"));
        let Some((id, rest)) = sealed.split_at_checked(ID_BYTES) else { return Err(fault("too short")) };
        let Some((nonce, text)) = rest.split_at_checked(NONCE_LEN) else { return Err(fault("too short")) };
        let key = self.0.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| fault("encrypted under a master key that this server does not have"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| fault("no nonce"))?;
        let mut text = text.to_vec();
        let opened = key
            .columns
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut text)
            .map_err(|_| fault("changed, or moved from another place"))?;
        Ok(opened.to_vec())
    }
}

impl MasterKey {
    fn new(key: &[u8]) -> Result<Self, String> {
        let derived = || -> Result<_, aws_lc_rs::error::Unspecified> {
            let mut columns = [0; KEY_BYTES];
            let from = Salt::new(HKDF_SHA256, b"kubewise").extract(key);
            from.expand(&[b"secret columns"], HKDF_SHA256)?.fill(&mut columns)?;
            RandomizedNonceKey::new(&AES_256_GCM, &columns)
        };
        let columns = derived().map_err(|_| "no key can be derived".to_owned())?;
        let digest = Sha256::new_with_prefix(b"kubewise master key").chain_update(key).finalize();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&digest[..ID_BYTES]);
        Ok(Self { id, columns })
    }
}

fn make(path: &Path, world: &World) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let text = format!(
        "# Kubewise's master key. Without it, what is encrypted in the database and the bucket is lost: keep a copy,\n\
         # apart from the copies of the database.\n{}\n",
        STANDARD.encode(world.random::<KEY_BYTES>()),
    );
    // Whole before it has its name, so that nobody reads half of it; and one that is there is never replaced.
    let beside = path.with_extension(hex::encode(world.random::<8>()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let named = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_only_and_never_when_changed() {
        let keys = MasterKeys::ephemeral(&World::system());
        let sealed = keys.seal("seed:1", b"12345678901234567890").unwrap();
        assert_eq!(keys.open_sealed("seed:1", &sealed).unwrap(), b"12345678901234567890");
        assert!(keys.open_sealed("seed:2", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open_sealed("seed:1", &changed).is_err(), "byte {at}");
            assert!(keys.open_sealed("seed:1", &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(MasterKeys::ephemeral(&World::system()).open_sealed("seed:1", &sealed).is_err());
    }

    #[test]
    fn a_new_key_is_put_first_and_the_old_one_still_opens() {
        let world = World::system();
        let line = || STANDARD.encode(world.random::<KEY_BYTES>());
        let (old, new) = (line(), line());
        let sealed = MasterKeys::parse(&old).unwrap().seal("x", b"secret").unwrap();
        let both = MasterKeys::parse(&format!("# the new one\n{new}\n\n{old}\n")).unwrap();
        assert_eq!(both.open_sealed("x", &sealed).unwrap(), b"secret");
        let sealed = both.seal("x", b"secret").unwrap();
        assert!(MasterKeys::parse(&old).unwrap().open_sealed("x", &sealed).is_err());
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused() {
        let world = World::system();
        let folder = std::env::temp_dir().join(format!("kubewise-keys-{}", hex::encode(world.random::<8>())));
        let path = folder.join("master.key");
        let made = MasterKeys::open(&path, &world).unwrap();
        let sealed = made.seal("x", b"secret").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(MasterKeys::open(&path, &world).unwrap().open_sealed("x", &sealed).unwrap(), b"secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(MasterKeys::open(&path, &world).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "# nothing\n", "c2hvcnQ=", "not base64"] {
            std::fs::write(&path, text).unwrap();
            let error = MasterKeys::open(&path, &world).unwrap_err().to_string();
            assert!(error.contains("master.key") && !error.contains("c2hvcnQ"), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
