//! Finding objects by name in all clusters of an organisation.

use kubewise_contract::{ClusterId, Health, ListQuery, Page, ResourceRow, ResourceUid, SearchRow, is_found_anywhere};

use super::cursor;
use crate::{Authorized, Error, Organisation, Web, permission::ViewInventory, world::timestamp};

/// Most matches that are looked at: what is asked for more is answered with these, and should be asked more exactly.
const CANDIDATES: i64 = 250;

impl Web {
    /// Objects whose name contains the text, and what they own, at most 250; exact names first, then workloads, then by
    /// name. By a text without three letters or digits in a row, names that begin with it. Without text, nothing.
    pub async fn search(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Page<SearchRow>, Error> {
        let Some(pattern) = cursor::pattern(query.q.as_deref()) else { return Ok(Page::empty()) };
        // PostgreSQL has no text with NUL in it.
        let text = query.q.as_deref().unwrap_or_default().replace('\0', "");
        let text = text.trim();
        // `%text%` without its first wildcard; names are compared as they are there, and nearly all are in lower case.
        let beginning = pattern[1..].to_lowercase();
        let contained = is_found_anywhere(text).then_some(pattern);
        let [rank, name, uid, cluster] = cursor::decode(query.after.as_ref())?;
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT found.rank AS "rank!", r.cluster_id, c.name AS cluster_name, r.uid, r.kind, r.namespace, r.name,
                      r.health, r.created_at
               FROM (SELECT DISTINCT cluster_id, uid FROM resources_named_like($5, $4, $2, $10, $3)) m
               JOIN resources r ON r.org_id = $1 AND r.cluster_id = m.cluster_id AND r.uid = m.uid
               JOIN clusters c ON c.org_id = r.org_id AND c.id = r.cluster_id
               CROSS JOIN LATERAL (
                 SELECT CASE WHEN lower(r.name) = lower($4) THEN 0 WHEN r.workload THEN 1 ELSE 2 END AS rank
               ) found
               WHERE c.deleted_at IS NULL AND ($11::uuid[] IS NULL OR r.cluster_id = ANY ($11))
                 AND (found.rank, r.name, r.uid, r.cluster_id) > ($6::int, $7, $8, $12)
               ORDER BY found.rank, r.name, r.uid, r.cluster_id LIMIT $9"#,
            org.id.0,
            beginning,
            CANDIDATES,
            text,
            cursor::filter(query.kind.as_ref()),
            rank.parse::<i32>().unwrap_or(-1),
            name,
            cursor::uid(&uid),
            cursor::ONE_MORE,
            contained,
            org.holder().scope.column(),
            cursor::uid(&cluster),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows: Vec<(i32, SearchRow)> = rows
            .into_iter()
            .map(|row| {
                let resource = ResourceRow {
                    uid: ResourceUid(row.uid),
                    kind: row.kind,
                    namespace: Some(row.namespace).filter(|n| !n.is_empty()),
                    name: row.name,
                    health: Health::parse(&row.health),
                    created_at: row.created_at.map(timestamp),
                };
                let cluster = ClusterId(row.cluster_id);
                (row.rank, SearchRow { cluster, cluster_name: row.cluster_name, resource })
            })
            .collect();
        let page = cursor::page(rows, |(rank, row)| {
            // A cluster that was restored from a backup of another has objects of the same UID.
            vec![rank.to_string(), row.resource.name.clone(), row.resource.uid.to_string(), row.cluster.to_string()]
        });
        Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }
}
