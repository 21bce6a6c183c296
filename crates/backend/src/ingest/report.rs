//! What a `VulnerabilityReport` of Trivy Operator says. Whoever can write one into a cluster can write anything into it: what
//! is no identifier, no address or no number is left out here, and nothing is longer than its column.

use std::{borrow::Cow, collections::HashSet};

use kubewise_contract::VulnerabilitySeverity as Severity;
use kubewise_protocol::MOST_VULNERABILITIES;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::health::null_is_empty;

/// The longest reference of an image, in bytes; `image_key` in the database knows no longer one either.
const LONGEST_IMAGE: usize = 1024;

/// Which image a report is about, and when it was written. Kept beside the object, so that the newest report on an image is found
/// without unpacking all of them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct About {
    /// The image, as the scanner names it: `index.docker.io/library/nginx:1.25`.
    pub(super) image: String,
    /// Seconds since 1970.
    pub(super) scanned_at: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow)]
    artifact: Artifact<'a>,
    #[serde(borrow)]
    registry: Registry<'a>,
    #[serde(borrow)]
    update_timestamp: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact<'a> {
    #[serde(borrow)]
    repository: Cow<'a, str>,
    #[serde(borrow)]
    tag: Option<Cow<'a, str>>,
    #[serde(borrow)]
    digest: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registry<'a> {
    #[serde(borrow)]
    server: Cow<'a, str>,
}

impl About {
    /// Reads it out of the field `report`; none when no image is named. `created` is when the object was created.
    pub(super) fn read(report: Option<&RawValue>, created: Option<OffsetDateTime>) -> Option<Self> {
        let head: Head<'_> = serde_json::from_str(report?.get()).ok()?;
        let said = head.update_timestamp.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok());
        let scanned_at = said.or(created).map_or(0, OffsetDateTime::unix_timestamp);
        let (server, repository) = (head.registry.server, head.artifact.repository);
        let joint = if server.is_empty() { "" } else { "/" };
        let said = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).filter(|text| !text.is_empty());
        // Of an image that is named by its tag, the digest is that of its configuration: no reference has it.
        let end = match (said(head.artifact.tag), said(head.artifact.digest)) {
            (Some(tag), _) => format!(":{tag}"),
            (None, Some(digest)) => format!("@{digest}"),
            (None, None) => String::new(),
        };
        let image = format!("{server}{joint}{repository}{end}");
        let is_one = |c: char| c.is_ascii_alphanumeric() || ".-_/:@".contains(c);
        (!repository.is_empty() && image.len() <= LONGEST_IMAGE && image.chars().all(is_one))
            .then_some(Self { image, scanned_at })
    }
}

/// A report, read whole.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) scanner: String,
    pub(super) scanner_version: String,
    pub(super) os: String,
    /// How many were found of each severity, by [`Severity::rank`].
    pub(super) counts: [i64; 5],
    /// How many were found and are not among these.
    pub(super) truncated: i64,
    /// Each once: a package that lies in an image at several places is one.
    pub(super) vulnerabilities: Vec<Vulnerability>,
}

/// One vulnerability of a package.
#[derive(Debug, PartialEq)]
pub(super) struct Vulnerability {
    pub(super) id: String,
    pub(super) package: String,
    pub(super) installed: String,
    pub(super) fixed: String,
    pub(super) severity: Severity,
    /// CVSS in tenths.
    pub(super) score: Option<i16>,
    pub(super) title: String,
    pub(super) link: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Whole {
    report: Body,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    scanner: Value,
    os: Value,
    summary: Value,
    truncated: Value,
    #[serde(deserialize_with = "null_is_empty")]
    vulnerabilities: Vec<Value>,
}

impl Report {
    /// Reads an object as the agent sent it. What is no report says nothing.
    pub(super) fn read(json: &[u8]) -> Self {
        let Whole { report } = serde_json::from_slice(json).unwrap_or_default();
        let mut seen = HashSet::new();
        let mut left_out = report.truncated.as_i64().unwrap_or_default().clamp(0, i64::from(i32::MAX));
        let mut vulnerabilities = Vec::new();
        for value in &report.vulnerabilities {
            match Vulnerability::read(value) {
                Some(one) if seen.insert((one.id.clone(), one.package.clone(), one.installed.clone())) => {
                    vulnerabilities.push(one);
                }
                Some(_) => {}
                None => left_out += 1,
            }
        }
        if vulnerabilities.len() > MOST_VULNERABILITIES {
            vulnerabilities.sort_by(|a, b| (b.severity, &a.id).cmp(&(a.severity, &b.id)));
            left_out += i64::try_from(vulnerabilities.len() - MOST_VULNERABILITIES).unwrap_or_default();
            vulnerabilities.truncate(MOST_VULNERABILITIES);
        }
        let mut counts = [0; 5];
        for one in &vulnerabilities {
            counts[usize::from(one.severity.rank().unsigned_abs())] += 1;
        }
        if left_out > 0 {
            // What is not kept is counted by the scanner alone.
            for (count, name) in counts.iter_mut().zip(["unknown", "low", "medium", "high", "critical"]) {
                let said = report.summary[format!("{name}Count")].as_i64().unwrap_or_default();
                *count = said.clamp(*count, i64::from(i32::MAX));
            }
        }
        let os = [text(&report.os, "family", 64), text(&report.os, "name", 64)];
        Self {
            scanner: text(&report.scanner, "name", 64),
            scanner_version: text(&report.scanner, "version", 64),
            os: os.join(" ").trim().to_owned(),
            counts,
            truncated: left_out,
            vulnerabilities,
        }
    }
}

impl Vulnerability {
    fn read(value: &Value) -> Option<Self> {
        let id = value["vulnerabilityID"].as_str()?;
        let is_one = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if id.is_empty() || id.len() > 64 || !id.chars().all(is_one) {
            return None;
        }
        let link = value["primaryLink"].as_str().unwrap_or_default();
        let is_safe = link.len() <= 512 && link.starts_with("https://") && link.chars().all(|c| c.is_ascii_graphic());
        Some(Self {
            id: id.to_owned(),
            package: text(value, "resource", 256),
            installed: text(value, "installedVersion", 128),
            fixed: text(value, "fixedVersion", 256),
            severity: Severity::of_scanner(value["severity"].as_str().unwrap_or_default()),
            score: value["score"].as_f64().and_then(tenths),
            title: text(value, "title", 512),
            link: if is_safe { link.to_owned() } else { String::new() },
        })
    }
}

/// A score of CVSS, from 0 to 10.
fn tenths(score: f64) -> Option<i16> {
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 100")]
    (0.0..=10.0).contains(&score).then(|| (score * 10.0).round() as i16)
}

/// A text of at most so many bytes, since they are parts of keys; without control characters.
fn text(value: &Value, name: &str, most: usize) -> String {
    let mut text: String = value[name].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn about(report: Value) -> Option<String> {
        let raw = serde_json::value::to_raw_value(&report).unwrap();
        About::read(Some(&raw), None).map(|about| about.image)
    }

    #[test]
    fn the_image_is_named_by_its_tag_or_by_its_digest() {
        let digest = "sha256:2f1e";
        assert_eq!(
            about(
                json!({"registry": {"server": "index.docker.io"}, "artifact": {"repository": "library/nginx", "tag": "1.25", "digest": digest}})
            ),
            Some("index.docker.io/library/nginx:1.25".to_owned())
        );
        assert_eq!(
            about(json!({"registry": {"server": "quay.io"}, "artifact": {"repository": "a/b", "digest": digest}})),
            Some("quay.io/a/b@sha256:2f1e".to_owned())
        );
        assert_eq!(about(json!({"artifact": {"repository": "nginx"}})), Some("nginx".to_owned()));
        for none in [
            json!({}),
            json!([]),
            json!({"artifact": {"repository": ""}}),
            json!({"artifact": {"repository": "a b"}}),
            json!({"artifact": {"repository": "a\u{0}b"}}),
            json!({"artifact": {"repository": "a".repeat(1_025)}}),
            json!({"artifact": {"repository": 7}}),
        ] {
            assert_eq!(about(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn the_time_is_the_reports_or_the_objects() {
        let read = |report: &str| {
            About::read(Some(&RawValue::from_string(report.to_owned()).unwrap()), Some(OffsetDateTime::UNIX_EPOCH))
                .unwrap()
                .scanned_at
        };
        assert_eq!(read(r#"{"artifact":{"repository":"a"},"updateTimestamp":"2026-11-20T08:00:00Z"}"#), 1_795_161_600);
        assert_eq!(read(r#"{"artifact":{"repository":"a"},"updateTimestamp":"soon"}"#), 0);
    }

    #[test]
    fn what_is_hostile_is_left_out_or_made_harmless() {
        let one = |id: &str, link: &str| {
            json!({"vulnerabilityID": id, "resource": "a\u{0}b", "installedVersion": "é".repeat(200), "severity": "HIGH",
                   "primaryLink": link, "score": 11, "title": "x".repeat(10_000)})
        };
        let report = Report::read(
            &serde_json::to_vec(&json!({"report": {"scanner": 7, "truncated": -5, "vulnerabilities": [
                one("CVE-1", "javascript:alert(1)"), one("CVE-2", "https://a.example/x\" onclick=\"y"),
                one("CVE-3", "https://a.example/x"), one("<b>", ""), one(&"C".repeat(65), ""), one("", ""), 7, null,
            ]}}))
            .unwrap(),
        );
        let links: Vec<&str> = report.vulnerabilities.iter().map(|one| one.link.as_str()).collect();
        assert_eq!(links, ["", "", "https://a.example/x"]);
        assert_eq!(report.truncated, 5, "what could not be read is said to be missing");
        let first = &report.vulnerabilities[0];
        assert_eq!((first.package.as_str(), first.score), ("ab", None));
        assert_eq!((first.installed.len(), first.title.len()), (128, 512));
        assert!(Report::read(b"[]").vulnerabilities.is_empty());
        assert!(Report::read(b"{\"report\":{\"vulnerabilities\":null}}").vulnerabilities.is_empty());
    }

    #[test]
    fn each_counts_once_and_what_is_not_kept_is_counted_by_the_scanner() {
        let one = |n: usize| json!({"vulnerabilityID": format!("CVE-{n}"), "severity": "LOW", "resource": "a"});
        let read = |report: Value| Report::read(&serde_json::to_vec(&json!({"report": report})).unwrap());
        let summary = json!({"lowCount": 9_000, "criticalCount": 2, "highCount": -1});
        let twice = read(json!({"vulnerabilities": [one(1), one(1), one(2)], "summary": summary}));
        assert_eq!((twice.counts, twice.truncated), ([0, 2, 0, 0, 0], 0));
        let cut = read(json!({"vulnerabilities": [one(1)], "summary": summary, "truncated": 8_999}));
        assert_eq!((cut.counts, cut.truncated), ([0, 9_000, 0, 0, 2], 8_999));
        let many: Vec<Value> = (0..MOST_VULNERABILITIES + 3).map(one).collect();
        let many = read(json!({"vulnerabilities": many}));
        assert_eq!((many.vulnerabilities.len(), many.truncated), (MOST_VULNERABILITIES, 3));
    }
}
