//! Nodes by day, and which clusters a plan is too small for.

use std::{collections::BTreeMap, iter};

use kubewise_contract::{ClusterId, NodeDay, OrgId, Plan};
use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime};

use super::{TOLD_FOR, plan};
use crate::{
    Error, Worker,
    database::{self, Scope},
    logged::logged,
};

/// How long a cluster is served that the plan is too small for.
pub(crate) const BEYOND_FOR: Duration = Duration::days(14);
/// Days that are shown.
const SHOWN: Duration = Duration::days(61);
/// Days are kept for so long, then until their month has passed: longer than an invoice is argued about.
pub(crate) const NODE_DAYS: Duration = Duration::days(800);

/// A day has at least these many nodes in the cluster.
pub(crate) async fn count_nodes(
    tx: &mut PgConnection,
    org: OrgId,
    cluster: ClusterId,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO node_days (org_id, day, cluster_id, nodes)
         SELECT org_id, $3, id, nodes FROM clusters WHERE org_id = $1 AND id = $2 AND nodes > 0
         ON CONFLICT (org_id, day, cluster_id) DO UPDATE SET nodes = excluded.nodes WHERE excluded.nodes > node_days.nodes",
        org.0,
        cluster.0,
        day(now),
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) fn day(now: OffsetDateTime) -> Date {
    now.to_offset(time::UtcOffset::UTC).date()
}

/// The last days, earliest first: from the first one with nodes to today.
pub(super) async fn days(tx: &mut PgConnection, org: OrgId, now: OffsetDateTime) -> Result<Vec<NodeDay>, Error> {
    let counted = by_day(tx, org, now - SHOWN).await?;
    let Some((first, _)) = counted.first_key_value() else { return Ok(Vec::new()) };
    let days = iter::successors(Some(*first), |day| day.next_day()).take_while(|one| *one <= day(now));
    Ok(days
        .map(|day| NodeDay { day: day.to_string(), nodes: counted.get(&day).copied().unwrap_or_default() })
        .collect())
}

/// The days since a moment.
pub(super) async fn by_day(
    tx: &mut PgConnection,
    org: OrgId,
    since: OffsetDateTime,
) -> Result<BTreeMap<Date, i64>, Error> {
    let rows = sqlx::query!(
        r#"SELECT day, sum(nodes)::bigint AS "nodes!" FROM node_days WHERE org_id = $1 AND day >= $2 GROUP BY day"#,
        org.0,
        day(since),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.day, row.nodes)).collect())
}

/// Notes which clusters the plan is too small for, and since when. They are served in the order in which they were added, as
/// far as the plan reaches.
pub(super) async fn see_which_are_beyond(
    tx: &mut PgConnection,
    org: OrgId,
    plan: Plan,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let has = plan.entitlements();
    sqlx::query!(
        "WITH placed AS (
           SELECT id, row_number() OVER earlier AS place, (sum(nodes) OVER earlier)::bigint AS nodes
           FROM clusters WHERE org_id = $1 AND deleted_at IS NULL WINDOW earlier AS (ORDER BY created_at, id)
         ), judged AS (
           SELECT id, coalesce(place > $2, false) OR coalesce(nodes > $3, false) AS beyond FROM placed
         )
         UPDATE clusters c SET beyond_plan_since = CASE WHEN j.beyond THEN $4::timestamptz END
         FROM judged j WHERE c.org_id = $1 AND c.id = j.id AND j.beyond <> (c.beyond_plan_since IS NOT NULL)",
        org.0,
        has.clusters.map(i64::from),
        has.nodes.map(i64::from),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl Worker {
    /// Counts the nodes of clusters that were heard today, whether anything changed in them or not, notes which clusters
    /// the plans are too small for, and removes what is older than it is kept.
    pub(crate) async fn count_all_nodes(&self) -> Result<(), Error> {
        let orgs =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisation_ids()"#).fetch_all(&self.pool).await?;
        for org in orgs {
            // One that cannot be counted does not keep the others waiting.
            if let Err(error) = self.count_nodes_of(OrgId(org)).await {
                tracing::warn!(%error, org = logged(org), "nodes could not be counted; tried again in an hour");
            }
        }
        Ok(())
    }

    async fn count_nodes_of(&self, org: OrgId) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        sqlx::query!(
            "INSERT INTO node_days (org_id, day, cluster_id, nodes)
             SELECT org_id, $2, id, nodes FROM clusters
             WHERE org_id = $1 AND deleted_at IS NULL AND nodes > 0 AND last_heard_at >= $3
             ON CONFLICT (org_id, day, cluster_id) DO UPDATE SET nodes = excluded.nodes
               WHERE excluded.nodes > node_days.nodes",
            org.0,
            day(now),
            day(now).midnight().assume_utc(),
        )
        .execute(&mut *tx)
        .await?;
        let plan = plan(&mut tx, self.billing, org, now).await?;
        see_which_are_beyond(&mut tx, org, plan, now).await?;
        sqlx::query!("DELETE FROM billing_differences WHERE org_id = $1 AND found_at < $2", org.0, now - TOLD_FOR)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}
