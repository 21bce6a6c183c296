//! Moments in time, small enough for the browser: no calendar library is shipped for them.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// How long before `now` this moment was, in the words of the product: `4 s`, `12 min`, `3 h`, `5 d`, `2 y`.
    /// Moments in the future (a clock that is ahead) count as now.
    pub fn age(self, now: Self) -> String {
        let seconds = (now.0 - self.0).max(0) / 1000;
        match seconds {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{} min", seconds / 60),
            3600..172_800 => format!("{} h", seconds / 3600),
            172_800..63_072_000 => format!("{} d", seconds / 86_400),
            _ => format!("{} y", seconds / 31_536_000),
        }
    }

    /// `2026-11-23 09:12 UTC`
    pub fn minute_utc(self) -> String {
        let (date, h, m, _) = self.parts();
        format!("{date} {h:02}:{m:02} UTC")
    }

    // Days to civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    fn parts(self) -> (String, i64, i64, i64) {
        let seconds = self.0.div_euclid(1000);
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        (format!("{year:04}-{month:02}-{day:02}"), of_day / 3600, of_day % 3600 / 60, of_day % 60)
    }
}

/// RFC 3339 in UTC, to the second: what a `<time datetime>` wants.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, h, m, s) = self.parts();
        write!(f, "{date}T{h:02}:{m:02}:{s:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil_dates() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1_709_210_096_000).to_string(), "2024-02-29T12:34:56Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(Timestamp(4_102_444_800_000).minute_utc(), "2100-01-01 00:00 UTC");
    }

    #[test]
    fn ages_are_said_in_the_largest_unit_that_still_tells() {
        let now = Timestamp(100_000_000_000);
        let ago = |s: i64| Timestamp(now.0 - s * 1000).age(now);
        assert_eq!(ago(-5), "0 s");
        assert_eq!(ago(59), "59 s");
        assert_eq!(ago(60), "1 min");
        assert_eq!(ago(3599), "59 min");
        assert_eq!(ago(47 * 3600), "47 h");
        assert_eq!(ago(48 * 3600), "2 d");
    }
}
