//! A delta: what changed, applied to what is there.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    counts::{Counted, Difference},
    full::Columns,
    read::Chunk,
    record::Record,
    sync::{Agent, Refused},
};

/// Applies one chunk and notes what it changed in the counts.
pub(super) async fn apply(
    tx: &mut PgConnection,
    agent: Agent,
    chunk: &Chunk,
    difference: &mut Difference,
    now: OffsetDateTime,
) -> Result<(), Refused> {
    let (org, cluster) = (agent.org.0, agent.cluster.0);
    let uids: Vec<Uuid> = chunk.upserts.iter().map(|r| r.uid).chain(chunk.deletes.iter().copied()).collect();
    let before: HashMap<Uuid, (Vec<u8>, Counted)> = sqlx::query!(
        "SELECT uid, hash, kind, namespace, workload, health, images, application FROM resources
         WHERE org_id = $1 AND cluster_id = $2 AND uid = ANY ($3)",
        org,
        cluster,
        &uids,
    )
    .fetch_all(&mut *tx)
    .await?
    .into_iter()
    .map(|row| {
        let counted = Counted {
            kind: row.kind,
            namespace: row.namespace,
            workload: row.workload,
            failing: row.health == "failing",
            images: row.images,
            application: row.application,
        };
        (row.uid, (row.hash, counted))
    })
    .collect();

    let changed: Vec<&Record> =
        chunk.upserts.iter().filter(|r| before.get(&r.uid).is_none_or(|(hash, _)| hash[..] != r.hash[..])).collect();
    for record in &changed {
        if let Some((_, old)) = before.get(&record.uid) {
            difference.remove(old);
        }
        difference.add(&Counted::from(*record));
    }
    let gone: Vec<Uuid> = chunk.deletes.iter().copied().filter(|uid| before.contains_key(uid)).collect();
    for (_, old) in gone.iter().filter_map(|uid| before.get(uid)) {
        difference.remove(old);
    }

    if !gone.is_empty() {
        sqlx::query!(
            "DELETE FROM resources WHERE org_id = $1 AND cluster_id = $2 AND uid = ANY ($3)",
            org,
            cluster,
            &gone
        )
        .execute(&mut *tx)
        .await?;
    }
    if changed.is_empty() {
        return Ok(());
    }
    let c: Columns = changed.into_iter().collect();
    sqlx::query!(
        "INSERT INTO resources (org_id, cluster_id, updated_at, uid, kind, api_version, namespace, name, created_at,
           workload, health, ready, desired, application, app_source, app_version, images, owner_uid, owner_kind,
           owner_name, node, info, hash, manifest)
         SELECT $1, $2, $3, uid, kind, api_version, namespace, name, created_at, workload, health, ready, desired,
           application, app_source, app_version, string_to_array(images, E'\\n'), owner_uid, owner_kind, owner_name,
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
           node = excluded.node, info = excluded.info, hash = excluded.hash, manifest = excluded.manifest",
        org,
        cluster,
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
        &c.owner_uid as &[Option<Uuid>],
        &c.owner_kind as &[Option<String>],
        &c.owner_name as &[Option<String>],
        &c.node as &[Option<String>],
        &c.info as &[Option<serde_json::Value>],
        &c.hash,
        &c.manifest,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes all objects of some kinds: the agent may no longer read them. True when there were any.
pub(super) async fn drop_kinds(tx: &mut PgConnection, agent: Agent, kinds: &[String]) -> Result<bool, Refused> {
    let removed = sqlx::query!(
        "DELETE FROM resources WHERE org_id = $1 AND cluster_id = $2 AND kind = ANY ($3)",
        agent.org.0,
        agent.cluster.0,
        kinds,
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(removed > 0)
}
