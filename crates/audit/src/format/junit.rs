//! `JUnit`'s XML, as GitLab, Jenkins and others read it: a suite for each rule, a case for each finding.

use std::{borrow::Cow, collections::BTreeMap, io};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{
    Item, Output,
    text::{acceptance, several},
};

/// What a case says.
enum Outcome<'a> {
    Failed(&'a Item),
    Skipped(String),
    Passed,
}

struct Case<'a> {
    name: String,
    item: Option<&'a Item>,
    outcome: Outcome<'a>,
}

/// As XML, ending in a line end. A rule without findings is one case that passed; what is known, accepted or could not be
/// judged is skipped.
pub fn junit(output: &Output) -> String {
    let mut suites: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
    for item in &output.findings {
        let outcome =
            if item.known { Outcome::Skipped("known from the baseline".to_owned()) } else { Outcome::Failed(item) };
        suites.entry(&item.rule).or_default().push(Case { name: name(item), item: Some(item), outcome });
    }
    for excepted in &output.excepted {
        let item = &excepted.finding;
        let outcome = Outcome::Skipped(acceptance(excepted));
        suites.entry(&item.rule).or_default().push(Case { name: name(item), item: Some(item), outcome });
    }
    for unknown in &output.not_assessable {
        let objects = several(unknown.objects as usize, "object");
        suites.entry(&unknown.rule).or_default().push(Case {
            name: format!("not judged for {objects}"),
            item: None,
            outcome: Outcome::Skipped(unknown.reason.clone()),
        });
    }
    for rule in &output.rules {
        suites.entry(&rule.id).or_insert_with(|| {
            let objects = several(rule.judged as usize, "object");
            vec![Case { name: format!("nothing found in {objects}"), item: None, outcome: Outcome::Passed }]
        });
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // What is written to memory does not fail.
    drop(document(&mut writer, &suites));
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

fn name(item: &Item) -> String {
    let path = if item.path.is_empty() { "" } else { " " };
    format!("{}{path}{}", item.resource.title(), item.path)
}

type Xml = Writer<Vec<u8>>;

fn document(writer: &mut Xml, suites: &BTreeMap<&str, Vec<Case<'_>>>) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let [tests, failures, skipped] = count(suites.values().flatten());
    writer
        .create_element("testsuites")
        .with_attributes([("name", "kubewise"), ("tests", &*tests), ("failures", &*failures), ("errors", "0")])
        .with_attributes([("skipped", &*skipped), ("time", "0")])
        .write_inner_content(|writer| suites.iter().try_for_each(|(rule, cases)| suite(writer, rule, cases)))?;
    Ok(())
}

fn suite(writer: &mut Xml, rule: &str, cases: &[Case<'_>]) -> io::Result<()> {
    let [tests, failures, skipped] = count(cases.iter());
    writer
        .create_element("testsuite")
        .with_attributes([("name", &*allowed(rule)), ("tests", &tests), ("failures", &failures), ("errors", "0")])
        .with_attributes([("skipped", &*skipped), ("time", "0")])
        .write_inner_content(|writer| cases.iter().try_for_each(|case| test_case(writer, rule, case)))?;
    Ok(())
}

fn test_case(writer: &mut Xml, rule: &str, case: &Case<'_>) -> io::Result<()> {
    let mut element = writer.create_element("testcase").with_attributes([
        ("name", &*allowed(&case.name)),
        ("classname", &*allowed(rule)),
        ("time", "0"),
    ]);
    if let Some(source) = case.item.and_then(|item| item.source.as_deref()) {
        element = element.with_attribute(("file", &*allowed(source)));
    }
    if let Some(line) = case.item.and_then(|item| item.line) {
        element = element.with_attribute(("line", &*line.to_string()));
    }
    match &case.outcome {
        Outcome::Passed => element.write_empty()?,
        Outcome::Skipped(reason) => element.write_inner_content(|writer| {
            writer.create_element("skipped").with_attribute(("message", &*allowed(reason))).write_empty()?;
            Ok(())
        })?,
        Outcome::Failed(item) => element.write_inner_content(|writer| {
            let place = item.place();
            let place = if place.is_empty() { place } else { format!("\n{place}") };
            let text = format!("{}\n{}\n{}{place}", item.title, item.message, item.remediation);
            writer
                .create_element("failure")
                .with_attributes([("type", item.severity.as_str()), ("message", &*allowed(&item.message))])
                .write_text_content(BytesText::new(&allowed(&text)))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// Cases, failures and what was skipped.
fn count<'a>(cases: impl Iterator<Item = &'a Case<'a>>) -> [String; 3] {
    let [mut tests, mut failures, mut skipped] = [0_usize; 3];
    for case in cases {
        tests += 1;
        failures += usize::from(matches!(case.outcome, Outcome::Failed(_)));
        skipped += usize::from(matches!(case.outcome, Outcome::Skipped(_)));
    }
    [tests, failures, skipped].map(|count| count.to_string())
}

/// Without the characters that XML has no form for, not even an escaped one (XML 1.0, section 2.2).
fn allowed(text: &str) -> Cow<'_, str> {
    let is_allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}
