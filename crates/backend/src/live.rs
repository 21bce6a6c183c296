//! What changed, told at once: `NOTIFY` in the transaction that changes, `LISTEN` in every server process.

use kubewise_contract::{ClusterId, LiveEvent, OrgId};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, postgres::PgListener};
use tokio::sync::broadcast;

use crate::Error;

const CHANNEL: &str = "kubewise_changes";

/// A change in an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose.
    pub org: OrgId,
    /// What pages are told; none: who is a member, or what members may do, has changed.
    pub event: Option<LiveEvent>,
}

/// Tells every server process, when the transaction commits.
pub(crate) async fn notify(
    tx: &mut PgConnection,
    org: OrgId,
    cluster: ClusterId,
    inventory: bool,
) -> Result<(), Error> {
    tell(tx, &Change { org, event: Some(LiveEvent { cluster, inventory }) }).await
}

/// Tells that members changed: whoever listens is asked again who they are.
pub(crate) async fn notify_members(tx: &mut PgConnection, org: OrgId) -> Result<(), Error> {
    tell(tx, &Change { org, event: None }).await
}

async fn tell(tx: &mut PgConnection, change: &Change) -> Result<(), Error> {
    let payload = serde_json::to_string(change).map_err(|e| Error::Internal(e.to_string()))?;
    sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, payload).fetch_one(tx).await?;
    Ok(())
}

/// The changes as they happen, in this process.
#[derive(Clone)]
pub struct Live {
    sender: broadcast::Sender<Change>,
}

impl Live {
    /// A hub with nobody listening to PostgreSQL yet: [`Live::run`] does.
    pub fn new() -> Self {
        // Who lags this far behind misses changes, and is told so: pages then ask again.
        Self { sender: broadcast::channel(1024).0 }
    }

    /// The changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Listens until the pool is closed. Reconnects by itself; returns only on a fault that stays.
    pub async fn run(&self, pool: &PgPool) -> Result<(), Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            let notification = listener.recv().await?;
            match serde_json::from_str(notification.payload()) {
                // Nobody listening is fine.
                Ok(change) => drop(self.sender.send(change)),
                Err(error) => tracing::warn!(%error, "a notification that is not ours"),
            }
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}
