//! SARIF 2.1.0 (OASIS Standard, 27 March 2020), as GitHub and other code scanning read it.

use std::{collections::HashMap, fmt::Write as _};

use serde::Serialize;

use super::{Excepted, Item, Output, RuleText, text::acceptance};
use crate::rule::Severity;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What a path that begins at the root of the file system is relative to.
const FILE_SYSTEM: &str = "FILESYSTEM";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    invocations: [Invocation<'a>; 1],
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    original_uri_base_ids: HashMap<&'static str, Uri<'static>>,
    column_kind: &'static str,
    results: Vec<Found<'a>>,
    properties: RunProperties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties<'a> {
    profile: &'a str,
    kubernetes_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a super::Origin>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    id: &'a str,
    short_description: Message<'a>,
    full_description: Message<'a>,
    help: Help,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<&'a str>,
    default_configuration: Configuration,
    properties: RuleProperties<'a>,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties<'a> {
    tags: Vec<String>,
    precision: &'static str,
    severity: Severity,
    /// What GitHub sorts by.
    #[serde(rename = "security-severity")]
    security_severity: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'a [super::Text],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a> {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    level: &'static str,
    message: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    associated_rule: Option<Reference<'a>>,
}

#[derive(Serialize)]
struct Reference<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    text: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Message<'a>,
    locations: [Location<'a>; 1],
    partial_fingerprints: Fingerprints<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: FoundProperties<'a>,
}

#[derive(Serialize)]
struct Fingerprints<'a> {
    #[serde(rename = "kubewise/v1")]
    kubewise: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<Physical>,
    logical_locations: [Logical<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Uri<'static>,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Uri<'a> {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical<'a> {
    name: &'a str,
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundProperties<'a> {
    severity: Severity,
    api_version: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    path: &'a str,
}

/// As SARIF, ending in a line end. Accepted findings are in it as suppressed, known ones as unchanged.
pub fn sarif(output: &Output) -> String {
    let has_baseline = output.summary.known > 0;
    let indices: HashMap<&str, usize> = output.rules.iter().enumerate().map(|(at, rule)| (&*rule.id, at)).collect();
    let found = |item, excepted| result(item, excepted, &indices, has_baseline);
    let results: Vec<Found<'_>> = (output.findings.iter().map(|item| found(item, None)))
        .chain(output.excepted.iter().map(|excepted| found(&excepted.finding, Some(excepted))))
        .collect();
    let notifications = output.not_assessable.iter().map(|unknown| Notification {
        level: "note",
        message: plain(format!("{} was not judged for {} objects: {}", unknown.rule, unknown.objects, unknown.reason)),
        associated_rule: indices.contains_key(&*unknown.rule).then_some(Reference { id: &unknown.rule }),
    });
    let is_absolute = |item: &Item| item.source.as_deref().is_some_and(|source| source.starts_with('/'));
    let items = output.findings.iter().chain(output.excepted.iter().map(|excepted| &excepted.finding));
    let root = Uri { uri: "file:///".to_owned(), uri_base_id: None };
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "Kubewise",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: output.rules.iter().map(descriptor).collect(),
                },
            },
            invocations: [Invocation {
                execution_successful: true,
                tool_execution_notifications: notifications.collect(),
            }],
            original_uri_base_ids: items
                .into_iter()
                .any(is_absolute)
                .then_some((FILE_SYSTEM, root))
                .into_iter()
                .collect(),
            column_kind: "unicodeCodePoints",
            results,
            properties: RunProperties {
                profile: &output.summary.profile,
                kubernetes_version: &output.summary.kubernetes_version,
                score: output.summary.score,
                origin: output.origin.as_ref(),
            },
        }],
    };
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn descriptor(rule: &RuleText) -> Descriptor<'_> {
    let mut tags: Vec<String> = rule.categories.iter().map(ToString::to_string).collect();
    tags.extend(rule.controls.iter().map(|control| format!("{}/{}", control.framework, control.control)));
    let mut markdown = format!("{}\n\n**What to do:** {}\n", rule.why, rule.remediation);
    for link in &rule.references {
        // Writing to a string does not fail.
        let _ = write!(markdown, "\n- <{link}>");
    }
    Descriptor {
        id: &rule.id,
        short_description: plain(&*rule.title),
        full_description: plain(&*rule.why),
        help: Help { text: format!("{}\n\nWhat to do: {}", rule.why, rule.remediation), markdown },
        help_uri: rule.references.iter().map(|link| &**link).find(|link| link.starts_with("https://")),
        default_configuration: Configuration { level: level(rule.severity) },
        properties: RuleProperties {
            tags,
            precision: "very-high",
            severity: rule.severity,
            security_severity: security_severity(rule.severity),
            references: &rule.references,
        },
    }
}

fn result<'a>(
    item: &'a Item,
    excepted: Option<&Excepted>,
    indices: &HashMap<&str, usize>,
    has_baseline: bool,
) -> Found<'a> {
    let resource = &item.resource;
    let path = if item.path.is_empty() { String::new() } else { format!(".{}", item.path) };
    Found {
        rule_id: &item.rule,
        rule_index: indices.get(&*item.rule).copied(),
        level: level(item.severity),
        message: plain(&*item.message),
        locations: [Location {
            physical_location: item.source.as_deref().map(|source| Physical {
                artifact_location: uri(source),
                region: Region { start_line: item.line.unwrap_or(1).max(1) },
            }),
            logical_locations: [Logical {
                name: &resource.name,
                fully_qualified_name: format!("{}{path}", resource.title()),
                kind: "resource",
            }],
        }],
        partial_fingerprints: Fingerprints { kubewise: &item.fingerprint },
        baseline_state: has_baseline.then_some(if item.known { "unchanged" } else { "new" }),
        suppressions: (excepted.into_iter())
            .map(|excepted| Suppression { kind: "external", status: "accepted", justification: acceptance(excepted) })
            .collect(),
        properties: FoundProperties {
            severity: item.severity,
            api_version: &resource.api_version,
            kind: &resource.kind,
            namespace: &resource.namespace,
            name: &resource.name,
            path: &item.path,
        },
    }
}

fn plain<'a>(text: impl Into<std::borrow::Cow<'a, str>>) -> Message<'a> {
    Message { text: text.into() }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info | Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// In the bands that GitHub has for it: over 9.0 is critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
const fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "0.0",
        Severity::Low => "2.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

/// A path as a reference to a file (RFC 3986, sections 2.3 and 4.2), relative always.
fn uri(source: &str) -> Uri<'static> {
    let (path, uri_base_id) = match source.strip_prefix('/') {
        Some(_) => (source.trim_start_matches('/'), Some(FILE_SYSTEM)),
        None => (source, None),
    };
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    Uri { uri, uri_base_id }
}
