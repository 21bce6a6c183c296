//! What several formats do with text.

use std::borrow::Cow;

use super::{Excepted, Summary};
use crate::rule::Severity;

/// Without what would move a terminal's cursor, change its colours or begin a line: names of hostile manifests are shown
/// on terminals too.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

/// `accepted: planned (platform team, until 2027-01-31)`
pub(super) fn acceptance(excepted: &Excepted) -> String {
    let exception = &excepted.exception;
    let until = exception.expires.as_ref().map(|last| format!("until {last}"));
    let owner = (!exception.owner.is_empty()).then(|| exception.owner.clone());
    let more: Vec<String> = owner.into_iter().chain(until).collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    format!("accepted: {}{more}", exception.reason)
}

/// `2 critical, 1 low`; `none`.
pub(super) fn counts(summary: &Summary) -> String {
    let counts: Vec<String> = (Severity::ALL.iter().rev())
        .filter(|severity| summary.count(**severity) > 0)
        .map(|severity| format!("{} {severity}", summary.count(*severity)))
        .collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// `1 object`, `2 objects`
pub(super) fn several(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
