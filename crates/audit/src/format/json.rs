//! JSON: all of the document. Its shape is a promise: fields are added, never renamed or removed.

use std::collections::HashSet;

use serde::Serialize;

use super::{Excepted, Item, Origin, Output, RuleText, Summary, Unassessed};

/// The document, with the texts of those rules alone that something was found by.
#[derive(Serialize)]
struct Shown<'a> {
    findings: &'a [Item],
    not_assessable: &'a [Unassessed],
    excepted: &'a [Excepted],
    rules: Vec<&'a RuleText>,
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
}

/// As JSON, ending in a line end.
pub fn json(output: &Output) -> String {
    let found: HashSet<&str> = (output.findings.iter())
        .chain(output.excepted.iter().map(|excepted| &excepted.finding))
        .map(|finding| &*finding.rule)
        .collect();
    let shown = Shown {
        findings: &output.findings,
        not_assessable: &output.not_assessable,
        excepted: &output.excepted,
        rules: output.rules.iter().filter(|rule| found.contains(&*rule.id)).collect(),
        summary: &output.summary,
        origin: output.origin.as_ref(),
    };
    // Strings, numbers and lists of them always have a form in JSON.
    let mut text = serde_json::to_string_pretty(&shown).unwrap_or_default();
    text.push('\n');
    text
}
