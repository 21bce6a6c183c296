//! Keys. Each organisation and each person has a data key, under which what is secret about them is encrypted: columns
//! here, objects in the bucket. A data key is the exclusive or of two random halves. One is in PostgreSQL, wrapped by the
//! master key; the other is in the key store ([`shares`]). Destroying a half destroys what the key encrypted, in every copy of
//! the database and the bucket.

mod master;
mod rotate;
mod shares;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
};
use kubewise_contract::{OrgId, UserId};
use sqlx::{PgConnection, PgPool};

use crate::{BucketAddress, Error, World};

use master::Closed;
pub use master::MasterKeys;
pub use rotate::Rotated;
use shares::Shares;

/// Bytes of a data key, and of each of its halves.
const HALF: usize = 32;
/// What begins a column that is encrypted under a data key: no master key has this id.
const UNDER_DATA_KEY: [u8; 4] = [0; 4];

type Half = [u8; HALF];

/// Whose data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOf {
    /// An organisation's: asked for in a transaction that states it.
    Organisation(OrgId),
    /// A person's.
    Person(UserId),
}

impl KeyOf {
    fn place(self) -> String {
        match self {
            Self::Organisation(org) => format!("organisation_keys.sealed {org}"),
            Self::Person(user) => format!("person_keys.sealed {user}"),
        }
    }

    fn share(self) -> String {
        match self {
            Self::Organisation(org) => format!("organisations/{org}"),
            Self::Person(user) => format!("people/{user}"),
        }
    }
}

/// The keys of this installation.
#[derive(Clone)]
pub struct Keys {
    master: MasterKeys,
    shares: Shares,
    world: World,
}

impl Keys {
    /// `store`: where the halves are that are not in PostgreSQL.
    pub fn new(master: MasterKeys, store: &BucketAddress, world: &World) -> Result<Self, Error> {
        Ok(Self { master, shares: Shares::open(store)?, world: world.clone() })
    }

    /// Whether these are the keys of this database: refused are a master key file without the key that it is wrapped by, and
    /// another key store than the one that has its halves. The first that asks settles both.
    pub async fn check(&self, pool: &PgPool) -> Result<(), Error> {
        let mut tx = crate::database::begin(pool, None, None).await?;
        let (current, store) = self.current(&mut tx).await?;
        tx.commit().await?;
        if !self.master.has(&current) {
            return Err(Error::Internal(
                "KUBEWISE_MASTER_KEY_FILE: the key that this database is encrypted under is not in it".to_owned(),
            ));
        }
        if self.shares.name(&self.world).await? != store {
            return Err(Error::Internal(
                "KUBEWISE_KEY_STORE: this is not the key store of this database; every server of an installation has the \
                 same one"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Under which master key halves are wrapped, until the transaction ends; and which key store has the others.
    async fn current(&self, tx: &mut PgConnection) -> Result<(Vec<u8>, uuid::Uuid), Error> {
        rotate::stand_by(tx).await?;
        loop {
            let found = sqlx::query!("SELECT master_key, key_store FROM installation").fetch_optional(&mut *tx).await?;
            if let Some(found) = found {
                return Ok((found.master_key, found.key_store));
            }
            let first = self.master.first();
            sqlx::query!(
                "INSERT INTO installation (master_key, key_store, set_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                &first[..],
                self.shares.name(&self.world).await?,
                self.world.now(),
            )
            .execute(&mut *tx)
            .await?;
        }
    }

    /// A data key; made when there is none yet.
    pub(crate) async fn get(&self, tx: &mut PgConnection, of: KeyOf) -> Result<DataKey, Error> {
        if let Some(key) = self.find(tx, of).await? {
            return Ok(key);
        }
        let sealed = self.wrap(tx, &of.place(), &self.world.random::<HALF>()).await?;
        let now = self.world.now();
        match of {
            KeyOf::Organisation(org) => {
                sqlx::query!(
                    "INSERT INTO organisation_keys (org_id, sealed, shared, created_at) VALUES ($1, $2, true, $3)
                     ON CONFLICT DO NOTHING",
                    org.0,
                    sealed,
                    now,
                )
                .execute(&mut *tx)
                .await?
            }
            KeyOf::Person(user) => {
                sqlx::query!(
                    "INSERT INTO person_keys (user_id, sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    user.0,
                    sealed,
                    now,
                )
                .execute(&mut *tx)
                .await?
            }
        };
        // After the row, which keeps whose it is from being deleted until this is committed: a half that is made later than
        // that would be left.
        self.shares.get_or_make(&self.world, &of.share()).await?;
        self.existing(tx, of).await
    }

    /// The same for who only reads: what has no key has nothing that is encrypted.
    pub(crate) async fn existing(&self, tx: &mut PgConnection, of: KeyOf) -> Result<DataKey, Error> {
        self.find(tx, of).await?.ok_or(Error::NotFound)
    }

    async fn find(&self, tx: &mut PgConnection, of: KeyOf) -> Result<Option<DataKey>, Error> {
        let place = of.place();
        let mut tries = 0;
        loop {
            let (sealed, shared) = match of {
                KeyOf::Organisation(org) => {
                    let row = sqlx::query!("SELECT sealed, shared FROM organisation_keys WHERE org_id = $1", org.0)
                        .fetch_optional(&mut *tx)
                        .await?;
                    let Some(row) = row else { return Ok(None) };
                    (row.sealed, row.shared)
                }
                KeyOf::Person(user) => {
                    let row = sqlx::query_scalar!("SELECT sealed FROM person_keys WHERE user_id = $1", user.0)
                        .fetch_optional(&mut *tx)
                        .await?;
                    let Some(row) = row else { return Ok(None) };
                    (row, true)
                }
            };
            match self.master.unwrap(&place, &sealed) {
                Ok(half) => return self.joined(of, &half, shared).await.map(Some),
                // Wrapped anew since one of both was read.
                Err(Closed::UnknownKey) if tries < 3 => self.master.reload()?,
                Err(closed) => return Err(closed.at(&place)),
            }
            tries += 1;
        }
    }

    async fn joined(&self, of: KeyOf, half: &[u8], shared: bool) -> Result<DataKey, Error> {
        let half = Half::try_from(half).map_err(|_| Closed::Broken("not a key").at(&of.place()))?;
        if !shared {
            return Ok(DataKey(half));
        }
        let share = self.shares.get(&self.world, &of.share()).await?.ok_or_else(|| {
            Error::Internal("a data key: its other half is not in the key store: it was destroyed".to_owned())
        })?;
        Ok(DataKey(std::array::from_fn(|at| half[at] ^ share[at])))
    }

    /// Wraps under the key that is the one to wrap by, as of now, until the transaction ends.
    pub(crate) async fn wrap(&self, tx: &mut PgConnection, place: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let (current, _) = self.current(tx).await?;
        if !self.master.has(&current) {
            self.master.reload()?;
        }
        self.master.wrap(&current, place, secret)
    }

    /// Opens what was wrapped so.
    pub(crate) fn unwrap(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        match self.master.unwrap(place, sealed) {
            Err(Closed::UnknownKey) => {
                self.master.reload()?;
                self.master.unwrap(place, sealed).map_err(|closed| closed.at(place))
            }
            opened => opened.map_err(|closed| closed.at(place)),
        }
    }

    /// Destroys a data key, first of all the half that no copy of the database has. Safe to be done twice.
    pub(crate) async fn destroy(&self, tx: &mut PgConnection, of: KeyOf) -> Result<(), Error> {
        self.destroy_share(of).await?;
        match of {
            KeyOf::Organisation(org) => {
                sqlx::query!("DELETE FROM organisation_keys WHERE org_id = $1", org.0).execute(tx).await?
            }
            KeyOf::Person(user) => {
                sqlx::query!("DELETE FROM person_keys WHERE user_id = $1", user.0).execute(tx).await?
            }
        };
        Ok(())
    }

    /// The same of the half in the key store alone.
    pub(crate) async fn destroy_share(&self, of: KeyOf) -> Result<(), Error> {
        self.shares.remove(&of.share()).await
    }

    /// Opens a column of whom the data key is of: under it, or, if it is from before there were any, under the master key.
    pub(crate) fn open(&self, key: &DataKey, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        match sealed.strip_prefix(&UNDER_DATA_KEY) {
            Some(rest) => key.open(place, rest),
            None => self.unwrap(place, sealed),
        }
    }
}

/// What is secret about an organisation or a person is encrypted under it.
pub(crate) struct DataKey(Half);

impl DataKey {
    /// The key of objects in the bucket.
    pub(crate) fn objects(&self) -> Result<RandomizedNonceKey, Error> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).map_err(|_| Error::Internal("not a key".to_owned()))
    }

    /// That of columns, derived, so that the two have nothing to do with each other.
    fn columns(&self) -> Result<RandomizedNonceKey, Error> {
        let derived = || -> Result<_, aws_lc_rs::error::Unspecified> {
            let mut columns = [0; HALF];
            let from = Salt::new(HKDF_SHA256, b"kubewise").extract(&self.0);
            from.expand(&[b"data key: columns"], HKDF_SHA256)?.fill(&mut columns)?;
            RandomizedNonceKey::new(&AES_256_GCM, &columns)
        };
        derived().map_err(|_| Error::Internal("no key can be derived".to_owned()))
    }

    /// Encrypts what belongs to one place: a column and the id of its row.
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let mut sealed = secret.to_vec();
        let nonce = (self.columns()?.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed))
            .map_err(|_| Error::Internal("a secret could not be encrypted".to_owned()))?;
        Ok([&UNDER_DATA_KEY[..], nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, place: &str, rest: &[u8]) -> Result<Vec<u8>, Error> {
        let broken = |why| Closed::Broken(why).at(place);
        let Some((nonce, text)) = rest.split_at_checked(NONCE_LEN) else { return Err(broken("too short")) };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("no nonce"))?;
        let mut text = text.to_vec();
        let opened = (self.columns()?.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text))
            .map_err(|_| broken("changed, or moved from another place"))?;
        Ok(opened.to_vec())
    }
}

#[cfg(feature = "testing")]
impl Keys {
    /// A data key wrapped whole, as all were at first.
    pub(crate) async fn whole(&self, tx: &mut PgConnection, of: KeyOf) -> Result<Vec<u8>, Error> {
        let key = self.existing(tx, of).await?;
        self.wrap(tx, &of.place(), &key.0).await
    }
}

#[cfg(test)]
impl Keys {
    /// Kept nowhere but in a folder that goes with what is answered.
    pub(crate) fn for_tests() -> (Self, tempfile::TempDir) {
        let (world, folder) = (World::system(), tempfile::tempdir().expect("a folder is made"));
        let store = BucketAddress::Folder(folder.path().to_owned());
        (Self::new(MasterKeys::ephemeral(&world), &store, &world).expect("keys"), folder)
    }
}

#[cfg(test)]
impl DataKey {
    pub(crate) const fn for_tests(byte: u8) -> Self {
        Self([byte; HALF])
    }
}
