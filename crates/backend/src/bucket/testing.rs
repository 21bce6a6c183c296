//! The bucket as the rest of the backend uses it, for tests that are not part of it.

use bytes::Bytes;
use futures::{Stream, stream::BoxStream};

use super::{Bucket, BucketAddress, Content, DataKey, Listed, S3Access};
use crate::{Error, Held, Keys, MasterKeys, World};

/// A bucket, and a key that stays the same.
pub struct TestObjects {
    bucket: Bucket,
    key: DataKey,
}

impl TestObjects {
    /// Opens it.
    pub fn open(address: &BucketAddress, access: &S3Access) -> Self {
        let world = World::system();
        let shares = BucketAddress::Folder(std::env::temp_dir().join(format!("kubewise-keys-{}", world.uuid())));
        let keys = Keys::new(MasterKeys::ephemeral(&world), &shares, &world).expect("a folder is made");
        let bucket = Bucket::open_with(address, access, keys).expect("a bucket");
        Self { bucket, key: DataKey::of_bytes([7; 32]) }
    }

    /// Puts what is compressed on its way. Answers bytes in the bucket and their SHA-256.
    pub async fn put(
        &self,
        name: &str,
        content: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin,
    ) -> Result<(u64, [u8; 32]), Error> {
        let stored = self.bucket.put_stream(&self.key, name, Content::Plain(content)).await?;
        Ok((stored.bytes, stored.sha256))
    }

    /// Puts what is said to be compressed, and is read by [`Self::records`] if it is not.
    pub async fn put_as_it_is(
        &self,
        name: &str,
        content: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin,
    ) -> Result<(u64, [u8; 32]), Error> {
        let stored = self.bucket.put_stream(&self.key, name, Content::Compressed(content)).await?;
        Ok((stored.bytes, stored.sha256))
    }

    /// Reads all, unpacked.
    pub async fn get(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.bucket.get(&self.key, name).await
    }

    /// Reads by pieces, unpacked.
    pub async fn get_stream(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        self.bucket.get_stream(&self.key, name).await
    }

    /// Reads by pieces, as it was put.
    pub async fn records(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        self.bucket.records(&self.key, name).await
    }

    /// How much there is.
    pub async fn usage_under(&self, beginning: &str) -> Result<Held, Error> {
        self.bucket.usage_under(beginning).await
    }

    /// Removes what is under a name.
    pub async fn remove_under(&self, beginning: &str) -> Result<Held, Error> {
        self.bucket.remove_under(beginning).await
    }

    /// Removes an object.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        self.bucket.remove(name).await
    }

    /// The names of all objects, in their order.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        use futures::TryStreamExt as _;
        let mut names: Vec<String> = self.bucket.list().map_ok(|Listed { name, .. }| name).try_collect().await?;
        names.sort();
        Ok(names)
    }

    /// Keeps a text unless there is one; answers the one that is there.
    pub async fn claim(&self, name: &str, text: &str) -> Result<String, Error> {
        self.bucket.claim(name, text.to_owned()).await
    }
}
