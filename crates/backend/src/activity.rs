//! The activity log: written in the transaction of what it tells, and never changed. Each line carries the hash of all
//! before it; the last one is sealed under the master key, so that who can write to the database and does not have the
//! key cannot remove or change a line unseen (docs/adr/0019). People stand in it by pseudonyms, and what a line is about
//! can be forgotten (docs/adr/0032).

pub(crate) mod forget;
mod line;

use kubewise_contract::{
    Action, ActivityQuery, ActivityRow, ClusterId, Field, FieldError, InvitationId, LogFault, OrgId, Page, Problem,
    Pseudonym, UserId, Verdict,
};
use serde_json::Value;
use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime, macros::format_description};
use uuid::Uuid;

use self::line::{Chain, Head, Line};
use crate::{
    Authorized, Error, Organisation, Web, authorize::Holder, inventory::cursor, keys::KeyOf, permission::ViewActivity,
    world::timestamp,
};

/// Lines that are read at once when all are.
const AT_ONCE: i64 = 1_000;

/// What an emptied line was about.
const FORGOTTEN: &str = "(forgotten)";

/// What was done, to what.
#[derive(Debug)]
pub(crate) struct Entry {
    action: Action,
    about: Option<About>,
    subject: Option<String>,
    cluster: Option<ClusterId>,
    before: Option<Value>,
    after: Option<Value>,
}

/// What a line is about, by id.
#[derive(Clone, Copy, Debug)]
enum About {
    /// A person, who stands in the line by their pseudonym.
    Person(UserId),
    Thing(Uuid),
}

impl Entry {
    /// About the organisation.
    pub(crate) fn of(action: Action) -> Self {
        Self { action, about: None, subject: None, cluster: None, before: None, after: None }
    }

    /// About a person who is a member, or was one. What people are called is kept in one place, where it can be erased.
    pub(crate) fn person(action: Action, user: UserId) -> Self {
        Self { about: Some(About::Person(user)), ..Self::of(action) }
    }

    /// About an invitation: by id alone, for the same reason.
    pub(crate) fn invitation(action: Action, id: InvitationId) -> Self {
        Self { about: Some(About::Thing(id.0)), ..Self::of(action) }
    }

    /// About something that has a name.
    pub(crate) fn named(action: Action, id: Uuid, name: &str) -> Self {
        Self { about: Some(About::Thing(id)), subject: Some(name.to_owned()), ..Self::of(action) }
    }

    /// About a cluster.
    pub(crate) fn cluster(action: Action, cluster: ClusterId, name: &str) -> Self {
        Self { cluster: Some(cluster), ..Self::named(action, cluster.0, name) }
    }

    /// About something in a cluster, or in all of them.
    pub(crate) fn in_cluster(self, cluster: Option<ClusterId>) -> Self {
        Self { cluster, ..self }
    }

    /// About something that has a name and no id.
    pub(crate) fn called(self, name: &str) -> Self {
        Self { subject: Some(name.to_owned()), ..self }
    }

    /// What was before.
    pub(crate) fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// What is now.
    pub(crate) fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }
}

/// Where the sealed head of an organisation's log belongs, in the database.
pub(crate) fn head_place(org: OrgId) -> String {
    format!("activity_heads.sealed {org}")
}

impl Web {
    /// Writes a line, as part of the caller's transaction.
    pub(crate) async fn record(&self, tx: &mut PgConnection, holder: &Holder, entry: Entry) -> Result<(), Error> {
        let org = holder.org;
        // Taken by whoever writes a line in this organisation, until their transaction ends: lines have one order.
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", format!("kubewise activity {org}"))
            .execute(&mut *tx)
            .await?;
        let head = self.head(tx, org).await?;
        let person = match holder.by.person() {
            Some(user) => Some(pseudonym(tx, org, user).await?),
            None => None,
        };
        let subject_id = match entry.about {
            Some(About::Person(user)) => Some(pseudonym(tx, org, user).await?.0),
            Some(About::Thing(id)) => Some(id),
            None => None,
        };
        // As exact as PostgreSQL keeps it.
        let now = self.world.now();
        let now = now.replace_microsecond(now.microsecond()).unwrap_or(now);
        let mut line = Line {
            seq: head.as_ref().map_or(0, |head| head.seq) + 1,
            at: now,
            person_id: person.map(|person| person.0),
            token_id: holder.by.token().map(|id| id.0),
            place: holder.place.clone(),
            action: entry.action.as_str().to_owned(),
            subject_id,
            subject: entry.subject,
            cluster_id: entry.cluster.map(|id| id.0),
            before: entry.before.map(|value| value.to_string()),
            after: entry.after.map(|value| value.to_string()),
            salt: None,
            commitment: None,
            erased_at: None,
            hash: Vec::new(),
        };
        line.seal(org, head.as_ref().map_or(&[][..], |head| &head.hash), self.world.random());
        sqlx::query!(
            "INSERT INTO activity (org_id, seq, at, person_id, token_id, place, action, subject_id, subject, cluster_id,
               before, after, salt, commitment, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::json, $12::text::json, $13, $14, $15)",
            org.0,
            line.seq,
            line.at,
            line.person_id,
            line.token_id,
            line.place,
            line.action,
            line.subject_id,
            line.subject,
            line.cluster_id,
            line.before,
            line.after,
            line.salt,
            line.commitment,
            line.hash,
        )
        .execute(&mut *tx)
        .await?;
        let head = Head::then(head.as_ref(), &line);
        let key = self.keys.get(tx, KeyOf::Organisation(org)).await?;
        let sealed = key.seal(&head_place(org), &head.write())?;
        sqlx::query!(
            "INSERT INTO activity_heads (org_id, sealed) VALUES ($1, $2)
             ON CONFLICT (org_id) DO UPDATE SET sealed = excluded.sealed",
            org.0,
            sealed,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The last line, if one was written.
    async fn head(&self, tx: &mut PgConnection, org: OrgId) -> Result<Option<Head>, Error> {
        let sealed = sqlx::query_scalar!("SELECT sealed FROM activity_heads WHERE org_id = $1", org.0)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let key = self.keys.existing(tx, KeyOf::Organisation(org)).await?;
        let bytes = self.keys.open(&key, &head_place(org), &sealed)?;
        Head::read(&bytes).map(Some).ok_or_else(|| Error::Internal("activity head: too short".to_owned()))
    }

    /// The log, latest first.
    pub async fn activity(
        &self,
        org: &Authorized<Organisation, ViewActivity>,
        query: &ActivityQuery,
    ) -> Result<Page<ActivityRow>, Error> {
        let rows = self.activity_rows(org, query, cursor::ONE_MORE).await?;
        Ok(cursor::page(rows, |row: &ActivityRow| vec![row.seq.to_string()]))
    }

    /// The log, latest first, so many lines of it.
    async fn activity_rows(
        &self,
        org: &Authorized<Organisation, ViewActivity>,
        query: &ActivityQuery,
        at_most: i64,
    ) -> Result<Vec<ActivityRow>, Error> {
        let [before] = cursor::decode(query.after.as_ref())?;
        let person = match cursor::filter(query.person.as_ref()) {
            None => None,
            Some(id) => Some(id.parse::<Uuid>().map_err(|_| not_understood())?),
        };
        let (from, to) = (day(query.from.as_ref())?, day(query.to.as_ref())?);
        // After the last day that there is a name for comes nothing.
        let to = to.and_then(|day| day.checked_add(Duration::DAY));
        let mut tx = org.read(&self.pool).await?;
        // Whom a page elsewhere leads here by their own id stands in the log by another.
        let person = match person {
            Some(id) => Some(known_as(&mut tx, org.id, UserId(id)).await?.map_or(id, |person| person.0)),
            None => None,
        };
        let rows = sqlx::query!(
            r#"SELECT a.seq, CASE WHEN a.at BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z' THEN a.at ELSE 'epoch' END AS "at!",
                      a.place, a.action, a.cluster_id, a.before::text AS before, a.after::text AS after,
                      a.person_id, a.token_id, a.subject_id, a.erased_at IS NOT NULL AS "is_forgotten!",
                      p.name AS "person?", t.name AS "token?", coalesce(a.subject, s.name, i.email) AS subject
               FROM activity a
               LEFT JOIN pseudonyms pp ON pp.org_id = a.org_id AND pp.pseudonym = a.person_id
               LEFT JOIN users p ON p.id = pp.user_id
               LEFT JOIN api_tokens t ON t.org_id = a.org_id AND t.id = a.token_id
               LEFT JOIN pseudonyms sp ON sp.org_id = a.org_id AND sp.pseudonym = a.subject_id
               LEFT JOIN users s ON s.id = sp.user_id
               LEFT JOIN invitations i ON i.org_id = a.org_id AND i.id = a.subject_id
               WHERE a.org_id = $1 AND a.seq < $2
                 AND ($3::uuid[] IS NULL OR a.cluster_id = ANY ($3))
                 AND ($4::text IS NULL OR a.action = $4 OR starts_with(a.action, $4 || '.'))
                 AND ($5::uuid IS NULL OR a.person_id = $5)
                 AND ($6::timestamptz IS NULL OR a.at >= $6) AND ($7::timestamptz IS NULL OR a.at < $7)
               ORDER BY a.seq DESC LIMIT $8"#,
            org.id.0,
            before.parse::<i64>().unwrap_or(i64::MAX),
            org.holder().scope.column(),
            cursor::filter(query.action.as_ref()),
            person,
            from,
            to,
            at_most,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows.into_iter().map(|row| ActivityRow {
            seq: row.seq,
            at: timestamp(row.at),
            person_id: row.person_id.map(Pseudonym),
            // Who is gone keeps a number, by which their lines are told from others'.
            person: row.person.or_else(|| row.person_id.map(|id| format!("former account {}", short(id)))),
            token: row.token.or_else(|| row.token_id.map(|id| format!("former token {}", short(id)))),
            place: row.place,
            subject: match row.subject_id {
                _ if row.is_forgotten => Some(FORGOTTEN.to_owned()),
                Some(id) => Some(row.subject.unwrap_or_else(|| former(&row.action, id))),
                None => row.subject,
            },
            action: row.action,
            cluster: row.cluster_id.map(ClusterId),
            before: row.before,
            after: row.after,
        });
        Ok(rows.collect())
    }

    /// The next lines of an export, latest first; none at the end. Asked for with a fresh look-up each time: who may not
    /// read any more is given no more.
    pub async fn activity_export(
        &self,
        org: &Authorized<Organisation, ViewActivity>,
        query: &mut ActivityQuery,
    ) -> Result<Vec<ActivityRow>, Error> {
        let rows = self.activity_rows(org, query, AT_ONCE).await?;
        if let Some(last) = rows.last() {
            query.after = Some(cursor::encode(vec![last.seq.to_string()]));
        }
        Ok(rows)
    }

    /// Says in the log that it was taken out.
    pub async fn record_export(&self, org: &Authorized<Organisation, ViewActivity>, format: &str) -> Result<(), Error> {
        let write = org.write(self).await?;
        write.commit(Entry::of(Action::ActivityExport).after(serde_json::json!({ "format": format }))).await
    }

    /// Reads the whole log and tells whether it is as it was written. For who sees all of it.
    pub async fn verify_activity(&self, org: &Authorized<Organisation, ViewActivity>) -> Result<Verdict, Error> {
        if org.holder().scope.column().is_some() {
            return Err(Error::Forbidden);
        }
        let mut chain = Chain::default();
        loop {
            let mut tx = org.read(&self.pool).await?;
            // Before the lines: what is written meanwhile makes them more than it says, never less.
            let head = match self.head(&mut tx, org.id).await {
                Ok(Some(head)) => head,
                // A database that is away says nothing of the log.
                Err(error @ Error::Database(_)) => return Err(error),
                Ok(None) | Err(_) => return Ok(Verdict::Broken { seq: chain.seq, fault: LogFault::Unsealed }),
            };
            let lines = sqlx::query_as!(
                Line,
                // A moment that no clock shows was put there, and cannot be read: it becomes another, which is found.
                r#"SELECT seq, CASE WHEN at BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z' THEN at ELSE 'epoch' END AS "at!",
                          person_id, token_id, place, action, subject_id, subject, cluster_id,
                          before::text AS before, after::text AS after, salt, commitment,
                          CASE WHEN erased_at IS NOT NULL THEN 'epoch'::timestamptz END AS erased_at, hash
                   FROM activity WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"#,
                org.id.0,
                chain.seq,
                AT_ONCE,
            )
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            if lines.is_empty() {
                return Ok(chain.end(&head));
            }
            for line in lines {
                if let Err(broken) = chain.follow(org.id, line) {
                    return Ok(broken);
                }
            }
        }
    }
}

/// As whom the log of an organisation knows somebody who is a member, or was one.
pub(crate) async fn pseudonym(tx: &mut PgConnection, org: OrgId, user: UserId) -> Result<Pseudonym, Error> {
    // Who has none deleted their account a moment ago.
    known_as(tx, org, user).await?.ok_or(Error::NotFound)
}

async fn known_as(tx: &mut PgConnection, org: OrgId, user: UserId) -> Result<Option<Pseudonym>, Error> {
    let found =
        sqlx::query_scalar!("SELECT pseudonym FROM pseudonyms WHERE org_id = $1 AND user_id = $2", org.0, user.0)
            .fetch_optional(tx)
            .await?;
    Ok(found.map(Pseudonym))
}

/// What is said of a person or an invitation that is gone: a number, by which it is told from others.
fn former(action: &str, id: Uuid) -> String {
    match Action::parse(action) {
        Some(Action::MemberInvite | Action::InvitationResend | Action::InvitationRevoke) => {
            format!("former invitation {}", short(id))
        }
        _ => format!("former account {}", short(id)),
    }
}

fn short(id: Uuid) -> String {
    id.simple().to_string()[..8].to_owned()
}

fn not_understood() -> Error {
    FieldError { field: Field::Query, problem: Problem::NotUnderstood }.into()
}

/// The beginning of a day, UTC.
fn day(text: Option<&String>) -> Result<Option<OffsetDateTime>, Error> {
    let Some(text) = cursor::filter(text) else { return Ok(None) };
    // A sign is understood too, and leads to years that PostgreSQL does not know.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(not_understood());
    }
    let day = Date::parse(&text, format_description!("[year]-[month]-[day]")).map_err(|_| not_understood())?;
    Ok(Some(day.midnight().assume_utc()))
}
