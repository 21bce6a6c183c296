//! All of an organisation's data, for its Owners to take elsewhere: line by line, as JSON (docs/export.md says what is in it).
//! Read by key, a page at a time, each with a fresh look-up: who may not any more is given no more. Secrets stay: hashes of
//! tokens and links, and columns that are sealed.

use futures::TryStreamExt;
use kubewise_contract::{Action, ActivityQuery, ActivityRow};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Authorized, Error, Organisation, Web,
    activity::Entry,
    inventory::{cursor, manifest},
    permission::{ManageOwnership, ViewActivity},
};

/// Lines that are read at once.
const AT_ONCE: i64 = 1_000;
/// The same of resources, which bring their manifests.
const MANIFESTS_AT_ONCE: i64 = 250;
/// Bytes of manifests, unpacked, after which a page has enough of them; the last one may be larger.
const MANIFEST_BYTES: usize = 1 << 20;

/// What lines are about, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Organisation,
    Member,
    Invitation,
    Token,
    Cluster,
    Policy,
    Schedule,
    Waiver,
    Notification,
    Audit,
    Finding,
    Vulnerability,
    Resource,
    BillingDetails,
    Invoice,
    NodeDay,
    Activity,
}

impl Kind {
    const ALL: [Self; 17] = [
        Self::Organisation,
        Self::Member,
        Self::Invitation,
        Self::Token,
        Self::Cluster,
        Self::Policy,
        Self::Schedule,
        Self::Waiver,
        Self::Notification,
        Self::Audit,
        Self::Finding,
        Self::Vulnerability,
        Self::Resource,
        Self::BillingDetails,
        Self::Invoice,
        Self::NodeDay,
        Self::Activity,
    ];

    /// As lines name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Member => "member",
            Self::Invitation => "invitation",
            Self::Token => "token",
            Self::Cluster => "cluster",
            Self::Policy => "policy",
            Self::Schedule => "schedule",
            Self::Waiver => "waiver",
            Self::Notification => "notification",
            Self::Audit => "audit",
            Self::Finding => "finding",
            Self::Vulnerability => "vulnerability",
            Self::Resource => "resource",
            Self::BillingDetails => "billing_details",
            Self::Invoice => "invoice",
            Self::NodeDay => "node_day",
            Self::Activity => "activity",
        }
    }

    /// The fields of a line that are its key: by these they come one after the other.
    const fn key(self) -> &'static [&'static str] {
        match self {
            Self::Organisation | Self::BillingDetails => &[],
            Self::Member
            | Self::Invitation
            | Self::Token
            | Self::Cluster
            | Self::Waiver
            | Self::Notification
            | Self::Invoice => &["id"],
            Self::Policy | Self::Schedule => &["cluster"],
            Self::Audit => &["cluster", "number"],
            Self::Finding => &["cluster", "fingerprint", "opened_in"],
            Self::Vulnerability => &["cluster", "image", "id", "package", "installed"],
            Self::Resource => &["cluster", "uid"],
            Self::NodeDay => &["day", "cluster"],
            Self::Activity => &["line"],
        }
    }

    fn next(self) -> Option<Self> {
        let at = Self::ALL.iter().position(|kind| *kind == self)?;
        Self::ALL.get(at + 1).copied()
    }
}

/// How far an export has come.
#[derive(Clone, Debug)]
pub struct ExportPlace {
    kind: Kind,
    /// The key of the last line of this kind that was read.
    key: Vec<String>,
}

impl Default for ExportPlace {
    /// The beginning.
    fn default() -> Self {
        Self { kind: Kind::ALL[0], key: Vec::new() }
    }
}

impl ExportPlace {
    fn text(&self, at: usize) -> &str {
        self.key.get(at).map_or("", String::as_str)
    }

    fn uuid(&self, at: usize) -> Uuid {
        self.text(at).parse().unwrap_or_default()
    }

    fn number(&self, at: usize) -> i64 {
        self.text(at).parse().unwrap_or_default()
    }

    /// After these lines: of the same kind if there may be more, else of the next.
    fn after(&self, lines: &[Value], is_all: bool) -> Option<Self> {
        let last = lines.last().filter(|_| !is_all && !self.kind.key().is_empty());
        let Some(last) = last else {
            return Some(Self { kind: self.kind.next()?, key: Vec::new() });
        };
        let part = |name: &&str| match &last[*name] {
            Value::String(text) => text.clone(),
            // What holds for all clusters comes before what holds for one.
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Some(Self { kind: self.kind, key: self.kind.key().iter().map(part).collect() })
    }
}

impl Web {
    /// The next lines of all that an organisation holds, and where to go on; nowhere at the end. Asked for with a fresh look-up
    /// each time. Each line is as it is when it is read.
    pub async fn organisation_export(
        &self,
        org: &Authorized<Organisation, ManageOwnership>,
        after: ExportPlace,
    ) -> Result<(Vec<Value>, Option<ExportPlace>), Error> {
        let (mut lines, is_all) = if after.kind == Kind::Activity {
            // With its own rules for who reads what, and for what people are called.
            let mut query = ActivityQuery {
                after: (!after.key.is_empty()).then(|| cursor::encode(after.key.clone())),
                ..ActivityQuery::default()
            };
            let rows = self.activity_export(&org.also::<ViewActivity>()?, &mut query).await?;
            let is_all = rows.is_empty();
            (rows.iter().map(activity).collect(), is_all)
        } else {
            let mut tx = org.read(&self.pool).await?;
            let found = read(&mut tx, org, &after).await?;
            tx.commit().await?;
            found
        };
        let next = after.after(&lines, is_all);
        for line in &mut lines {
            line["kind"] = after.kind.name().into();
        }
        Ok((lines, next))
    }

    /// Says in the activity log that everything was taken out.
    pub async fn record_organisation_export(
        &self,
        org: &Authorized<Organisation, ManageOwnership>,
    ) -> Result<(), Error> {
        let write = org.write(self).await?;
        write.commit(Entry::of(Action::OrganisationExport)).await
    }
}

/// As the log is exported by itself.
fn activity(row: &ActivityRow) -> Value {
    let parsed = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "line": row.seq,
        "at": row.at.to_string(),
        "person": row.person,
        "token": row.token,
        "from": row.place,
        "action": row.action,
        "subject": row.subject,
        "cluster": row.cluster,
        "before": parsed(&row.before),
        "after": parsed(&row.after),
    })
}

/// A page of one kind, and whether it was all that was left of it. Written as JSON by PostgreSQL, field by field, so that a
/// column that comes later is not in it until it is put there.
async fn read(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageOwnership>,
    after: &ExportPlace,
) -> Result<(Vec<Value>, bool), Error> {
    let lines = match after.kind {
        Kind::Resource => return resources(tx, org, after).await,
        // Is not read here.
        Kind::Activity => Vec::new(),
        Kind::Organisation | Kind::Member | Kind::Invitation | Kind::Token => people(tx, org, after).await?,
        Kind::Cluster | Kind::Policy | Kind::Schedule | Kind::Waiver | Kind::Notification => {
            settings(tx, org, after).await?
        }
        Kind::Audit | Kind::Finding | Kind::Vulnerability => found(tx, org, after).await?,
        Kind::BillingDetails | Kind::Invoice | Kind::NodeDay => billing(tx, org, after).await?,
    };
    let is_all = i64::try_from(lines.len()).unwrap_or(i64::MAX) < AT_ONCE;
    Ok((lines, is_all))
}

/// The organisation, and who is in it.
async fn people(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageOwnership>,
    after: &ExportPlace,
) -> Result<Vec<Value>, Error> {
    let lines = match after.kind {
        Kind::Member => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT m.user_id AS id, u.name, u.email, m.role, m.clusters, m.created_at AS since
                     FROM memberships m JOIN users u ON u.id = m.user_id
                     WHERE m.org_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::Invitation => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, email, role, clusters, invited_by, created_at, expires_at, accepted_at, revoked_at
                     FROM invitations WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::Token => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, name, user_id AS member, created_by, permissions, clusters, created_at, expires_at, last_used_at,
                            revoked_at
                     FROM api_tokens WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        _ => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, slug, name, requires_second_factor, join_domain, join_role, max_resources, history_days, created_at
                     FROM organisations WHERE id = $1) l"#,
                org.id.0,
            )
            .fetch_all(tx)
            .await?
        }
    };
    Ok(lines)
}

/// Clusters, and what was decided about them.
async fn settings(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageOwnership>,
    after: &ExportPlace,
) -> Result<Vec<Value>, Error> {
    let lines = match after.kind {
        Kind::Policy => {
            sqlx::query_scalar!(
                r#"SELECT l.line AS "line!" FROM (
                     SELECT NULL::uuid AS cluster, to_jsonb(p) AS line FROM (
                       SELECT NULL::uuid AS cluster, rules, parameters, waivers_are_asked, annotations_waive, set_at
                       FROM audit_policies WHERE org_id = $1 AND $2 = '00000000-0000-0000-0000-000000000000'::uuid) p
                     UNION ALL
                     SELECT c.cluster, to_jsonb(c) FROM (
                       SELECT cluster_id AS cluster, profile, kubernetes_version, set_at FROM cluster_policies
                       WHERE org_id = $1 AND cluster_id > $2
                         AND cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL)) c
                   ) l ORDER BY l.cluster NULLS FIRST LIMIT $3"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::Schedule => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT cluster_id AS cluster, cron, time_zone, next_at, set_at FROM audit_schedules
                     WHERE org_id = $1 AND cluster_id > $2
                       AND cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL)
                     ORDER BY cluster_id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::Waiver => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, cluster_id AS cluster, rule, kind AS object_kind, namespace, name, labels, reason, owner,
                            expires_on, requested_at, requested_by, approved_at, approved_by, ended_at, ended_by
                     FROM waivers WHERE org_id = $1 AND id > $2
                       AND (cluster_id IS NULL
                            OR cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL))
                     ORDER BY id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::Notification => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, name, channel, user_id AS member, created_by, created_at, cluster_id AS cluster, namespaces,
                            (ARRAY['info', 'low', 'medium', 'high', 'critical'])[least_severity + 1] AS least_severity,
                            failed_runs, silent_clusters, cron, time_zone, next_at, told_until, host, failures, ended_at, ended
                     FROM notifications WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        _ => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, name, created_at, agent_version, cluster_uid, kubernetes_version, last_heard_at, synced_at,
                            unreadable, resources, workloads, pods, nodes, nodes_ready, namespaces, images, mutable_images,
                            applications
                     FROM clusters WHERE org_id = $1 AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT $3) l"#,
                org.id.0,
                after.uuid(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
    };
    Ok(lines)
}

/// What was found in clusters.
async fn found(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageOwnership>,
    after: &ExportPlace,
) -> Result<Vec<Value>, Error> {
    let lines = match after.kind {
        Kind::Audit => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT cluster_id AS cluster, number, state, requested_at, requested_by, due_at, started_at, finished_at,
                            objects, kubernetes_version, profile, score, critical, high, medium, low, info, opened, fixed,
                            waived, summary
                     FROM audit_runs WHERE org_id = $1 AND (cluster_id, number) > ($2, $3)
                       AND cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL)
                     ORDER BY cluster_id, number LIMIT $4) l"#,
                org.id.0,
                after.uuid(0),
                after.number(1),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::Finding => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT cluster_id AS cluster, encode(fingerprint, 'hex') AS fingerprint, opened_in, opened_at, closed_in,
                            closed_at, rule, (ARRAY['info', 'low', 'medium', 'high', 'critical'])[severity + 1] AS severity,
                            uid, kind AS object_kind, nullif(namespace, '') AS namespace, name, application, path, message,
                            patch, waiver, annotated, unjudged
                     FROM findings WHERE org_id = $1 AND (cluster_id, fingerprint, opened_in) > ($2, decode($3, 'hex'), $4)
                       AND cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL)
                     ORDER BY findings.cluster_id, findings.fingerprint, findings.opened_in LIMIT $5) l"#,
                org.id.0,
                after.uuid(0),
                after.text(1),
                after.number(2),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        _ => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT cluster_id AS cluster, key AS image, id, package, installed, nullif(fixed, '') AS fixed,
                            (ARRAY['unknown', 'low', 'medium', 'high', 'critical'])[severity + 1] AS severity,
                            round(score / 10.0, 1) AS score, title, nullif(link, '') AS link
                     FROM vulnerabilities
                     WHERE org_id = $1 AND (cluster_id, key, id, package, installed) > ($2, $3, $4, $5, $6)
                       AND cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL)
                     ORDER BY cluster_id, key, id, package, installed LIMIT $7) l"#,
                org.id.0,
                after.uuid(0),
                after.text(1),
                after.text(2),
                after.text(3),
                after.text(4),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
    };
    Ok(lines)
}

/// What is paid for.
async fn billing(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageOwnership>,
    after: &ExportPlace,
) -> Result<Vec<Value>, Error> {
    let lines = match after.kind {
        Kind::Invoice => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT id, number, status, total, currency, made_at, next_attempt_at, page, pdf
                     FROM invoices WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3) l"#,
                org.id.0,
                after.text(0),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        Kind::NodeDay => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT day, cluster_id AS cluster, nodes FROM node_days
                     WHERE org_id = $1 AND (day, cluster_id) > (coalesce(nullif($2, ''), '-infinity')::date, $3)
                     ORDER BY day, cluster_id LIMIT $4) l"#,
                org.id.0,
                after.text(0),
                after.uuid(1),
                AT_ONCE,
            )
            .fetch_all(tx)
            .await?
        }
        _ => {
            sqlx::query_scalar!(
                r#"SELECT to_jsonb(l) AS "line!" FROM (
                     SELECT email, line1, line2, city, postal_code, state, country FROM billing_details WHERE org_id = $1) l"#,
                org.id.0,
            )
            .fetch_all(tx)
            .await?
        }
    };
    Ok(lines)
}

/// Resources with their manifests: as many as fit, unpacked one after the other.
async fn resources(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageOwnership>,
    after: &ExportPlace,
) -> Result<(Vec<Value>, bool), Error> {
    let mut rows = sqlx::query!(
        r#"SELECT to_jsonb(l) - 'manifest' AS "line!", l.manifest FROM (
             SELECT cluster_id AS cluster, uid, kind AS object_kind, api_version, nullif(namespace, '') AS namespace, name,
                    created_at, updated_at, workload, health, ready, desired, application, app_version, images, owner_uid,
                    owner_kind, owner_name, node, manifest
             FROM resources WHERE org_id = $1 AND (cluster_id, uid) > ($2, $3)
               AND cluster_id IN (SELECT id FROM clusters WHERE org_id = $1 AND deleted_at IS NULL)
             ORDER BY cluster_id, uid LIMIT $4) l"#,
        org.id.0,
        after.uuid(0),
        after.uuid(1),
        MANIFESTS_AT_ONCE,
    )
    .fetch(tx);
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        if bytes >= MANIFEST_BYTES {
            return Ok((lines, false));
        }
        let manifest = match manifest::json(&row.manifest) {
            Ok(json) => {
                bytes += json.len();
                serde_json::from_slice(&json).map_err(|e| manifest::broken(&e))
            }
            Err(error) => Err(error),
        };
        // One that cannot be read does not keep the others from being taken out.
        let manifest: Value = manifest.unwrap_or_else(|error| {
            tracing::error!(%error, "a manifest is left out of an export");
            Value::Null
        });
        let mut line = row.line;
        line["manifest"] = manifest;
        lines.push(line);
    }
    let is_all = i64::try_from(lines.len()).unwrap_or(i64::MAX) < MANIFESTS_AT_ONCE;
    Ok((lines, is_all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_once_and_ends() {
        let mut seen = Vec::new();
        let mut place = Some(ExportPlace::default());
        while let Some(now) = place {
            seen.push(now.kind.name());
            place = now.after(&[], true);
        }
        assert_eq!(seen, Kind::ALL.map(Kind::name));
    }

    #[test]
    fn a_page_goes_on_after_its_last_line() {
        let cluster = Uuid::from_u128(7);
        let place = ExportPlace { kind: Kind::Finding, key: Vec::new() };
        let next = place.after(&[json!({"cluster": cluster, "fingerprint": "0a", "opened_in": 12})], false).unwrap();
        assert_eq!((next.kind, next.uuid(0), next.text(1), next.number(2)), (Kind::Finding, cluster, "0a", 12));
        let first = ExportPlace { kind: Kind::Policy, key: Vec::new() };
        let next = first.after(&[json!({"cluster": null})], false).unwrap();
        assert_eq!(next.uuid(0), Uuid::nil());
    }
}
