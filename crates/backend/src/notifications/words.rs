//! What is told, in words: the same in a mail and in a chat.

use kubewise_contract::{BySeverity, DeliveryEvent, Severity};
use time::OffsetDateTime;

use super::told::{Run, Silence, Told};
use crate::mail::moment;

/// `1 finding`, `3 findings`
fn count(n: i64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

/// `1 critical, 2 high`
pub(super) fn by_severity(counts: &BySeverity) -> String {
    let parts: Vec<_> = Severity::WORST_FIRST
        .into_iter()
        .filter(|severity| counts.of(*severity) > 0)
        .map(|severity| format!("{} {severity}", counts.of(severity)))
        .collect();
    parts.join(", ")
}

/// What of a name may stand in one line, such as the subject of a mail.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// What it is about, in one line.
pub(super) fn subject(told: &Told) -> String {
    let first_run = told.runs.first();
    let text = match told.event {
        DeliveryEvent::NewFindings => {
            let cluster = told.found.worst.first().map_or("a cluster", |row| row.cluster.as_str());
            let (counts, total) = (by_severity(&told.found.counts), told.found.counts.total());
            format!("{} in {cluster}: {counts}", count(total, "new finding"))
        }
        DeliveryEvent::FailedRun | DeliveryEvent::MissedRun => first_run.map(run).unwrap_or_default(),
        DeliveryEvent::SilentCluster => {
            told.silences.first().map(|one| format!("{} is silent", one.cluster)).unwrap_or_default()
        }
        DeliveryEvent::Digest => {
            let total = told.found.counts.total();
            let parts = [
                (total > 0).then(|| count(total, "new finding")),
                many(told.runs.len(), "audit that was not run in time", "audits that were not run in time"),
                many(told.silences.len(), "silent cluster", "silent clusters"),
            ];
            format!("{}: {}", told.organisation, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
        DeliveryEvent::Test => format!("Test of the notification {}", told.name),
    };
    one_line(&text)
}

fn many(n: usize, one: &str, several: &str) -> Option<String> {
    match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{n} {several}")),
    }
}

/// What happened, before the list of findings.
pub(super) fn sentences(told: &Told) -> Vec<String> {
    let mut sentences = Vec::new();
    match told.event {
        DeliveryEvent::Test => sentences.push(format!(
            "this is a test of the notification {} of {}. Nothing has happened; what arrives like this will arrive.",
            told.name, told.organisation,
        )),
        DeliveryEvent::Digest => sentences.push(format!(
            "this is what happened in the clusters of {} from {} until {}.",
            told.organisation,
            told.since.map(when).unwrap_or_default(),
            when(told.at),
        )),
        DeliveryEvent::NewFindings => {
            let row = told.found.worst.first();
            sentences.push(format!(
                "an audit of {} found what the one before did not: {}.",
                row.map_or("a cluster", |row| row.cluster.as_str()),
                by_severity(&told.found.counts),
            ));
        }
        DeliveryEvent::FailedRun | DeliveryEvent::MissedRun | DeliveryEvent::SilentCluster => {}
    }
    if told.event == DeliveryEvent::Digest && told.found.counts.total() > 0 {
        sentences.push(format!("New findings that are open still: {}.", by_severity(&told.found.counts)));
    }
    sentences.extend(told.runs.iter().map(|one| match one.missed {
        Some(due_at) => format!(
            "Audit {} of {} was due on {}, when no server ran. It is run late.",
            one.audit,
            one.cluster,
            when(due_at)
        ),
        None => format!(
            "Audit {} of {} could not be done, and is not tried again. What the last one found stays.",
            one.audit, one.cluster
        ),
    }));
    sentences.extend(told.silences.iter().map(silence));
    sentences
}

fn run(one: &Run) -> String {
    match one.missed {
        Some(_) => format!("An audit of {} was missed", one.cluster),
        None => format!("An audit of {} failed", one.cluster),
    }
}

fn silence(one: &Silence) -> String {
    format!(
        "{} is silent: its agent was heard last on {}. What runs there since is not known.",
        one.cluster,
        when(one.last_heard_at)
    )
}

/// As a sentence that nothing stands before.
pub(super) fn begun(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn when(at: OffsetDateTime) -> String {
    moment(at.unix_timestamp())
}

/// Findings that are not among those which are named.
pub(super) fn more(told: &Told) -> i64 {
    told.found.counts.total() - i64::try_from(told.found.worst.len()).unwrap_or(i64::MAX)
}
