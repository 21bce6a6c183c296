//! Audits that are run by themselves: when, and by whom it was set.

use jiff::{Timestamp as Moment, tz::TimeZone};
use kubewise_contract::{
    Action, ClusterId, Field, FieldError, Limit, ListQuery, OrgId, Permission, Problem, Schedule, ScheduleRow,
    Schedules,
};
use time::{Duration, OffsetDateTime};

use super::ask;
use crate::{
    Authorized, Cluster, Error, Organisation, Web, Worker,
    activity::Entry,
    database::{self, Scope},
    inventory::cursor,
    logged::logged,
    notifications::{self, MISSED_AFTER, Occasion},
    permission::{RunAudits, ViewInventory},
    world::timestamp,
};

/// Audits of a cluster are at least so far apart.
const APART: Duration = Duration::minutes(15);
/// Times that are looked at to find those that are too close: a day and more of the closest there may be.
const LOOKED_AT: usize = 100;
/// Schedules of an organisation that are looked at in one transaction.
const AT_ONCE: i64 = 100;

/// When something is done, by the clocks of a place.
///
/// When clocks are put forward, what was due in the hour that is left out is done at its end; when they are put back, what
/// is due at a time of day is done the first time only, and what is due every hour is done in both (as Vixie's cron does).
#[derive(Debug)]
pub(crate) struct Timetable {
    cron: croner::Cron,
    zone: TimeZone,
    zone_name: String,
}

impl Timetable {
    /// Reads the five fields of cron and the name of a time zone.
    pub(crate) fn parse(schedule: &Schedule) -> Result<Self, FieldError> {
        let wrong = |field, problem| FieldError { field, problem };
        // What is written without names, so that it can be put into words; longer ones exist only to be odd.
        let text = schedule.cron.trim();
        if text.is_empty() {
            return Err(wrong(Field::Cron, Problem::Missing));
        }
        if text.len() > 100 {
            return Err(wrong(Field::Cron, Problem::TooLong { max: 100 }));
        }
        let parser = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .year(croner::parser::Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|_| wrong(Field::Cron, Problem::NotCron))?;
        let name = schedule.time_zone.trim();
        if name.is_empty() {
            return Err(wrong(Field::TimeZone, Problem::Missing));
        }
        let zone = TimeZone::get(name).map_err(|_| wrong(Field::TimeZone, Problem::NotATimeZone))?;
        // As the database of time zones writes it.
        let zone_name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { cron, zone, zone_name })
    }

    /// The same, if it comes at all and not too often: as it is kept, and when it comes first.
    pub(crate) fn checked(
        schedule: &Schedule,
        now: OffsetDateTime,
    ) -> Result<(Schedule, Option<OffsetDateTime>), FieldError> {
        let table = Self::parse(schedule)?;
        table.check(now)?;
        let next = table.next(now);
        Ok((Schedule { cron: schedule.cron.trim().to_owned(), time_zone: table.zone_name }, next))
    }

    /// The first time after this moment; none when it never comes again.
    pub(crate) fn next(&self, after: OffsetDateTime) -> Option<OffsetDateTime> {
        let after = Moment::from_second(after.unix_timestamp()).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        OffsetDateTime::from_unix_timestamp(next.timestamp().as_second()).ok()
    }

    /// Whether two audits would be closer to each other than they may be, or there would be none.
    fn check(&self, now: OffsetDateTime) -> Result<(), FieldError> {
        let wrong = |problem| FieldError { field: Field::Cron, problem };
        let mut last = self.next(now).ok_or(wrong(Problem::Never))?;
        for _ in 0..LOOKED_AT {
            let Some(next) = self.next(last) else { break };
            if next - last < APART {
                return Err(wrong(Problem::TooOften));
            }
            last = next;
        }
        Ok(())
    }

    /// In plain words: "every weekday at 06:00 Paris time".
    pub(crate) fn words(&self) -> String {
        let text = self.cron.as_str().to_owned();
        let fields: Vec<&str> = text.split_whitespace().collect();
        let when = match fields[..] {
            ["0", "*", "*", "*", "*"] => Some("every hour".to_owned()),
            [minute, hour, day, "*", weekday] => {
                at(hour, minute).zip(days(day, weekday)).map(|(at, days)| format!("{days} at {at}"))
            }
            _ => None,
        };
        match when {
            Some(when) => format!("{when} {}", self.place()),
            None => {
                let described = self.cron.describe();
                let described = described.trim_end_matches('.');
                let mut letters = described.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                format!("{}{} {}", first.map(String::from).unwrap_or_default(), letters.as_str(), self.place())
            }
        }
    }

    fn place(&self) -> String {
        match self.zone_name.rsplit_once('/') {
            Some((_, city)) => format!("{} time", city.replace('_', " ")),
            None => self.zone_name.clone(),
        }
    }
}

/// A time of day, if it is a single one.
fn at(hour: &str, minute: &str) -> Option<String> {
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    Some(format!("{hour:02}:{minute:02}"))
}

/// The days, if they are among those that people have a word for.
fn days(day: &str, weekday: &str) -> Option<String> {
    let name = match (day, weekday) {
        ("*", "*") => "every day",
        ("*", "1-5" | "MON-FRI") => "every weekday",
        ("*", "1" | "MON") => "every Monday",
        ("*", "2" | "TUE") => "every Tuesday",
        ("*", "3" | "WED") => "every Wednesday",
        ("*", "4" | "THU") => "every Thursday",
        ("*", "5" | "FRI") => "every Friday",
        ("*", "6" | "SAT") => "every Saturday",
        ("*", "0" | "7" | "SUN") => "every Sunday",
        ("1", "*") => "on the first day of every month",
        _ => return None,
    };
    Some(name.to_owned())
}

impl Web {
    /// The clusters by name, and when they are audited by themselves.
    pub async fn schedules(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Schedules, Error> {
        let [after] = cursor::decode(query.after.as_ref())?;
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT c.id, c.name, s.cron AS "cron?", s.time_zone AS "time_zone?", s.next_at
               FROM clusters c LEFT JOIN audit_schedules s ON s.org_id = c.org_id AND s.cluster_id = c.id
               WHERE c.org_id = $1 AND c.deleted_at IS NULL AND c.name > $2 AND ($4::uuid[] IS NULL OR c.id = ANY ($4))
               ORDER BY c.name LIMIT $3"#,
            org.id.0,
            after,
            cursor::ONE_MORE,
            org.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let page = cursor::page(rows, |row| vec![row.name.clone()]);
        let clusters = page.rows.into_iter().map(|row| {
            let schedule = row.cron.zip(row.time_zone).map(|(cron, time_zone)| Schedule { cron, time_zone });
            // What an older version took and this one does not is shown as it is written.
            let words = schedule.as_ref().map(|schedule| {
                Timetable::parse(schedule).map_or_else(|_| schedule.cron.clone(), |table| table.words())
            });
            ScheduleRow { id: ClusterId(row.id), name: row.name, schedule, words, next_at: row.next_at.map(timestamp) }
        });
        Ok(Schedules { clusters: clusters.collect(), next: page.next, can_set: org.may(Permission::RunAudits) })
    }

    /// Has a cluster audited by itself from now on, instead of when it was before.
    pub async fn set_schedule(
        &self,
        cluster: &Authorized<Cluster, RunAudits>,
        schedule: &Schedule,
    ) -> Result<(), Error> {
        let table = Timetable::parse(schedule)?;
        let now = self.world.now();
        table.check(now)?;
        let (org, id) = (cluster.org.0, cluster.id.0);
        let mut tx = cluster.write(self).await?;
        let before = sqlx::query!(
            "SELECT cron, time_zone FROM audit_schedules WHERE org_id = $1 AND cluster_id = $2 FOR UPDATE",
            org,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?
        .map(|row| serde_json::json!({ "cron": row.cron, "time_zone": row.time_zone }));
        if before.is_none() {
            tx.one_more(Limit::Schedules).await?;
        }
        sqlx::query!(
            "INSERT INTO audit_schedules (org_id, cluster_id, cron, time_zone, next_at, set_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (org_id, cluster_id) DO UPDATE
             SET cron = excluded.cron, time_zone = excluded.time_zone, next_at = excluded.next_at, set_at = excluded.set_at",
            org,
            id,
            schedule.cron.trim(),
            table.zone_name,
            table.next(now),
            now,
        )
        .execute(&mut *tx)
        .await?;
        let mut entry = Entry::cluster(Action::ScheduleSet, cluster.id, &cluster.name);
        if let Some(before) = before {
            entry = entry.before(before);
        }
        let after = serde_json::json!({ "cron": schedule.cron.trim(), "time_zone": table.zone_name });
        tx.commit(entry.after(after)).await
    }

    /// Has a cluster audited by itself no more.
    pub async fn end_schedule(&self, cluster: &Authorized<Cluster, RunAudits>) -> Result<(), Error> {
        let mut tx = cluster.write(self).await?;
        let ended = sqlx::query!(
            "DELETE FROM audit_schedules WHERE org_id = $1 AND cluster_id = $2 RETURNING cron, time_zone",
            cluster.org.0,
            cluster.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        // Ended already, by whoever else saw the button.
        let Some(ended) = ended else { return Ok(()) };
        let entry = Entry::cluster(Action::ScheduleEnd, cluster.id, &cluster.name);
        tx.commit(entry.before(serde_json::json!({ "cron": ended.cron, "time_zone": ended.time_zone }))).await
    }

    /// The clusters that somebody may have audited, and whether anything is known of them yet.
    pub async fn clusters_to_audit(
        &self,
        org: &Authorized<Organisation, RunAudits>,
    ) -> Result<Vec<(ClusterId, bool)>, Error> {
        let mut tx = org.read(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT id, synced_at IS NOT NULL AS "is_synced!" FROM clusters
               WHERE org_id = $1 AND deleted_at IS NULL AND ($2::uuid[] IS NULL OR id = ANY ($2)) ORDER BY name"#,
            org.id.0,
            org.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(rows.into_iter().map(|row| (ClusterId(row.id), row.is_synced)).collect())
    }
}

impl Worker {
    /// Asks for the audits that are due. Whoever is asked to stop in between has asked for some and not for others, which
    /// are due still: each organisation's are asked for, and their next times set, in one transaction.
    pub(crate) async fn run_due_audits(&self) -> Result<(), Error> {
        let now = self.world.now();
        let organisations =
            sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisations_with_audits_due($1)"#, now)
                .fetch_all(&self.pool)
                .await?;
        for org in organisations {
            // One that cannot be served does not keep the others waiting.
            if let Err(error) = self.run_due_audits_of(OrgId(org), now).await {
                tracing::warn!(%error, org = logged(org), "audits that are due could not be asked for; tried again in a moment");
            }
        }
        Ok(())
    }

    async fn run_due_audits_of(&self, org: OrgId, now: OffsetDateTime) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        // What another server has in hand is left to it, and is no longer due once it has ended.
        let due = sqlx::query!(
            r#"SELECT s.cluster_id, s.cron, s.time_zone, s.next_at AS "next_at!",
                      c.deleted_at IS NULL AND c.synced_at IS NOT NULL AS "is_known!"
               FROM audit_schedules s JOIN clusters c ON c.org_id = s.org_id AND c.id = s.cluster_id
               WHERE s.org_id = $1 AND s.next_at <= $2 ORDER BY s.next_at, s.cluster_id LIMIT $3 FOR UPDATE OF s SKIP LOCKED"#,
            org.0,
            now,
            AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in due {
            let cluster = ClusterId(row.cluster_id);
            // Of a cluster that sent nothing yet there is nothing to judge.
            if row.is_known {
                let why = ask::Why::Due(row.next_at);
                let (audit, is_new) = ask::request(&mut tx, &self.world, org, cluster, why).await?;
                if is_new && now - row.next_at > MISSED_AFTER {
                    let occasion = Occasion::Missed { audit, due_at: row.next_at };
                    notifications::tell(&mut tx, &self.world, org, cluster, occasion).await?;
                }
            }
            let schedule = Schedule { cron: row.cron, time_zone: row.time_zone };
            // However many were missed: the one that was just asked for is for all of them.
            let next = Timetable::parse(&schedule).ok().and_then(|table| table.next(now));
            sqlx::query!(
                "UPDATE audit_schedules SET next_at = $3 WHERE org_id = $1 AND cluster_id = $2",
                org.0,
                cluster.0,
                next,
            )
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn table(cron: &str, zone: &str) -> Timetable {
        Timetable::parse(&Schedule { cron: cron.to_owned(), time_zone: zone.to_owned() }).unwrap()
    }

    fn times(cron: &str, zone: &str, from: OffsetDateTime, count: usize) -> Vec<OffsetDateTime> {
        let table = table(cron, zone);
        std::iter::successors(table.next(from), |last| table.next(*last)).take(count).collect()
    }

    #[test]
    fn a_time_of_day_stays_the_same_when_clocks_change() {
        // Paris: 29 March 2026 has no 02:00 to 03:00, 25 October has it twice.
        assert_eq!(
            times("0 6 * * *", "Europe/Paris", datetime!(2026-03-28 00:00 UTC), 3),
            [datetime!(2026-03-28 05:00 UTC), datetime!(2026-03-29 04:00 UTC), datetime!(2026-03-30 04:00 UTC)]
        );
        assert_eq!(
            times("0 6 * * *", "Europe/Paris", datetime!(2026-10-24 00:00 UTC), 3),
            [datetime!(2026-10-24 04:00 UTC), datetime!(2026-10-25 05:00 UTC), datetime!(2026-10-26 05:00 UTC)]
        );
    }

    #[test]
    fn what_is_due_in_the_hour_that_is_left_out_is_done_at_its_end_once() {
        assert_eq!(
            times("30 2 * * *", "Europe/Paris", datetime!(2026-03-28 12:00 UTC), 2),
            [datetime!(2026-03-29 01:00 UTC), datetime!(2026-03-30 00:30 UTC)]
        );
        assert_eq!(
            times("30 2 * * *", "America/New_York", datetime!(2026-03-07 12:00 UTC), 2),
            [datetime!(2026-03-08 07:00 UTC), datetime!(2026-03-09 06:30 UTC)]
        );
    }

    #[test]
    fn what_is_due_in_the_hour_that_comes_twice_is_done_once() {
        assert_eq!(
            times("30 2 * * *", "Europe/Paris", datetime!(2026-10-24 12:00 UTC), 2),
            [datetime!(2026-10-25 00:30 UTC), datetime!(2026-10-26 01:30 UTC)]
        );
    }

    #[test]
    fn what_is_due_every_hour_is_done_every_hour() {
        for from in [datetime!(2026-03-28 22:00 UTC), datetime!(2026-10-24 22:00 UTC)] {
            let times = times("0 * * * *", "Europe/Paris", from, 6);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == Duration::hours(1)), "{times:?}");
        }
    }

    #[test]
    fn schedules_are_said_in_plain_words() {
        for (cron, zone, words) in [
            ("0 6 * * 1-5", "Europe/Paris", "every weekday at 06:00 Paris time"),
            ("0 6 * * *", "UTC", "every day at 06:00 UTC"),
            ("5 23 * * 0", "America/New_York", "every Sunday at 23:05 New York time"),
            ("0 0 1 * *", "Asia/Tokyo", "on the first day of every month at 00:00 Tokyo time"),
            ("0 * * * *", "UTC", "every hour UTC"),
        ] {
            assert_eq!(table(cron, zone).words(), words);
        }
        // What has no word of its own is described.
        assert!(table("0 */6 * * *", "UTC").words().ends_with(" UTC"));
    }

    #[test]
    fn what_is_no_schedule_is_refused_at_its_field() {
        let now = datetime!(2026-11-24 00:00 UTC);
        for (cron, zone, field, problem) in [
            ("", "UTC", Field::Cron, Problem::Missing),
            ("every day", "UTC", Field::Cron, Problem::NotCron),
            ("0 0 6 * * *", "UTC", Field::Cron, Problem::NotCron),
            ("61 * * * *", "UTC", Field::Cron, Problem::NotCron),
            ("0 0 30 2 *", "UTC", Field::Cron, Problem::Never),
            ("* * * * *", "UTC", Field::Cron, Problem::TooOften),
            ("0,10 6 * * *", "UTC", Field::Cron, Problem::TooOften),
            ("0 6 * * *", "", Field::TimeZone, Problem::Missing),
            ("0 6 * * *", "Mars/Olympus", Field::TimeZone, Problem::NotATimeZone),
        ] {
            let schedule = Schedule { cron: cron.to_owned(), time_zone: zone.to_owned() };
            let result = Timetable::parse(&schedule).and_then(|table| table.check(now));
            assert_eq!(result, Err(FieldError { field, problem }), "{cron:?} {zone:?}");
        }
        let long = Schedule { cron: "0 ".repeat(60), time_zone: "UTC".to_owned() };
        assert!(Timetable::parse(&long).is_err());
    }
}
