//! How many nodes are billed: the rule of `docs/billing/nodes.md`, as arithmetic.

use std::collections::BTreeMap;

use time::{Date, Duration};

/// Days that are averaged.
const WINDOW: i64 = 30;

/// The nodes that are billed from the beginning of `today` on, of an organisation that subscribed on the day `since`: the
/// average of the last days that have ended, at most [`WINDOW`] of them and none from before it subscribed, rounded up, at
/// least one. None on the first day: then it is what was subscribed to.
pub(super) fn billed(days: &BTreeMap<Date, i64>, since: Date, today: Date) -> Option<i64> {
    let first = since.max(today.saturating_sub(Duration::days(WINDOW)));
    let count = (today - first).whole_days();
    if count < 1 {
        return None;
    }
    let sum: i64 = days.range(first..today).map(|(_, nodes)| *nodes).sum();
    Some((sum + count - 1).div_euclid(count).max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;

    fn days(nodes: &[(Date, i64)]) -> BTreeMap<Date, i64> {
        nodes.iter().copied().collect()
    }

    #[test]
    fn days_that_have_ended_are_averaged_and_rounded_up() {
        let since = date!(2026 - 11 - 01);
        let counted =
            days(&[(date!(2026 - 10 - 31), 900), (since, 4), (date!(2026 - 11 - 02), 5), (date!(2026 - 11 - 03), 99)]);
        assert_eq!(billed(&counted, since, since), None, "the first day is what was subscribed to");
        assert_eq!(billed(&counted, since, date!(2026 - 11 - 02)), Some(4), "not from before, and not today");
        assert_eq!(billed(&counted, since, date!(2026 - 11 - 03)), Some(5), "4.5");
        // A day without nodes counts as none.
        assert_eq!(billed(&counted, since, date!(2026 - 12 - 20)), Some(1), "at least one");
        assert_eq!(billed(&counted, since, date!(2026 - 12 - 01)), Some(4), "108 in 30 days");
        assert_eq!(billed(&counted, since, date!(2026 - 12 - 03)), Some(4), "99 in 30 days");
        assert_eq!(billed(&days(&[]), since, date!(2026 - 11 - 05)), Some(1));
    }

    proptest! {
        /// No day weighs more than another, and it is no less than the average and no node more.
        #[test]
        fn it_is_the_average_rounded_up(nodes in proptest::collection::vec(0_i64..5_000, 1..90)) {
            let since = date!(2026 - 01 - 15);
            let today = since + Duration::days(i64::try_from(nodes.len()).unwrap());
            let counted = nodes.iter().enumerate().filter(|(_, n)| **n > 0)
                .map(|(at, n)| (since + Duration::days(i64::try_from(at).unwrap()), *n)).collect();
            let last = &nodes[nodes.len().saturating_sub(30)..];
            let (sum, days) = (last.iter().sum::<i64>(), i64::try_from(last.len()).unwrap());
            let is = billed(&counted, since, today).unwrap();
            // As many for each day are enough for all, and one fewer is not.
            prop_assert!(is * days >= sum && (is == 1 || (is - 1) * days < sum), "{} for {} in {} days", is, sum, days);
        }
    }
}
