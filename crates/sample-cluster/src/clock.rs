//! The sample's calendar. Times are derived, never read from a clock, so that every start gives the same objects.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The moment at which the sample begins: 2026-11-23T06:00:00Z, in seconds since 1970.
pub(crate) const START: i64 = 1_795_413_600;

/// A minute, in seconds.
pub(crate) const MINUTE: i64 = 60;
/// An hour, in seconds.
pub(crate) const HOUR: i64 = 3600;
/// A day, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// Seconds since 1970 as Kubernetes writes times: RFC 3339 in UTC.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// The reverse of [`rfc3339`].
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// `90m`, `6h`, `41d` in seconds.
pub(crate) fn parse_age(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_what_its_comment_says() {
        assert_eq!(rfc3339(START), "2026-11-23T06:00:00Z");
        assert_eq!(parse_rfc3339("2026-11-23T06:00:00Z"), Some(START));
    }

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(parse_age("41d"), Some(41 * DAY));
        assert_eq!(parse_age("90m"), Some(5400));
        for bad in ["", "5", "d", "5w", "-", "é"] {
            assert_eq!(parse_age(bad), None, "{bad:?}");
        }
    }
}
