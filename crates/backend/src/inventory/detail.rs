//! One object.

use kubewise_contract::{Health, ResourceDetail, ResourceRef, ResourceRow, ResourceUid};

use super::manifest;
use crate::{Authorized, Cluster, Error, Web, permission::ViewInventory, world::timestamp};

/// Owned objects that are listed; more are counted.
const OWNED: i64 = 100;
/// Owners above an object: a pod of a job of a cron job has two. Bounded, since agents could send a circle.
const OWNERS: usize = 8;

impl Web {
    /// One object with its owners, what it owns, and its manifest.
    pub async fn resource(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        uid: ResourceUid,
    ) -> Result<ResourceDetail, Error> {
        let (mut detail, manifest) = self.resource_and_manifest(cluster, uid).await?;
        detail.yaml = manifest::yaml(&manifest)?;
        Ok(detail)
    }

    /// The same, with the manifest as an object instead of YAML.
    pub async fn resource_and_manifest(
        &self,
        cluster: &Authorized<Cluster, ViewInventory>,
        uid: ResourceUid,
    ) -> Result<(ResourceDetail, serde_json::Value), Error> {
        let (org, id) = (cluster.org.0, cluster.id.0);
        let mut tx = cluster.read(&self.pool).await?;
        let row = sqlx::query!(
            "SELECT kind, api_version, namespace, name, health, ready, desired, application, node, images, owner_uid,
                    owner_kind, owner_name, created_at, updated_at, manifest
             FROM resources WHERE org_id = $1 AND cluster_id = $2 AND uid = $3",
            org,
            id,
            uid.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        let mut owners = owners(&mut tx, cluster, row.owner_uid).await?;
        // An owner that is named but not held: of a kind that the agent does not read, or gone already.
        if owners.is_empty()
            && let (Some(kind), Some(name)) = (row.owner_kind, row.owner_name)
        {
            owners.push(ResourceRef { uid: None, kind, name, health: Health::Unknown });
        }
        let owned_count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM resources WHERE org_id = $1 AND cluster_id = $2 AND owner_uid = $3"#,
            org,
            id,
            uid.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        let owned = sqlx::query!(
            "SELECT uid, kind, name, health FROM resources
             WHERE org_id = $1 AND cluster_id = $2 AND owner_uid = $3 ORDER BY kind, name LIMIT $4",
            org,
            id,
            uid.0,
            OWNED,
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .map(|owned| ResourceRef {
            uid: Some(ResourceUid(owned.uid)),
            kind: owned.kind,
            name: owned.name,
            health: Health::parse(&owned.health),
        })
        .collect();
        tx.commit().await?;

        let manifest = manifest::unpack(&row.manifest)?;
        let labels = manifest
            .pointer("/metadata/labels")
            .and_then(serde_json::Value::as_object)
            .map(|labels| {
                labels.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect::<Vec<_>>()
            })
            .unwrap_or_default();
        let detail = ResourceDetail {
            row: ResourceRow {
                uid,
                kind: row.kind,
                namespace: Some(row.namespace).filter(|n| !n.is_empty()),
                name: row.name,
                health: Health::parse(&row.health),
                created_at: row.created_at.map(timestamp),
            },
            cluster_name: cluster.name.clone(),
            api_version: row.api_version,
            ready: row.ready,
            desired: row.desired,
            application: row.application,
            node: row.node,
            images: row.images,
            labels,
            owners,
            owned,
            owned_count,
            yaml: String::new(),
            updated_at: timestamp(row.updated_at),
        };
        Ok((detail, manifest))
    }
}

/// What owns an object, nearest first.
async fn owners(
    tx: &mut sqlx::PgConnection,
    cluster: &Authorized<Cluster, ViewInventory>,
    nearest: Option<uuid::Uuid>,
) -> Result<Vec<ResourceRef>, Error> {
    let (mut owners, mut next) = (Vec::new(), nearest);
    // One look-up by key for each: nearly always one or two.
    while let Some(uid) = next
        && owners.len() < OWNERS
    {
        let found = sqlx::query!(
            "SELECT kind, name, health, owner_uid FROM resources WHERE org_id = $1 AND cluster_id = $2 AND uid = $3",
            cluster.org.0,
            cluster.id.0,
            uid,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(owner) = found else { break };
        next = owner.owner_uid;
        owners.push(ResourceRef {
            uid: Some(ResourceUid(uid)),
            kind: owner.kind,
            name: owner.name,
            health: Health::parse(&owner.health),
        });
    }
    Ok(owners)
}
