//! Trivy Operator's `VulnerabilityReport`: what is known to be wrong with the image of a container. Most of its weight is prose
//! and links, which nobody needs a second copy of.

use std::cmp::Reverse;

use kubewise_protocol::MOST_VULNERABILITIES;
use serde_json::{Map, Value};

/// Fields of a report that are kept, and of those that are objects, the fields in them.
const REPORT: &[(&str, &[&str])] = &[
    ("artifact", &["digest", "repository", "tag"]),
    ("os", &["family", "name"]),
    ("registry", &["server"]),
    ("scanner", &["name", "version"]),
    ("summary", &["criticalCount", "highCount", "lowCount", "mediumCount", "unknownCount"]),
];

/// Fields of a vulnerability that are kept, and how many characters of each.
const VULNERABILITY: &[(&str, usize)] = &[
    ("fixedVersion", 256),
    ("installedVersion", 128),
    ("primaryLink", 512),
    ("resource", 256),
    ("severity", 16),
    ("title", 200),
    ("vulnerabilityID", 64),
];

/// All vulnerabilities of a report, as JSON: well below what may be sent of one object.
const LONGEST: usize = 3 << 19;

/// Fields that are not even read into memory: a report can be a megabyte, and these are nearly all of it.
pub(crate) const NOT_READ: &[&str] = &["cvss", "description", "links", "managedFields", "packagePURL", "target"];

/// Keeps of a report what is shown. Of more vulnerabilities than are taken, the worst stay, and `truncated` says how many do not.
pub(super) fn strip(fields: &mut Map<String, Value>) {
    fields.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "report"));
    let Some(report) = fields.get_mut("report") else { return };
    let Value::Object(report) = report else {
        // Nothing else can be a report.
        *report = Value::Null;
        return;
    };
    report.retain(|name, value| match (name.as_str(), value) {
        ("updateTimestamp", value) => value.is_string(),
        ("truncated", value) => value.is_u64(),
        ("vulnerabilities", value) => value.is_array(),
        (name, Value::Object(inner)) => REPORT.iter().find(|(kept, _)| *kept == name).is_some_and(|(_, kept)| {
            inner.retain(|name, value| kept.contains(&name.as_str()) && (value.is_string() || value.is_u64()));
            true
        }),
        _ => false,
    });
    let Some(Value::Array(found)) = report.get_mut("vulnerabilities") else { return };
    let left_out = worst(found);
    if left_out > 0 {
        let before = report.get("truncated").and_then(Value::as_u64).unwrap_or_default();
        report.insert("truncated".to_owned(), before.saturating_add(left_out).into());
    }
}

/// Puts the worst first and takes out what is too much; answers how many that was.
fn worst(found: &mut Vec<Value>) -> u64 {
    found.retain_mut(|one| {
        let Value::Object(fields) = one else { return false };
        fields.retain(|name, value| match VULNERABILITY.iter().find(|(kept, _)| kept == name) {
            Some((_, most)) => {
                if let Value::String(text) = value {
                    shorten(text, *most);
                }
                value.is_string()
            }
            None => name == "score" && value.is_number(),
        });
        fields.get("vulnerabilityID").is_some_and(Value::is_string)
    });
    found.sort_by_cached_key(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let by_name = (text("vulnerabilityID"), text("resource"), text("installedVersion"));
        (Reverse(rank(one)), text("fixedVersion").is_empty(), by_name)
    });
    let mut length = 0;
    let taken = found
        .iter()
        .take(MOST_VULNERABILITIES)
        .take_while(|one| {
            length += one.to_string().len() + 1;
            length <= LONGEST
        })
        .count();
    let left_out = found.len() - taken;
    found.truncate(taken);
    left_out as u64
}

/// How bad it is, as the scanner says.
fn rank(one: &Value) -> u8 {
    match one["severity"].as_str() {
        Some("CRITICAL") => 4,
        Some("HIGH") => 3,
        Some("MEDIUM") => 2,
        Some("LOW") => 1,
        _ => 0,
    }
}

fn shorten(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stripped(mut object: Value) -> Value {
        super::super::strip("VulnerabilityReport", &mut object);
        let mut twice = object.clone();
        super::super::strip("VulnerabilityReport", &mut twice);
        assert_eq!(object, twice, "stripping twice changes nothing");
        object
    }

    fn vulnerability(id: &str, severity: &str, fixed: &str) -> Value {
        json!({
            "vulnerabilityID": id, "resource": "libssl3", "installedVersion": "3.0.11", "fixedVersion": fixed,
            "severity": severity, "title": "t", "primaryLink": "https://avd.aquasec.com/nvd/x", "score": 9.1,
        })
    }

    #[test]
    fn what_is_shown_stays() {
        let mut found = vulnerability("CVE-2024-0001", "HIGH", "");
        let kept = found.clone();
        for (name, value) in [
            ("description", json!("long")),
            ("links", json!(["https://a"])),
            ("cvss", json!({"nvd": {}})),
            ("target", json!("a/b")),
            ("packagePURL", json!("pkg:deb/x")),
            ("publishedDate", json!("2024-01-01T00:00:00Z")),
        ] {
            found[name] = value;
        }
        let metadata = json!({
            "name": "replicaset-web-6d4cf56db6-web", "namespace": "shop", "uid": "u",
            "labels": {"trivy-operator.resource.kind": "ReplicaSet", "trivy-operator.container.name": "web"},
        });
        let after = stripped(json!({
            "metadata": metadata,
            "report": {
                "artifact": {"repository": "library/nginx", "tag": "1.25", "digest": "sha256:00", "mimeType": "x"},
                "registry": {"server": "index.docker.io"},
                "os": {"family": "debian", "name": "12.5", "eosl": true},
                "scanner": {"name": "Trivy", "vendor": "Aqua Security", "version": "0.66.0"},
                "summary": {"criticalCount": 0, "highCount": 1, "noneCount": 0},
                "updateTimestamp": "2026-11-20T08:00:00Z",
                "vulnerabilities": [found],
                "surprise": {"password": "hunter2"},
            },
            "status": {"password": "hunter2"},
        }));
        let expected = json!({
            "metadata": metadata,
            "report": {
                "artifact": {"repository": "library/nginx", "tag": "1.25", "digest": "sha256:00"},
                "registry": {"server": "index.docker.io"},
                "os": {"family": "debian", "name": "12.5"},
                "scanner": {"name": "Trivy", "version": "0.66.0"},
                "summary": {"criticalCount": 0, "highCount": 1},
                "updateTimestamp": "2026-11-20T08:00:00Z",
                "vulnerabilities": [kept],
            },
        });
        assert_eq!(after, expected);
    }

    #[test]
    fn the_worst_stand_first_and_those_that_can_be_mended_before_the_others() {
        let found = [
            vulnerability("CVE-5", "LOW", "1"),
            vulnerability("CVE-4", "CRITICAL", ""),
            vulnerability("CVE-3", "SURPRISING", "1"),
            vulnerability("CVE-2", "CRITICAL", "1"),
            vulnerability("CVE-1", "HIGH", "1"),
        ];
        let after = stripped(json!({"report": {"vulnerabilities": found}}));
        let ids: Vec<&str> = after["report"]["vulnerabilities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["vulnerabilityID"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["CVE-2", "CVE-4", "CVE-1", "CVE-5", "CVE-3"]);
        assert_eq!(after["report"]["truncated"], Value::Null);
    }

    #[test]
    fn of_too_many_the_worst_stay_and_the_rest_is_counted() {
        let mut found: Vec<Value> =
            (0..MOST_VULNERABILITIES + 10).map(|n| vulnerability(&format!("CVE-{n}"), "LOW", "")).collect();
        found.push(vulnerability("CVE-2024-3094", "CRITICAL", "5.6.1"));
        let after = stripped(json!({"report": {"vulnerabilities": found}}));
        let kept = after["report"]["vulnerabilities"].as_array().unwrap();
        assert_eq!(kept.len(), MOST_VULNERABILITIES);
        assert_eq!(kept[0]["vulnerabilityID"], "CVE-2024-3094");
        assert_eq!(after["report"]["truncated"], 11);
    }

    #[test]
    fn of_long_ones_as_many_stay_as_are_taken() {
        let long = |n: usize| {
            let mut one = vulnerability(&format!("CVE-{n}"), "HIGH", &"\u{1}".repeat(300));
            one["title"] = "\u{1}".repeat(1_000).into();
            one["primaryLink"] = "\u{1}".repeat(1_000).into();
            one
        };
        let found: Vec<Value> = (0..1_000).map(long).collect();
        let after = stripped(json!({"report": {"vulnerabilities": found}}));
        let (kept, truncated) = (&after["report"]["vulnerabilities"], after["report"]["truncated"].as_u64().unwrap());
        assert_eq!(kept.as_array().unwrap().len() as u64 + truncated, 1_000);
        let length = after.to_string().len();
        assert!(length < LONGEST + 1_000 && length > LONGEST - 10_000, "{length}");
        assert_eq!(kept[0]["title"].as_str().unwrap().len(), 200);
    }

    #[test]
    fn what_is_no_report() {
        for value in [
            json!({"report": "hunter2"}),
            json!({"report": {"vulnerabilities": {"a": 1}, "artifact": "x", "truncated": "many"}}),
            json!({"report": {"vulnerabilities": [1, null, {}, {"vulnerabilityID": 7}, {"vulnerabilityID": "x", "score": "y"}]}}),
        ] {
            stripped(value);
        }
    }
}
