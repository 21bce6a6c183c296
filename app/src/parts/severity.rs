//! Severities: always the word, the colour only repeats it.

use kubewise_contract::{BySeverity, Severity};
use leptos::prelude::*;

use super::number;

/// A severity as a word in its colour.
pub(crate) fn severity_tag(severity: Severity) -> AnyView {
    let class = match severity {
        Severity::Critical => "tag crit",
        Severity::High => "tag high",
        Severity::Medium => "tag med",
        Severity::Low => "tag low",
        Severity::Info => "tag",
    };
    view! { <span class=class>{severity.as_str()}</span> }.into_any()
}

/// How many there are of the severities that there are any of, worst first; a word when there are none.
pub(crate) fn severity_counts(counts: &BySeverity) -> AnyView {
    if counts.total() == 0 {
        return view! { <span class="muted">"none"</span> }.into_any();
    }
    let tags: Vec<_> = Severity::WORST_FIRST
        .into_iter()
        .filter(|severity| counts.of(*severity) > 0)
        .map(|severity| {
            let class = match severity {
                Severity::Critical => "tag crit",
                Severity::High => "tag high",
                Severity::Medium => "tag med",
                Severity::Low => "tag low",
                Severity::Info => "tag",
            };
            view! { <span class=class>{number(counts.of(severity))}" "{severity.as_str()}</span> }
        })
        .collect();
    view! { <div class="tags">{tags}</div> }.into_any()
}
