//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

use super::{Excepted, Item, Output};

const HEADINGS: [&str; 18] = [
    "rule",
    "title",
    "severity",
    "state",
    "categories",
    "controls",
    "apiVersion",
    "kind",
    "namespace",
    "name",
    "source",
    "line",
    "path",
    "message",
    "remediation",
    "fingerprint",
    "accepted because",
    "accepted until",
];

/// A line of headings, and one for each finding. Those that are accepted are among them, with the reason.
pub fn csv(output: &Output) -> String {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    // What is written to memory does not fail, and every record has as many fields.
    let mut write = |fields: &[&str]| {
        for field in fields {
            drop(writer.write_field(&*guarded(field)));
        }
        drop(writer.write_record(None::<&[u8]>));
    };
    write(&HEADINGS);
    for item in &output.findings {
        record(item, None, &mut write);
    }
    for excepted in &output.excepted {
        record(&excepted.finding, Some(excepted), &mut write);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn record(item: &Item, excepted: Option<&Excepted>, write: &mut impl FnMut(&[&str])) {
    let state = match (excepted, item.known) {
        (Some(_), _) => "accepted",
        (None, true) => "known",
        (None, false) => "new",
    };
    let categories: Vec<&str> = item.categories.iter().map(|category| category.as_str()).collect();
    let controls: Vec<String> = item.controls.iter().map(|c| format!("{} {}", c.framework, c.control)).collect();
    let exception = excepted.map(|excepted| &excepted.exception);
    write(&[
        &item.rule,
        &item.title,
        item.severity.as_str(),
        state,
        &categories.join("; "),
        &controls.join("; "),
        &item.resource.api_version,
        &item.resource.kind,
        &item.resource.namespace,
        &item.resource.name,
        item.source.as_deref().unwrap_or_default(),
        &item.line.map(|line| line.to_string()).unwrap_or_default(),
        &item.path,
        &item.message,
        &item.remediation,
        &item.fingerprint,
        exception.map_or("", |exception| &exception.reason),
        exception.and_then(|exception| exception.expires.as_deref()).unwrap_or_default(),
    ]);
}

/// Spreadsheets compute what begins like a formula, and people choose names (OWASP, CSV Injection).
fn guarded(field: &str) -> Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{field}"))
    } else {
        Cow::Borrowed(field)
    }
}
