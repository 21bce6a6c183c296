//! The bucket: what is large and rarely read. Each object is compressed (zstd), then encrypted (AES-256-GCM) under the key
//! of its organisation, which is kept in PostgreSQL under the master key. Without that key an object is noise.

mod access;
mod compress;
mod folder;
mod orphans;
mod read;
mod seal;
#[cfg(feature = "testing")]
mod testing;
mod write;

use std::{path::PathBuf, sync::Arc, time::Duration};

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, path::Path as Key};
use sqlx::PgConnection;
use time::OffsetDateTime;

pub use self::access::S3Access;
pub(crate) use self::folder::remove_staged;
#[cfg(feature = "testing")]
pub use self::testing::TestObjects;
pub(crate) use self::{compress::compressor, write::Stored};
use self::{
    read::{Reading, Source},
    seal::Sealer,
    write::Upload,
};
use crate::{Error, Keys, keys::KeyOf, logged::without_ids};

/// First byte of an object that is one text, as all were at first: a nonce follows, the text, and its tag, bound to the name.
const FORMAT_WHOLE: u8 = 1;
const KEY_BYTES: usize = 32;
/// Objects that are looked at, or removed, at once: as many as S3 lists and removes in one request.
const AT_ONCE: usize = 1_000;

/// Where objects are kept.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    keys: Keys,
    /// That of a store in a folder.
    folder: Option<PathBuf>,
    /// How long is waited before what broke off is asked for again.
    wait: Duration,
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

/// What is put: as it is, or as it will be in the bucket.
pub(crate) enum Content<S> {
    /// It is compressed on its way.
    Plain(S),
    /// It was compressed by zstd, as [`compressor`] does.
    Compressed(S),
}

/// Objects, and how large they are in the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub objects: u64,
    /// Of all of them together.
    pub bytes: u64,
}

/// An object, as a list has it.
pub(crate) struct Listed {
    /// As it was put.
    pub(crate) name: String,
    pub(crate) changed_at: OffsetDateTime,
    object: ObjectMeta,
}

impl Bucket {
    /// Opens it. Of a folder, makes it for this user alone; an S3 server is asked when it is needed.
    pub fn open(address: &BucketAddress, keys: Keys) -> Result<Self, Error> {
        Self::open_with(address, &S3Access::default(), keys)
    }

    /// The same, with an S3 server asked in another way than the environment says.
    pub fn open_with(address: &BucketAddress, access: &S3Access, keys: Keys) -> Result<Self, Error> {
        let opened = open(address, access)?;
        Ok(Self { store: opened.store, prefix: opened.prefix, keys, folder: opened.folder, wait: access.wait() })
    }

    /// The key of an organisation's or a person's objects; made when there is none yet.
    pub(crate) async fn key(&self, tx: &mut PgConnection, of: KeyOf) -> Result<DataKey, Error> {
        self.keys.get(tx, of).await?.objects().map(DataKey)
    }

    /// The same for who only reads: what has no key has no objects.
    pub(crate) async fn existing_key(&self, tx: &mut PgConnection, of: KeyOf) -> Result<DataKey, Error> {
        self.keys.existing(tx, of).await?.objects().map(DataKey)
    }

    /// Keeps an object, in place of one of the same name. Answers how large it is there, in bytes.
    pub(crate) async fn put(&self, key: &DataKey, name: &str, compressed: Vec<u8>) -> Result<usize, Error> {
        let content = stream::iter([Ok(Bytes::from(compressed))]);
        let stored = self.put_stream(key, name, Content::Compressed(content)).await?;
        Ok(usize::try_from(stored.bytes).unwrap_or(usize::MAX))
    }

    /// The same, by pieces of whatever length: some 24 MiB of it are in memory at once. It is seen when it is whole; when
    /// the content or the store fails, what was there before stays.
    pub(crate) async fn put_stream<S>(&self, key: &DataKey, name: &str, content: Content<S>) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, Error>> + Send + Unpin,
    {
        let mut upload = Upload::new(&*self.store, self.name(name));
        let done = match content {
            Content::Compressed(content) => fill(&mut upload, key, name, content).await,
            Content::Plain(content) => fill(&mut upload, key, name, compress::compressed(content)).await,
        };
        let done = match done {
            Ok(()) => upload.finish().await.map_err(|e| fault(&e)),
            Err(error) => Err(error),
        };
        if done.is_err() {
            upload.give_up().await;
        }
        done
    }

    /// Reads an object, unpacked.
    pub(crate) async fn get(&self, key: &DataKey, name: &str) -> Result<Vec<u8>, Error> {
        let mut content = self.get_stream(key, name).await?;
        let mut all = Vec::new();
        while let Some(piece) = content.try_next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// The same, by pieces, each of which was verified. Whoever passes them on says so when one is an error: what came before
    /// is right, but not all there is. [`Error::NotFound`] when there is no object of the name.
    pub(crate) async fn get_stream(
        &self,
        key: &DataKey,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        Ok(compress::unpacked(self.records(key, name).await?).boxed())
    }

    /// What the records of an object hold: compressed.
    async fn records(&self, key: &DataKey, name: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let source = Source::new(Arc::clone(&self.store), self.name(name), self.wait).await?;
        Ok(Reading::new(source, key, name).await?.into_stream().boxed())
    }

    /// How much there is whose names begin with these parts.
    pub async fn usage_under(&self, beginning: &str) -> Result<Held, Error> {
        let listed = self.store.list(Some(&self.name(beginning)));
        let sum = |held: Held, object: ObjectMeta| async move { Ok(held.and(&object)) };
        listed.try_fold(Held::default(), sum).await.map_err(|e| fault(&e))
    }

    /// Removes all objects whose names begin with these parts, and of a store in a folder all that says their names. Answers
    /// what there was. Done again, it finds nothing.
    pub async fn remove_under(&self, beginning: &str) -> Result<Held, Error> {
        let under = self.name(beginning);
        let mut listed = self.store.list(Some(&under)).try_chunks(AT_ONCE);
        let mut removed = Held::default();
        while let Some(objects) = listed.next().await {
            removed = removed.plus(self.remove_listed(objects.map_err(|e| fault(&e.1))?).await?);
        }
        if let Some(root) = self.folder.clone() {
            let folder = under.parts().fold(root.clone(), |folder, part| folder.join(part.as_ref()));
            disk(move || {
                // Also what is being written there: it would be of something that is no more.
                folder::tidy(&folder, None)?;
                folder::close(&folder, &root);
                Ok(())
            })
            .await?;
        }
        Ok(removed)
    }

    /// Removes an object, if it is there.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let object = self.name(name);
        match self.store.delete(&object).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(fault(&error)),
        }
        if let Some(root) = self.folder.clone() {
            let parts = object.parts().fold(root.clone(), |folder, part| folder.join(part.as_ref()));
            disk(move || {
                folder::close(parts.parent().unwrap_or(&root), &root);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// All objects, in whatever order, except those that are not of this bucket's prefix.
    fn list(&self) -> impl Stream<Item = Result<Listed, Error>> + Send + use<> {
        let prefix = self.prefix.clone();
        self.store.list(Some(&self.prefix)).map_err(|e| fault(&e)).try_filter_map(move |object| {
            let name = object
                .location
                .prefix_match(&prefix)
                .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
            let at = OffsetDateTime::from_unix_timestamp(object.last_modified.timestamp()).ok();
            std::future::ready(Ok(name.zip(at).map(|(name, changed_at)| Listed { name, changed_at, object })))
        })
    }

    async fn remove_listed(&self, objects: Vec<ObjectMeta>) -> Result<Held, Error> {
        let names: Vec<_> = objects.iter().map(|object| Ok(object.location.clone())).collect();
        let mut removed = Held::default();
        // Answered in the order they are asked for.
        let mut answers = self.store.delete_stream(stream::iter(names).boxed()).zip(stream::iter(objects));
        while let Some((answer, object)) = answers.next().await {
            match answer {
                Ok(_) => removed = removed.and(&object),
                // Somebody else was faster.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        Ok(removed)
    }

    /// Keeps a small text, as it is, unless there is one; answers the one that is there.
    async fn claim(&self, name: &str, text: String) -> Result<String, Error> {
        let location = self.name(name);
        match self.store.put_opts(&location, text.clone().into(), PutMode::Create.into()).await {
            Ok(_) => return Ok(text),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(error) => return Err(fault(&error)),
        }
        let found = self.store.get(&location).await.map_err(|e| fault(&e))?.bytes().await.map_err(|e| fault(&e))?;
        Ok(String::from_utf8_lossy(&found).into_owned())
    }

    fn name(&self, name: &str) -> Key {
        self.prefix.parts().chain(Key::from(name).parts()).collect()
    }
}

/// A place for objects, opened.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// What all names in it begin with.
    pub(crate) prefix: Key,
    /// Where it is, if it is a folder.
    folder: Option<PathBuf>,
}

/// Opens one. Of a folder, makes it for this user alone; an S3 server is asked when it is needed.
pub(crate) fn open(address: &BucketAddress, access: &S3Access) -> Result<Opened, Error> {
    let fault = |error: &dyn std::fmt::Display| Error::Internal(format!("object store: {error}"));
    Ok(match address {
        BucketAddress::Folder(folder) => {
            use std::os::unix::fs::DirBuilderExt;
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder).map_err(|e| fault(&e))?;
            let folder = folder.canonicalize().map_err(|e| fault(&e))?;
            // An object is there for good before the row that names it.
            let store = access::folder(&folder).map_err(|e| fault(&e))?;
            Opened { store: Arc::new(store), prefix: Key::default(), folder: Some(folder) }
        }
        BucketAddress::S3 { bucket, prefix } => {
            let store = access.open(bucket).map_err(|e| fault(&e))?;
            Opened { store: Arc::new(store), prefix: Key::from(prefix.as_str()), folder: None }
        }
    })
}

async fn fill<S>(upload: &mut Upload<'_>, key: &DataKey, name: &str, content: S) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, Error>> + Send,
{
    let mut content = std::pin::pin!(content);
    let (mut sealer, head) = Sealer::new(key, name)?;
    upload.add(head).await.map_err(|e| fault(&e))?;
    while let Some(piece) = content.next().await {
        let mut piece = piece?;
        while let Some(record) = sealer.take(&mut piece)? {
            upload.add(record).await.map_err(|e| fault(&e))?;
        }
    }
    upload.add(sealer.finish()?).await.map_err(|e| fault(&e))
}

/// Opens an object of the first format.
fn open_whole(key: &DataKey, name: &str, object: &[u8]) -> Result<Bytes, Error> {
    let broken = |why: &str| Error::Internal(without_ids(&format!("object {name}: {why}")));
    let Some((&FORMAT_WHOLE, rest)) = object.split_first() else { return Err(broken("of an unknown format")) };
    let Some((nonce, text)) = rest.split_at_checked(NONCE_LEN) else { return Err(broken("too short")) };
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("no nonce"))?;
    let mut text = text.to_vec();
    let opened = (key.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text))
        .map_err(|_| broken("changed, of another name or of another organisation"))?
        .len();
    text.truncate(opened);
    Ok(text.into())
}

/// Work of the disk, away from the threads that others wait for.
async fn disk(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), Error> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| Error::Internal(format!("object store: {e}")))?;
    done.map_err(|e| Error::Internal(format!("object store: {e}")))
}

impl Held {
    const fn and(self, object: &ObjectMeta) -> Self {
        self.plus(Self { objects: 1, bytes: object.size })
    }

    const fn plus(self, other: Self) -> Self {
        Self { objects: self.objects + other.objects, bytes: self.bytes + other.bytes }
    }
}

#[cfg(any(test, feature = "testing"))]
impl DataKey {
    /// One that is known, for tests.
    pub(crate) fn of_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(RandomizedNonceKey::new(&aws_lc_rs::aead::AES_256_GCM, &bytes).expect("32 bytes are a key"))
    }
}

fn fault(error: &object_store::Error) -> Error {
    Error::Internal(format!("object store: {}", without_ids(&error.to_string())))
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

    fn in_folder() -> (Bucket, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let address = BucketAddress::Folder(folder.path().to_owned());
        (Bucket::open(&address, Keys::for_tests().0).unwrap(), folder)
    }

    #[tokio::test]
    async fn an_object_is_read_under_its_key_and_name_alone_and_never_when_changed() {
        let (bucket, folder) = in_folder();
        let key = |byte: u8| DataKey::of_bytes([byte; KEY_BYTES]);
        let packed = zstd::encode_all(&b"what ran"[..], 3).unwrap();
        bucket.put(&key(1), "org/cluster/1/evidence", packed).await.unwrap();
        assert_eq!(bucket.get(&key(1), "org/cluster/1/evidence").await.unwrap(), b"what ran");
        assert!(bucket.get(&key(2), "org/cluster/1/evidence").await.is_err());
        assert!(matches!(bucket.get(&key(1), "org/cluster/2/evidence").await, Err(Error::NotFound)));

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
        assert_eq!(bucket.usage_under("org").await.unwrap().objects, 2);
        let removed = bucket.remove_under("org/cluster").await.unwrap();
        assert_eq!(removed, Held { objects: 2, bytes: 2 * object.len() as u64 });
        assert_eq!(bucket.remove_under("org/cluster").await.unwrap(), Held::default());
    }

    #[tokio::test]
    async fn what_was_kept_in_the_first_format_is_still_read() {
        let (bucket, folder) = in_folder();
        let key = DataKey::of_bytes([1; KEY_BYTES]);
        let mut text = zstd::encode_all(&b"what ran"[..], 9).unwrap();
        let nonce = key.0.seal_in_place_append_tag(Aad::from(b"org/evidence"), &mut text).unwrap();
        let object = [&[1], nonce.as_ref().as_slice(), &text].concat();
        std::fs::create_dir_all(folder.path().join("org")).unwrap();
        let path = folder.path().join("org/evidence");
        std::fs::write(&path, &object).unwrap();
        assert_eq!(bucket.get(&key, "org/evidence").await.unwrap(), b"what ran");
        for at in 0..object.len() {
            let mut changed = object.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(bucket.get(&key, "org/evidence").await.is_err(), "byte {at}");
            std::fs::write(&path, &object[..at]).unwrap();
            assert!(bucket.get(&key, "org/evidence").await.is_err(), "cut at {at}");
        }
    }

    #[tokio::test]
    async fn what_is_removed_leaves_no_name_on_the_disk() {
        let (bucket, folder) = in_folder();
        let key = DataKey::of_bytes([1; KEY_BYTES]);
        for name in ["org/one/1/evidence", "org/one/2/evidence", "org/two/1/evidence", "people/a/b"] {
            bucket.put(&key, name, Vec::new()).await.unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        // As of a process that was killed.
        std::fs::write(at("org/one/2/evidence#1"), b"half of it").unwrap();
        bucket.remove_under("org/one").await.unwrap();
        assert!(!at("org/one").exists() && at("org/two/1/evidence").exists());
        bucket.remove_under("org/two").await.unwrap();
        assert!(!at("org").exists());
        bucket.remove("people/a/b").await.unwrap();
        bucket.remove("people/a/b").await.unwrap();
        assert!(!at("people").exists() && folder.path().exists());
    }
}
