//! Something that happened: whoever wants to be told of it is, once. Enqueued in the transaction of what happened.

use std::sync::Arc;

use kubewise_contract::{ClusterId, DeliveryEvent, DeliveryId, NotificationId, OrgId, Permission, Severity, UserId};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    deliver::{Deliver, LOST_AFTER},
    found::{self, Wanted},
};
use crate::{Error, World, authorize, database::Scope, jobs};

/// Something that happened to a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Occasion {
    /// An audit is done, and may have found something.
    Audited { audit: i64 },
    /// An audit could not be done.
    Failed { audit: i64 },
    /// An audit was due then, and no server ran.
    Missed { audit: i64, due_at: OffsetDateTime },
    /// The agent was heard then and not since.
    Silent { last_heard_at: OffsetDateTime },
}

impl Occasion {
    const fn event(self) -> DeliveryEvent {
        match self {
            Self::Audited { .. } => DeliveryEvent::NewFindings,
            Self::Failed { .. } => DeliveryEvent::FailedRun,
            Self::Missed { .. } => DeliveryEvent::MissedRun,
            Self::Silent { .. } => DeliveryEvent::SilentCluster,
        }
    }

    const fn audit(self) -> Option<i64> {
        match self {
            Self::Audited { audit } | Self::Failed { audit } | Self::Missed { audit, .. } => Some(audit),
            Self::Silent { .. } => None,
        }
    }

    const fn since(self) -> Option<OffsetDateTime> {
        match self {
            Self::Audited { .. } | Self::Failed { .. } => None,
            Self::Missed { due_at, .. } => Some(due_at),
            Self::Silent { last_heard_at } => Some(last_heard_at),
        }
    }
}

/// Tells, as part of the caller's transaction, everybody who wants to be told of it at once.
pub(crate) async fn tell(
    tx: &mut PgConnection,
    world: &World,
    org: OrgId,
    cluster: ClusterId,
    occasion: Occasion,
) -> Result<(), Error> {
    let event = occasion.event();
    // Who asked to be told when it was silent already looked at the page a moment ago.
    let made_before = match occasion {
        Occasion::Silent { last_heard_at } => Some(last_heard_at + crate::clusters::silent_after()),
        _ => None,
    };
    let wanting = sqlx::query!(
        "SELECT id, user_id, namespaces, least_severity FROM notifications
         WHERE org_id = $1 AND ended_at IS NULL AND cron IS NULL AND (cluster_id IS NULL OR cluster_id = $2)
           AND CASE $3 WHEN 'findings.new' THEN least_severity IS NOT NULL WHEN 'cluster.silent' THEN silent_clusters
               ELSE failed_runs END
           AND ($4::timestamptz IS NULL OR created_at <= $4)
         ORDER BY id",
        org.0,
        cluster.0,
        event.as_str(),
        made_before,
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in wanting {
        if let Some(user) = row.user_id
            && recipient(tx, UserId(user)).await?.is_none_or(|recipient| !recipient.scope.sees(cluster))
        {
            continue;
        }
        if matches!(occasion, Occasion::Audited { .. }) {
            let wanted = Wanted {
                org: org.0,
                clusters: Some(&[cluster.0]),
                audit: occasion.audit(),
                within: None,
                least: row.least_severity.and_then(Severity::from_rank).unwrap_or(Severity::Info),
                namespaces: row.namespaces.as_deref(),
            };
            if found::find(tx, &wanted, 0).await?.counts.total() == 0 {
                continue;
            }
        }
        let happened = match occasion {
            Occasion::Silent { last_heard_at } => last_heard_at.unix_timestamp(),
            _ => occasion.audit().unwrap_or_default(),
        };
        let notification = NotificationId(row.id);
        let id = delivery_id(org, notification, event, cluster.0, happened);
        let delivery = New { id, event, cluster: Some(cluster), audit: occasion.audit(), since: occasion.since() };
        enqueue(tx, world, org, notification, &delivery).await?;
    }
    Ok(())
}

/// Something to be told.
pub(super) struct New {
    pub(super) id: DeliveryId,
    pub(super) event: DeliveryEvent,
    pub(super) cluster: Option<ClusterId>,
    pub(super) audit: Option<i64>,
    pub(super) since: Option<OffsetDateTime>,
}

/// Has something told, unless it was already.
pub(super) async fn enqueue(
    tx: &mut PgConnection,
    world: &World,
    org: OrgId,
    notification: NotificationId,
    new: &New,
) -> Result<(), Error> {
    let now = world.now();
    let made = sqlx::query!(
        "INSERT INTO notification_deliveries (org_id, notification_id, id, event, cluster_id, audit, since, made_at, state,
                                              next_try_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9) ON CONFLICT DO NOTHING",
        org.0,
        notification.0,
        new.id.0,
        new.event.as_str(),
        new.cluster.map(|cluster| cluster.0),
        new.audit,
        new.since,
        now,
        // If the job is lost, it is enqueued again then.
        now + LOST_AFTER,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if made == 1 {
        jobs::enqueue(tx, &Deliver { org, notification, delivery: new.id, attempt: 0 }).await?;
    }
    Ok(())
}

/// The id of what is told: the same for the same, so that it is told once, whoever comes to it how often. A UUID of
/// version 8 (RFC 9562), made of a digest.
pub(super) fn delivery_id(
    org: OrgId,
    notification: NotificationId,
    event: DeliveryEvent,
    about: Uuid,
    happened: i64,
) -> DeliveryId {
    let digest = Sha256::new_with_prefix(b"kubewise delivery")
        .chain_update(org.0.as_bytes())
        .chain_update(notification.0.as_bytes())
        .chain_update(about.as_bytes())
        .chain_update(happened.to_be_bytes())
        .chain_update(event.as_str().as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    DeliveryId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Somebody who may be told by mail, as of now.
pub(super) struct Recipient {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) scope: Scope,
    pub(super) manages: bool,
}

/// Looks somebody up; none when pages would show them nothing of the organisation that the transaction states.
pub(super) async fn recipient(tx: &mut PgConnection, user: UserId) -> Result<Option<Recipient>, Error> {
    let row = sqlx::query!(
        r#"SELECT name AS "name!", email AS "email!", role AS "role!", clusters FROM recipient($1)"#,
        user.0
    )
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (permissions, scope) = authorize::held_by(&row.role, row.clusters)?;
    let manages = permissions.contain(Permission::ManageNotifications);
    let sees = permissions.contain(Permission::ViewInventory);
    Ok(sees.then_some(Recipient { name: row.name, email: row.email, scope, manages }))
}

/// What is seen by a scope, of one cluster or of all.
pub(super) fn within(scope: &Scope, cluster: Option<Uuid>) -> Scope {
    match cluster {
        None => scope.clone(),
        Some(cluster) => scope.and(&Scope::Only(Arc::from([cluster]))),
    }
}

/// A silence is told of once the server has run for so long: agents that could not reach it come back first, which takes
/// them up to ten minutes.
pub(super) const SETTLED: Duration = Duration::minutes(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_has_the_same_id_and_nothing_else_has() {
        let (org, notification, about) = (OrgId(Uuid::nil()), NotificationId(Uuid::nil()), Uuid::nil());
        let of = |event, happened| delivery_id(org, notification, event, about, happened);
        assert_eq!(of(DeliveryEvent::NewFindings, 1), of(DeliveryEvent::NewFindings, 1));
        assert_ne!(of(DeliveryEvent::NewFindings, 1), of(DeliveryEvent::NewFindings, 2));
        assert_ne!(of(DeliveryEvent::NewFindings, 1), of(DeliveryEvent::FailedRun, 1));
        assert_eq!(of(DeliveryEvent::Digest, 1).0.get_version_num(), 8);
    }
}
