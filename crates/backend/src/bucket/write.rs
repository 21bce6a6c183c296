//! Writing an object: what is small goes in one request, what is large in parts. Neither is seen before it is whole.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, path::Path as Key};
use tokio::task::JoinSet;

/// Bytes of a part, all but the last: S3 wants 5 MiB at least, and takes 10,000, so an object has 78 GiB at most.
const PART: usize = 8 << 20;
/// Parts that are on their way at once.
const AT_ONCE: usize = 2;

/// What was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// How large the object is in the bucket.
    pub(crate) bytes: u64,
    /// SHA-256 of the object as it is in the bucket.
    pub(crate) sha256: [u8; 32],
}

/// An object that is being written. To be finished or given up: parts of one that is neither stay with an S3 server.
pub(super) struct Upload<'a> {
    store: &'a dyn ObjectStore,
    location: Key,
    /// The next part, or all there is.
    held: Vec<Bytes>,
    held_bytes: usize,
    parts: Option<Box<dyn MultipartUpload>>,
    on_their_way: JoinSet<object_store::Result<()>>,
    bytes: u64,
    digest: Context,
}

impl<'a> Upload<'a> {
    pub(super) fn new(store: &'a dyn ObjectStore, location: Key) -> Self {
        Self {
            store,
            location,
            held: Vec::new(),
            held_bytes: 0,
            parts: None,
            on_their_way: JoinSet::new(),
            bytes: 0,
            digest: Context::new(&SHA256),
        }
    }

    /// Waits while enough is on its way.
    pub(super) async fn add(&mut self, mut bytes: Bytes) -> object_store::Result<()> {
        self.bytes += bytes.len() as u64;
        self.digest.update(&bytes);
        while !bytes.is_empty() {
            // What is full may be all there is, until there is more.
            if self.held_bytes == PART {
                self.send().await?;
            }
            let piece = bytes.split_to(bytes.len().min(PART - self.held_bytes));
            self.held_bytes += piece.len();
            self.held.push(piece);
        }
        Ok(())
    }

    async fn send(&mut self) -> object_store::Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(self.store.put_multipart(&self.location).await?),
        };
        while self.on_their_way.len() >= AT_ONCE {
            if let Some(sent) = self.on_their_way.join_next().await {
                sent??;
            }
        }
        self.held_bytes = 0;
        self.on_their_way.spawn(parts.put_part(self.held.drain(..).collect()));
        Ok(())
    }

    /// It is there when this answers that it is. One that fails is to be given up.
    pub(super) async fn finish(&mut self) -> object_store::Result<Stored> {
        if self.parts.is_some() {
            self.send().await?;
            while let Some(sent) = self.on_their_way.join_next().await {
                sent??;
            }
        }
        match &mut self.parts {
            Some(parts) => parts.complete().await?,
            None => self.store.put(&self.location, self.held.drain(..).collect::<PutPayload>()).await?,
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.digest.clone().finish().as_ref());
        Ok(Stored { bytes: self.bytes, sha256 })
    }

    pub(super) async fn give_up(mut self) {
        let Some(mut parts) = self.parts else { return };
        // One that arrives after it was given up would stay.
        while self.on_their_way.join_next().await.is_some() {}
        if let Err(error) = parts.abort().await {
            tracing::warn!(%error, "parts of an object that could not be put are left behind");
        }
    }
}
