//! Severities: always the word, the colour only repeats it.

use kubewise_contract::{BySeverity, Severity, VulnerabilityCounts, VulnerabilitySeverity};
use leptos::prelude::*;

use super::number;

/// The colour of a word.
fn class(word: &str) -> &'static str {
    match word {
        "critical" => "tag crit",
        "high" => "tag high",
        "medium" => "tag med",
        "low" => "tag low",
        _ => "tag",
    }
}

fn tag(word: &'static str) -> AnyView {
    view! { <span class=class(word)>{word}</span> }.into_any()
}

/// A severity as a word in its colour.
pub(crate) fn severity_tag(severity: Severity) -> AnyView {
    tag(severity.as_str())
}

/// The same of a vulnerability.
pub(crate) fn vulnerability_tag(severity: VulnerabilitySeverity) -> AnyView {
    tag(severity.as_str())
}

/// How many there are of the severities that there are any of, worst first; a word when there are none.
pub(crate) fn severity_counts(counts: &BySeverity) -> AnyView {
    tags(Severity::WORST_FIRST.map(|severity| (severity.as_str(), counts.of(severity))))
}

/// The same of vulnerabilities.
pub(crate) fn vulnerability_counts(counts: &VulnerabilityCounts) -> AnyView {
    tags(VulnerabilitySeverity::WORST_FIRST.map(|severity| (severity.as_str(), counts.of(severity))))
}

fn tags(counts: [(&'static str, i64); 5]) -> AnyView {
    let tags: Vec<_> = counts
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(word, n)| view! { <span class=class(word)>{number(n)}" "{word}</span> })
        .collect();
    if tags.is_empty() {
        return view! { <span class="muted">"none"</span> }.into_any();
    }
    view! { <div class="tags">{tags}</div> }.into_any()
}
