//! What is to be billed, by the rule of `docs/billing/nodes.md`, from what a test did itself: nothing of the product and
//! nothing of the sample Stripe has a part in it.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};

const DAY: i64 = 86_400;

/// What a test did. Moments are seconds since 1970, days are counted since then.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The most nodes of each cluster, by day.
    days: BTreeMap<i64, BTreeMap<usize, i64>>,
    /// When Stripe was asked, and answered.
    pub(crate) asked: Vec<i64>,
    pub(crate) bought: Vec<Bought>,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Bought {
    pub(crate) at: i64,
    /// As many as there were then.
    pub(crate) nodes: i64,
    pub(crate) has_trial: bool,
    pub(crate) has_card: bool,
    /// When it was wanted that it ends with its period, and when no longer.
    pub(crate) ends: Vec<(i64, bool)>,
    /// When it was ended at once, and how often Stripe had been asked by then.
    pub(crate) ended: Option<(i64, usize)>,
}

struct Period {
    start: i64,
    end: i64,
    is_paid: bool,
    /// Whether another one follows, if it lasts to its end.
    goes_on: bool,
}

impl Bought {
    /// The trial, then months from its end on.
    fn period(&self, number: usize) -> Period {
        let first = if self.has_trial { self.at + 14 * DAY } else { self.at };
        let months = i64::try_from(number).unwrap() - i64::from(self.has_trial);
        let is_paid = months >= 0;
        let start = if is_paid { month(first, months) } else { self.at };
        let end = if is_paid { month(first, months + 1) } else { first };
        let is_ending = self.ends.iter().rfind(|(at, _)| *at < end).is_some_and(|(_, ends)| *ends);
        Period { start, end, is_paid, goes_on: !is_ending && (is_paid || self.has_card) }
    }

    /// When it has ended, if it has.
    pub(crate) fn over(&self, now: i64) -> Option<i64> {
        if let Some((at, _)) = self.ended {
            return Some(at);
        }
        let mut number = 0;
        while self.period(number).end <= now && self.period(number).goes_on {
            number += 1;
        }
        Some(self.period(number).end).filter(|end| *end <= now)
    }
}

impl Log {
    /// A cluster has so many nodes.
    pub(crate) fn nodes(&mut self, at: i64, cluster: usize, nodes: i64) {
        let most = self.days.entry(at.div_euclid(DAY)).or_default().entry(cluster).or_default();
        *most = nodes.max(*most);
    }

    pub(crate) fn is_live(&self, now: i64) -> bool {
        self.bought.last().is_some_and(|last| last.over(now).is_none())
    }

    /// The average of the last 30 days that have ended, none from before the first, rounded up, at least one.
    fn average(&self, first: i64, day: i64) -> i64 {
        let counted: Vec<u64> = (first.max(day - 30)..day)
            .map(|day| self.days.get(&day).map_or(0, |of| of.values().sum::<i64>()).unsigned_abs())
            .collect();
        let average = counted.iter().sum::<u64>().div_ceil(counted.len() as u64);
        i64::try_from(average.max(1)).unwrap()
    }

    /// Nodes times seconds that are billed by now: a month in advance, as it is known by now.
    pub(crate) fn node_seconds(&self, now: i64) -> i128 {
        self.bought.iter().map(|bought| self.billed(bought, now)).sum()
    }

    fn billed(&self, bought: &Bought, now: i64) -> i128 {
        let first = bought.at.div_euclid(DAY);
        let (over, asked) = bought.ended.unwrap_or((i64::MAX, self.asked.len()));
        let mut nodes = bought.nodes;
        let mut billed = 0;
        for number in 0.. {
            let period = bought.period(number);
            // Ended in the very second in which it began, it had begun.
            if period.start > now || period.start > over {
                break;
            }
            let mut reached = period.start;
            // The number of the day on which it ends is told when it has ended, and is the next one's.
            for day in period.start.div_euclid(DAY)..period.end.div_euclid(DAY) {
                let from = period.start.max(day * DAY);
                // What could not be told before the period ended is billed with the number before it.
                let is_told = self.asked[..asked].iter().any(|at| (from..period.end).contains(at));
                if day <= first || !is_told {
                    continue;
                }
                billed += i128::from(from - reached) * i128::from(nodes) * i128::from(period.is_paid);
                (reached, nodes) = (from, self.average(first, day));
            }
            billed += i128::from(period.end - reached) * i128::from(nodes) * i128::from(period.is_paid);
            if period.end > now || !period.goes_on {
                break;
            }
        }
        billed
    }
}

/// So many months later: on the same day of the month, or on its last.
fn month(at: i64, months: i64) -> i64 {
    let first: civil::DateTime = TimeZone::UTC.to_datetime(Timestamp::from_second(at).unwrap());
    let then = first.checked_add(months.months()).unwrap();
    TimeZone::UTC.to_timestamp(then).unwrap().as_second()
}

#[test]
fn a_bill_is_reckoned_as_by_hand() {
    let hours = |day: i64, hour: i64| (day * 24 + hour) * 3600;
    // From 1 January 1970, 12:00, without a trial: January's month ends on 1 February at noon.
    let mut log = Log::default();
    for day in 0..40 {
        log.nodes(hours(day, 1), 0, if day < 10 { 4 } else { 10 });
        log.nodes(hours(day, 13), 0, 1);
    }
    let bought = Bought { at: hours(0, 12), nodes: 2, has_trial: false, has_card: true, ends: Vec::new(), ended: None };
    log.bought.push(bought);
    log.asked = vec![hours(1, 1)];
    // Two until midnight, then four; the rest of the month is paid.
    let month = (12 * 2 + (30 * 24 + 12) * 4) * 3600;
    assert_eq!(log.node_seconds(hours(1, 1)), month);
    // On the twelfth, eleven days have ended: 4 × 10 + 10 = 50, 4.5 nodes.
    log.asked.push(hours(11, 1));
    let month = month + (20 * 24 + 12) * 3600;
    assert_eq!(log.node_seconds(hours(11, 1)), month);
    // The next month begins with the number before it, until its first day's is told.
    assert_eq!(log.node_seconds(hours(31, 12)), month + 28 * 24 * 3600 * 5);
    log.asked.push(hours(31, 13));
    // 9 × 4 + 21 × 10 in 30 days.
    assert_eq!(log.node_seconds(hours(31, 13)), month + 28 * 24 * 3600 * 9);
}
