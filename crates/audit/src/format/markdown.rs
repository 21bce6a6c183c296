//! GitHub's Markdown: for a job's summary or a comment.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    Item, Output,
    text::{acceptance, counts, one_line, several},
};

/// A heading, the figures, a table of findings, and what to do by rule.
pub fn markdown(output: &Output) -> String {
    let summary = &output.summary;
    let mut text = format!("# Kubewise audit\n\nFindings: {}", counts(summary));
    for (count, what) in [(summary.known, "known"), (summary.excepted, "accepted")] {
        if count > 0 {
            // Writing to a string does not fail.
            let _ = write!(text, "; {count} {what}");
        }
    }
    let _ = write!(text, ". {}, {}", several(summary.objects, "object"), several(summary.rules, "rule"));
    if let Some(score) = summary.score {
        let _ = write!(text, ", score {score:.1} of 100");
    }
    text += ".\n";
    for note in &summary.notes {
        let _ = write!(text, "\n{}\n", escaped(note));
    }
    if !output.findings.is_empty() {
        text += "\n| Severity | Rule | Resource | Where | Message |\n| --- | --- | --- | --- | --- |\n";
        for item in &output.findings {
            row(&mut text, item, if item.known { " (known)" } else { "" }, None);
        }
    }
    if !output.excepted.is_empty() {
        text += "\n## Accepted\n\n| Severity | Rule | Resource | Where | Message |\n| --- | --- | --- | --- | --- |\n";
        for excepted in &output.excepted {
            row(&mut text, &excepted.finding, "", Some(&acceptance(excepted)));
        }
    }
    if !output.not_assessable.is_empty() {
        text += "\n## Not judged\n\n";
        for unknown in &output.not_assessable {
            let objects = several(unknown.objects as usize, "object");
            let _ = writeln!(text, "- {} ({objects}): {}", escaped(&unknown.rule), escaped(&unknown.reason));
        }
    }
    let mut told: Vec<&str> = Vec::new();
    for item in &output.findings {
        if told.contains(&&*item.rule) {
            continue;
        }
        text += if told.is_empty() { "\n## What to do\n" } else { "" };
        told.push(&item.rule);
        let _ = write!(text, "\n### {}: {}\n\n", escaped(&item.rule), escaped(&item.title));
        if let Some(rule) = output.rule(&item.rule) {
            let _ = write!(text, "{}\n\n", escaped(&rule.why));
        }
        let _ = writeln!(text, "{}", escaped(&item.remediation));
    }
    text
}

fn row(text: &mut String, item: &Item, state: &str, more: Option<&str>) {
    let place = item.place();
    let place = if place.is_empty() { &item.path } else { &place };
    let more = more.map(|more| format!(" ({})", escaped(more))).unwrap_or_default();
    let _ = writeln!(
        text,
        "| {}{state} | {} | {} | {} | {}{more} |",
        item.severity,
        escaped(&item.rule),
        escaped(&item.resource.title()),
        escaped(place),
        escaped(&item.message),
    );
}

/// As it is written, whatever it means in Markdown: every character of ASCII punctuation may have a backslash
/// (`CommonMark` 0.31, section 2.4). A mention or an address is none.
fn escaped(text: &str) -> Cow<'_, str> {
    const MEANS_SOMETHING: &[char] = &['\\', '`', '*', '_', '[', ']', '<', '>', '#', '|', '~', '&'];
    let text = one_line(text);
    if !text.contains(|c| MEANS_SOMETHING.contains(&c) || c == '@') && !text.contains("://") && !text.contains("www.") {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if MEANS_SOMETHING.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
        // GitHub takes these for a mention, and for an address, even where they are escaped.
        if character == '@' {
            escaped.push_str("<!-- -->");
        }
    }
    Cow::Owned(escaped.replace("://", ":<!-- -->//").replace("www.", "www<!-- -->."))
}
