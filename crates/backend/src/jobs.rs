//! Jobs: rows, enqueued in the transaction that causes them, done by the worker, tried again when they fail.

use std::time::Duration;

use apalis::{layers::retry::RetryPolicy, prelude::*};
use apalis_postgres::{Config, PostgresStorage};
use kubewise_contract::{ClusterId, OrgId};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use crate::{Error, World, database, session};

/// Remove all that a deleted cluster held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PurgeCluster {
    pub(crate) org: OrgId,
    pub(crate) cluster: ClusterId,
}

const PURGE_CLUSTER: &str = "purge-cluster";

/// Rows removed in one transaction: short enough that nothing waits for it.
const PURGE_ROWS: i64 = 5_000;

/// Enqueues, as part of the caller's transaction.
pub(crate) async fn enqueue_purge(tx: &mut PgConnection, job: &PurgeCluster) -> Result<(), Error> {
    let args = serde_json::to_vec(job).map_err(|e| Error::Internal(e.to_string()))?;
    let task = TaskBuilder::new(args).build();
    Ok(apalis_postgres::queries::push_tasks(tx, PURGE_CLUSTER, vec![task]).await?)
}

async fn purge(job: PurgeCluster, worker: Data<Worker>) -> Result<(), Error> {
    worker.purge_cluster(&job).await.inspect_err(|error| {
        tracing::error!(%error, cluster = %job.cluster, "a deleted cluster could not be removed yet");
    })
}

/// The part of the server that does jobs.
#[derive(Clone)]
pub struct Worker {
    pool: PgPool,
    world: World,
}

impl Worker {
    /// `pool` logs in as `kubewise_worker`.
    pub const fn new(pool: PgPool, world: World) -> Self {
        Self { pool, world }
    }

    /// Does jobs until `stop` resolves; what is under way is finished, what is not begun stays enqueued.
    pub async fn run(self, name: String, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let config = Config::default().queue(PURGE_CLUSTER);
        let storage = PostgresStorage::<PurgeCluster>::new(&self.pool).with_config(config).with_pubsub();
        let context = WorkerContext::new(&name);
        let worker = WorkerBuilder::new(&context)
            .backend(storage)
            .data(self.clone())
            .retry(RetryPolicy::retries(5))
            .build(purge);
        let failed = |e: WorkerError| Error::Internal(format!("worker: {e}"));
        let running = worker.run();
        tokio::pin!(running);
        tokio::select! {
            result = &mut running => result.map_err(failed),
            () = self.sweep() => Ok(()),
            () = stop => {
                // What is under way is finished; the caller decides how long it waits for that.
                drop(context.stop());
                running.await.map_err(failed)
            }
        }
    }

    /// Removes what a deleted cluster held, then the cluster. Safe to be done twice.
    pub(crate) async fn purge_cluster(&self, job: &PurgeCluster) -> Result<(), Error> {
        let (org, cluster) = (job.org.0, job.cluster.0);
        loop {
            let mut tx = database::tenant_tx(&self.pool, job.org).await?;
            let removed = sqlx::query!(
                "DELETE FROM resources WHERE org_id = $1 AND cluster_id = $2 AND uid IN
                   (SELECT uid FROM resources WHERE org_id = $1 AND cluster_id = $2 LIMIT $3)",
                org,
                cluster,
                PURGE_ROWS,
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            if removed == 0 {
                break;
            }
        }
        let mut tx = database::tenant_tx(&self.pool, job.org).await?;
        for statement in [
            "DELETE FROM ingest_staging WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM ingest_staging_state WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM ingest_batches WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM ingest_state WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_applications WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_images WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM cluster_tokens WHERE org_id = $1 AND cluster_id = $2",
            "DELETE FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NOT NULL",
        ] {
            sqlx::query(statement).bind(org).bind(cluster).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        tracing::info!(%cluster, "a deleted cluster was removed");
        Ok(())
    }

    /// Removes ended sessions, every hour.
    async fn sweep(&self) {
        let mut every = tokio::time::interval(Duration::from_hours(1));
        loop {
            every.tick().await;
            if let Err(error) = self.remove_ended_sessions().await {
                tracing::warn!(%error, "ended sessions could not be removed; tried again in an hour");
            }
        }
    }

    pub(crate) async fn remove_ended_sessions(&self) -> Result<u64, Error> {
        let now = self.world.now();
        let done = sqlx::query!(
            "DELETE FROM sessions WHERE created_at <= $1 OR last_seen_at <= $2",
            now - session::ABSOLUTE,
            now - session::IDLE,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
