//! Orphans: objects that nothing names any more, as of a process that was killed between storing an object and writing
//! down its name, or of a database that was restored from an older copy.

use std::{collections::HashSet, time::SystemTime};

use futures::TryStreamExt;
use kubewise_contract::{ClusterId, OrgId};
use time::Duration;
use uuid::Uuid;

use super::{AT_ONCE, Held, Listed, disk, folder};
use crate::{
    Error, Worker,
    database::{self, Scope},
};

/// How often they are looked for, by whichever server comes first.
const EVERY: Duration = Duration::days(1);
/// What is younger may be about to be named.
const YOUNG: Duration = Duration::days(1);
/// Says whose bucket it is.
const MARK: &str = "installation";

/// Whose an object is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// `{organisation}/…`
    Organisation(OrgId),
    /// `people/…`
    People,
}

impl Owner {
    /// None: it is not ours. A bucket may hold other things.
    fn of(name: &str) -> Option<Self> {
        let (first, _) = name.split_once('/')?;
        if first == "people" { Some(Self::People) } else { id(first).map(|id| Self::Organisation(OrgId(id))) }
    }
}

/// An id as it is written in names.
fn id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| id.to_string() == text)
}

/// The audit that a name says it is evidence of: `{organisation}/{cluster}/audits/{number}/evidence`.
fn audit(name: &str) -> Option<(ClusterId, i64)> {
    let parts: Vec<&str> = name.split('/').collect();
    let [_, cluster, "audits", number, "evidence"] = parts[..] else { return None };
    Some((ClusterId(id(cluster)?), number.parse().ok()?))
}

impl Worker {
    /// Removes objects that nothing names and that are older than a day, if it was not done today. Answers what was
    /// removed.
    pub(crate) async fn remove_orphans(&self) -> Result<Held, Error> {
        let now = self.world.now();
        let claimed = sqlx::query_scalar!(
            "UPDATE bucket SET looked_through_at = $1
             WHERE looked_through_at IS NULL OR looked_through_at <= $2 RETURNING id",
            now,
            now - EVERY,
        )
        .fetch_optional(&self.pool)
        .await?;
        // Somebody did it, or does it.
        let Some(ours) = claimed else { return Ok(Held::default()) };
        if self.bucket.claim(MARK, ours.to_string()).await?.trim() != ours.to_string() {
            return Err(Error::Internal(
                "the bucket is another installation's: give each a prefix of its own. Nothing was removed".to_owned(),
            ));
        }
        let organisations: HashSet<OrgId> =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisation_ids()"#)
                .fetch_all(&self.pool)
                .await?
                .into_iter()
                .map(OrgId)
                .collect();
        let before = now - YOUNG;
        let (mut looked_at, mut removed) = (0_u64, Held::default());
        // Lists are in the order of names, or of folders: what is of one owner comes together.
        let mut batch: Vec<Listed> = Vec::new();
        let mut of = None;
        let mut listed = std::pin::pin!(self.bucket.list());
        while let Some(object) = listed.try_next().await? {
            looked_at += 1;
            let Some(owner) = Owner::of(&object.name).filter(|_| object.changed_at < before) else { continue };
            if of != Some(owner) || batch.len() == AT_ONCE {
                removed = removed.plus(self.remove_unnamed(of, std::mem::take(&mut batch), &organisations).await?);
                of = Some(owner);
            }
            batch.push(object);
        }
        removed = removed.plus(self.remove_unnamed(of, batch, &organisations).await?);
        if let Some(root) = self.bucket.folder.clone() {
            disk(move || folder::tidy(&root, Some(SystemTime::from(before)))).await?;
        }
        tracing::info!(
            looked_at,
            removed = removed.objects,
            bytes = removed.bytes,
            "the bucket was looked through for objects that nothing names"
        );
        Ok(removed)
    }

    async fn remove_unnamed(
        &self,
        owner: Option<Owner>,
        objects: Vec<Listed>,
        organisations: &HashSet<OrgId>,
    ) -> Result<Held, Error> {
        let Some(owner) = owner else { return Ok(Held::default()) };
        let unnamed = match owner {
            Owner::Organisation(org) if !organisations.contains(&org) => objects,
            owner => self.unnamed(owner, objects).await?,
        };
        self.bucket.remove_listed(unnamed.into_iter().map(|listed| listed.object).collect()).await
    }

    /// Those that nothing names, of an owner that there is. This is the one place that knows what names objects: whatever
    /// else puts some into the bucket is asked here. A name that nothing here knows stays.
    async fn unnamed(&self, owner: Owner, objects: Vec<Listed>) -> Result<Vec<Listed>, Error> {
        match owner {
            Owner::Organisation(org) => self.evidence_unnamed(org, objects).await,
            Owner::People => self.exports_unnamed(objects).await,
        }
    }

    /// What people took out, and what is gone with their accounts. One that is being made may be stored again.
    async fn exports_unnamed(&self, objects: Vec<Listed>) -> Result<Vec<Listed>, Error> {
        let ids: Vec<Uuid> = objects.iter().filter_map(|object| id(object.name.rsplit('/').next()?)).collect();
        let named: HashSet<Uuid> = sqlx::query_scalar!(
            "SELECT id FROM exports WHERE id = ANY ($1) AND (object IS NOT NULL OR made_at IS NULL)",
            &ids
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .collect();
        let is_named = |object: &Listed| {
            let last = object.name.rsplit('/').next().and_then(id);
            last.is_none_or(|id| named.contains(&id))
        };
        Ok(objects.into_iter().filter(|object| !is_named(object)).collect())
    }

    /// Evidence of audits that are no more, or that named nothing when they ended. One that has not ended may be storing it
    /// again.
    async fn evidence_unnamed(&self, org: OrgId, objects: Vec<Listed>) -> Result<Vec<Listed>, Error> {
        let evidence: Vec<_> = objects.into_iter().filter_map(|object| Some((audit(&object.name)?, object))).collect();
        let clusters: Vec<Uuid> = evidence.iter().map(|((cluster, _), _)| cluster.0).collect();
        let numbers: Vec<i64> = evidence.iter().map(|((_, number), _)| *number).collect();
        let names: Vec<String> = evidence.iter().map(|(_, object)| object.name.clone()).collect();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let named: HashSet<String> = sqlx::query_scalar!(
            r#"SELECT o.name AS "name!" FROM unnest($2::uuid[], $3::int8[], $4::text[]) AS o (cluster_id, number, name)
               JOIN audit_runs r ON r.org_id = $1 AND r.cluster_id = o.cluster_id AND r.number = o.number
               WHERE r.evidence = o.name OR r.state IN ('waiting', 'running')"#,
            org.0,
            &clusters,
            &numbers,
            &names,
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect();
        tx.commit().await?;
        Ok(evidence.into_iter().map(|(_, object)| object).filter(|object| !named.contains(&object.name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_an_object_is_and_what_it_is_evidence_of() {
        let (org, cluster) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let name = format!("{org}/{cluster}/audits/7/evidence");
        assert!(matches!(Owner::of(&name), Some(Owner::Organisation(OrgId(id))) if id == org));
        assert_eq!(audit(&name), Some((ClusterId(cluster), 7)));
        assert!(matches!(Owner::of("people/a/b"), Some(Owner::People)));
        for other in ["installation", "backups/monday", "{1}/a", "00000000000000000000000000000001/a", ""] {
            assert!(Owner::of(other).is_none(), "{other}");
        }
        for other in [format!("{org}/{cluster}/audits/7"), format!("{org}/{cluster}/audits/x/evidence"), name + "/more"]
        {
            assert!(audit(&other).is_none(), "{other}");
        }
    }
}
