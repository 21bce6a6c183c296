//! JSON: all of the document. Its shape is a promise: fields are added, never renamed or removed.

use std::collections::HashSet;

use rayon::prelude::*;
use serde::Serialize;

use super::Output;

/// As JSON, ending in a line end. Each finding is a line: a baseline in a repository differs by findings.
pub fn json(output: &Output) -> String {
    let found: HashSet<&str> = (output.findings.iter())
        .chain(output.excepted.iter().map(|excepted| &excepted.finding))
        .map(|finding| &*finding.rule)
        .collect();
    // The texts of those rules alone that something was found by.
    let rules: Vec<_> = output.rules.iter().filter(|rule| found.contains(&*rule.id)).collect();
    let mut fields = vec![
        ("findings", lines(&output.findings)),
        ("not_assessable", lines(&output.not_assessable)),
        ("excepted", lines(&output.excepted)),
        ("rules", lines(&rules)),
        ("summary", line(&output.summary)),
    ];
    fields.extend(output.origin.as_ref().map(|origin| ("origin", line(origin))));
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}\n", fields.join(",\n"))
}

fn lines<T: Serialize + Sync>(items: &[T]) -> String {
    let lines: Vec<String> = items.par_iter().map(line).collect();
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", lines.join(",\n")) }
}

fn line(value: &impl Serialize) -> String {
    // Strings, numbers and lists of them always have a form in JSON.
    serde_json::to_string(value).unwrap_or_default()
}
