//! Waivers: findings that an organisation lives with, for a reason and until a day. What is waived is found all the same.

use std::collections::BTreeMap;

use kubewise_contract::{
    Action, ClusterId, Field, FieldError, OrgId, Permission, Problem, WaiverChoices, WaiverId, WaiverInput, WaiverRow,
    WaiverState, Waivers, WaiversQuery,
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime, macros::format_description};
use uuid::Uuid;

use super::{again, rules};
use crate::{
    Authorized, Error, Organisation, Web, Worker,
    activity::Entry,
    database::{self, Scope},
    inventory::cursor,
    permission::{ManagePolicies, ViewInventory, WaiveFindings},
    team,
    world::timestamp,
};

/// Waivers of an organisation that hold or wait at once.
const MOST: i64 = 1_000;
/// Findings of a waiver that are counted for a list.
const COUNTED: i64 = 1_000;
/// Longest reason, in characters.
const LONGEST_REASON: usize = 1_000;
/// Longest of the other texts, in characters: names in Kubernetes are no longer.
const LONGEST_NAME: usize = 253;
/// How long a waiver holds if nothing else is said.
const USUAL: Duration = Duration::days(90);

/// A waiver that is well written.
struct Wanted {
    rule: String,
    cluster: Option<ClusterId>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    labels: BTreeMap<String, String>,
    reason: String,
    owner: String,
    expires_on: Option<Date>,
}

impl Wanted {
    fn parse(input: &WaiverInput, today: Date) -> Result<Self, FieldError> {
        let wrong = |field, problem| FieldError { field, problem };
        let text = |field, raw: &str, max: usize| {
            let text = raw.trim();
            if text.chars().count() > max {
                return Err(wrong(field, Problem::TooLong { max }));
            }
            if text.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
                return Err(wrong(field, Problem::NotText));
            }
            Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
        };
        let rule = text(Field::Rule, &input.rule, LONGEST_NAME)?.ok_or(wrong(Field::Rule, Problem::Missing))?;
        if rule != "*" && kubewise_audit::rules::find(&rule).is_none() {
            return Err(wrong(Field::Rule, Problem::NoSuchRule));
        }
        let cluster = match input.cluster.trim() {
            "" => None,
            id => Some(id.parse().map_err(|_| wrong(Field::Clusters, Problem::NotUnderstood))?),
        };
        let kind = text(Field::Scope, &input.kind, LONGEST_NAME)?;
        let namespace = text(Field::Scope, &input.namespace, LONGEST_NAME)?;
        let name = text(Field::Scope, &input.name, LONGEST_NAME)?;
        let labels = labels(&input.labels).ok_or(wrong(Field::Labels, Problem::NotLabels))?;
        if rule == "*" && kind.is_none() && namespace.is_none() && name.is_none() && labels.is_empty() {
            return Err(wrong(Field::Scope, Problem::Everything));
        }
        let reason =
            text(Field::Reason, &input.reason, LONGEST_REASON)?.ok_or(wrong(Field::Reason, Problem::Missing))?;
        let owner = text(Field::Owner, &input.owner, 100)?.ok_or(wrong(Field::Owner, Problem::Missing))?;
        let expires_on = match input.expires.trim() {
            "" => None,
            day => {
                let day = Date::parse(day, format_description!("[year]-[month]-[day]")).ok();
                Some(day.filter(|day| *day >= today).ok_or(wrong(Field::Expiry, Problem::NotADay))?)
            }
        };
        Ok(Self { rule, cluster, kind, namespace, name, labels, reason, owner, expires_on })
    }

    /// As the activity log writes it: what it is for. Why, and who answers for it, is what people wrote, and in the waiver.
    fn described(&self) -> Value {
        let mut map = serde_json::Map::new();
        let said = [("kind", &self.kind), ("namespace", &self.namespace), ("name", &self.name)];
        for (field, text) in said.into_iter().filter_map(|(field, text)| Some((field, text.as_ref()?))) {
            map.insert(field.to_owned(), json!(text));
        }
        if !self.labels.is_empty() {
            map.insert("labels".to_owned(), json!(self.labels));
        }
        map.insert("expires".to_owned(), json!(self.expires_on.map(|day| day.to_string())));
        Value::Object(map)
    }
}

/// `app=web, tier=front`; none when it is not written like this.
fn labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        let fits = |text: &str, more: &str| {
            text.len() <= LONGEST_NAME && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if key.is_empty() || !fits(key, "-_./") || !fits(value, "-_.") || labels.len() == 20 {
            return None;
        }
        labels.insert(key.to_owned(), value.to_owned());
    }
    Some(labels)
}

impl Web {
    /// The organisation's waivers that the holder sees, last first.
    pub async fn waivers(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        query: &WaiversQuery,
    ) -> Result<Waivers, Error> {
        let [after, after_id] = cursor::decode(query.after.as_ref())?;
        let after: Option<OffsetDateTime> =
            after.parse().ok().and_then(|nanos: i128| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok());
        let today = self.world.now().date();
        let (can_waive, can_allow) = (org.may(Permission::WaiveFindings), org.may(Permission::ManagePolicies));
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT w.id, w.rule, w.cluster_id, c.name AS "cluster?", w.kind, w.namespace, w.name, w.labels, w.reason,
                      w.owner, w.expires_on, w.requested_at, w.approved_at, w.ended_at, r.name AS "requested_by?",
                      a.name AS "approved_by?", w.requested_by IS DISTINCT FROM w.approved_by AS "by_another!",
                      (SELECT count(*) FROM (SELECT FROM findings f WHERE f.org_id = w.org_id AND f.waiver = w.id
                                               AND f.closed_in IS NULL LIMIT $8) AS counted) AS "findings!"
               FROM waivers w
               LEFT JOIN clusters c ON c.org_id = w.org_id AND c.id = w.cluster_id
               LEFT JOIN users r ON r.id = w.requested_by LEFT JOIN users a ON a.id = w.approved_by
               WHERE w.org_id = $1 AND ($2::timestamptz IS NULL OR (w.requested_at, w.id) < ($2, $3))
                 AND (w.cluster_id IS NULL OR $4::uuid[] IS NULL OR w.cluster_id = ANY ($4))
                 AND CASE $5
                       WHEN 'ended' THEN w.ended_at IS NOT NULL OR w.expires_on < $6
                       ELSE w.ended_at IS NULL AND (w.expires_on IS NULL OR w.expires_on >= $6) END
                 AND ($5 <> 'asked' OR w.approved_at IS NULL)
                 AND ($5 <> 'unused' OR (w.approved_at IS NOT NULL AND NOT EXISTS (
                        SELECT FROM findings f WHERE f.org_id = w.org_id AND f.waiver = w.id AND f.closed_in IS NULL)))
               ORDER BY w.requested_at DESC, w.id DESC LIMIT $7"#,
            org.id.0,
            after,
            cursor::uid(&after_id),
            org.holder().scope.column(),
            query.shown.as_str(),
            today,
            cursor::ONE_MORE,
            COUNTED,
        )
        .fetch_all(&mut *tx)
        .await?;
        let asked = sqlx::query_scalar!(
            r#"SELECT count(*) AS "asked!" FROM waivers
               WHERE org_id = $1 AND approved_at IS NULL AND ended_at IS NULL AND (expires_on IS NULL OR expires_on >= $2)
                 AND (cluster_id IS NULL OR $3::uuid[] IS NULL OR cluster_id = ANY ($3))"#,
            org.id.0,
            today,
            org.holder().scope.column(),
        )
        .fetch_one(&mut *tx)
        .await?;
        let are_asked = are_asked(&mut tx, org.id).await?;
        tx.commit().await?;
        let page =
            cursor::page(rows, |row| vec![row.requested_at.unix_timestamp_nanos().to_string(), row.id.to_string()]);
        let rows = page.rows.into_iter().map(|row| {
            let is_over = row.expires_on.is_some_and(|day| day < today);
            let state = match (row.ended_at, row.approved_at) {
                (Some(_), _) => WaiverState::Ended,
                (None, _) if is_over => WaiverState::Ended,
                (None, None) => WaiverState::Asked,
                (None, Some(_)) => WaiverState::Holds,
            };
            WaiverRow {
                id: WaiverId(row.id),
                title: (row.rule != "*").then(|| rules::title(&row.rule)),
                rule: row.rule,
                cluster: row.cluster,
                scope: scope(row.kind, row.namespace, row.name, &row.labels),
                reason: row.reason,
                owner: row.owner,
                expires: row.expires_on.map(|day| day.to_string()),
                state,
                requested_by: row.requested_by,
                requested_at: timestamp(row.requested_at),
                approved_by: row.approved_by.filter(|_| row.by_another),
                ended_at: row.ended_at.map(timestamp),
                findings: row.findings,
                can_end: can_waive
                    && state != WaiverState::Ended
                    && (row.cluster_id.is_some() || org.holder().scope == Scope::All),
            }
        });
        Ok(Waivers { rows: rows.collect(), next: page.next, asked, can_waive, can_allow, are_asked })
    }

    /// What the form of a waiver offers.
    pub async fn waiver_choices(&self, org: &Authorized<Organisation, WaiveFindings>) -> Result<WaiverChoices, Error> {
        let mut tx = org.read(&self.pool).await?;
        let clusters = team::choices(&mut tx, org).await?;
        let is_asked = are_asked(&mut tx, org.id).await? && !org.may(Permission::ManagePolicies);
        tx.commit().await?;
        Ok(WaiverChoices {
            clusters,
            every_cluster: org.holder().scope == Scope::All,
            is_asked,
            expires: (self.world.now() + USUAL).date().to_string(),
        })
    }

    /// Waives findings; where the organisation wants that allowed, and who asks may not allow it, asks for it. Answers
    /// whether it holds. What it is about is judged again at once.
    pub async fn add_waiver(
        &self,
        org: &Authorized<Organisation, WaiveFindings>,
        input: &WaiverInput,
    ) -> Result<bool, Error> {
        let now = self.world.now();
        let wanted = Wanted::parse(input, now.date())?;
        let mut tx = org.write(self).await?;
        match wanted.cluster {
            Some(cluster) => drop(cluster_name(&mut tx, org, cluster).await?),
            None if org.holder().scope != Scope::All => {
                return Err(FieldError { field: Field::Clusters, problem: Problem::Missing }.into());
            }
            None => {}
        }
        let there = sqlx::query_scalar!(
            r#"SELECT count(*) AS "there!" FROM waivers WHERE org_id = $1 AND ended_at IS NULL"#,
            org.id.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        if there >= MOST {
            return Err(FieldError { field: Field::Scope, problem: Problem::OneTooMany }.into());
        }
        let holds = tx.may(Permission::ManagePolicies) || !are_asked(&mut tx, org.id).await?;
        let id = self.world.uuid();
        let person = org.holder().by.person().map(|user| user.0);
        sqlx::query!(
            "INSERT INTO waivers (org_id, id, cluster_id, rule, kind, namespace, name, labels, reason, owner, expires_on,
                                  requested_at, requested_by, approved_at, approved_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            org.id.0,
            id,
            wanted.cluster.map(|cluster| cluster.0),
            wanted.rule,
            wanted.kind,
            wanted.namespace,
            wanted.name,
            json!(wanted.labels),
            wanted.reason,
            wanted.owner,
            wanted.expires_on,
            now,
            person,
            holds.then_some(now),
            person.filter(|_| holds),
        )
        .execute(&mut *tx)
        .await?;
        if holds {
            again::enqueue(&mut tx, org.id, wanted.cluster).await?;
        }
        let action = if holds { Action::WaiverAdd } else { Action::WaiverAsk };
        let entry = Entry::named(action, id, &wanted.rule).in_cluster(wanted.cluster);
        tx.commit(entry.after(wanted.described())).await?;
        Ok(holds)
    }

    /// Allows a waiver that somebody asked for. One that holds already, or does not any more, is left as it is.
    pub async fn allow_waiver(
        &self,
        org: &Authorized<Organisation, ManagePolicies>,
        id: WaiverId,
    ) -> Result<(), Error> {
        let mut tx = org.write(self).await?;
        let row = sqlx::query!(
            r#"UPDATE waivers SET approved_at = $3, approved_by = $4
               WHERE org_id = $1 AND id = $2 AND approved_at IS NULL AND ended_at IS NULL RETURNING rule, cluster_id"#,
            org.id.0,
            id.0,
            self.world.now(),
            org.holder().by.person().map(|user| user.0),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return exists(&mut tx, org.id, id).await };
        let cluster = row.cluster_id.map(ClusterId);
        again::enqueue(&mut tx, org.id, cluster).await?;
        tx.commit(Entry::named(Action::WaiverAllow, id.0, &row.rule).in_cluster(cluster)).await
    }

    /// Ends a waiver, or turns down one that was asked for. What it was about is judged again at once.
    pub async fn end_waiver(&self, org: &Authorized<Organisation, WaiveFindings>, id: WaiverId) -> Result<(), Error> {
        let mut tx = org.write(self).await?;
        let row = sqlx::query!(
            "SELECT rule, cluster_id, approved_at, ended_at FROM waivers WHERE org_id = $1 AND id = $2 FOR UPDATE",
            org.id.0,
            id.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        if row.cluster_id.is_none() && org.holder().scope != Scope::All {
            return Err(Error::Forbidden);
        }
        if row.ended_at.is_some() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE waivers SET ended_at = $3, ended_by = $4 WHERE org_id = $1 AND id = $2",
            org.id.0,
            id.0,
            self.world.now(),
            org.holder().by.person().map(|user| user.0),
        )
        .execute(&mut *tx)
        .await?;
        let cluster = row.cluster_id.map(ClusterId);
        if row.approved_at.is_some() {
            again::enqueue(&mut tx, org.id, cluster).await?;
        }
        tx.commit(Entry::named(Action::WaiverEnd, id.0, &row.rule).in_cluster(cluster)).await
    }
}

impl Worker {
    /// Ends the waivers whose last day is over, so that what they waived is judged without them.
    pub(crate) async fn end_waivers_over(&self) -> Result<(), Error> {
        let now = self.world.now();
        let organisations =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisations_with_waivers_over($1)"#, now.date())
                .fetch_all(&self.pool)
                .await?;
        for org in organisations.into_iter().map(OrgId) {
            let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
            let over = sqlx::query!(
                "UPDATE waivers SET ended_at = $2 WHERE org_id = $1 AND ended_at IS NULL AND expires_on < $3
                 RETURNING cluster_id, approved_at",
                org.0,
                now,
                now.date(),
            )
            .fetch_all(&mut *tx)
            .await?;
            let mut clusters: Vec<Option<Uuid>> =
                over.into_iter().filter(|row| row.approved_at.is_some()).map(|row| row.cluster_id).collect();
            clusters.sort_unstable();
            clusters.dedup();
            for cluster in clusters {
                again::enqueue(&mut tx, org, cluster.map(ClusterId)).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Whether waivers wait until somebody allows them.
async fn are_asked(tx: &mut PgConnection, org: OrgId) -> Result<bool, Error> {
    let asked = sqlx::query_scalar!("SELECT waivers_are_asked FROM audit_policies WHERE org_id = $1", org.0);
    Ok(asked.fetch_optional(tx).await?.unwrap_or_default())
}

async fn exists(tx: &mut PgConnection, org: OrgId, id: WaiverId) -> Result<(), Error> {
    let found = sqlx::query_scalar!("SELECT id FROM waivers WHERE org_id = $1 AND id = $2", org.0, id.0);
    found.fetch_optional(tx).await?.map(drop).ok_or(Error::NotFound)
}

/// The name of a cluster that the holder sees.
pub(super) async fn cluster_name<P>(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, P>,
    cluster: ClusterId,
) -> Result<String, Error> {
    if !org.sees(cluster) {
        return Err(Error::NotFound);
    }
    sqlx::query_scalar!(
        "SELECT name FROM clusters WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL",
        org.id.0,
        cluster.0,
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound)
}

/// What a waiver says of its objects, in words.
fn scope(kind: Option<String>, namespace: Option<String>, name: Option<String>, labels: &Value) -> Vec<String> {
    let labels = labels.as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    kind.into_iter()
        .chain(namespace.map(|namespace| format!("namespace {namespace}")))
        .chain(name.map(|name| format!("name {name}")))
        .chain(labels)
        .collect()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 11 - 28);

    fn input() -> WaiverInput {
        WaiverInput {
            rule: "pss-host-namespaces".to_owned(),
            reason: "Reads the node's own figures.".to_owned(),
            owner: "platform team".to_owned(),
            ..WaiverInput::default()
        }
    }

    #[test]
    fn what_is_well_written_is_taken() {
        let labels = " app=web , example.com/stage = sandbox,".to_owned();
        let input = WaiverInput { labels, namespace: " shop ".to_owned(), expires: "2026-11-28".to_owned(), ..input() };
        let wanted = Wanted::parse(&input, TODAY).unwrap();
        assert_eq!(wanted.namespace.as_deref(), Some("shop"));
        assert_eq!(wanted.expires_on, Some(TODAY));
        assert_eq!(
            wanted.described(),
            json!({"namespace": "shop", "labels": {"app": "web", "example.com/stage": "sandbox"}, "expires": "2026-11-28"})
        );
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let long = "x".repeat(LONGEST_REASON + 1);
        for (input, field, problem) in [
            (WaiverInput { rule: String::new(), ..input() }, Field::Rule, Problem::Missing),
            (WaiverInput { rule: "no-such-rule".to_owned(), ..input() }, Field::Rule, Problem::NoSuchRule),
            (WaiverInput { rule: "*".to_owned(), ..input() }, Field::Scope, Problem::Everything),
            (WaiverInput { cluster: "eu".to_owned(), ..input() }, Field::Clusters, Problem::NotUnderstood),
            (WaiverInput { labels: "app".to_owned(), ..input() }, Field::Labels, Problem::NotLabels),
            (WaiverInput { labels: "app=w eb".to_owned(), ..input() }, Field::Labels, Problem::NotLabels),
            (WaiverInput { name: "a\u{0}b".to_owned(), ..input() }, Field::Scope, Problem::NotText),
            (WaiverInput { reason: " ".to_owned(), ..input() }, Field::Reason, Problem::Missing),
            (WaiverInput { reason: long, ..input() }, Field::Reason, Problem::TooLong { max: LONGEST_REASON }),
            (WaiverInput { owner: String::new(), ..input() }, Field::Owner, Problem::Missing),
            (WaiverInput { expires: "2026-11-27".to_owned(), ..input() }, Field::Expiry, Problem::NotADay),
            (WaiverInput { expires: "tomorrow".to_owned(), ..input() }, Field::Expiry, Problem::NotADay),
        ] {
            assert_eq!(Wanted::parse(&input, TODAY).map(|_| ()), Err(FieldError { field, problem }), "{input:?}");
        }
        // Every rule, of some objects.
        assert!(
            Wanted::parse(&WaiverInput { rule: "*".to_owned(), name: "debug".to_owned(), ..input() }, TODAY).is_ok()
        );
    }
}
