//! What clusters are judged by was decided anew: they are audited again, by a job, so that nobody waits for it.

use kubewise_contract::{ClusterId, OrgId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::ask::{self, Why};
use crate::{
    Error, Worker,
    database::{self, Scope},
    jobs::{self, Queue},
};

/// Audit a cluster again, or without one every cluster of the organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JudgeAgain {
    pub(crate) org: OrgId,
    pub(crate) cluster: Option<ClusterId>,
}

impl Queue for JudgeAgain {
    const NAME: &'static str = "judge-again";
}

/// Has clusters audited again, as part of the transaction of what was decided.
pub(super) async fn enqueue(tx: &mut PgConnection, org: OrgId, cluster: Option<ClusterId>) -> Result<(), Error> {
    jobs::enqueue(tx, &JudgeAgain { org, cluster }).await
}

impl Worker {
    /// Asks for the audits. One that was never audited waits until somebody asks for it.
    pub(crate) async fn judge_again(&self, job: &JudgeAgain) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
        let clusters = sqlx::query_scalar!(
            "SELECT id FROM clusters c
             WHERE org_id = $1 AND ($2::uuid IS NULL OR id = $2) AND deleted_at IS NULL
               AND EXISTS (SELECT FROM audit_runs r WHERE r.org_id = c.org_id AND r.cluster_id = c.id)
             ORDER BY id",
            job.org.0,
            job.cluster.map(|cluster| cluster.0),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        for cluster in clusters {
            // Each for itself: asking twice is asking once.
            let mut tx = database::tenant_tx(&self.pool, job.org, &Scope::All).await?;
            ask::request(&mut tx, &self.world, job.org, ClusterId(cluster), Why::Again).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
