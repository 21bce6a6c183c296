//! The master key, under which every data key's half is wrapped. AES-256-GCM, with a key derived from the master key
//! (HKDF-SHA256); what is wrapped is bound to its place, so that one moved to another row opens nothing.

use std::{
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
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

/// The master keys, as their file has them: the first wraps, all open. The file is read again when something is met that
/// none of them opens, so that a new key is known without a restart.
#[derive(Clone)]
pub struct MasterKeys(Arc<Inner>);

struct Inner {
    /// None: they are kept nowhere.
    path: Option<PathBuf>,
    keys: RwLock<Arc<[MasterKey]>>,
}

struct MasterKey {
    id: KeyId,
    text: String,
    wraps: RandomizedNonceKey,
}

/// What tells one master key from another, and tells nothing of it: the beginning of its SHA-256.
pub(crate) type KeyId = [u8; ID_BYTES];

/// Why something did not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Under a key that is not in the file, as it was read last.
    UnknownKey,
    /// Changed, or moved from another place.
    Broken(&'static str),
}

impl Closed {
    pub(crate) fn at(self, place: &str) -> Error {
        // The column alone: whose row it is of is no matter for a log.
        let place = place.split([' ', ':']).next().unwrap_or_default();
        Error::Internal(match self {
            Self::UnknownKey => format!("{place}: encrypted under a master key that this server does not have"),
            Self::Broken(why) => format!("{place}: {why}"),
        })
    }
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
        if !path.exists() {
            match write_new(path, &[fresh(world)], world) {
                // Another process of this installation made it a moment ago.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => made.map_err(|e| fault(path, &format!("cannot be made: {e}")))?,
            }
        }
        let keys = RwLock::new(read(path)?);
        Ok(Self(Arc::new(Inner { path: Some(path.to_owned()), keys })))
    }

    /// Fresh keys that are kept nowhere: for tests.
    #[cfg(feature = "testing")]
    pub fn ephemeral(world: &World) -> Self {
        let keys = parse(&fresh(world)).expect("32 bytes are a key");
        Self(Arc::new(Inner { path: None, keys: RwLock::new(keys) }))
    }

    fn keys(&self) -> Arc<[MasterKey]> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let Some(path) = &self.0.path else { return Ok(()) };
        let keys = read(path)?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The key that wraps.
    pub(crate) fn first(&self) -> KeyId {
        self.keys()[0].id
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.keys().len()
    }

    /// Whether this one is among them.
    pub(crate) fn has(&self, id: &[u8]) -> bool {
        self.keys().iter().any(|key| key.id == id)
    }

    /// Puts a fresh key first, in the file too.
    pub(super) fn add(&self, world: &World) -> Result<(), Error> {
        let old = self.keys();
        let texts: Vec<String> = std::iter::once(fresh(world)).chain(old.iter().map(|key| key.text.clone())).collect();
        self.rewrite(&texts, world)
    }

    /// Keeps none but this one, in the file too.
    pub(super) fn keep_only(&self, id: KeyId, world: &World) -> Result<(), Error> {
        let texts: Vec<String> = self.keys().iter().filter(|key| key.id == id).map(|key| key.text.clone()).collect();
        if texts.is_empty() {
            return Err(Error::Internal("the master key that is to be kept is not in its file".to_owned()));
        }
        self.rewrite(&texts, world)
    }

    fn rewrite(&self, texts: &[String], world: &World) -> Result<(), Error> {
        if let Some(path) = &self.0.path {
            replace(path, texts, world).map_err(|e| {
                fault(path, &format!("cannot be written: {e}; put the new key into it yourself and use --in-place"))
            })?;
            return self.reload();
        }
        let keys = parse(&texts.join("\n")).map_err(Error::Internal)?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Wraps what belongs to one place: a column and the id of its row.
    pub(crate) fn wrap(&self, under: &[u8], place: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let keys = self.keys();
        let key = keys.iter().find(|key| key.id == under).ok_or_else(|| Closed::UnknownKey.at(place))?;
        let mut sealed = secret.to_vec();
        let nonce = (key.wraps.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed))
            .map_err(|_| Error::Internal("a secret could not be encrypted".to_owned()))?;
        Ok([&key.id[..], nonce.as_ref(), &sealed].concat())
    }

    /// Opens what was wrapped for the same place.
    pub(crate) fn unwrap(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Closed> {
        let too_short = Closed::Broken("too short");
        let Some((id, rest)) = sealed.split_at_checked(ID_BYTES) else { return Err(too_short) };
        let Some((nonce, text)) = rest.split_at_checked(NONCE_LEN) else { return Err(too_short) };
        let keys = self.keys();
        let key = keys.iter().find(|key| key.id == id).ok_or(Closed::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Closed::Broken("no nonce"))?;
        let mut text = text.to_vec();
        let opened = (key.wraps.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text))
            .map_err(|_| Closed::Broken("changed, or moved from another place"))?;
        Ok(opened.to_vec())
    }
}

fn fault(path: &Path, what: &str) -> Error {
    Error::Internal(format!("{}: {what}", path.display()))
}

fn fresh(world: &World) -> String {
    STANDARD.encode(world.random::<KEY_BYTES>())
}

fn read(path: &Path) -> Result<Arc<[MasterKey]>, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| fault(path, &e.to_string()))?;
    let mode = std::fs::metadata(path).map_err(|e| fault(path, &e.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault(
            path,
            &format!("others than its owner may read the master key (mode {:03o}); run chmod 600 on it", mode & 0o777),
        ));
    }
    parse(&text).map_err(|what| fault(path, &what))
}

fn parse(text: &str) -> Result<Arc<[MasterKey]>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|line| {
        // What is wrong with it is not repeated: it may be most of a key.
        let key = STANDARD.decode(line).ok().filter(|key| key.len() == KEY_BYTES);
        let key = key.ok_or("a line is not 32 bytes in base64; `openssl rand -base64 32` makes one")?;
        MasterKey::new(&key, line)
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err("there is no key in it; remove the file to have one made".to_owned());
    }
    Ok(keys.into())
}

impl MasterKey {
    fn new(key: &[u8], text: &str) -> Result<Self, String> {
        let derived = || -> Result<_, aws_lc_rs::error::Unspecified> {
            let mut wraps = [0; KEY_BYTES];
            let from = Salt::new(HKDF_SHA256, b"kubewise").extract(key);
            from.expand(&[b"secret columns"], HKDF_SHA256)?.fill(&mut wraps)?;
            RandomizedNonceKey::new(&AES_256_GCM, &wraps)
        };
        let wraps = derived().map_err(|_| "no key can be derived from it".to_owned())?;
        let digest = Sha256::new_with_prefix(b"kubewise master key").chain_update(key).finalize();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&digest[..ID_BYTES]);
        Ok(Self { id, text: text.to_owned(), wraps })
    }
}

/// Writes a file that is not there yet; one that is there is never replaced.
fn write_new(path: &Path, keys: &[String], world: &World) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let beside = write_beside(path, keys, world)?;
    let named = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    named?;
    keep_names(path)
}

/// Writes it in place of the one that is there: a reader finds the one or the other.
fn replace(path: &Path, keys: &[String], world: &World) -> std::io::Result<()> {
    let beside = write_beside(path, keys, world)?;
    // One that belongs to somebody else than before could not be read by the server that runs.
    let (owner, writer) = (std::fs::metadata(path)?.uid(), std::fs::metadata(&beside)?.uid());
    if owner != writer {
        std::fs::remove_file(&beside)?;
        return Err(std::io::Error::other(format!(
            "it belongs to the user with the id {owner}, and this runs as {writer}; run it as that user: sudo -u '#{owner}' …"
        )));
    }
    std::fs::rename(&beside, path)?;
    keep_names(path)
}

/// Writes down what the files beside this one are called, so that it is so after a power cut too.
pub(super) fn keep_names(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// Whole before it has its name, so that nobody reads half of it.
fn write_beside(path: &Path, keys: &[String], world: &World) -> std::io::Result<PathBuf> {
    let text = format!(
        "# Kubewise's master key. Without it, what is encrypted in the database and the bucket is lost: keep a copy,\n\
         # apart from the copies of the database. The first key encrypts, all decrypt.\n{}\n",
        keys.join("\n"),
    );
    let beside = path.with_extension(hex::encode(world.random::<8>()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(keys: &MasterKeys, place: &str, secret: &[u8]) -> Vec<u8> {
        keys.wrap(&keys.first(), place, secret).unwrap()
    }

    #[test]
    fn what_is_wrapped_opens_at_its_place_only_and_never_when_changed() {
        let keys = MasterKeys::ephemeral(&World::system());
        let sealed = wrapped(&keys, "seed:1", b"12345678901234567890");
        assert_eq!(keys.unwrap("seed:1", &sealed).unwrap(), b"12345678901234567890");
        assert!(keys.unwrap("seed:2", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.unwrap("seed:1", &changed).is_err(), "byte {at}");
            assert!(keys.unwrap("seed:1", &sealed[..at]).is_err(), "cut at {at}");
        }
        let other = MasterKeys::ephemeral(&World::system());
        assert_eq!(other.unwrap("seed:1", &sealed), Err(Closed::UnknownKey));
    }

    #[test]
    fn a_new_key_is_put_first_and_the_old_one_opens_until_it_is_taken_out() {
        let world = World::system();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let keys = MasterKeys::open(&path, &world).unwrap();
        // A server that is running meanwhile.
        let server = MasterKeys::open(&path, &world).unwrap();
        let (old, sealed) = (keys.first(), wrapped(&keys, "x", b"secret"));
        keys.add(&world).unwrap();
        assert_eq!((keys.count(), keys.unwrap("x", &sealed).unwrap()), (2, b"secret".to_vec()));
        let fresh = wrapped(&keys, "x", b"secret");
        assert_eq!(server.unwrap("x", &fresh), Err(Closed::UnknownKey));
        server.reload().unwrap();
        assert_eq!(server.unwrap("x", &fresh).unwrap(), b"secret");
        keys.keep_only(keys.first(), &world).unwrap();
        assert_eq!(keys.unwrap("x", &sealed), Err(Closed::UnknownKey));
        assert!(keys.keep_only(old, &world).is_err(), "the last key is never taken out");
        let again = MasterKeys::open(&path, &world).unwrap();
        assert_eq!((again.count(), again.first()), (1, keys.first()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_of_somebody_else_is_not_replaced_by_one_that_they_cannot_read() {
        let world = World::system();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let keys = MasterKeys::open(&path, &world).unwrap();
        // Only root gives files away, and only root meets files of others that it may write.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            return;
        }
        let error = keys.add(&world).unwrap_err().to_string();
        assert!(error.contains("sudo -u '#65534'"), "{error}");
        assert_eq!(keys.count(), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 65_534);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused() {
        let world = World::system();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("master.key");
        let made = MasterKeys::open(&path, &world).unwrap();
        let sealed = wrapped(&made, "x", b"secret");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(MasterKeys::open(&path, &world).unwrap().unwrap("x", &sealed).unwrap(), b"secret");
        for mode in [0o640, 0o604, 0o620, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(MasterKeys::open(&path, &world).unwrap_err().to_string().contains("chmod 600"), "{mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "# nothing\n", "c2hvcnQ=", "not base64"] {
            std::fs::write(&path, text).unwrap();
            let error = MasterKeys::open(&path, &world).unwrap_err().to_string();
            assert!(error.contains("master.key") && !error.contains("c2hvcnQ"), "{error}");
        }
    }
}
