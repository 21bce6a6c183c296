//! Clusters and their tokens, as people manage and see them.

use kubewise_contract::{
    Action, ClusterDetail, ClusterId, ClusterName, ClusterStatus, ClusterSummary, Field, FieldError, InstallInfo,
    KindCount, Limit, ListQuery, Overview, Page, Permission, Problem, UnreadableKind,
};
use secrecy::SecretString;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::{
    Authorized, Cluster, Error, Organisation, Web,
    activity::Entry,
    erasure::{self, Subject},
    error::is_taken,
    ingest::HEARTBEAT,
    inventory::cursor,
    live,
    permission::{AddClusters, ManageClusters, ViewInventory},
    token,
    world::timestamp,
};

/// Clusters shown on the overview; the list has the rest.
const ON_OVERVIEW: i64 = 200;

struct Row {
    id: uuid::Uuid,
    name: String,
    last_heard_at: Option<OffsetDateTime>,
    synced_at: Option<OffsetDateTime>,
    kubernetes_version: Option<String>,
    nodes: i64,
    nodes_ready: i64,
    workloads: i64,
    pods: i64,
    namespaces: i64,
    images: i64,
}

fn status(now: OffsetDateTime, last_heard: Option<OffsetDateTime>, synced: Option<OffsetDateTime>) -> ClusterStatus {
    match last_heard {
        None => ClusterStatus::Waiting,
        Some(at) if at < now - silent_after() => ClusterStatus::Silent,
        Some(_) if synced.is_none() => ClusterStatus::Syncing,
        Some(_) => ClusterStatus::Live,
    }
}

/// How long an agent may be quiet before its cluster is silent.
pub(crate) fn silent_after() -> Duration {
    3 * Duration::try_from(HEARTBEAT).unwrap_or(Duration::MINUTE)
}

impl Row {
    fn summary(self, now: OffsetDateTime) -> ClusterSummary {
        ClusterSummary {
            id: ClusterId(self.id),
            status: status(now, self.last_heard_at, self.synced_at),
            name: self.name,
            last_heard: self.last_heard_at.map(timestamp),
            kubernetes_version: self.kubernetes_version,
            nodes: self.nodes,
            nodes_ready: self.nodes_ready,
            workloads: self.workloads,
            pods: self.pods,
            namespaces: self.namespaces,
            images: self.images,
        }
    }
}

impl Web {
    /// An organisation's first page.
    pub async fn overview(&self, org: &Authorized<Organisation, ViewInventory>) -> Result<Overview, Error> {
        let now = self.world.now();
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, name, last_heard_at, synced_at, kubernetes_version, nodes, nodes_ready, workloads, pods,
                    namespaces, images
             FROM clusters WHERE org_id = $1 AND deleted_at IS NULL AND ($3::uuid[] IS NULL OR id = ANY ($3))
             ORDER BY name LIMIT $2",
            org.id.0,
            ON_OVERVIEW,
            org.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        let sums = sqlx::query!(
            r#"SELECT count(*) AS "clusters!", coalesce(sum(nodes), 0)::bigint AS "nodes!",
                      coalesce(sum(workloads), 0)::bigint AS "workloads!", coalesce(sum(pods), 0)::bigint AS "pods!",
                      coalesce(sum(images), 0)::bigint AS "images!",
                      coalesce(sum(mutable_images), 0)::bigint AS "mutable_images!",
                      count(*) FILTER (WHERE last_heard_at < $2) AS "silent!"
               FROM clusters WHERE org_id = $1 AND deleted_at IS NULL AND ($3::uuid[] IS NULL OR id = ANY ($3))"#,
            org.id.0,
            now - silent_after(),
            org.holder().scope.column(),
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Overview {
            organisation: org.name.clone(),
            clusters: rows.into_iter().map(|row| row.summary(now)).collect(),
            cluster_count: sums.clusters,
            silent: sums.silent,
            nodes: sums.nodes,
            workloads: sums.workloads,
            pods: sums.pods,
            images: sums.images,
            mutable_images: sums.mutable_images,
            can_manage: org.may(Permission::AddClusters),
        })
    }

    /// The clusters, by name.
    pub async fn clusters(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<ClusterSummary>, Error> {
        let now = self.world.now();
        let [after] = cursor::decode(query.after.as_ref())?;
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, name, last_heard_at, synced_at, kubernetes_version, nodes, nodes_ready, workloads, pods,
                    namespaces, images
             FROM clusters
             WHERE org_id = $1 AND deleted_at IS NULL AND name > $2 AND ($3::text IS NULL OR name ILIKE $3)
               AND ($5::uuid[] IS NULL OR id = ANY ($5))
             ORDER BY name LIMIT $4",
            org.id.0,
            after,
            cursor::pattern(query.q.as_deref()),
            cursor::ONE_MORE,
            org.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows.into_iter().map(|row| row.summary(now)).collect();
        Ok(cursor::page(rows, |row: &ClusterSummary| vec![row.name.clone()]))
    }

    /// Adds a cluster and makes its first token, which is never seen again.
    pub async fn add_cluster(
        &self,
        org: &Authorized<Organisation, AddClusters>,
        name: &ClusterName,
    ) -> Result<(ClusterId, SecretString), Error> {
        let id = ClusterId(self.world.uuid());
        let now = self.world.now();
        let (token, hash) = token::AGENT.generate(&self.world, org.id);
        let mut tx = org.write(self).await?;
        tx.one_more(Limit::Clusters).await?;
        sqlx::query!(
            "INSERT INTO clusters (org_id, id, name, created_at) VALUES ($1, $2, $3, $4)",
            org.id.0,
            id.0,
            name.as_str(),
            now,
        )
        .execute(&mut *tx)
        .await
        .map_err(name_taken)?;
        insert_token(&mut tx, org.id.0, id.0, &hash, now).await?;
        tx.commit(Entry::cluster(Action::ClusterAdd, id, name.as_str())).await?;
        Ok((id, token))
    }

    /// Whether the agent is there, for the page that waits for it. Its token and the server's address are not known here.
    pub async fn install_info(&self, cluster: &Authorized<Cluster, ManageClusters>) -> Result<InstallInfo, Error> {
        let now = self.world.now();
        let mut tx = cluster.read(&self.pool).await?;
        let row = sqlx::query!(
            r#"SELECT last_heard_at, synced_at, resources,
                      EXISTS (SELECT FROM cluster_tokens t WHERE t.org_id = c.org_id AND t.cluster_id = c.id
                              AND t.revoked_at IS NULL) AS "has_token!"
               FROM clusters c WHERE org_id = $1 AND id = $2"#,
            cluster.org.0,
            cluster.id.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(InstallInfo {
            id: cluster.id,
            name: cluster.name.clone(),
            status: status(now, row.last_heard_at, row.synced_at),
            token: None,
            server_url: String::new(),
            has_token: row.has_token,
            resources: row.resources,
        })
    }

    /// The cluster page's overview.
    pub async fn cluster_detail(&self, cluster: &Authorized<Cluster, ViewInventory>) -> Result<ClusterDetail, Error> {
        let now = self.world.now();
        let mut tx = cluster.read(&self.pool).await?;
        let row = sqlx::query_as!(
            Row,
            "SELECT id, name, last_heard_at, synced_at, kubernetes_version, nodes, nodes_ready, workloads, pods,
                    namespaces, images
             FROM clusters WHERE org_id = $1 AND id = $2",
            cluster.org.0,
            cluster.id.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        let more = sqlx::query!(
            r#"SELECT agent_version, created_at, synced_at, unreadable, mutable_images, applications,
                      EXISTS (SELECT FROM cluster_tokens t WHERE t.org_id = c.org_id AND t.cluster_id = c.id
                              AND t.revoked_at IS NULL) AS "has_token!"
               FROM clusters c WHERE org_id = $1 AND id = $2"#,
            cluster.org.0,
            cluster.id.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        let totals = sqlx::query_as!(
            KindCount,
            "SELECT kind, count FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2 ORDER BY count DESC, kind",
            cluster.org.0,
            cluster.id.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let unreadable: Vec<UnreadableKind> =
            serde_json::from_value(more.unreadable).map_err(|e| Error::Internal(format!("unreadable: {e}")))?;
        Ok(ClusterDetail {
            summary: row.summary(now),
            agent_version: more.agent_version,
            created_at: timestamp(more.created_at),
            synced_at: more.synced_at.map(timestamp),
            totals,
            unreadable,
            mutable_images: more.mutable_images,
            applications: more.applications,
            has_token: more.has_token,
            can_manage: cluster.may(Permission::ManageClusters),
        })
    }

    /// Gives the cluster another name.
    pub async fn rename_cluster(
        &self,
        cluster: &Authorized<Cluster, ManageClusters>,
        name: &ClusterName,
    ) -> Result<(), Error> {
        let mut tx = cluster.write(self).await?;
        let before = held_name(&mut tx, cluster).await?;
        sqlx::query!(
            "UPDATE clusters SET name = $3 WHERE org_id = $1 AND id = $2",
            cluster.org.0,
            cluster.id.0,
            name.as_str(),
        )
        .execute(&mut *tx)
        .await
        .map_err(name_taken)?;
        live::notify(&mut tx, cluster.org, cluster.id, false).await?;
        let entry = Entry::cluster(Action::ClusterRename, cluster.id, name.as_str());
        tx.commit(entry.before(json!({ "name": before })).after(json!({ "name": name }))).await
    }

    /// Makes a new token; older ones are refused from now on.
    pub async fn rotate_token(&self, cluster: &Authorized<Cluster, ManageClusters>) -> Result<SecretString, Error> {
        let now = self.world.now();
        let (token, hash) = token::AGENT.generate(&self.world, cluster.org);
        let mut tx = cluster.write(self).await?;
        let name = held_name(&mut tx, cluster).await?;
        revoke_tokens(&mut tx, cluster, now).await?;
        insert_token(&mut tx, cluster.org.0, cluster.id.0, &hash, now).await?;
        live::notify(&mut tx, cluster.org, cluster.id, false).await?;
        tx.commit(Entry::cluster(Action::ClusterTokenRotate, cluster.id, &name)).await?;
        Ok(token)
    }

    /// Refuses the cluster's tokens from now on.
    pub async fn revoke_token(&self, cluster: &Authorized<Cluster, ManageClusters>) -> Result<(), Error> {
        let mut tx = cluster.write(self).await?;
        let name = held_name(&mut tx, cluster).await?;
        revoke_tokens(&mut tx, cluster, self.world.now()).await?;
        live::notify(&mut tx, cluster.org, cluster.id, false).await?;
        tx.commit(Entry::cluster(Action::ClusterTokenRevoke, cluster.id, &name)).await
    }

    /// Deletes the cluster: invisible at once, its data removed by a job.
    pub async fn delete_cluster(&self, cluster: &Authorized<Cluster, ManageClusters>) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = cluster.write(self).await?;
        let name = held_name(&mut tx, cluster).await?;
        sqlx::query!(
            "UPDATE clusters SET deleted_at = $3 WHERE org_id = $1 AND id = $2",
            cluster.org.0,
            cluster.id.0,
            now,
        )
        .execute(&mut *tx)
        .await?;
        revoke_tokens(&mut tx, cluster, now).await?;
        erasure::ask(self, &mut tx, Subject::Cluster(cluster.org, cluster.id), now).await?;
        live::notify(&mut tx, cluster.org, cluster.id, true).await?;
        tx.commit(Entry::cluster(Action::ClusterDelete, cluster.id, &name)).await
    }
}

/// The cluster's name as it is now, and stays until the transaction ends: it may have got another, or have been deleted,
/// since it was looked up.
async fn held_name(
    tx: &mut sqlx::PgConnection,
    cluster: &Authorized<Cluster, ManageClusters>,
) -> Result<String, Error> {
    sqlx::query_scalar!(
        "SELECT name FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE",
        cluster.org.0,
        cluster.id.0,
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound)
}

fn name_taken(error: sqlx::Error) -> Error {
    if is_taken(&error, "clusters_name") {
        FieldError { field: Field::ClusterName, problem: Problem::Taken }.into()
    } else {
        error.into()
    }
}

async fn insert_token(
    tx: &mut sqlx::PgConnection,
    org: uuid::Uuid,
    cluster: uuid::Uuid,
    hash: &[u8],
    now: OffsetDateTime,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO cluster_tokens (org_id, cluster_id, hash, created_at) VALUES ($1, $2, $3, $4)",
        org,
        cluster,
        hash,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn revoke_tokens(
    tx: &mut sqlx::PgConnection,
    cluster: &Authorized<Cluster, ManageClusters>,
    now: OffsetDateTime,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE cluster_tokens SET revoked_at = $3 WHERE org_id = $1 AND cluster_id = $2 AND revoked_at IS NULL",
        cluster.org.0,
        cluster.id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
