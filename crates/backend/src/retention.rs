//! For how long what was is kept: every stated time, in one list, by which the worker removes and the pages tell.
//!
//! What ends by a column of its own is removed where it belongs (`jobs.rs`, `billing/`, `notifications/`); here is what ends with
//! the organisation's history, and what else has been over for long.

use std::fmt::Write as _;

use kubewise_contract::{About, Action, Field, FieldError, HISTORY_DAYS, OrgId, Plan, Problem, Retention, StatedTime};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    Authorized, Error, Organisation, Web, Worker,
    activity::Entry,
    admin, attempts, audits, billing, browsers,
    database::{self, Scope},
    ingest, invitations, jobs,
    links::Purpose,
    logged::logged,
    notifications,
    permission::{ManageOrganisation, ViewOrganisation},
    session,
};

/// Invitations and tokens that have ended are kept for so long: over a yearly look at who was let in.
const ENDED: Duration = Duration::days(400);
/// How often a token asked is known for so long.
const COUNTED: Duration = Duration::days(1);
/// Jobs that failed as often as they are tried, and what is known of workers that are gone.
const DEAD_JOBS: Duration = Duration::days(30);
/// Mail in the folder of who has no mail server.
const OUTBOX: Duration = Duration::days(30);
/// What a person had put together about themselves.
pub(crate) const EXPORTS: Duration = Duration::days(7);
/// That there was something like that.
pub(crate) const EXPORTS_KNOWN: Duration = Duration::days(30);
/// How long an organisation's deletion can be taken back.
pub(crate) const UNDO: Duration = Duration::days(7);
/// What says that something was erased.
pub(crate) const CERTIFICATES: Duration = Duration::days(400);

/// Audits removed in one go, with what they judged.
const RUNS_AT_ONCE: i64 = 200;
/// Findings removed in one transaction.
const FINDINGS_AT_ONCE: i64 = 5_000;

/// How long something is kept.
enum Kept {
    /// So long, from when on.
    For(Duration, &'static str),
    /// In words.
    As(&'static str),
}

use About::{Cluster as OfCluster, Installation as OfInstallation, Organisation as OfOrganisation, Person as OfPerson};
use Kept::{As, For};

/// Whom it is about, what it is, how long it is kept, and why.
type Stated = (About, &'static str, Kept, &'static str);

/// The stated times. A number that is not here is nowhere.
#[expect(clippy::too_many_lines, reason = "one list")]
fn stated() -> Vec<Stated> {
    let [verify, change, reset] =
        [Purpose::VerifyAddress, Purpose::ChangeAddress, Purpose::ResetPassword].map(Purpose::lasts);
    let std = |time: std::time::Duration| Duration::try_from(time).unwrap_or(Duration::MAX);
    vec![
        (OfPerson, "An account, and what belongs to it", As("until it is deleted"), ""),
        (OfPerson, "A session that is not used", For(std(session::IDLE), "after it was used last"), ""),
        (OfPerson, "A session in any case", For(std(session::ABSOLUTE), "after it began"), ""),
        (OfPerson, "A link that proves an address", For(verify, "after it was sent, or until it is used"), ""),
        (OfPerson, "A link that changes an address", For(change, "after it was sent, or until it is used"), ""),
        (OfPerson, "A link for a forgotten password", For(reset, "after it was sent, or until it is used"), ""),
        (
            OfPerson,
            "An invitation to make an account",
            For(admin::SIGN_UP_INVITATION, "after it was made, or until it is used"),
            "",
        ),
        (
            OfPerson,
            "A browser that an account was signed in with",
            For(browsers::KEPT, "after it signed in last"),
            "A sign-in by another one is told by mail.",
        ),
        (
            OfPerson,
            "Counts of failed sign-ins",
            For(attempts::FORGOTTEN_AFTER, "after the last one"),
            "They slow down who guesses.",
        ),
        (OfPerson, "Mail in the queue", As("until it is sent; then as long as jobs that are done, or that failed"), ""),
        (OfPerson, "A download of one's own data", For(EXPORTS, "after it was made, or until it is fetched"), ""),
        (
            OfPerson,
            "That there was a download of one's own data",
            For(EXPORTS_KNOWN, "after its link has ended"),
            "So that one sees what was taken, and when.",
        ),
        (
            OfPerson,
            "A certificate of deletion",
            For(CERTIFICATES, "after the deletion"),
            "It can be asked for again over a year later; it names nobody.",
        ),
        (OfOrganisation, "The link of an invitation", For(invitations::LASTS, "after it was sent"), ""),
        (
            OfOrganisation,
            "An invitation that was accepted, revoked or not answered",
            For(ENDED, "after it ended"),
            "The activity log says by it who was invited, over a yearly look at who was let in.",
        ),
        (
            OfOrganisation,
            "An API token that ended",
            For(ENDED, "after it ended"),
            "The activity log says by it what the token was called.",
        ),
        (OfOrganisation, "Counts of an API token's requests", For(COUNTED, "after the last one"), ""),
        (OfOrganisation, "Waivers that ended", As("as long as findings of the past"), ""),
        (OfOrganisation, "What was told by notifications", For(notifications::KEPT, "after it happened"), ""),
        (
            OfOrganisation,
            "An organisation whose deletion was asked for",
            For(UNDO, "in which each Owner can take it back; at once, where that was asked for"),
            "",
        ),
        (
            OfOrganisation,
            "The activity log",
            As("as long as the organisation"),
            "It is a chain: what is in the middle cannot be taken out. Of people it holds pseudonyms.",
        ),
        (
            OfOrganisation,
            "Invoices, and who is billed",
            As("as long as the organisation; at Stripe, as long as law asks"),
            "",
        ),
        (
            OfOrganisation,
            "What was found otherwise at Stripe than it was known here",
            For(billing::TOLD_FOR, "after it was found"),
            "",
        ),
        (OfCluster, "What runs in the cluster", As("until its agent says that it is gone"), ""),
        (OfCluster, "Open findings, and the last audit", As("as long as the cluster"), ""),
        (
            OfCluster,
            "Findings and audits of the past, with what was judged",
            As("as long as the plan has them, or the organisation has set, if that is shorter"),
            "",
        ),
        (
            OfCluster,
            "Nodes by day",
            For(billing::NODE_DAYS, "after the day, then until its month has passed"),
            "Invoices are argued about for two years.",
        ),
        (OfCluster, "An agent's token that was revoked", For(ENDED, "after it was revoked"), ""),
        (
            OfCluster,
            "What was answered to an agent",
            For(ingest::REMEMBERED_FOR, "after it was answered"),
            "A batch that is sent again gets the same answer.",
        ),
        (OfCluster, "A cluster that is deleted", As("until a job has removed it, at once"), ""),
        (OfInstallation, "Jobs that are done", For(std(jobs::DONE_FOR), "after they were done"), ""),
        (
            OfInstallation,
            "Jobs that failed as often as they are tried",
            For(DEAD_JOBS, "after the last attempt"),
            "Whoever runs the installation can have them begin again.",
        ),
        (OfInstallation, "Events of Stripe", For(billing::TOLD_FOR, "after they were received"), ""),
        (
            OfInstallation,
            "Mail in the outbox folder",
            For(OUTBOX, "after it was written"),
            "Where no mail server is configured.",
        ),
        (
            OfInstallation,
            "Logs of the server",
            As("as long as whoever runs the installation keeps them"),
            "They name nobody.",
        ),
    ]
}

/// A length of time as people say it.
fn words(time: Duration) -> String {
    let (count, unit) = match time.whole_hours() {
        hours if hours > 24 && hours % 24 == 0 => (hours / 24, "day"),
        hours if hours > 0 => (hours, "hour"),
        _ => (time.whole_minutes(), "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Everything that is kept for a stated time.
pub fn stated_times() -> Vec<StatedTime> {
    stated()
        .into_iter()
        .map(|(about, what, kept, why)| StatedTime {
            about,
            what: what.to_owned(),
            kept: match kept {
                For(time, from) => format!("{} {from}", words(time)),
                As(words) => words.to_owned(),
            },
            why: why.to_owned(),
        })
        .collect()
}

/// The same as Markdown, with the history of each plan.
pub fn stated_times_as_markdown() -> String {
    let mut out = "\n## History by plan\n\n| plan | findings and audits of the past |\n|---|---|\n".to_owned();
    for plan in Plan::ALL {
        let kept =
            plan.entitlements().history_days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
        let _ = writeln!(out, "| {plan} | {kept} |");
    }
    let times = stated_times();
    for about in About::ALL {
        let _ = write!(out, "\n## {}\n\n| what | kept | why |\n|---|---|---|\n", about.title());
        for time in times.iter().filter(|time| time.about == about) {
            let _ = writeln!(out, "| {} | {} | {} |", time.what, time.kept, time.why);
        }
    }
    out
}

impl Web {
    /// For how long what the organisation has is kept.
    pub async fn retention(&self, org: &Authorized<Organisation, ViewOrganisation>) -> Result<Retention, Error> {
        let mut tx = org.read(&self.pool).await?;
        let plan = billing::plan(&mut tx, self.billing, org.id, self.world.now()).await?;
        let setting = sqlx::query_scalar!("SELECT history_days FROM organisations WHERE id = $1", org.id.0)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        let (plan_days, setting) = (plan.entitlements().history_days, days(setting));
        let effective = Retention::shorter(plan_days, setting);
        Ok(Retention { plan, plan_days, setting, effective, times: stated_times() })
    }

    /// Sets for how many days findings and audits of the past are kept; none: as long as the plan has them. What is older
    /// is removed within the hour. No longer than the plan has them, and within [`HISTORY_DAYS`].
    pub async fn set_history(
        &self,
        org: &Authorized<Organisation, ManageOrganisation>,
        history: Option<u32>,
    ) -> Result<(), Error> {
        let mut tx = org.write_alone(self).await?;
        if let Some(wanted) = history {
            let plan = billing::plan(&mut tx, self.billing, org.id, self.world.now()).await?;
            let (min, max) = HISTORY_DAYS.into_inner();
            let max = plan.entitlements().history_days.map_or(max, |days| days.min(max));
            if !(min..=max).contains(&wanted) {
                return Err(FieldError { field: Field::History, problem: Problem::NotBetween { min, max } }.into());
            }
        }
        let before = sqlx::query_scalar!("SELECT history_days FROM organisations WHERE id = $1", org.id.0)
            .fetch_one(&mut *tx)
            .await?;
        let set = history.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
        sqlx::query!("UPDATE organisations SET history_days = $2 WHERE id = $1", org.id.0, set)
            .execute(&mut *tx)
            .await?;
        let entry = Entry::of(Action::HistorySet);
        tx.commit(entry.before(json!({ "days": before })).after(json!({ "days": set }))).await
    }
}

fn days(column: Option<i32>) -> Option<u32> {
    column.and_then(|days| u32::try_from(days).ok())
}

impl Worker {
    /// Removes what is older than it is kept. What cannot be removed does not keep the rest waiting.
    pub(crate) async fn keep_times(&self) -> Result<(), Error> {
        for (what, done) in [
            ("days of nodes", self.keep_node_days().await),
            ("jobs that failed", self.remove_dead_jobs().await),
            ("mail in the outbox", self.mailer.remove_older_than(OUTBOX).await),
        ] {
            if let Err(error) = done {
                tracing::warn!(%error, what, "what is too old could not be removed; tried again in an hour");
            }
        }
        let orgs =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisation_ids()"#).fetch_all(&self.pool).await?;
        for org in orgs {
            if let Err(error) = self.keep_times_of(OrgId(org)).await {
                tracing::warn!(%error, org = logged(org), "what is too old could not be removed; tried again in an hour");
            }
        }
        Ok(())
    }

    /// Partitions for the days to come; the months that are too old go with theirs.
    async fn keep_node_days(&self) -> Result<(), Error> {
        let now = self.world.now();
        let [today, oldest] = [now, now - billing::NODE_DAYS].map(billing::day);
        sqlx::query!("SELECT keep_node_days($1, $2)", today, oldest).execute(&self.pool).await?;
        Ok(())
    }

    /// The queue's tables are its own, so these statements are not checked when they are compiled. Workers are seen by the
    /// database's clock.
    async fn remove_dead_jobs(&self) -> Result<(), Error> {
        let dead = format!("DELETE FROM apalis.jobs WHERE {} AND greatest(run_at, done_at) < $1", jobs::DEAD);
        sqlx::query(sqlx::AssertSqlSafe(dead)).bind(self.world.now() - DEAD_JOBS).execute(&self.pool).await?;
        sqlx::query(
            "DELETE FROM apalis.workers w WHERE last_seen < now() - make_interval(secs => $1)
               AND NOT EXISTS (SELECT FROM apalis.jobs j WHERE j.lock_by = w.id)",
        )
        .bind(DEAD_JOBS.as_seconds_f64())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn keep_times_of(&self, org: OrgId) -> Result<(), Error> {
        let now = self.world.now();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        sqlx::query!(
            "DELETE FROM invitations WHERE org_id = $1 AND coalesce(accepted_at, revoked_at, expires_at) < $2",
            org.0,
            now - ENDED,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "DELETE FROM api_tokens WHERE org_id = $1 AND least(revoked_at, expires_at) < $2",
            org.0,
            now - ENDED,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM api_token_minutes WHERE org_id = $1 AND began_at < $2", org.0, now - COUNTED)
            .execute(&mut *tx)
            .await?;
        sqlx::query!("DELETE FROM cluster_tokens WHERE org_id = $1 AND revoked_at < $2", org.0, now - ENDED)
            .execute(&mut *tx)
            .await?;
        sqlx::query!(
            "DELETE FROM ingest_batches WHERE org_id = $1 AND received_at < $2",
            org.0,
            now - ingest::REMEMBERED_FOR,
        )
        .execute(&mut *tx)
        .await?;
        let plan = billing::plan(&mut tx, self.billing, org, now).await?;
        let setting = sqlx::query_scalar!("SELECT history_days FROM organisations WHERE id = $1", org.0)
            .fetch_optional(&mut *tx)
            .await?
            .flatten();
        tx.commit().await?;
        match Retention::shorter(plan.entitlements().history_days, days(setting)) {
            Some(days) => self.remove_history(org, now - Duration::days(days.into())).await,
            None => Ok(()),
        }
    }

    /// Audits that ended before, with what they judged, and the findings that no audit shows any more. The last audit of a
    /// cluster stays, and the last one that is done: what it found is what is open, and numbers go on from it.
    async fn remove_history(&self, org: OrgId, before: OffsetDateTime) -> Result<(), Error> {
        loop {
            let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
            let runs = sqlx::query!(
                "SELECT cluster_id, number FROM audit_runs r
                 WHERE org_id = $1 AND state IN ('done', 'failed') AND coalesce(finished_at, requested_at) < $2
                   AND number < (SELECT max(number) FROM audit_runs l WHERE l.org_id = $1 AND l.cluster_id = r.cluster_id)
                   AND number IS DISTINCT FROM (SELECT max(number) FROM audit_runs l
                                                WHERE l.org_id = $1 AND l.cluster_id = r.cluster_id AND l.state = 'done')
                 ORDER BY cluster_id, number LIMIT $3",
                org.0,
                before,
                RUNS_AT_ONCE,
            )
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            if runs.is_empty() {
                break;
            }
            // Objects first: the row says which there are.
            for run in &runs {
                self.bucket.remove_under(&audits::folder(org, run.cluster_id, run.number)).await?;
            }
            let (clusters, numbers): (Vec<Uuid>, Vec<i64>) =
                runs.into_iter().map(|run| (run.cluster_id, run.number)).unzip();
            let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
            sqlx::query!(
                "DELETE FROM audit_runs r USING unnest($2::uuid[], $3::int8[]) AS old (cluster_id, number)
                 WHERE r.org_id = $1 AND r.cluster_id = old.cluster_id AND r.number = old.number",
                org.0,
                &clusters,
                &numbers,
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
        }
        self.remove_findings(org).await?;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        // What a finding is still lived with by says why.
        sqlx::query!(
            "DELETE FROM waivers w WHERE org_id = $1 AND ended_at < $2
               AND NOT EXISTS (SELECT FROM findings f WHERE f.org_id = $1 AND f.waiver = w.id AND f.closed_in IS NULL)",
            org.0,
            before,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Findings that were closed before the first audit that is kept. Those that it closed are what it says was fixed.
    async fn remove_findings(&self, org: OrgId) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let first = sqlx::query!(
            r#"SELECT cluster_id, min(number) AS "number!" FROM audit_runs WHERE org_id = $1 AND state = 'done'
               GROUP BY cluster_id"#,
            org.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        for kept in first {
            loop {
                let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
                let removed = sqlx::query!(
                    "DELETE FROM findings WHERE org_id = $1 AND cluster_id = $2 AND (fingerprint, opened_in) IN
                       (SELECT fingerprint, opened_in FROM findings
                        WHERE org_id = $1 AND cluster_id = $2 AND closed_in < $3 LIMIT $4)",
                    org.0,
                    kept.cluster_id,
                    kept.number,
                    FINDINGS_AT_ONCE,
                )
                .execute(&mut *tx)
                .await?
                .rows_affected();
                tx.commit().await?;
                if removed == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_as_people_say_them() {
        for (time, said) in [
            (Duration::hours(1), "1 hour"),
            (Duration::hours(24), "24 hours"),
            (Duration::days(7), "7 days"),
            (Duration::minutes(15), "15 minutes"),
            (Duration::hours(36), "36 hours"),
        ] {
            assert_eq!(words(time), said);
        }
    }

    #[test]
    fn each_time_is_stated_once_in_words_that_fit_into_a_table() {
        let times = stated_times();
        for (at, time) in times.iter().enumerate() {
            assert!(!time.what.is_empty() && !time.kept.is_empty(), "{time:?}");
            assert!(![&time.what, &time.kept, &time.why].iter().any(|text| text.contains(['|', '\n'])), "{time:?}");
            assert!(times[..at].iter().all(|other| other.what != time.what), "{time:?}");
        }
        let page = stated_times_as_markdown();
        assert!(About::ALL.iter().all(|about| page.contains(about.title())));
        assert!(page.contains("| A session that is not used | 7 days after it was used last |"));
    }
}
