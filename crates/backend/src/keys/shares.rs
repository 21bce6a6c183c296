//! The key store: the half of each data key that is neither in PostgreSQL nor in the bucket, so that no copy of these two
//! opens anything once it is destroyed here. A folder or an S3 bucket of its own; its objects are 32 random bytes, made once,
//! never changed, and meaningless without the other half.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path as Key};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{HALF, Half, master::keep_names};
use crate::{
    BucketAddress, Error, S3Access, World,
    bucket::{self, remove_staged},
    logged::without_ids,
};

/// How long a half is remembered: each server asks again after that, so that one that was destroyed is soon known nowhere.
const REMEMBERED: Duration = Duration::minutes(5);
/// Most that are remembered.
const MOST: usize = 20_000;
/// What names the key store itself.
const NAME: &str = "name";

/// Where halves are kept.
#[derive(Clone)]
pub(super) struct Shares {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
    remembered: Arc<Mutex<HashMap<String, (Half, OffsetDateTime)>>>,
}

impl Shares {
    pub(super) fn open(address: &BucketAddress) -> Result<Self, Error> {
        let opened = bucket::open(address, &S3Access::default())?;
        let folder = match address {
            BucketAddress::Folder(folder) => Some(folder.clone()),
            BucketAddress::S3 { .. } => None,
        };
        Ok(Self { store: opened.store, prefix: opened.prefix, folder, remembered: Arc::default() })
    }

    /// The half of this name, if there is one.
    pub(super) async fn get(&self, world: &World, name: &str) -> Result<Option<Half>, Error> {
        let now = world.now();
        if let Some((half, at)) = self.remembered.lock().await.get(name)
            && now - *at < REMEMBERED
        {
            return Ok(Some(*half));
        }
        let Some(bytes) = self.read(name).await? else { return Ok(None) };
        let half = Half::try_from(bytes.as_slice())
            .map_err(|_| Error::Internal(format!("key store: {} is not {HALF} bytes", without_ids(name))))?;
        let mut remembered = self.remembered.lock().await;
        if remembered.len() >= MOST {
            remembered.clear();
        }
        remembered.insert(name.to_owned(), (half, now));
        Ok(Some(half))
    }

    /// The same; made when there is none. Of several who make it at once, one does.
    pub(super) async fn get_or_make(&self, world: &World, name: &str) -> Result<Half, Error> {
        if let Some(half) = self.get(world, name).await? {
            return Ok(half);
        }
        self.create(name, world.random::<HALF>().to_vec()).await?;
        self.get(world, name)
            .await?
            .ok_or_else(|| Error::Internal(format!("key store: {} was made and is not there", without_ids(name))))
    }

    /// Destroys it. Safe to be done twice.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        self.remembered.lock().await.remove(name);
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(fault(&error)),
        }
        let Some(folder) = &self.folder else { return Ok(()) };
        // Gone after a power cut, too, and after a process ended while it made it: what is said to be destroyed does not come back.
        let file = folder.join(name);
        let kept = tokio::task::spawn_blocking(move || match remove_staged(&file).and_then(|()| keep_names(&file)) {
            // There was never one beside it either.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            kept => kept,
        });
        kept.await
            .map_err(|e| Error::Internal(format!("key store: {e}")))?
            .map_err(|e| Error::Internal(format!("key store: {e}")))
    }

    /// What tells this key store from others; given to it when it has none yet.
    pub(super) async fn name(&self, world: &World) -> Result<Uuid, Error> {
        if self.read(NAME).await?.is_none() {
            self.create(NAME, world.uuid().to_string().into_bytes()).await?;
        }
        let text = self.read(NAME).await?.unwrap_or_default();
        let name = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        name.ok_or_else(|| Error::Internal("key store: its name is not one".to_owned()))
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.store.get(&self.key(name)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(|e| fault(&e))?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Never in place of one that is there.
    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&self.key(name), PutPayload::from(bytes), options).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(fault(&error)),
        }
    }

    fn key(&self, name: &str) -> Key {
        self.prefix.parts().chain(Key::from(name).parts()).collect()
    }
}

fn fault(error: &object_store::Error) -> Error {
    Error::Internal(format!("key store: {}", without_ids(&error.to_string())))
}
