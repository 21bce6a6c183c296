//! When a cron schedule last fired.

use time::OffsetDateTime;

use crate::clock::MINUTE;

/// How far back a run is looked for: a schedule that fires once a month is found.
const LOOK_BACK_MINUTES: i64 = 40 * 24 * 60;

/// The last `count` times before `now` (seconds since 1970) at which a five-field schedule fired, the last one last.
pub(crate) fn last_runs(schedule: &str, now: i64, count: usize) -> Vec<i64> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else { return Vec::new() };
    let last_minute = now - now.rem_euclid(MINUTE);
    let fires = |&at: &i64| {
        OffsetDateTime::from_unix_timestamp(at).is_ok_and(|at| {
            matches(minute, at.minute())
                && matches(hour, at.hour())
                && matches(day, at.day())
                && matches(month, at.month().into())
                && matches(weekday, at.weekday().number_days_from_sunday())
        })
    };
    let mut runs: Vec<i64> =
        (1..LOOK_BACK_MINUTES).map(|back| last_minute - back * MINUTE).filter(fires).take(count).collect();
    runs.reverse();
    runs
}

/// One field: `*`, `*/n`, and lists of numbers and ranges.
fn matches(field: &str, value: u8) -> bool {
    field.split(',').any(|part| match part.split_once(['/', '-']) {
        Some(("*", every)) => every.parse::<u8>().is_ok_and(|every| every > 0 && value.is_multiple_of(every)),
        Some((from, to)) => {
            from.parse::<u8>().is_ok_and(|from| from <= value) && to.parse::<u8>().is_ok_and(|to| value <= to)
        }
        None => part == "*" || part.parse::<u8>() == Ok(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{START, rfc3339};

    #[test]
    fn schedules_fire_when_cron_says() {
        let runs = |schedule, n| last_runs(schedule, START, n).into_iter().map(rfc3339).collect::<Vec<_>>();
        assert_eq!(runs("30 2 * * *", 2), ["2026-11-22T02:30:00Z", "2026-11-23T02:30:00Z"]);
        assert_eq!(runs("*/20 * * * *", 1), ["2026-11-23T05:40:00Z"]);
        assert_eq!(runs("0 4 * * 0", 1), ["2026-11-22T04:00:00Z"]);
        assert_eq!(runs("0 8-10,14 1 * *", 1), ["2026-11-01T14:00:00Z"]);
        assert!(runs("not a schedule", 1).is_empty());
    }
}
