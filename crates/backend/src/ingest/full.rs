//! A full synchronisation: gathered where nobody looks, then put in place at once.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    read::Chunk,
    record::Record,
    sync::{Agent, Place, Refused},
};

/// A first batch begins anew; a further one must follow the one before.
pub(super) async fn begin(tx: &mut PgConnection, agent: Agent, place: Place, last: bool) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    if !last {
        // A crash of PostgreSQL empties what is gathered, whatever was written to disk of it: nothing to wait for.
        sqlx::query!("SELECT set_config('synchronous_commit', 'off', true) AS off").fetch_one(&mut *tx).await?;
    }
    if place.seq > 0 {
        let follows = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM ingest_staging_state
               WHERE org_id = $1 AND cluster_id = $2 AND epoch = $3 AND seq = $4) AS "follows!""#,
            org,
            cluster,
            place.epoch,
            place.seq - 1,
        )
        .fetch_one(&mut *tx)
        .await?;
        return if follows {
            Ok(())
        } else {
            Err(Refused::NewEpoch("the beginning of this synchronisation is missing; begin a new epoch"))
        };
    }
    let used = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM ingest_batches WHERE org_id = $1 AND cluster_id = $2 AND epoch = $3)
               OR EXISTS (SELECT FROM ingest_state WHERE org_id = $1 AND cluster_id = $2 AND epoch = $3) AS "used!""#,
        org,
        cluster,
        place.epoch,
    )
    .fetch_one(&mut *tx)
    .await?;
    if used {
        return Err(Refused::NewEpoch("this epoch was used before; begin one with another number"));
    }
    forget(tx, agent).await
}

/// Drops what was gathered.
async fn forget(tx: &mut PgConnection, agent: Agent) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    sqlx::query!("DELETE FROM ingest_staging WHERE org_id = $1 AND cluster_id = $2", org, cluster)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("DELETE FROM ingest_staging_state WHERE org_id = $1 AND cluster_id = $2", org, cluster)
        .execute(tx)
        .await?;
    Ok(())
}

/// Columns of records, as `UNNEST` takes them.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) uid: Vec<uuid::Uuid>,
    pub(super) kind: Vec<String>,
    pub(super) api_version: Vec<String>,
    pub(super) namespace: Vec<String>,
    pub(super) name: Vec<String>,
    pub(super) created_at: Vec<Option<OffsetDateTime>>,
    pub(super) workload: Vec<bool>,
    pub(super) health: Vec<String>,
    pub(super) ready: Vec<Option<i32>>,
    pub(super) desired: Vec<Option<i32>>,
    pub(super) application: Vec<Option<String>>,
    pub(super) app_source: Vec<Option<String>>,
    pub(super) app_version: Vec<Option<String>>,
    pub(super) images: Vec<String>,
    pub(super) owner_uid: Vec<Option<uuid::Uuid>>,
    pub(super) owner_kind: Vec<Option<String>>,
    pub(super) owner_name: Vec<Option<String>>,
    pub(super) node: Vec<Option<String>>,
    pub(super) info: Vec<Option<serde_json::Value>>,
    pub(super) hash: Vec<Vec<u8>>,
    pub(super) manifest: Vec<Vec<u8>>,
}

/// Between the images of one row: `UNNEST` flattens arrays of arrays. No image reference holds a line feed.
const BETWEEN_IMAGES: &str = "\n";

impl<'a> FromIterator<&'a Record> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a Record>>(records: I) -> Self {
        let mut columns = Self::default();
        for record in records {
            columns.uid.push(record.uid);
            columns.kind.push(record.kind.clone());
            columns.api_version.push(record.api_version.clone());
            columns.namespace.push(record.namespace.clone());
            columns.name.push(record.name.clone());
            columns.created_at.push(record.created_at);
            columns.workload.push(record.workload);
            columns.health.push(record.health.to_owned());
            columns.ready.push(record.ready);
            columns.desired.push(record.desired);
            columns.application.push(record.application.clone());
            columns.app_source.push(record.app_source.map(str::to_owned));
            columns.app_version.push(record.app_version.clone());
            columns.images.push(record.images.join(BETWEEN_IMAGES));
            let owner = record.owner.as_ref();
            columns.owner_uid.push(owner.map(|o| o.uid));
            columns.owner_kind.push(owner.map(|o| o.kind.clone()));
            columns.owner_name.push(owner.map(|o| o.name.clone()));
            columns.node.push(record.node.clone());
            columns.info.push(record.info.clone());
            columns.hash.push(record.hash.to_vec());
            columns.manifest.push(record.manifest.clone());
        }
        columns
    }
}

/// Adds to what is gathered; answers how many objects are new there.
pub(super) async fn stage(
    tx: &mut PgConnection,
    agent: Agent,
    chunk: &Chunk,
    now: OffsetDateTime,
) -> Result<i64, Refused> {
    let c: Columns = chunk.upserts.iter().collect();
    let added = sqlx::query_scalar!(
        // A row that was there before, from an earlier batch, carries the lock of its update in xmax.
        r#"WITH put AS (
         INSERT INTO ingest_staging (org_id, cluster_id, updated_at, uid, kind, api_version, namespace, name, created_at,
           workload, health, ready, desired, application, app_source, app_version, images, owner_uid, owner_kind,
           owner_name, node, info, hash, manifest)
         SELECT $1, $2, $3, uid, kind, api_version, namespace, name, created_at, workload, health, ready, desired,
           application, app_source, app_version, string_to_array(images, E'\n'), owner_uid, owner_kind, owner_name,
           node, info, hash, manifest
         FROM UNNEST($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::bool[],
           $11::text[], $12::int[], $13::int[], $14::text[], $15::text[], $16::text[], $17::text[], $18::uuid[],
           $19::text[], $20::text[], $21::text[], $22::jsonb[], $23::bytea[], $24::bytea[])
           AS t (uid, kind, api_version, namespace, name, created_at, workload, health, ready, desired, application,
             app_source, app_version, images, owner_uid, owner_kind, owner_name, node, info, hash, manifest)
         ON CONFLICT (org_id, cluster_id, uid) DO UPDATE SET updated_at = excluded.updated_at, kind = excluded.kind,
           api_version = excluded.api_version, namespace = excluded.namespace, name = excluded.name,
           created_at = excluded.created_at, workload = excluded.workload, health = excluded.health,
           ready = excluded.ready, desired = excluded.desired, application = excluded.application,
           app_source = excluded.app_source, app_version = excluded.app_version, images = excluded.images,
           owner_uid = excluded.owner_uid, owner_kind = excluded.owner_kind, owner_name = excluded.owner_name,
           node = excluded.node, info = excluded.info, hash = excluded.hash, manifest = excluded.manifest
           RETURNING xmax = 0 AS new)
         SELECT count(*) FILTER (WHERE new) AS "added!" FROM put"#,
        agent.org.0,
        agent.cluster.0,
        now,
        &c.uid,
        &c.kind,
        &c.api_version,
        &c.namespace,
        &c.name,
        &c.created_at as &[Option<OffsetDateTime>],
        &c.workload,
        &c.health,
        &c.ready as &[Option<i32>],
        &c.desired as &[Option<i32>],
        &c.application as &[Option<String>],
        &c.app_source as &[Option<String>],
        &c.app_version as &[Option<String>],
        &c.images,
        &c.owner_uid as &[Option<uuid::Uuid>],
        &c.owner_kind as &[Option<String>],
        &c.owner_name as &[Option<String>],
        &c.node as &[Option<String>],
        &c.info as &[Option<serde_json::Value>],
        &c.hash,
        &c.manifest,
    )
    .fetch_one(tx)
    .await?;
    Ok(added)
}

/// Notes how far the gathering is and that so many objects were `added`; answers how many are gathered.
pub(super) async fn staged(tx: &mut PgConnection, agent: Agent, place: Place, added: i64) -> Result<i64, Refused> {
    let count = sqlx::query_scalar!(
        "INSERT INTO ingest_staging_state AS s (org_id, cluster_id, epoch, seq, resources)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (org_id, cluster_id) DO UPDATE
           SET epoch = excluded.epoch, seq = excluded.seq, resources = s.resources + excluded.resources
         RETURNING resources",
        agent.org.0,
        agent.cluster.0,
        place.epoch,
        place.seq,
        added,
    )
    .fetch_one(tx)
    .await?;
    Ok(count)
}

/// Puts what was gathered in the place of what was there. Objects of the kinds in `kept` stay even if they were not
/// gathered: they could not be read, which does not mean that they are gone.
pub(super) async fn publish(
    tx: &mut PgConnection,
    agent: Agent,
    place: Place,
    kept: &[String],
    now: OffsetDateTime,
) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    debug_assert!(place.seq >= 0, "places are checked when they are read");
    // Statistics know nothing of what was just gathered, nor of a cluster that is new. A plan that takes both for empty
    // compares every object with every other: minutes. Hashing both is right for few and for many.
    sqlx::query!("SELECT set_config('enable_nestloop', 'off', true) AS off").fetch_one(&mut *tx).await?;
    sqlx::query!(
        "DELETE FROM resources r
         WHERE r.org_id = $1 AND r.cluster_id = $2 AND NOT r.kind = ANY ($3)
           AND NOT EXISTS (SELECT FROM ingest_staging s
                           WHERE s.org_id = r.org_id AND s.cluster_id = r.cluster_id AND s.uid = r.uid)",
        org,
        cluster,
        kept,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO resources (org_id, cluster_id, updated_at, uid, kind, api_version, namespace, name, created_at,
           workload, health, ready, desired, application, app_source, app_version, images, owner_uid, owner_kind,
           owner_name, node, info, hash, manifest)
         SELECT org_id, cluster_id, $3, uid, kind, api_version, namespace, name, created_at, workload, health, ready,
           desired, application, app_source, app_version, images, owner_uid, owner_kind, owner_name, node, info, hash,
           manifest
         FROM ingest_staging s WHERE org_id = $1 AND cluster_id = $2
           AND NOT EXISTS (SELECT FROM resources r WHERE r.org_id = s.org_id AND r.cluster_id = s.cluster_id
                           AND r.uid = s.uid AND r.hash = s.hash)
         ON CONFLICT (org_id, cluster_id, uid) DO UPDATE SET updated_at = excluded.updated_at, kind = excluded.kind,
           api_version = excluded.api_version, namespace = excluded.namespace, name = excluded.name,
           created_at = excluded.created_at, workload = excluded.workload, health = excluded.health,
           ready = excluded.ready, desired = excluded.desired, application = excluded.application,
           app_source = excluded.app_source, app_version = excluded.app_version, images = excluded.images,
           owner_uid = excluded.owner_uid, owner_kind = excluded.owner_kind, owner_name = excluded.owner_name,
           node = excluded.node, info = excluded.info, hash = excluded.hash, manifest = excluded.manifest",
        org,
        cluster,
        now,
    )
    .execute(&mut *tx)
    .await?;
    forget(tx, agent).await
}
