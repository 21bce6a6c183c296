//! Forgetting, by the worker: lines of a cluster or with a person's name or address are emptied. What was done, when and by
//! which pseudonym stays, and the chain with it (docs/adr/0032). All of it can be done twice.

use kubewise_contract::{ClusterId, EmailAddress, OrgId, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Error;

/// Lines, or waivers, that are looked at by one statement.
const AT_ONCE: i64 = 2_000;

/// What stands where a person's name or address stood.
pub(crate) const FORMER: &str = "a former account";

/// Fields of `before` and `after` that hold words of Kubewise and none of people: somebody who is called "owner", or a cluster
/// that is, has no line emptied by it.
const OURS: [&str; 14] = [
    "role",
    "permissions",
    "channel",
    "profile",
    "decided",
    "format",
    "of",
    "new_findings",
    "digest",
    "cron",
    "time_zone",
    "version",
    "expires",
    "days",
];

/// What of a line can name somebody or something.
struct Content {
    seq: i64,
    subject_id: Option<Uuid>,
    subject: Option<String>,
    cluster_id: Option<Uuid>,
    before: Option<String>,
    after: Option<String>,
}

impl Content {
    /// Whether `is_meant` holds for one of the texts in it: those of fields that are [`OURS`] are told by the first argument.
    fn says(&self, is_meant: &impl Fn(bool, &str) -> bool) -> bool {
        let json = [&self.before, &self.after].into_iter().flatten();
        // It was written as JSON; what is none any more is looked at as it is.
        let mut values = json.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())));
        values.any(|value| any(&value, false, is_meant))
    }
}

fn any(value: &Value, is_ours: bool, is_meant: &impl Fn(bool, &str) -> bool) -> bool {
    match value {
        Value::String(text) => is_meant(is_ours, text),
        Value::Array(values) => values.iter().any(|value| any(value, is_ours, is_meant)),
        Value::Object(fields) => {
            fields.iter().any(|(field, value)| any(value, is_ours || OURS.contains(&field.as_str()), is_meant))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// How a person is known to others, who may have typed it anywhere.
struct Person<'a> {
    name: &'a str,
    email: &'a str,
}

impl Person<'_> {
    fn is_in(&self, text: &str) -> bool {
        found(text, self.name, true).or_else(|| found(text, self.email, false)).is_some()
    }

    /// The text without them; none when they are not in it.
    fn taken_out(&self, text: &str) -> Option<String> {
        let mut left = text.to_owned();
        for (what, exactly) in [(self.email, false), (self.name, true)] {
            let (mut out, mut rest) = (String::new(), left.as_str());
            // What is before it was looked at: a word that ended there does not begin again.
            while let Some(at) = found(rest, what, exactly) {
                let (before, after) = rest.split_at(at);
                out.push_str(before);
                out.push_str(FORMER);
                rest = &after[what.len()..];
            }
            out.push_str(rest);
            left = out;
        }
        (left != text).then_some(left)
    }
}

/// Where this stands in the text as a word, or words, of its own; addresses in upper or lower case.
fn found(text: &str, what: &str, exactly: bool) -> Option<usize> {
    if what.is_empty() {
        return None;
    }
    let is_same = |part: &str| if exactly { part == what } else { part.to_lowercase() == what.to_lowercase() };
    text.char_indices().map(|(at, _)| at).find(|at| {
        let Some((part, after)) = text[*at..].split_at_checked(what.len()) else { return false };
        // Of `x.maya@example.com`, `maya@example.com` is no word.
        let goes_on = |c: char| c.is_alphanumeric() || (!exactly && matches!(c, '.' | '_' | '+' | '-' | '%'));
        is_same(part)
            && !text[..*at].chars().next_back().is_some_and(goes_on)
            && !after.chars().next().is_some_and(char::is_alphanumeric)
    })
}

/// Empties all lines about a cluster, and those that name it: by its id, or by what it is called. Answers how many.
pub(crate) async fn forget_cluster(
    tx: &mut PgConnection,
    org: OrgId,
    cluster: ClusterId,
    name: &str,
    now: OffsetDateTime,
) -> Result<u64, Error> {
    let id = cluster.to_string();
    let is_meant = |is_ours: bool, text: &str| text == id || (!is_ours && text == name);
    let names = |line: &Content| {
        line.cluster_id == Some(cluster.0)
            || line.subject_id == Some(cluster.0)
            || line.subject.as_deref() == Some(name)
            || line.says(&is_meant)
    };
    empty(tx, org, now, names).await
}

/// Empties lines in which others typed a person's name or address. What they did, and what was done to them, stays under their
/// pseudonym. Answers how many.
pub(crate) async fn forget_person(
    tx: &mut PgConnection,
    org: OrgId,
    name: &str,
    email: &str,
    now: OffsetDateTime,
) -> Result<u64, Error> {
    let person = Person { name, email };
    let is_address = |text: &str| found(text, email, false).is_some();
    let is_meant = |is_ours: bool, text: &str| if is_ours { is_address(text) } else { person.is_in(text) };
    let names = |line: &Content| {
        // What a cluster is called is its organisation's word. Else whoever takes that name, and deletes their account, would
        // take out of the log what was done to the cluster.
        let is_of_cluster = line.subject_id.is_some() && line.subject_id == line.cluster_id;
        let is_meant = |is_ours: bool, text: &str| is_meant(is_ours || is_of_cluster, text);
        line.subject.as_deref().is_some_and(|subject| is_meant(false, subject)) || line.says(&is_meant)
    };
    empty(tx, org, now, names).await
}

async fn empty(
    tx: &mut PgConnection,
    org: OrgId,
    now: OffsetDateTime,
    is_meant: impl Fn(&Content) -> bool,
) -> Result<u64, Error> {
    let (mut seen, mut emptied) = (0, 0);
    loop {
        let lines = sqlx::query_as!(
            Content,
            r#"SELECT seq, subject_id, subject, cluster_id, before::text AS before, after::text AS after
               FROM activity WHERE org_id = $1 AND seq > $2 AND erased_at IS NULL ORDER BY seq LIMIT $3"#,
            org.0,
            seen,
            AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = lines.last() else { return Ok(emptied) };
        seen = last.seq;
        let meant: Vec<i64> = lines.iter().filter(|line| is_meant(line)).map(|line| line.seq).collect();
        if meant.is_empty() {
            continue;
        }
        emptied += sqlx::query!(
            "UPDATE activity SET salt = NULL, subject_id = NULL, subject = NULL, cluster_id = NULL, before = NULL, after = NULL,
               erased_at = $3
             WHERE org_id = $1 AND seq = ANY ($2) AND erased_at IS NULL",
            org.0,
            &meant,
            now,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
    }
}

/// Takes a person out of all that an organisation holds and that does not end with their membership: who made or decided
/// something, their name and address where others typed them, invitations to their address.
pub(crate) async fn detach_person(
    tx: &mut PgConnection,
    org: OrgId,
    user: UserId,
    name: &str,
    email: &str,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let address = EmailAddress::parse(email).map_or_else(|_| email.to_lowercase(), |address| address.canonical());
    sqlx::query!("DELETE FROM invitations WHERE org_id = $1 AND email_canonical = $2", org.0, address)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("UPDATE invitations SET invited_by = NULL WHERE org_id = $1 AND invited_by = $2", org.0, user.0)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("UPDATE api_tokens SET created_by = NULL WHERE org_id = $1 AND created_by = $2", org.0, user.0)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("UPDATE notifications SET created_by = NULL WHERE org_id = $1 AND created_by = $2", org.0, user.0)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("UPDATE audit_runs SET requested_by = NULL WHERE org_id = $1 AND requested_by = $2", org.0, user.0)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "UPDATE waivers SET requested_by = nullif(requested_by, $2), approved_by = nullif(approved_by, $2),
           ended_by = nullif(ended_by, $2)
         WHERE org_id = $1 AND $2 IN (requested_by, approved_by, ended_by)",
        org.0,
        user.0,
    )
    .execute(&mut *tx)
    .await?;
    let person = Person { name, email };
    take_out_of_waivers(tx, org, &person).await?;
    take_out_of_names(tx, org, &person).await?;
    forget_person(tx, org, name, email, now).await?;
    Ok(())
}

async fn take_out_of_waivers(tx: &mut PgConnection, org: OrgId, person: &Person<'_>) -> Result<(), Error> {
    let mut seen = Uuid::nil();
    loop {
        let waivers = sqlx::query!(
            "SELECT id, owner, reason FROM waivers WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            org.0,
            seen,
            AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = waivers.last() else { return Ok(()) };
        seen = last.id;
        for waiver in waivers {
            let (owner, reason) = (person.taken_out(&waiver.owner), person.taken_out(&waiver.reason));
            if owner.is_none() && reason.is_none() {
                continue;
            }
            sqlx::query!(
                "UPDATE waivers SET owner = coalesce($3, owner), reason = coalesce($4, reason) WHERE org_id = $1 AND id = $2",
                org.0,
                waiver.id,
                owner,
                reason,
            )
            .execute(&mut *tx)
            .await?;
        }
    }
}

/// The names of tokens and notifications, of which an organisation has few. What its clusters are called is its own word.
async fn take_out_of_names(tx: &mut PgConnection, org: OrgId, person: &Person<'_>) -> Result<(), Error> {
    let tokens = sqlx::query!("SELECT id, name FROM api_tokens WHERE org_id = $1", org.0).fetch_all(&mut *tx).await?;
    for token in tokens {
        let Some(name) = person.taken_out(&token.name) else { continue };
        sqlx::query!("UPDATE api_tokens SET name = $3 WHERE org_id = $1 AND id = $2", org.0, token.id, name)
            .execute(&mut *tx)
            .await?;
    }
    let told = sqlx::query!("SELECT id, name FROM notifications WHERE org_id = $1", org.0).fetch_all(&mut *tx).await?;
    for notification in told {
        let Some(name) = person.taken_out(&notification.name) else { continue };
        sqlx::query!("UPDATE notifications SET name = $3 WHERE org_id = $1 AND id = $2", org.0, notification.id, name)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAYA: Person<'static> = Person { name: "Maya Duran", email: "maya@example.com" };

    #[test]
    fn a_name_or_an_address_is_found_where_it_stands_as_a_word_and_is_taken_out_there() {
        for (text, left) in [
            ("Maya Duran", "a former account"),
            ("Ask Maya Duran, or maya@example.com.", "Ask a former account, or a former account."),
            ("<MAYA@Example.COM>", "<a former account>"),
            ("Maya Duran Maya Duran", "a former account a former account"),
            ("ÄMaya Duran: Maya Duran's", "ÄMaya Duran: a former account's"),
        ] {
            assert_eq!(MAYA.taken_out(text).as_deref(), Some(left), "{text}");
            assert!(MAYA.is_in(text), "{text}");
        }
        for text in ["", "Maya", "maya duran", "Maya Durant", "x.maya@example.com", "maya@example.comm", "é"] {
            assert_eq!(MAYA.taken_out(text), None, "{text}");
            assert!(!MAYA.is_in(text), "{text}");
        }
        let nobody = Person { name: "", email: "" };
        assert_eq!(nobody.taken_out("a text"), None);
    }

    #[test]
    fn a_name_that_is_a_word_of_kubewise_is_not_found_where_kubewise_writes_it() {
        let line = |after: &str| Content {
            seq: 1,
            subject_id: None,
            subject: None,
            cluster_id: None,
            before: None,
            after: Some(after.to_owned()),
        };
        let is_meant = |is_ours: bool, text: &str| !is_ours && text == "owner";
        assert!(!line(r#"{"role":"owner","permissions":["owner"]}"#).says(&is_meant));
        assert!(line(r#"{"name":"owner"}"#).says(&is_meant));
        assert!(line(r#"{"labels":{"team":"owner"}}"#).says(&is_meant));
        assert!(!line(r#"{"owner":"x"}"#).says(&is_meant));
    }
}
