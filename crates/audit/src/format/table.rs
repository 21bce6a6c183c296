//! A table for terminals.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::{
    Item, Output,
    text::{acceptance, counts, one_line, several},
};
use crate::rule::Severity;

/// Columns before the last, which is as wide as it is: a terminal folds it, and what searches a log finds it whole.
const COLUMNS: usize = 4;

struct Row {
    severity: Severity,
    cells: [String; COLUMNS],
    message: String,
}

/// A line for each finding, and what else is to be said below. With colours only where a terminal shows them.
pub fn table(output: &Output, colour: bool) -> String {
    let rows: Vec<Row> = (output.findings.iter().map(|item| row(item, if item.known { "known" } else { "" }, None)))
        .chain(output.excepted.iter().map(|e| row(&e.finding, "accepted", Some(acceptance(e)))))
        .collect();
    let mut text = String::new();
    let headings = ["SEVERITY", "RULE", "RESOURCE", "WHERE"];
    let mut widths = headings.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.width());
        }
    }
    if !rows.is_empty() {
        line(&mut text, headings.map(str::to_owned), widths, None);
        text += "MESSAGE\n";
    }
    for row in rows {
        line(&mut text, row.cells, widths, colour.then_some(row.severity));
        text += &row.message;
        text.push('\n');
    }
    if !output.not_assessable.is_empty() {
        text += if text.is_empty() { "Not judged:\n" } else { "\nNot judged:\n" };
        for unknown in &output.not_assessable {
            let objects = several(unknown.objects as usize, "object");
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {} ({objects}): {}", unknown.rule, one_line(&unknown.reason));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text += &summary(output);
    text.push('\n');
    text
}

fn row(item: &Item, state: &str, more: Option<String>) -> Row {
    let state = if state.is_empty() { String::new() } else { format!(" ({state})") };
    let message = match more {
        Some(more) => format!("{} [{more}]", item.message),
        None => item.message.clone(),
    };
    let place = item.place();
    let place = if place.is_empty() { &item.path } else { &place };
    Row {
        severity: item.severity,
        cells: [format!("{}{state}", item.severity), item.rule.to_string(), item.resource.title(), place.clone()]
            .map(|cell| one_line(&cell).into_owned()),
        message: one_line(&message).into_owned(),
    }
}

fn line(text: &mut String, cells: [String; COLUMNS], widths: [usize; COLUMNS], colour: Option<Severity>) {
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        match colour {
            Some(severity) if at == 0 => *text += &coloured(cell, severity),
            _ => *text += cell,
        }
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
    }
}

/// By SGR (ECMA-48, section 8.3.117), in the terminal's own colours.
fn coloured(text: &str, severity: Severity) -> String {
    let code = match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Info => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// One line: what was found in how much, and the notes below it.
pub fn summary(output: &Output) -> String {
    let summary = &output.summary;
    let mut text = match summary.findings {
        0 => "No findings".to_owned(),
        count => format!("{}: {}", several(count, "finding"), counts(summary)),
    };
    for (count, what) in [(summary.known, "known"), (summary.excepted, "accepted")] {
        if count > 0 {
            let _ = write!(text, "; {count} {what}");
        }
    }
    let objects = several(summary.objects, "object");
    let _ = write!(text, ". {objects}, {}", several(summary.rules, "rule"));
    if let Some(score) = summary.score {
        let _ = write!(text, ", score {score:.1} of 100");
    }
    text.push('.');
    for note in &summary.notes {
        let _ = write!(text, "\n{}", one_line(note));
    }
    text
}
