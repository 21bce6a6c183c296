//! Sessions in PostgreSQL, for tower-sessions. A session's id is stored as its SHA-256 only, and the user it belongs
//! to as a column, so that sessions can be listed and ended.

use std::time::Duration;

use kubewise_contract::UserId;
use sha2::{Digest, Sha256};
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store,
};
use uuid::Uuid;

use crate::{Error, World};

/// The key under which a session holds its user's id.
pub const USER_ID: &str = "user_id";
/// The key under which a session holds what browser began it.
pub const BROWSER: &str = "browser";
/// The key under which a session holds from which network it began.
pub const PLACE: &str = "place";
/// The key under which a session holds whether the browser keeps it after it was closed.
pub const REMEMBERED: &str = "remembered";

/// A session ends when it was not used for this long …
pub const IDLE: Duration = Duration::from_hours(24 * 7);
/// … and in any case this long after it began.
pub const ABSOLUTE: Duration = Duration::from_hours(24 * 30);
/// How exact "last used" is: a write per request would cost more than it tells.
const SEEN_EVERY: Duration = Duration::from_mins(5);

/// Sessions in the table `sessions`.
#[derive(Clone)]
pub struct Sessions {
    pool: PgPool,
    world: World,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    pub(crate) const fn new(pool: PgPool, world: World) -> Self {
        Self { pool, world }
    }
}

pub(crate) fn hash(id: &Id) -> Vec<u8> {
    Sha256::digest(id.0.to_be_bytes()).to_vec()
}

/// Ends all sessions of a person but the one that asks.
pub(crate) async fn end_others(db: impl PgExecutor<'_>, user: UserId, current: Option<Id>) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM sessions WHERE user_id = $1 AND id_hash IS DISTINCT FROM $2",
        user.0,
        current.map(|id| hash(&id)),
    )
    .execute(db)
    .await?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

fn user_of(record: &Record) -> Option<Uuid> {
    record.data.get(USER_ID)?.as_str()?.parse().ok()
}

#[async_trait::async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        // 128 random bits do not collide; were it to happen, the insert fails rather than taking over a session.
        let now = self.world.now();
        let data = serde_json::to_value(&record.data).map_err(failed)?;
        sqlx::query!(
            "INSERT INTO sessions (id_hash, user_id, data, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $4)",
            hash(&record.id),
            user_of(record),
            data,
            now,
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let data = serde_json::to_value(&record.data).map_err(failed)?;
        sqlx::query!(
            "UPDATE sessions SET user_id = $2, data = $3, last_seen_at = $4 WHERE id_hash = $1",
            hash(&record.id),
            user_of(record),
            data,
            self.world.now(),
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let now = self.world.now();
        let hash = hash(id);
        let row = sqlx::query!(
            "SELECT data, created_at, last_seen_at FROM sessions
             WHERE id_hash = $1 AND created_at > $2 AND last_seen_at > $3",
            hash,
            now - ABSOLUTE,
            now - IDLE,
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        if row.last_seen_at < now - SEEN_EVERY {
            sqlx::query!("UPDATE sessions SET last_seen_at = $2 WHERE id_hash = $1", hash, now)
                .execute(&self.pool)
                .await
                .map_err(failed)?;
        }
        let data = serde_json::from_value(row.data).map_err(failed)?;
        let expiry_date: OffsetDateTime = row.created_at + ABSOLUTE;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        sqlx::query!("DELETE FROM sessions WHERE id_hash = $1", hash(id)).execute(&self.pool).await.map_err(failed)?;
        Ok(())
    }
}
