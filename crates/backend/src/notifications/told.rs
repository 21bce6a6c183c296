//! What is told, read when it is sent: what is not so any more is not told.

use kubewise_contract::{DeliveryEvent, DeliveryId, NotificationId, OrgId, Severity, UserId};
use secrecy::SecretString;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    found::{self, Found, Wanted},
    occasion::{Recipient, recipient, within},
    webhook::{secret_place, url_place},
};
use crate::{Error, Keys, database::Scope, keys::KeyOf};

/// Findings of which more is told than their number.
const MOST: i64 = 20;
/// Audits and silences of a digest that are named.
const LINES: i64 = 50;

/// Something that is about to be sent.
pub(super) struct Told {
    pub(super) org: OrgId,
    pub(super) slug: String,
    pub(super) organisation: String,
    pub(super) notification: NotificationId,
    /// What people call it.
    pub(super) name: String,
    /// Who made it, if they are a member still.
    pub(super) made_by: Option<String>,
    pub(super) delivery: DeliveryId,
    pub(super) event: DeliveryEvent,
    /// Which audit it is about.
    pub(super) audit: Option<i64>,
    /// When it happened.
    pub(super) at: OffsetDateTime,
    /// From when on a digest tells.
    pub(super) since: Option<OffsetDateTime>,
    pub(super) found: Found,
    pub(super) runs: Vec<Run>,
    pub(super) silences: Vec<Silence>,
}

/// An audit that failed, or was missed.
pub(super) struct Run {
    pub(super) cluster_id: Uuid,
    pub(super) cluster: String,
    pub(super) audit: i64,
    /// When it was due, if it was missed.
    pub(super) missed: Option<OffsetDateTime>,
}

/// A cluster that fell silent.
pub(super) struct Silence {
    pub(super) cluster_id: Uuid,
    pub(super) cluster: String,
    pub(super) last_heard_at: OffsetDateTime,
}

/// By which way it goes.
pub(super) enum Way {
    Mail(Recipient),
    Webhook { url: SecretString, secret: SecretString },
    Slack { url: SecretString },
}

/// What is told of a delivery that has begun, and by which way; none when there is nothing to tell any more, or nobody who
/// may be told.
pub(super) async fn read(
    tx: &mut PgConnection,
    keys: &Keys,
    org: OrgId,
    notification: NotificationId,
    delivery: DeliveryId,
) -> Result<Option<(Told, Way)>, Error> {
    let row = sqlx::query!(
        r#"SELECT n.name, n.channel, n.user_id, n.created_by, n.cluster_id AS only, n.namespaces, n.least_severity,
                  n.failed_runs, n.silent_clusters, n.url, n.secret, n.ended_at, d.event, d.cluster_id, d.audit, d.since,
                  d.made_at, o.slug, o.name AS organisation
           FROM notification_deliveries d
           JOIN notifications n ON n.org_id = d.org_id AND n.id = d.notification_id
           JOIN organisations o ON o.id = d.org_id
           WHERE d.org_id = $1 AND d.notification_id = $2 AND d.id = $3"#,
        org.0,
        notification.0,
        delivery.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.ended_at.is_some() {
        return Ok(None);
    }
    let broken = || Error::Internal("a notification that is not whole".to_owned());
    let key = match &row.url {
        Some(_) => Some(keys.existing(tx, KeyOf::Organisation(org)).await?),
        None => None,
    };
    let open = |place: String, sealed: &[u8]| -> Result<SecretString, Error> {
        let text = String::from_utf8(keys.open(key.as_ref().ok_or_else(broken)?, &place, sealed)?);
        Ok(text.map_err(|_| Error::Internal(format!("{place}: not text")))?.into())
    };
    let (way, scope) = match (row.channel.as_str(), row.user_id, row.url, row.secret) {
        ("mail", Some(user), ..) => {
            let Some(recipient) = recipient(tx, UserId(user)).await? else { return Ok(None) };
            let scope = recipient.scope.clone();
            (Way::Mail(recipient), scope)
        }
        ("webhook", _, Some(url), Some(secret)) => {
            let url = open(url_place(org, notification), &url)?;
            (Way::Webhook { url, secret: open(secret_place(org, notification), &secret)? }, Scope::All)
        }
        ("slack", _, Some(url), _) => (Way::Slack { url: open(url_place(org, notification), &url)? }, Scope::All),
        _ => return Err(broken()),
    };
    let scope = within(&within(&scope, row.only), row.cluster_id);
    let clusters = scope.column();
    let event = DeliveryEvent::parse(&row.event).ok_or_else(broken)?;
    let is_digest = event == DeliveryEvent::Digest;
    let window = row.since.filter(|_| is_digest).map(|since| (since, row.made_at));
    let least = row.least_severity.and_then(Severity::from_rank);

    let found = match least {
        Some(least) if is_digest || event == DeliveryEvent::NewFindings => {
            let namespaces = row.namespaces.as_deref();
            let wanted = Wanted { org: org.0, clusters, audit: row.audit, within: window, least, namespaces };
            found::find(tx, &wanted, MOST).await?
        }
        _ => Found::default(),
    };
    let runs = match (event, window) {
        (DeliveryEvent::FailedRun | DeliveryEvent::MissedRun, _) => {
            let due_at = row.since.filter(|_| event == DeliveryEvent::MissedRun);
            run(tx, org, clusters, row.audit.unwrap_or_default(), due_at).await?
        }
        (_, Some(window)) if row.failed_runs => runs_within(tx, org, clusters, window).await?,
        _ => Vec::new(),
    };
    let silences = match (event, window) {
        (DeliveryEvent::SilentCluster, _) => silences(tx, org, clusters, None).await?,
        (_, Some(window)) if row.silent_clusters => silences(tx, org, clusters, Some(window)).await?,
        _ => Vec::new(),
    };
    let is_nothing = found.counts.total() == 0 && runs.is_empty() && silences.is_empty();
    if is_nothing && event != DeliveryEvent::Test {
        return Ok(None);
    }
    let made_by = match row.created_by {
        Some(maker) => recipient(tx, UserId(maker)).await?.map(|maker| maker.name),
        None => None,
    };
    let told = Told {
        org,
        slug: row.slug,
        organisation: row.organisation,
        notification,
        name: row.name,
        made_by,
        delivery,
        event,
        audit: row.audit,
        at: row.made_at,
        since: row.since,
        found,
        runs,
        silences,
    };
    Ok(Some((told, way)))
}

async fn run(
    tx: &mut PgConnection,
    org: OrgId,
    clusters: Option<&[Uuid]>,
    audit: i64,
    missed: Option<OffsetDateTime>,
) -> Result<Vec<Run>, Error> {
    let row = sqlx::query!(
        "SELECT id, name FROM clusters WHERE org_id = $1 AND deleted_at IS NULL AND id = ANY ($2) LIMIT 1",
        org.0,
        clusters.unwrap_or_default(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.into_iter().map(|row| Run { cluster_id: row.id, cluster: row.name, audit, missed }).collect())
}

async fn runs_within(
    tx: &mut PgConnection,
    org: OrgId,
    clusters: Option<&[Uuid]>,
    (after, until): (OffsetDateTime, OffsetDateTime),
) -> Result<Vec<Run>, Error> {
    let late_by = super::look::MISSED_AFTER;
    let rows = sqlx::query!(
        r#"SELECT r.cluster_id, c.name, r.number, r.due_at, r.state = 'failed' AS "has_failed!"
           FROM audit_runs r JOIN clusters c ON c.org_id = r.org_id AND c.id = r.cluster_id
           WHERE r.org_id = $1 AND c.deleted_at IS NULL AND ($2::uuid[] IS NULL OR r.cluster_id = ANY ($2))
             AND ((r.state = 'failed' AND r.finished_at > $3 AND r.finished_at <= $4)
                  OR (r.requested_at > $3 AND r.requested_at <= $4
                      AND extract(epoch FROM r.requested_at - r.due_at) > $5::float8))
           ORDER BY c.name, r.number DESC LIMIT $6"#,
        org.0,
        clusters,
        after,
        until,
        late_by.as_seconds_f64(),
        LINES,
    )
    .fetch_all(tx)
    .await?;
    let runs = rows.into_iter().map(|row| Run {
        cluster_id: row.cluster_id,
        cluster: row.name,
        audit: row.number,
        missed: row.due_at.filter(|_| !row.has_failed),
    });
    Ok(runs.collect())
}

/// Clusters that are silent still: seen to be within these moments, or just these.
async fn silences(
    tx: &mut PgConnection,
    org: OrgId,
    clusters: Option<&[Uuid]>,
    window: Option<(OffsetDateTime, OffsetDateTime)>,
) -> Result<Vec<Silence>, Error> {
    let rows = sqlx::query!(
        "SELECT s.cluster_id, c.name, s.last_heard_at
         FROM cluster_silences s JOIN clusters c ON c.org_id = s.org_id AND c.id = s.cluster_id
         WHERE s.org_id = $1 AND c.deleted_at IS NULL AND c.last_heard_at = s.last_heard_at
           AND ($2::uuid[] IS NULL OR s.cluster_id = ANY ($2))
           AND ($3::timestamptz IS NULL OR s.seen_at > $3) AND ($4::timestamptz IS NULL OR s.seen_at <= $4)
         ORDER BY c.name LIMIT $5",
        org.0,
        clusters,
        window.map(|(after, _)| after),
        window.map(|(_, until)| until),
        LINES,
    )
    .fetch_all(tx)
    .await?;
    let silences = rows.into_iter().map(|row| Silence {
        cluster_id: row.cluster_id,
        cluster: row.name,
        last_heard_at: row.last_heard_at,
    });
    Ok(silences.collect())
}
