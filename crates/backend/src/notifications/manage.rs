//! What people do with notifications: make them, look at what became of them, end them.

use kubewise_contract::{
    Action, Channel, ClusterId, DeliveryEvent, DeliveryId, DeliveryRow, DeliveryState, Ended, Field, FieldError, Limit,
    ListQuery, MemberChoice, NotificationDetail, NotificationId, NotificationName, NotificationRow, Notifications,
    Occasions, Permission, Permissions, Problem, Pseudonym, Role, Schedule, Severity, UserId,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    deliver::{Deliver, LOST_AFTER},
    webhook::{END, ended, fresh_secret, parsed_end, secret_place, url_place},
};
use crate::{
    Authorized, Error, Organisation, Web,
    activity::{self, Entry},
    audits::Timetable,
    authorize::{Author, Holder},
    database::{self, Scope},
    inventory::cursor,
    jobs,
    keys::KeyOf,
    outbound,
    permission::ViewInventory,
    team,
    world::timestamp,
};

/// Notifications of an organisation.
const MOST: i64 = 500;
/// Tests of one in an hour: each is a mail to somebody, or a request to somebody's server.
const TESTS_AN_HOUR: i64 = 10;
/// Members to choose from.
const MEMBERS: i64 = 500;

/// A notification that is asked for.
#[derive(Debug)]
pub struct NewNotification {
    /// What people call it.
    pub name: NotificationName,
    /// To whom.
    pub to: Receiver,
    /// Of what.
    pub occasions: Occasions,
    /// Of this cluster alone; none: of all that the recipient sees.
    pub cluster: Option<ClusterId>,
    /// Findings of these namespaces alone; empty: of all.
    pub namespaces: Vec<String>,
    /// When a digest is sent; none: everything is told at once. For mail alone.
    pub digest: Option<Schedule>,
}

/// To whom something is told.
#[derive(Debug)]
pub enum Receiver {
    /// A member, by mail; none: who asks.
    Member(Option<UserId>),
    /// A program, at this URL.
    Webhook(SecretString),
    /// A channel of Slack, or of what takes the same, at this URL.
    Slack(SecretString),
}

impl Receiver {
    const fn channel(&self) -> Channel {
        match self {
            Self::Member(_) => Channel::Mail,
            Self::Webhook(_) => Channel::Webhook,
            Self::Slack(_) => Channel::Slack,
        }
    }
}

struct Row {
    id: Uuid,
    name: String,
    channel: String,
    user_id: Option<Uuid>,
    member: Option<String>,
    host: Option<String>,
    cluster_id: Option<Uuid>,
    cluster: Option<String>,
    namespaces: Option<Vec<String>>,
    least_severity: Option<i16>,
    failed_runs: bool,
    silent_clusters: bool,
    cron: Option<String>,
    time_zone: Option<String>,
    next_at: Option<OffsetDateTime>,
    ended: Option<String>,
    made_by: Option<String>,
}

impl Row {
    fn shown(self, viewer: Option<UserId>) -> Result<NotificationRow, Error> {
        let channel = Channel::parse(&self.channel);
        let channel = channel.ok_or_else(|| Error::Internal(format!("unknown channel {:?}", self.channel)))?;
        let digest = self.cron.zip(self.time_zone).map(|(cron, time_zone)| {
            let schedule = Schedule { cron, time_zone };
            // What an older version took and this one does not is shown as it is written.
            Timetable::parse(&schedule).map_or(schedule.cron, |table| table.words())
        });
        let cluster = self.cluster_id.zip(self.cluster);
        Ok(NotificationRow {
            id: NotificationId(self.id),
            name: self.name,
            channel,
            to: self.member.or(self.host).unwrap_or_default(),
            occasions: Occasions {
                new_findings: self.least_severity.and_then(Severity::from_rank),
                failed_runs: self.failed_runs,
                silent_clusters: self.silent_clusters,
            },
            cluster: cluster.map(|(id, name)| kubewise_contract::ClusterChoice { id: ClusterId(id), name }),
            namespaces: self.namespaces.unwrap_or_default(),
            digest,
            next_at: self.next_at.map(timestamp),
            ended: self.ended.as_deref().and_then(Ended::parse),
            made_by: self.made_by,
            is_own: self.user_id.is_some() && self.user_id == viewer.map(|user| user.0),
        })
    }
}

impl Web {
    /// One's own notifications; for who manages those of the organisation, all. With what can be chosen for a new one.
    pub async fn notifications(&self, org: &Authorized<Organisation, ViewInventory>) -> Result<Notifications, Error> {
        let manages = org.may(Permission::ManageNotifications);
        let viewer = org.holder().by.person();
        let mut tx = org.read(&self.pool).await?;
        let rows = rows(&mut tx, org, None).await?;
        let clusters = team::choices(&mut tx, org).await?;
        let members = if manages {
            sqlx::query!(
                "SELECT u.id, u.name, u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.org_id = $1 AND u.disabled_at IS NULL ORDER BY lower(u.name), u.id LIMIT $2",
                org.id.0,
                MEMBERS,
            )
            .fetch_all(&mut *tx)
            .await?
        } else {
            Vec::new()
        };
        tx.commit().await?;
        let seeing = members
            .into_iter()
            .filter(|member| Role::parse(&member.role).is_some_and(|role| role.may(Permission::ViewInventory)));
        let members = seeing.map(|member| MemberChoice {
            id: UserId(member.id),
            name: format!("{} ({})", member.name, member.email),
            is_viewer: viewer == Some(UserId(member.id)),
        });
        let rows = rows.into_iter().map(|row| row.shown(viewer)).collect::<Result<_, _>>()?;
        Ok(Notifications { rows, clusters, members: members.collect(), manages })
    }

    /// One of them, and what was told.
    pub async fn notification(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        id: NotificationId,
        query: &ListQuery,
    ) -> Result<NotificationDetail, Error> {
        let [at, after] = cursor::decode(query.after.as_ref())?;
        let before =
            at.parse::<i64>().ok().map(|micros| moment(micros).map(|at| (at, cursor::uid(&after)))).transpose()?;
        let mut tx = org.read(&self.pool).await?;
        let row = rows(&mut tx, org, Some(id)).await?.pop().ok_or(Error::NotFound)?;
        let deliveries = sqlx::query!(
            r#"SELECT d.id, d.event, d.cluster_id, c.name AS "cluster?", d.audit, d.state, d.attempts, d.answer, d.made_at,
                      d.tried_at, d.next_try_at
               FROM notification_deliveries d
               LEFT JOIN clusters c ON c.org_id = d.org_id AND c.id = d.cluster_id AND c.deleted_at IS NULL
               WHERE d.org_id = $1 AND d.notification_id = $2
                 AND ($3::timestamptz IS NULL OR (d.made_at, d.id) < ($3, $4))
               ORDER BY d.made_at DESC, d.id DESC LIMIT $5"#,
            org.id.0,
            id.0,
            before.map(|(at, _)| at),
            before.map(|(_, id)| id),
            cursor::ONE_MORE,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let page = cursor::page(deliveries, |row| {
            vec![(row.made_at.unix_timestamp_nanos() / 1_000).to_string(), row.id.to_string()]
        });
        let unknown = |what: &str| Error::Internal(format!("unknown {what} of a delivery"));
        let seen =
            page.rows.into_iter().filter(|row| row.cluster_id.is_none_or(|cluster| org.sees(ClusterId(cluster))));
        let deliveries = seen.map(|row| {
            let state = DeliveryState::parse(&row.state).ok_or_else(|| unknown("state"))?;
            let is_waiting = state == DeliveryState::Waiting;
            Ok(DeliveryRow {
                id: DeliveryId(row.id),
                event: DeliveryEvent::parse(&row.event).ok_or_else(|| unknown("event"))?,
                cluster: row.cluster_id.zip(row.cluster).map(|(id, name)| (ClusterId(id), name)),
                audit: row.audit,
                state,
                attempts: row.attempts,
                answer: row.answer,
                made_at: timestamp(row.made_at),
                tried_at: row.tried_at.map(timestamp),
                // Before the first attempt it is when that is taken to be lost: nothing for people.
                next_try_at: row.next_try_at.filter(|_| is_waiting && row.attempts > 0).map(timestamp),
            })
        });
        let rows = deliveries.collect::<Result<_, Error>>()?;
        let row = row.shown(org.holder().by.person())?;
        Ok(NotificationDetail { row, deliveries: kubewise_contract::Page { rows, next: page.next } })
    }

    /// Makes one. Answers the secret that a webhook is signed with, which is never seen again.
    pub async fn make_notification(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        wanted: &NewNotification,
    ) -> Result<(NotificationId, Option<SecretString>), Error> {
        let refused = |field, problem| Err(FieldError { field, problem }.into());
        let person = org.holder().by.person().ok_or(Error::Forbidden)?;
        let Occasions { new_findings, failed_runs, silent_clusters } = wanted.occasions;
        if new_findings.is_none() && !failed_runs && !silent_clusters {
            return refused(Field::Occasions, Problem::Missing);
        }
        let now = self.world.now();
        let digest = match (&wanted.digest, wanted.to.channel()) {
            (Some(schedule), Channel::Mail) => Some(Timetable::checked(schedule, now)?),
            (Some(_), _) => return refused(Field::Cron, Problem::NotUnderstood),
            (None, _) => None,
        };
        let id = NotificationId(self.world.uuid());
        let mut tx = org.write(self).await?;
        let sent = self.sealed(&mut tx, org, id, &wanted.to).await?;
        let manages = tx.may(Permission::ManageNotifications);
        let user = match &wanted.to {
            Receiver::Member(user) => Some(user.unwrap_or(person)),
            Receiver::Webhook(_) | Receiver::Slack(_) => None,
        };
        if user != Some(person) && !manages {
            return Err(Error::Forbidden);
        }
        if let Some(user) = user {
            let role = sqlx::query_scalar!(
                "SELECT role FROM memberships WHERE org_id = $1 AND user_id = $2 FOR SHARE",
                org.id.0,
                user.0,
            )
            .fetch_optional(&mut *tx)
            .await?;
            let sees = role.and_then(|role| Role::parse(&role)).is_some_and(|role| role.may(Permission::ViewInventory));
            if !sees {
                return refused(Field::Recipient, Problem::NotUnderstood);
            }
        }
        if let Some(cluster) = wanted.cluster {
            check_cluster(&mut tx, org, cluster).await?;
        }
        tx.one_more(Limit::Notifications).await?;
        let made = sqlx::query!(
            "INSERT INTO notifications (org_id, id, name, channel, user_id, created_by, created_at, cluster_id, namespaces,
               least_severity, failed_runs, silent_clusters, cron, time_zone, next_at, told_until, url, host, secret)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
             WHERE (SELECT count(*) FROM notifications WHERE org_id = $1) < $20",
            org.id.0,
            id.0,
            wanted.name.as_str(),
            wanted.to.channel().as_str(),
            user.map(|user| user.0),
            person.0,
            now,
            wanted.cluster.map(|cluster| cluster.0),
            (!wanted.namespaces.is_empty()).then_some(&wanted.namespaces[..]),
            new_findings.map(Severity::rank),
            failed_runs,
            silent_clusters,
            digest.as_ref().map(|(schedule, _)| schedule.cron.as_str()),
            digest.as_ref().map(|(schedule, _)| schedule.time_zone.as_str()),
            digest.as_ref().and_then(|(_, next)| *next),
            digest.as_ref().map(|_| now),
            sent.url,
            sent.host,
            sent.kept_secret,
            MOST,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if made == 0 {
            return Err(Error::TooMany { seconds: 3600 });
        }
        let entry = Entry::named(Action::NotificationCreate, id.0, wanted.name.as_str());
        let told = match user {
            Some(user) => Some(activity::pseudonym(&mut tx, org.id, user).await?),
            None => None,
        };
        let after = described(wanted, told, sent.host.as_deref());
        tx.commit(entry.after(after)).await?;
        Ok((id, sent.secret))
    }

    /// What of a receiver is kept.
    async fn sealed<P>(
        &self,
        tx: &mut PgConnection,
        org: &Authorized<Organisation, P>,
        id: NotificationId,
        to: &Receiver,
    ) -> Result<Sealed, Error> {
        let (Receiver::Webhook(url) | Receiver::Slack(url)) = to else { return Ok(Sealed::default()) };
        let url = outbound::address(url.expose_secret(), &self.webhooks)?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let key = self.keys.get(tx, KeyOf::Organisation(org.id)).await?;
        let mut sealed = Sealed {
            url: Some(key.seal(&url_place(org.id, id), url.as_str().as_bytes())?),
            host: Some(host),
            ..Sealed::default()
        };
        if matches!(to, Receiver::Webhook(_)) {
            let secret = fresh_secret(&self.world);
            let place = secret_place(org.id, id);
            sealed.kept_secret = Some(key.seal(&place, secret.expose_secret().as_bytes())?);
            sealed.secret = Some(secret);
        }
        Ok(sealed)
    }

    /// Ends one, and what was told by it is forgotten.
    pub async fn remove_notification(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        id: NotificationId,
    ) -> Result<(), Error> {
        let mut tx = org.write(self).await?;
        let manages = tx.may(Permission::ManageNotifications);
        let name = sqlx::query_scalar!(
            "DELETE FROM notifications WHERE org_id = $1 AND id = $2 AND ($3 OR user_id = $4) RETURNING name",
            org.id.0,
            id.0,
            manages,
            org.holder().by.person().map(|user| user.0),
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        tx.commit(Entry::named(Action::NotificationRemove, id.0, &name)).await
    }

    /// Ends the mails that a mail is one of, by what it carries. Ended already: the same. What was not made here is
    /// [`Error::LinkEnded`].
    pub async fn unsubscribe(&self, token: &SecretString) -> Result<(), Error> {
        let (org, sealed) = parsed_end(token).ok_or(Error::LinkEnded)?;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let id = match self.keys.existing(&mut tx, KeyOf::Organisation(org)).await {
            Ok(key) => self.keys.open(&key, END, &sealed).ok().as_deref().and_then(ended).ok_or(Error::LinkEnded)?,
            Err(Error::NotFound) => return Err(Error::LinkEnded),
            Err(error) => return Err(error),
        };
        let ended = sqlx::query!(
            r#"DELETE FROM notifications WHERE org_id = $1 AND id = $2 AND user_id IS NOT NULL
               RETURNING name, user_id AS "user_id!""#,
            org.0,
            id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(ended) = ended else { return Ok(()) };
        let holder = Holder {
            by: Author::Person(UserId(ended.user_id)),
            place: "a link in a mail".to_owned(),
            org,
            permissions: Permissions::NONE,
            scope: Scope::All,
        };
        self.record(&mut tx, &holder, Entry::named(Action::NotificationRemove, id.0, &ended.name)).await?;
        Ok(tx.commit().await?)
    }

    /// Switches one on again that has ended by itself.
    pub async fn resume_notification(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        id: NotificationId,
    ) -> Result<(), Error> {
        let mut tx = org.write(self).await?;
        let manages = tx.may(Permission::ManageNotifications);
        tx.one_more(Limit::Notifications).await?;
        let name = sqlx::query_scalar!(
            "UPDATE notifications SET ended = NULL, ended_at = NULL, failures = 0
             WHERE org_id = $1 AND id = $2 AND ended IS NOT NULL AND ($3 OR user_id = $4) RETURNING name",
            org.id.0,
            id.0,
            manages,
            org.holder().by.person().map(|user| user.0),
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        tx.commit(Entry::named(Action::NotificationResume, id.0, &name)).await
    }

    /// Sends one that says that it is a test.
    pub async fn test_notification(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        id: NotificationId,
    ) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = org.write(self).await?;
        let manages = tx.may(Permission::ManageNotifications);
        let name = sqlx::query_scalar!(
            "SELECT name FROM notifications
             WHERE org_id = $1 AND id = $2 AND ended IS NULL AND ($3 OR user_id = $4)",
            org.id.0,
            id.0,
            manages,
            org.holder().by.person().map(|user| user.0),
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        let lately = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM notification_deliveries
               WHERE org_id = $1 AND notification_id = $2 AND event = 'test' AND made_at > $3"#,
            org.id.0,
            id.0,
            now - Duration::HOUR,
        )
        .fetch_one(&mut *tx)
        .await?;
        if lately >= TESTS_AN_HOUR {
            return Err(Error::TooMany { seconds: 3600 });
        }
        let delivery = DeliveryId(self.world.uuid());
        sqlx::query!(
            "INSERT INTO notification_deliveries (org_id, notification_id, id, event, made_at, state, next_try_at)
             VALUES ($1, $2, $3, 'test', $4, 'waiting', $5)",
            org.id.0,
            id.0,
            delivery.0,
            now,
            now + LOST_AFTER,
        )
        .execute(&mut *tx)
        .await?;
        jobs::enqueue(&mut tx, &Deliver { org: org.id, notification: id, delivery, attempt: 0 }).await?;
        tx.commit(Entry::named(Action::NotificationTest, id.0, &name)).await
    }
}

/// What of a receiver is kept, and the secret that is shown once.
#[derive(Default)]
struct Sealed {
    url: Option<Vec<u8>>,
    host: Option<String>,
    kept_secret: Option<Vec<u8>>,
    secret: Option<SecretString>,
}

/// One's own, or for who manages them all; or one of these.
async fn rows(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ViewInventory>,
    id: Option<NotificationId>,
) -> Result<Vec<Row>, Error> {
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT n.id, n.name, n.channel, n.user_id, u.name AS "member?", n.host, n.cluster_id, c.name AS "cluster?",
                  n.namespaces, n.least_severity, n.failed_runs, n.silent_clusters, n.cron, n.time_zone, n.next_at, n.ended,
                  maker.name AS "made_by?"
           FROM notifications n LEFT JOIN users u ON u.id = n.user_id
           LEFT JOIN clusters c ON c.org_id = n.org_id AND c.id = n.cluster_id
           LEFT JOIN memberships m ON m.org_id = n.org_id AND m.user_id = n.created_by
           LEFT JOIN users maker ON maker.id = m.user_id
           WHERE n.org_id = $1 AND ($2::uuid IS NULL OR n.id = $2) AND ($3 OR n.user_id = $4)
           ORDER BY lower(n.name), n.id LIMIT $5"#,
        org.id.0,
        id.map(|id| id.0),
        org.may(Permission::ManageNotifications),
        org.holder().by.person().map(|user| user.0),
        MOST,
    )
    .fetch_all(tx)
    .await?;
    // Of a cluster that is not seen any more, nothing is told and nothing is shown.
    rows.retain(|row| row.cluster_id.is_none_or(|cluster| org.sees(ClusterId(cluster))));
    Ok(rows)
}

async fn check_cluster<P>(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, P>,
    cluster: ClusterId,
) -> Result<(), Error> {
    let known = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL"#,
        org.id.0,
        cluster.0,
    )
    .fetch_one(tx)
    .await?;
    if known == 1 && org.sees(cluster) {
        return Ok(());
    }
    Err(FieldError { field: Field::Clusters, problem: Problem::NotUnderstood }.into())
}

fn moment(micros: i64) -> Result<OffsetDateTime, Error> {
    let wrong = FieldError { field: Field::Query, problem: Problem::NotUnderstood };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).map_err(|_| wrong.into())
}

/// As the activity log writes it: of a webhook the host, and of a person the pseudonym.
fn described(wanted: &NewNotification, person: Option<Pseudonym>, host: Option<&str>) -> Value {
    json!({
        "channel": wanted.to.channel().as_str(),
        "person": person,
        "host": host,
        "new_findings": wanted.occasions.new_findings.map(Severity::as_str),
        "failed_runs": wanted.occasions.failed_runs,
        "silent_clusters": wanted.occasions.silent_clusters,
        "cluster": wanted.cluster,
        "namespaces": wanted.namespaces,
        "digest": wanted.digest.as_ref().map(|digest| format!("{} {}", digest.cron, digest.time_zone)),
    })
}
