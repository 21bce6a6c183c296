//! Forgetting, by the worker: lines of a cluster or with a person's name or address are emptied. What was done, when and by
//! which pseudonym stays, and the chain with it (docs/adr/0032). All of it can be done twice.
//!
//! People choose what they and their clusters are called. Nobody may empty the lines of others by taking a name that these
//! hold: of a cluster, its own lines go; of a person, a name goes where it has two words, or is all that a field says whose
//! meaning is a person.

use kubewise_contract::{ClusterId, EmailAddress, OrgId, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Error, billing};

/// Lines, or waivers, that are looked at by one statement.
const AT_ONCE: i64 = 2_000;

/// What stands where a person's name or address stood.
pub(crate) const FORMER: &str = "a former account";

/// Fields of `before` and `after` that hold words of Kubewise and none of people: somebody who is called "Owner Role" has no
/// line emptied by it.
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

/// The field that says who sees to something.
const PERSONS: &str = "owner";

/// Whose words a text is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Ours, in a field that is one of [`OURS`].
    Ours,
    /// People's, and it says who: the field [`PERSONS`].
    Person,
    /// People's.
    Any,
}

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
    /// Whether `is_meant` holds for one of the texts in it.
    fn says(&self, is_meant: &impl Fn(Words, &str) -> bool) -> bool {
        let json = [&self.before, &self.after].into_iter().flatten();
        // It was written as JSON; what is none any more is looked at as it is.
        let mut values = json.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())));
        values.any(|value| any(&value, Words::Any, is_meant))
    }
}

fn any(value: &Value, words: Words, is_meant: &impl Fn(Words, &str) -> bool) -> bool {
    match value {
        Value::String(text) => is_meant(words, text),
        Value::Array(values) => values.iter().any(|value| any(value, words, is_meant)),
        Value::Object(fields) => fields.iter().any(|(field, value)| {
            let words = match field.as_str() {
                _ if words == Words::Ours => words,
                ours if OURS.contains(&ours) => Words::Ours,
                PERSONS => Words::Person,
                _ => Words::Any,
            };
            any(value, words, is_meant)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// How a person is known to others, who may have typed it anywhere.
pub(crate) struct Person {
    /// What they are called, and were.
    pub(crate) names: Vec<String>,
    /// Their address, and those before it.
    pub(crate) addresses: Vec<String>,
}

impl Person {
    /// Those of their names that are more than one word: nobody means anything else by them.
    pub(crate) fn full_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| name.split_whitespace().nth(1).is_some())
    }

    fn address_is_in(&self, text: &str) -> bool {
        self.addresses.iter().any(|address| found(text, address, false).is_some())
    }

    fn is_in(&self, words: Words, text: &str) -> bool {
        let is_called = || match words {
            Words::Ours => false,
            Words::Person if self.is_all_of(text) => true,
            Words::Person | Words::Any => self.full_names().any(|name| found(text, name, true).is_some()),
        };
        self.address_is_in(text) || is_called()
    }

    fn is_all_of(&self, text: &str) -> bool {
        self.names.iter().any(|name| name == text.trim())
    }

    /// The text without them; none when they are not in it.
    fn taken_out(&self, words: Words, text: &str) -> Option<String> {
        if words == Words::Person && self.is_all_of(text) {
            return Some(FORMER.to_owned());
        }
        let mut left = text.to_owned();
        let addresses = self.addresses.iter().map(|address| (address.as_str(), false));
        let mut known: Vec<_> = addresses.chain(self.full_names().map(|name| (name, true))).collect();
        // A name that was made longer is taken out whole.
        known.sort_by_key(|(what, _)| std::cmp::Reverse(what.len()));
        for (what, exactly) in known {
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

/// Where this stands in the text as a word, or words, of its own; else than exactly, in upper or lower case, and as addresses
/// and ids are words.
pub(crate) fn found(text: &str, what: &str, exactly: bool) -> Option<usize> {
    let (first, last) = (what.chars().next()?, what.chars().next_back()?);
    let wanted = what.to_lowercase();
    let is_same = |part: &str| if exactly { part == what } else { part.to_lowercase() == wanted };
    text.char_indices().map(|(at, _)| at).find(|at| {
        let Some((part, after)) = text[*at..].split_at_checked(what.len()) else { return false };
        // Of `x.maya@example.com` and `maya@example.com.br`, `maya@example.com` is no word; at the end of a sentence it is.
        let is_joined = |c: char| c.is_alphanumeric() || (!exactly && matches!(c, '.' | '_' | '+' | '-' | '%'));
        let goes_on = |after: &str| {
            let mut after = after.chars();
            let next = after.next();
            next.is_some_and(char::is_alphanumeric)
                || (next.is_some_and(is_joined) && after.next().is_some_and(char::is_alphanumeric))
        };
        is_same(part)
            && !(first.is_alphanumeric() && text[..*at].chars().next_back().is_some_and(is_joined))
            && !(last.is_alphanumeric() && goes_on(after))
    })
}

/// Empties all lines about a cluster, and those that hold its id. Answers how many.
pub(crate) async fn forget_cluster(
    tx: &mut PgConnection,
    org: OrgId,
    cluster: ClusterId,
    now: OffsetDateTime,
) -> Result<u64, Error> {
    let id = cluster.to_string();
    let names = |line: &Content| {
        line.cluster_id == Some(cluster.0)
            || line.subject_id == Some(cluster.0)
            || line.says(&|_, text: &str| text == id)
    };
    empty(tx, org, now, names).await
}

/// Empties lines in which others typed a person's name or address. What they did, and what was done to them, stays under their
/// pseudonym. Answers how many.
async fn forget_person(tx: &mut PgConnection, org: OrgId, person: &Person, now: OffsetDateTime) -> Result<u64, Error> {
    let names = |line: &Content| {
        // What a cluster is called is its organisation's word. Else whoever takes that name, and deletes their account, would
        // take out of the log what was done to the cluster.
        let is_of_cluster = line.subject_id.is_some() && line.subject_id == line.cluster_id;
        let is_meant = |words, text: &str| person.is_in(if is_of_cluster { Words::Ours } else { words }, text);
        line.subject.as_deref().is_some_and(|subject| is_meant(Words::Any, subject)) || line.says(&is_meant)
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
/// something, their name and address where others typed them, invitations to their address, bills that went to it. One
/// that only invited or billed them loses that alone: nothing else there is about them.
pub(crate) async fn detach_person(
    tx: &mut PgConnection,
    org: OrgId,
    user: UserId,
    person: &Person,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let canonical =
        |email: &String| EmailAddress::parse(email).map_or_else(|_| email.to_lowercase(), |a| a.canonical());
    let addresses: Vec<String> = person.addresses.iter().map(canonical).collect();
    sqlx::query!(
        "DELETE FROM invitations WHERE org_id = $1 AND (email_canonical = ANY ($2) OR accepted_by = $3)",
        org.0,
        &addresses,
        user.0,
    )
    .execute(&mut *tx)
    .await?;
    billing::bill_another(tx, org, &addresses, now).await?;
    let was_member = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pseudonyms WHERE org_id = $1 AND user_id = $2) AS "was!""#,
        org.0,
        user.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    if !was_member {
        return Ok(());
    }
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
    take_out_of_waivers(tx, org, person).await?;
    take_out_of_names(tx, org, person).await?;
    forget_person(tx, org, person, now).await?;
    Ok(())
}

async fn take_out_of_waivers(tx: &mut PgConnection, org: OrgId, person: &Person) -> Result<(), Error> {
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
            let (owner, reason) =
                (person.taken_out(Words::Person, &waiver.owner), person.taken_out(Words::Any, &waiver.reason));
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
async fn take_out_of_names(tx: &mut PgConnection, org: OrgId, person: &Person) -> Result<(), Error> {
    let tokens = sqlx::query!("SELECT id, name FROM api_tokens WHERE org_id = $1", org.0).fetch_all(&mut *tx).await?;
    for token in tokens {
        let Some(name) = person.taken_out(Words::Any, &token.name) else { continue };
        sqlx::query!("UPDATE api_tokens SET name = $3 WHERE org_id = $1 AND id = $2", org.0, token.id, name)
            .execute(&mut *tx)
            .await?;
    }
    let told = sqlx::query!("SELECT id, name FROM notifications WHERE org_id = $1", org.0).fetch_all(&mut *tx).await?;
    for notification in told {
        let Some(name) = person.taken_out(Words::Any, &notification.name) else { continue };
        sqlx::query!("UPDATE notifications SET name = $3 WHERE org_id = $1 AND id = $2", org.0, notification.id, name)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(names: &[&str], addresses: &[&str]) -> Person {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Person { names: owned(names), addresses: owned(addresses) }
    }

    #[test]
    fn a_name_or_an_address_is_found_where_it_stands_as_a_word_and_is_taken_out_there() {
        let maya = person(
            &["Maya Duran", "Maya Olsen", "Maya Duran Olsen"],
            &["maya@example.com", "m.olsen@example.com", "maya@example.com.br"],
        );
        for (text, left) in [
            ("Maya Duran", "a former account"),
            ("Ask Maya Duran, or maya@example.com.", "Ask a former account, or a former account."),
            ("Maya Olsen was m.olsen@example.com", "a former account was a former account"),
            ("<MAYA@Example.COM>", "<a former account>"),
            ("Maya Duran Olsen, maya@example.com.br", "a former account, a former account"),
            ("Maya Duran Maya Duran", "a former account a former account"),
            ("ÄMaya Duran: Maya Duran's", "ÄMaya Duran: a former account's"),
        ] {
            assert_eq!(maya.taken_out(Words::Any, text).as_deref(), Some(left), "{text}");
            assert!(maya.is_in(Words::Any, text), "{text}");
        }
        for text in ["", "Maya", "maya duran", "Maya Durant", "x.maya@example.com", "maya@example.comm", "é"] {
            assert_eq!(maya.taken_out(Words::Any, text), None, "{text}");
            assert!(!maya.is_in(Words::Any, text), "{text}");
        }
        let nobody = person(&[""], &[""]);
        assert_eq!(nobody.taken_out(Words::Any, "a text"), None);
    }

    #[test]
    fn a_name_of_one_word_is_found_only_where_it_is_all_that_is_said_of_who_sees_to_something() {
        let prod = person(&["prod"], &["prod@example.com"]);
        for words in [Words::Ours, Words::Any] {
            assert!(!prod.is_in(words, "prod"));
            assert_eq!(prod.taken_out(words, "prod"), None);
        }
        assert!(prod.is_in(Words::Person, "prod"));
        assert_eq!(prod.taken_out(Words::Person, " prod ").as_deref(), Some("a former account"));
        assert!(!prod.is_in(Words::Person, "prod team"));
        assert!(prod.is_in(Words::Ours, "prod@example.com"), "an address is one person's everywhere");
    }

    #[test]
    fn the_field_that_a_text_is_in_says_whose_words_it_is() {
        let line = |after: &str| Content {
            seq: 1,
            subject_id: None,
            subject: None,
            cluster_id: None,
            before: None,
            after: Some(after.to_owned()),
        };
        let owner = person(&["owner", "Owner Role"], &[]);
        let says = |after: &str| line(after).says(&|words, text: &str| owner.is_in(words, text));
        assert!(!says(r#"{"role":"owner","permissions":["owner","Owner Role"]}"#));
        assert!(!says(r#"{"name":"owner","labels":{"team":"owner"}}"#));
        assert!(says(r#"{"name":"for Owner Role"}"#));
        assert!(says(r#"{"labels":{"team":"Owner Role"}}"#));
        assert!(says(r#"{"owner":"owner"}"#));
        assert!(!says(r#"{"owner":"x"}"#));
    }

    #[test]
    fn what_is_looked_for_is_found_whatever_it_begins_with() {
        assert_eq!(found("see https://x.example:8443/o/acme/team", "/o/acme/", false), Some(26));
        assert_eq!(found("xa@b.co a@b.co.uk a@b.co-op.org a@b.co.", "a@b.co", false), Some(32));
        assert_eq!(found("id 0190a000, 1", "0190a000", false), Some(3));
    }
}
