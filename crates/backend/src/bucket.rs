//! The bucket: what is large and rarely read. Each object is compressed (zstd), then encrypted (AES-256-GCM) under the key
//! of its organisation, which is kept in PostgreSQL under the master key. Without that key an object is noise.

use std::{path::PathBuf, sync::Arc};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use futures::TryStreamExt;
use kubewise_contract::OrgId;
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Key,
};
use sqlx::PgConnection;

use crate::{Error, MasterKeys, World};

/// First byte of every object: how the rest is to be read.
const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;
/// Objects are made once and read seldom: smaller is better than faster.
const LEVEL: i32 = 9;

/// Where objects are kept.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    keys: MasterKeys,
}

/// Where a bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketAddress {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket of an S3 server, and what all names in it begin with. Region, credentials and address come from the usual
    /// variables (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP` …).
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

impl std::str::FromStr for BucketAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "it must be like file:///var/lib/kubewise/objects or s3://bucket/prefix".to_owned();
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') { Ok(Self::Folder(path.into())) } else { Err(fault()) };
        }
        let rest = text.strip_prefix("s3://").ok_or_else(fault)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_name) {
            return Err(fault());
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

/// The key that an organisation's objects are encrypted under.
pub(crate) struct DataKey(RandomizedNonceKey);

impl Bucket {
    /// Opens it. Of a folder, makes it for this user alone; an S3 server is asked when it is needed.
    pub fn open(address: &BucketAddress, keys: MasterKeys) -> Result<Self, Error> {
        let fault = |error: &dyn std::fmt::Display| Error::Internal(format!("object store: {error}"));
        let (store, prefix): (Arc<dyn ObjectStore>, _) = match address {
            BucketAddress::Folder(folder) => {
                use std::os::unix::fs::DirBuilderExt;
                let mut builder = std::fs::DirBuilder::new();
                builder.recursive(true).mode(0o700).create(folder).map_err(|e| fault(&e))?;
                (Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(|e| fault(&e))?), Key::default())
            }
            BucketAddress::S3 { bucket, prefix } => {
                let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build().map_err(|e| fault(&e))?;
                (Arc::new(store), Key::from(prefix.as_str()))
            }
        };
        Ok(Self { store, prefix, keys })
    }

    /// The key of an organisation; made when it has none yet.
    pub(crate) async fn key(&self, tx: &mut PgConnection, world: &World, org: OrgId) -> Result<DataKey, Error> {
        let fresh = self.keys.seal(&place(org), &world.random::<KEY_BYTES>())?;
        sqlx::query!(
            "INSERT INTO organisation_keys (org_id, sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            org.0,
            fresh,
            world.now(),
        )
        .execute(&mut *tx)
        .await?;
        self.existing_key(tx, org).await
    }

    /// The same for who only reads: what has no key has no objects.
    pub(crate) async fn existing_key(&self, tx: &mut PgConnection, org: OrgId) -> Result<DataKey, Error> {
        let sealed = sqlx::query_scalar!("SELECT sealed FROM organisation_keys WHERE org_id = $1", org.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::NotFound)?;
        self.unsealed(org, &sealed)
    }

    fn unsealed(&self, org: OrgId, sealed: &[u8]) -> Result<DataKey, Error> {
        let key = self.keys.open_sealed(&place(org), sealed)?;
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(DataKey).map_err(|_| Error::Internal("not a key".to_owned()))
    }

    /// Keeps an object, in place of one of the same name. Answers how large it is there, in bytes.
    pub(crate) async fn put(&self, key: &DataKey, name: &str, compressed: Vec<u8>) -> Result<usize, Error> {
        let mut text = compressed;
        let nonce = (key.0.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut text))
            .map_err(|_| Error::Internal("an object could not be encrypted".to_owned()))?;
        let object = [&[FORMAT], nonce.as_ref().as_slice(), &text].concat();
        let bytes = object.len();
        self.store.put(&self.name(name), PutPayload::from(object)).await.map_err(|e| fault(&e))?;
        Ok(bytes)
    }

    /// Reads an object, still compressed.
    pub(crate) async fn get(&self, key: &DataKey, name: &str) -> Result<Vec<u8>, Error> {
        let broken = |why: &str| Error::Internal(format!("object {name}: {why}"));
        let found = self.store.get(&self.name(name)).await.map_err(|e| fault(&e))?;
        let object = found.bytes().await.map_err(|e| fault(&e))?;
        let Some((&FORMAT, rest)) = object.split_first() else { return Err(broken("of an unknown format")) };
        let Some((nonce, text)) = rest.split_at_checked(NONCE_LEN) else { return Err(broken("too short")) };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("no nonce"))?;
        let mut text = text.to_vec();
        let opened = (key.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text))
            .map_err(|_| broken("changed, of another name or of another organisation"))?
            .len();
        text.truncate(opened);
        Ok(text)
    }

    /// Removes all objects whose names begin with these parts. Answers how many.
    pub(crate) async fn remove_under(&self, beginning: &str) -> Result<u64, Error> {
        let found: Vec<_> = self.store.list(Some(&self.name(beginning))).try_collect().await.map_err(|e| fault(&e))?;
        for object in &found {
            match self.store.delete(&object.location).await {
                // Somebody else was faster.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        Ok(found.len() as u64)
    }

    fn name(&self, name: &str) -> Key {
        self.prefix.parts().chain(Key::from(name).parts()).collect()
    }
}

fn place(org: OrgId) -> String {
    format!("organisation_keys.sealed {org}")
}

/// Compresses as objects of the bucket are.
pub(crate) fn compressor() -> Result<zstd::Encoder<'static, Vec<u8>>, Error> {
    zstd::Encoder::new(Vec::new(), LEVEL).map_err(|e| Error::Internal(e.to_string()))
}

fn fault(error: &object_store::Error) -> Error {
    Error::Internal(format!("object store: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("file:///a/b".parse(), Ok(BucketAddress::Folder("/a/b".into())));
        let s3 = |bucket: &str, prefix: &str| BucketAddress::S3 { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!("s3://kubewise".parse(), Ok(s3("kubewise", "")));
        assert_eq!("s3://kube.wise-1/a/b/".parse(), Ok(s3("kube.wise-1", "a/b")));
        for wrong in ["", "file://relative", "/a", "s3://", "s3://A/b", "gs://bucket", "s3://a_b/c", "http://x"] {
            assert!(wrong.parse::<BucketAddress>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_object_is_read_under_its_key_and_name_alone_and_never_when_changed() {
        let world = World::system();
        let folder = tempfile::tempdir().unwrap();
        let address = BucketAddress::Folder(folder.path().to_owned());
        let bucket = Bucket::open(&address, MasterKeys::ephemeral(&world)).unwrap();
        let key = |byte: u8| DataKey(RandomizedNonceKey::new(&AES_256_GCM, &[byte; KEY_BYTES]).unwrap());
        bucket.put(&key(1), "org/cluster/1/evidence", b"what ran".to_vec()).await.unwrap();
        assert_eq!(bucket.get(&key(1), "org/cluster/1/evidence").await.unwrap(), b"what ran");
        assert!(bucket.get(&key(2), "org/cluster/1/evidence").await.is_err());

        let path = folder.path().join("org/cluster/1/evidence");
        let object = std::fs::read(&path).unwrap();
        assert!(!object.windows(8).any(|window| window == b"what ran"));
        std::fs::create_dir_all(folder.path().join("org/cluster/2")).unwrap();
        std::fs::copy(&path, folder.path().join("org/cluster/2/evidence")).unwrap();
        assert!(bucket.get(&key(1), "org/cluster/2/evidence").await.is_err(), "moved");
        for at in 0..object.len() {
            let mut changed = object.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(bucket.get(&key(1), "org/cluster/1/evidence").await.is_err(), "byte {at}");
        }
        assert_eq!(bucket.remove_under("org/cluster").await.unwrap(), 2);
        assert_eq!(bucket.remove_under("org/cluster").await.unwrap(), 0);
    }
}
