//! Counts that pages show, kept in the transaction that changes what they count.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{
    record::Record,
    sync::{Agent, Refused},
};

/// What of an object is counted.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) workload: bool,
    pub(super) failing: bool,
    pub(super) images: Vec<String>,
    pub(super) application: Option<String>,
}

impl From<&Record> for Counted {
    fn from(record: &Record) -> Self {
        Self {
            kind: record.kind.clone(),
            namespace: record.namespace.clone(),
            workload: record.workload,
            failing: record.health == "failing",
            images: record.images.clone(),
            application: record.application.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct InNamespace {
    resources: i64,
    workloads: i64,
    failing: i64,
    pods: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfImage {
    workloads: i64,
    pods: i64,
}

/// What a delta changed. Ordered, so that two transactions take row locks in the same order.
#[derive(Debug, Default)]
pub(super) struct Difference {
    kinds: BTreeMap<String, i64>,
    namespaces: BTreeMap<String, InNamespace>,
    images: BTreeMap<(String, String), OfImage>,
    /// Applications to count again: namespace and name.
    applications: BTreeSet<(String, String)>,
    touched: bool,
}

impl Difference {
    pub(super) fn add(&mut self, object: &Counted) {
        self.count(object, 1);
    }

    pub(super) fn remove(&mut self, object: &Counted) {
        self.count(object, -1);
    }

    /// True when no object changed.
    pub(super) const fn is_empty(&self) -> bool {
        !self.touched
    }

    /// True when an object of this kind changed.
    pub(super) fn touches(&self, kind: &str) -> bool {
        self.kinds.contains_key(kind)
    }

    fn count(&mut self, object: &Counted, by: i64) {
        self.touched = true;
        let workload = if object.workload { by } else { 0 };
        let pod = if object.kind == "Pod" { by } else { 0 };
        *self.kinds.entry(object.kind.clone()).or_default() += by;
        if !object.namespace.is_empty() {
            let namespace = self.namespaces.entry(object.namespace.clone()).or_default();
            namespace.resources += by;
            namespace.workloads += workload;
            namespace.failing += if object.failing { workload } else { 0 };
            namespace.pods += pod;
        }
        if workload != 0 || pod != 0 {
            for image in &object.images {
                let of_image = self.images.entry((image.clone(), object.namespace.clone())).or_default();
                of_image.workloads += workload;
                of_image.pods += pod;
            }
        }
        if object.workload
            && let Some(application) = &object.application
        {
            self.applications.insert((object.namespace.clone(), application.clone()));
        }
    }

    /// Writes the difference to the counts.
    pub(super) async fn write(self, tx: &mut PgConnection, agent: Agent) -> Result<(), Refused> {
        let (org, cluster) = (agent.org.0, agent.cluster.0);
        let (kinds, by): (Vec<_>, Vec<_>) = self.kinds.into_iter().filter(|(_, by)| *by != 0).unzip();
        if !kinds.is_empty() {
            sqlx::query!(
                "INSERT INTO cluster_kinds AS c (org_id, cluster_id, kind, count)
                 SELECT $1, $2, kind, by FROM UNNEST($3::text[], $4::bigint[]) AS t (kind, by)
                 ON CONFLICT (org_id, cluster_id, kind) DO UPDATE SET count = c.count + excluded.count",
                org,
                cluster,
                &kinds,
                &by,
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!("DELETE FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2 AND count = 0", org, cluster)
                .execute(&mut *tx)
                .await?;
        }
        let namespaces: Vec<_> = self.namespaces.into_iter().filter(|(_, n)| *n != InNamespace::default()).collect();
        if !namespaces.is_empty() {
            let names: Vec<String> = namespaces.iter().map(|(name, _)| name.clone()).collect();
            let column = |of: fn(&InNamespace) -> i64| namespaces.iter().map(|(_, n)| of(n)).collect::<Vec<i64>>();
            sqlx::query!(
                "INSERT INTO cluster_namespaces AS c (org_id, cluster_id, name, resources, workloads, failing, pods)
                 SELECT $1, $2, name, resources, workloads, failing, pods
                 FROM UNNEST($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
                   AS t (name, resources, workloads, failing, pods)
                 ON CONFLICT (org_id, cluster_id, name) DO UPDATE SET resources = c.resources + excluded.resources,
                   workloads = c.workloads + excluded.workloads, failing = c.failing + excluded.failing,
                   pods = c.pods + excluded.pods",
                org,
                cluster,
                &names,
                &column(|n| n.resources),
                &column(|n| n.workloads),
                &column(|n| n.failing),
                &column(|n| n.pods),
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "DELETE FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2 AND name = ANY ($3) AND resources = 0",
                org,
                cluster,
                &names,
            )
            .execute(&mut *tx)
            .await?;
        }
        let images: Vec<_> = self.images.into_iter().filter(|(_, i)| *i != OfImage::default()).collect();
        if !images.is_empty() {
            let references: Vec<String> = images.iter().map(|((image, _), _)| image.clone()).collect();
            let namespaces: Vec<String> = images.iter().map(|((_, namespace), _)| namespace.clone()).collect();
            let workloads: Vec<i64> = images.iter().map(|(_, i)| i.workloads).collect();
            let pods: Vec<i64> = images.iter().map(|(_, i)| i.pods).collect();
            sqlx::query!(
                "INSERT INTO cluster_images AS c (org_id, cluster_id, image, namespace, workloads, pods)
                 SELECT $1, $2, image, namespace, workloads, pods
                 FROM UNNEST($3::text[], $4::text[], $5::bigint[], $6::bigint[]) AS t (image, namespace, workloads, pods)
                 ON CONFLICT (org_id, cluster_id, image, namespace) DO UPDATE
                   SET workloads = c.workloads + excluded.workloads, pods = c.pods + excluded.pods",
                org,
                cluster,
                &references,
                &namespaces,
                &workloads,
                &pods,
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "DELETE FROM cluster_images WHERE org_id = $1 AND cluster_id = $2 AND image = ANY ($3)
                 AND workloads = 0 AND pods = 0",
                org,
                cluster,
                &references,
            )
            .execute(&mut *tx)
            .await?;
        }
        if !self.applications.is_empty() {
            let (namespaces, names): (Vec<_>, Vec<_>) = self.applications.into_iter().unzip();
            sqlx::query!(
                "DELETE FROM cluster_applications WHERE org_id = $1 AND cluster_id = $2
                   AND (namespace, name) IN (SELECT * FROM UNNEST($3::text[], $4::text[]))",
                org,
                cluster,
                &namespaces,
                &names,
            )
            .execute(&mut *tx)
            .await?;
            applications(tx, agent, Some((&namespaces, &names))).await?;
        }
        Ok(())
    }
}

/// Counts applications from their workloads: all, or those named.
async fn applications(
    tx: &mut PgConnection,
    agent: Agent,
    only: Option<(&[String], &[String])>,
) -> Result<(), Refused> {
    let (namespaces, names) = only.unzip();
    sqlx::query!(
        "INSERT INTO cluster_applications (org_id, cluster_id, name, namespace, source, versions, workloads, failing, images)
         SELECT $1, $2, r.application, r.namespace, min(r.app_source),
                coalesce(array_agg(DISTINCT r.app_version) FILTER (WHERE r.app_version IS NOT NULL), '{}'),
                count(DISTINCT r.uid), count(DISTINCT r.uid) FILTER (WHERE r.health = 'failing'),
                coalesce((array_agg(DISTINCT i.image) FILTER (WHERE i.image IS NOT NULL))[1:20], '{}')
         FROM resources r LEFT JOIN LATERAL unnest(r.images) AS i (image) ON true
         WHERE r.org_id = $1 AND r.cluster_id = $2 AND r.workload AND r.application IS NOT NULL
           AND ($3::text[] IS NULL OR (r.namespace, r.application) IN (SELECT * FROM UNNEST($3::text[], $4::text[])))
         GROUP BY r.application, r.namespace",
        agent.org.0,
        agent.cluster.0,
        namespaces as Option<&[String]>,
        names as Option<&[String]>,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Counts everything again, after a full synchronisation.
pub(super) async fn recount(tx: &mut PgConnection, agent: Agent) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    sqlx::query!("DELETE FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2", org, cluster)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "INSERT INTO cluster_kinds (org_id, cluster_id, kind, count)
         SELECT $1, $2, kind, count(*) FROM resources WHERE org_id = $1 AND cluster_id = $2 GROUP BY kind",
        org,
        cluster,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2", org, cluster)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "INSERT INTO cluster_namespaces (org_id, cluster_id, name, resources, workloads, failing, pods)
         SELECT $1, $2, namespace, count(*), count(*) FILTER (WHERE workload),
                count(*) FILTER (WHERE workload AND health = 'failing'), count(*) FILTER (WHERE kind = 'Pod')
         FROM resources WHERE org_id = $1 AND cluster_id = $2 AND namespace <> '' GROUP BY namespace",
        org,
        cluster,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM cluster_images WHERE org_id = $1 AND cluster_id = $2", org, cluster)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "INSERT INTO cluster_images (org_id, cluster_id, image, namespace, workloads, pods)
         SELECT $1, $2, i.image, r.namespace, count(*) FILTER (WHERE r.workload), count(*) FILTER (WHERE r.kind = 'Pod')
         FROM resources r CROSS JOIN LATERAL unnest(r.images) AS i (image)
         WHERE r.org_id = $1 AND r.cluster_id = $2 AND (r.workload OR r.kind = 'Pod')
         GROUP BY i.image, r.namespace",
        org,
        cluster,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM cluster_applications WHERE org_id = $1 AND cluster_id = $2", org, cluster)
        .execute(&mut *tx)
        .await?;
    applications(tx, agent, None).await?;
    figures(tx, agent).await
}

/// Brings the cluster's own line up to date with the counts.
pub(super) async fn figures(tx: &mut PgConnection, agent: Agent) -> Result<(), Refused> {
    sqlx::query!(
        "UPDATE clusters c SET
           resources = k.resources, pods = k.pods, nodes = k.nodes, namespaces = n.namespaces, workloads = n.workloads,
           nodes_ready = (SELECT count(*) FROM resources r WHERE r.org_id = $1 AND r.cluster_id = $2 AND r.kind = 'Node'
                          AND r.health IN ('healthy', 'idle')),
           images = i.images, mutable_images = i.mutable_images,
           applications = (SELECT count(*) FROM cluster_applications a WHERE a.org_id = $1 AND a.cluster_id = $2)
         FROM (SELECT coalesce(sum(count), 0)::bigint AS resources,
                      coalesce(sum(count) FILTER (WHERE kind = 'Pod'), 0)::bigint AS pods,
                      coalesce(sum(count) FILTER (WHERE kind = 'Node'), 0)::bigint AS nodes
               FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2) k,
              (SELECT count(*) AS namespaces, coalesce(sum(workloads), 0)::bigint AS workloads
               FROM cluster_namespaces WHERE org_id = $1 AND cluster_id = $2) n,
              (SELECT count(DISTINCT image) AS images,
                      count(DISTINCT image) FILTER (WHERE image !~ '@' AND (image !~ ':[^/]*$' OR image ~ ':latest$'))
                        AS mutable_images
               FROM cluster_images WHERE org_id = $1 AND cluster_id = $2) i
         WHERE c.org_id = $1 AND c.id = $2",
        agent.org.0,
        agent.cluster.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How many objects the cluster holds.
pub(super) async fn held(tx: &mut PgConnection, agent: Agent) -> Result<i64, Refused> {
    Ok(sqlx::query_scalar!(
        "SELECT resources FROM clusters WHERE org_id = $1 AND id = $2",
        agent.org.0,
        agent.cluster.0
    )
    .fetch_one(tx)
    .await?)
}
