//! Calendar months, as subscriptions are billed by them.

use time::{Date, Month, OffsetDateTime};

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// The first moment after `after` that lies whole months from the anchor: on its day, or on the last of a shorter month
/// (Stripe: `billing_cycle_anchor`).
pub(crate) fn next_month(anchor: i64, after: i64) -> i64 {
    let (first, then) = (instant(anchor), instant(after));
    // In the month of `after`, or in the one after that.
    let passed = (months(then.date()) - months(first.date())).max(0);
    (passed..passed + 3)
        .map(|months| later(first, months).unix_timestamp())
        .find(|at| *at > after && *at > anchor)
        .unwrap_or(i64::MAX)
}

/// As pages show it.
pub(crate) fn day(at: i64) -> String {
    instant(at).date().to_string()
}

fn instant(at: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn months(date: Date) -> i32 {
    date.year() * 12 + i32::from(u8::from(date.month())) - 1
}

fn later(first: OffsetDateTime, by: i32) -> OffsetDateTime {
    let month = months(first.date()) + by;
    let year = month.div_euclid(12);
    let name = u8::try_from(month.rem_euclid(12) + 1).ok().and_then(|n| Month::try_from(n).ok());
    let name = name.unwrap_or(Month::January);
    let day = first.day().min(name.length(year));
    Date::from_calendar_date(year, name, day).map_or(first, |date| first.replace_date(date))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_month_ends_on_the_anchors_day_or_on_its_last() {
        let anchor = datetime!(2027-01-31 14:30 UTC).unix_timestamp();
        let mut at = anchor;
        for expected in [
            datetime!(2027-02-28 14:30 UTC),
            datetime!(2027-03-31 14:30 UTC),
            datetime!(2027-04-30 14:30 UTC),
            datetime!(2027-05-31 14:30 UTC),
        ] {
            at = next_month(anchor, at);
            assert_eq!(at, expected.unix_timestamp());
        }
        let december = datetime!(2027-12-31 14:30 UTC).unix_timestamp();
        assert_eq!(next_month(anchor, december - 1), december);
        assert_eq!(next_month(anchor, december), datetime!(2028-01-31 14:30 UTC).unix_timestamp());
        assert_eq!(
            next_month(anchor, datetime!(2028-02-01 00:00 UTC).unix_timestamp()),
            datetime!(2028-02-29 14:30 UTC).unix_timestamp()
        );
    }
}
