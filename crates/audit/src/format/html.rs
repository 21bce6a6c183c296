//! A page that needs nothing else: no scripts, no fonts, nothing from elsewhere.

use askama::Template;

use super::{
    Item, Output, RuleText,
    text::{acceptance, several},
};
use crate::rule::Severity;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    output: &'a Output,
    counts: Vec<(Severity, usize)>,
    groups: Vec<Group<'a>>,
    figures: String,
}

/// A rule, and what it found.
struct Group<'a> {
    rule: Option<&'a RuleText>,
    first: &'a Item,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    item: &'a Item,
    state: String,
}

/// As HTML.
pub fn html(output: &Output) -> String {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut at: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    let found = output.findings.iter().map(|item| (item, if item.known { "known".to_owned() } else { String::new() }));
    let excepted = output.excepted.iter().map(|excepted| (&excepted.finding, acceptance(excepted)));
    for (item, state) in found.chain(excepted) {
        let index = *at.entry(&item.rule).or_insert_with(|| {
            groups.push(Group { rule: output.rule(&item.rule), first: item, rows: Vec::new() });
            groups.len() - 1
        });
        groups[index].rows.push(Row { item, state });
    }
    let summary = &output.summary;
    let page = Page {
        output,
        counts: Severity::ALL.iter().rev().map(|severity| (*severity, summary.count(*severity))).collect(),
        groups,
        figures: format!("{}, {}", several(summary.objects, "object"), several(summary.rules, "rule")),
    };
    // What is written to memory does not fail.
    let mut text = page.render().unwrap_or_default();
    text.push('\n');
    text
}
