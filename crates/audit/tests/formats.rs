//! Every format of every document can be read back by what it is for, whatever the names and messages in it are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::LazyLock;

use jsonschema::Validator;
use kubewise_audit::{
    Category, Severity,
    format::{
        self, Acceptance, Control, Excepted, Format, Item, Output, Resource, RuleText, Summary, Unassessed, csv, html,
        junit, markdown, sarif, table,
    },
};
use proptest::prelude::*;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use serde_json::{Value, json};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    // A pattern for languages has a bracket too many, which is no regular expression of ECMA-262.
    let schema = include_str!("sarif/sarif-schema-2.1.0.json").replace("{2}]?$", "{2}$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// Anything that a hostile manifest may have for a name.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,24}",
        "(?s)[\\x00-\\xa0\u{fffe}\u{202e}<>&\"'|`,;=+@-]{0,16}",
        Just("=HYPERLINK(\"https://example.com\")".to_owned()),
        Just("</script><script>alert(1)</script>".to_owned()),
        Just("]]>\u{1b}[2J".to_owned()),
    ]
}

fn severity() -> impl Strategy<Value = Severity> {
    proptest::sample::select(Severity::ALL)
}

prop_compose! {
    fn item()(
        rule in proptest::sample::select(vec!["one", "two", "three"]),
        severity in severity(),
        texts in proptest::collection::vec(text(), 9),
        source in proptest::option::of(text()),
        line in proptest::option::of(0..100_u32),
        known in any::<bool>(),
    ) -> Item {
        let [api_version, kind, namespace, name, path, message, remediation, patch, title] = texts.try_into().unwrap();
        Item {
            rule: rule.into(),
            title: title.into(),
            severity,
            categories: vec![Category::Security],
            controls: vec![Control { framework: "cis".into(), control: "5.2.3".into() }],
            resource: Resource { api_version, kind, namespace, name },
            source,
            line,
            path,
            message,
            remediation: remediation.into(),
            patch,
            fingerprint: "00112233445566778899aabbccddeeff".to_owned(),
            known,
        }
    }
}

prop_compose! {
    fn output()(
        findings in proptest::collection::vec(item(), 0..6),
        excepted in proptest::collection::vec((item(), text(), proptest::option::of(text())), 0..3),
        unknown in proptest::collection::vec((text(), text()), 0..3),
        rule_texts in proptest::collection::vec(text(), 4),
        notes in proptest::collection::vec(text(), 0..2),
        score in proptest::option::of(0.0..100.0),
        severity in severity(),
    ) -> Output {
        let [title, why, fix, link] = rule_texts.try_into().unwrap();
        // One rule that found something, one that may not have.
        let rules = ["one", "four"].map(|id| RuleText {
            id: id.into(),
            title: title.clone().into(),
            why: why.clone().into(),
            remediation: fix.clone().into(),
            severity,
            categories: vec![Category::Security],
            controls: Vec::new(),
            references: vec![link.clone().into(), "https://kubernetes.io/docs/".into()],
            judged: 3,
            failed: 1,
        });
        let mut output = Output {
            not_assessable: unknown
                .into_iter()
                .map(|(title, reason)| Unassessed { rule: "one".into(), title: title.into(), reason, objects: 2 })
                .collect(),
            excepted: excepted
                .into_iter()
                .map(|(finding, reason, expires)| Excepted {
                    finding,
                    exception: Acceptance { reason, owner: String::new(), expires },
                })
                .collect(),
            rules: rules.to_vec(),
            summary: Summary { notes, score, ..Summary::default() },
            origin: None,
            findings,
        };
        output.summary.findings = output.findings.len();
        output.summary.known = output.findings.iter().filter(|item| item.known).count();
        output
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).unwrap()?;
    Some(quick_xml::escape::unescape(&attribute.value).unwrap().into_owned())
}

fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn json_is_the_document(output in output()) {
        let read: Output = serde_json::from_str(&format::json(&output)).unwrap();
        prop_assert_eq!(&read.findings, &output.findings);
        prop_assert_eq!(&read.excepted, &output.excepted);
        prop_assert_eq!(&read.not_assessable, &output.not_assessable);
    }

    #[test]
    fn sarif_is_as_the_standard_has_it(output in output()) {
        let log: Value = serde_json::from_str(&sarif(&output)).unwrap();
        if let Some(error) = SCHEMA.iter_errors(&log).next() {
            prop_assert!(false, "{} at {}", error, error.instance_path());
        }
        let results = log["runs"][0]["results"].as_array().unwrap();
        prop_assert_eq!(results.len(), output.findings.len() + output.excepted.len());
        for (result, item) in results.iter().zip(&output.findings) {
            prop_assert_eq!(result["message"]["text"].as_str(), Some(&*item.message));
            prop_assert!(result.get("suppressions").is_none());
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            prop_assert_eq!(uri.is_string(), item.source.is_some());
            prop_assert!(!uri.as_str().unwrap_or_default().starts_with('/'));
        }
        for result in &results[output.findings.len()..] {
            prop_assert_eq!(result["suppressions"].as_array().unwrap().len(), 1);
        }
    }

    #[test]
    fn junit_is_xml_and_counts_right(output in output()) {
        let text = junit(&output);
        let is_allowed = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        prop_assert!(text.chars().all(is_allowed));
        let mut reader = Reader::from_str(&text);
        reader.config_mut().check_end_names = true;
        let (mut cases, mut failures, mut skipped) = (0, 0, 0);
        let mut said = [0; 3];
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(element) | Event::Empty(element) => {
                    for attribute in element.attributes() {
                        quick_xml::escape::unescape(&attribute.unwrap().value).unwrap();
                    }
                    match element.name().as_ref() {
                        "testsuites" => {
                            said = ["tests", "failures", "skipped"]
                                .map(|name| attribute(&element, name).unwrap().parse().unwrap());
                        }
                        "testcase" => cases += 1,
                        "failure" => failures += 1,
                        "skipped" => skipped += 1,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        prop_assert_eq!(said, [cases, failures, skipped]);
        prop_assert_eq!(failures, output.findings.iter().filter(|item| !item.known).count());
    }

    #[test]
    fn csv_read_back_gives_the_fields(output in output()) {
        let text = csv(&output);
        let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let headings = reader.headers().unwrap().clone();
        let column = |name: &str| headings.iter().position(|heading| heading == name).unwrap();
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        let items: Vec<_> = output.findings.iter().chain(output.excepted.iter().map(|e| &e.finding)).collect();
        prop_assert_eq!(records.len(), items.len());
        for (record, item) in records.iter().zip(items) {
            prop_assert_eq!(&record[column("message")], guarded(&item.message));
            prop_assert_eq!(&record[column("name")], guarded(&item.resource.name));
            prop_assert_eq!(&record[column("path")], guarded(&item.path));
            prop_assert!(record.iter().all(|field| !field.starts_with(['=', '+', '-', '@', '\t', '\r'])));
        }
    }

    #[test]
    fn html_has_no_other_elements_than_its_own(output in output()) {
        let page = html(&output);
        prop_assert!(!page.to_lowercase().contains("<script"));
        let written = |page: &str| page.matches('<').count();
        let mut harmless = output.clone();
        let all = harmless.findings.iter_mut().chain(harmless.excepted.iter_mut().map(|e| &mut e.finding));
        for item in all {
            for text in [&mut item.message, &mut item.resource.name, &mut item.resource.kind, &mut item.resource.namespace] {
                *text = "x".to_owned();
            }
        }
        prop_assert_eq!(written(&page), written(&html(&harmless)));
    }

    #[test]
    fn a_table_has_a_line_for_each_finding_and_moves_no_cursor(output in output()) {
        let shown = table(&output, false);
        prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        let found = output.findings.len() + output.excepted.len();
        let unknown = output.not_assessable.len();
        let before = if found == 0 { 0 } else { found + 1 };
        let between = match (found, unknown) { (_, 0) => 0, (0, _) => unknown + 1, _ => unknown + 2 };
        let blank = usize::from(found + unknown > 0);
        prop_assert_eq!(shown.matches('\n').count(), before + between + blank + 1 + output.summary.notes.len());
        prop_assert_eq!(table(&output, true).contains('\u{1b}'), found > 0);
    }

    #[test]
    fn markdown_keeps_its_tables_whole(output in output()) {
        let text = markdown(&output);
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            let columns = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            prop_assert_eq!(columns, 6, "{}", line);
        }
        prop_assert!(!text.contains("<script") || text.contains("\\<script"));
    }
}

#[test]
fn every_format_writes_an_empty_document() {
    let output = Output::default();
    for format in [
        Format::Table { colour: true },
        Format::Json,
        Format::Sarif,
        Format::Junit,
        Format::Markdown,
        Format::Csv,
        Format::Html,
    ] {
        assert!(format.write(&output).ends_with('\n'), "{format:?}");
    }
}

/// Something that was found, in a file whose name has to be escaped.
fn high() -> Item {
    Item {
        rule: "one".into(),
        title: "One".into(),
        severity: Severity::High,
        categories: Vec::new(),
        controls: Vec::new(),
        resource: Resource::default(),
        source: Some("a folder/ä#1.yaml".to_owned()),
        line: Some(0),
        path: String::new(),
        message: "x".to_owned(),
        remediation: "x".into(),
        patch: String::new(),
        fingerprint: String::new(),
        known: false,
    }
}

/// What the standard does not allow is refused, or its schema would prove nothing.
#[test]
fn the_schema_of_sarif_refuses_what_is_no_sarif() {
    let output = Output { findings: vec![high()], ..Output::default() };
    let log: Value = serde_json::from_str(&sarif(&output)).unwrap();
    assert!(SCHEMA.is_valid(&log));
    for (place, wrong) in [
        ("/version", json!("2.0.0")),
        ("/runs", json!({})),
        ("/runs/0/tool", json!({})),
        ("/runs/0/results/0/level", json!("terrible")),
        ("/runs/0/results/0/message", json!({})),
        ("/runs/0/results/0/ruleId", json!(7)),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", json!(7)),
        ("/runs/0/results/0/partialFingerprints", json!({"a": 1})),
    ] {
        let mut log = log.clone();
        *log.pointer_mut(place).unwrap_or_else(|| panic!("{place} is written")) = wrong;
        assert!(!SCHEMA.is_valid(&log), "{place}");
    }
    let mut log = log.clone();
    log["runs"][0]["results"][0]["severity"] = json!("high");
    assert!(!SCHEMA.is_valid(&log), "a field that is none");
}

#[test]
fn sarif_names_files_by_references() {
    let mut item = high();
    let of = |item: &Item| {
        let output = Output { findings: vec![item.clone()], ..Output::default() };
        serde_json::from_str::<Value>(&sarif(&output)).unwrap()["runs"][0].take()
    };
    let run = of(&item);
    let place = &run["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20folder/%C3%A4%231.yaml");
    assert_eq!(place["region"]["startLine"], 1);
    item.source = Some("/tmp/a.yaml".to_owned());
    let run = of(&item);
    let place = &run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!((&place["uri"], &place["uriBaseId"]), (&"tmp/a.yaml".into(), &"FILESYSTEM".into()));
    assert_eq!(run["originalUriBaseIds"]["FILESYSTEM"]["uri"], "file:///");
}
