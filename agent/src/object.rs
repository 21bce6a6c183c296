//! One object, stripped and ready to be sent.

use std::hash::{BuildHasher, RandomState};

use kubewise_protocol::{VULNERABILITY_REPORT, WatchedKind};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::filtered;
use crate::strip::{NOT_READ_OF_REPORTS, strip};

/// Longer objects are not sent: the server refuses lines over 2 MiB, and etcd objects over 1.5 MiB.
const LONGEST: usize = (2 << 20) - 1024;

/// One object, stripped and ready to be sent.
#[derive(Debug)]
pub(crate) struct Object {
    /// `metadata.uid`
    pub uid: Uuid,
    /// Tells whether the stripped object is another than the one that was sent.
    pub hash: u64,
    /// The stripped object.
    pub json: Box<RawValue>,
    /// True for the namespace `kube-system`, whose UID identifies the cluster.
    pub identifies_cluster: bool,
}

/// What was read of an object: the object, and where in the stream of changes it stands.
#[derive(Debug)]
pub(crate) struct Read {
    /// The object itself; none when it cannot be sent.
    pub object: Result<Object, Unsendable>,
    /// `metadata.resourceVersion`
    pub resource_version: Option<String>,
}

/// Why an object cannot be sent. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    /// It is not JSON, or not an object with metadata.
    #[error("it is not a Kubernetes object")]
    Malformed,
    /// It has no UID, or one that is none.
    #[error("it has no UID")]
    NoUid,
    /// It is longer than the server takes.
    #[error("it is longer than the server takes, even stripped")]
    TooLong,
}

/// Reads objects; keeps what makes their hashes comparable with each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    // Keyed at random: nobody can craft an object whose change goes unnoticed.
    hasher: RandomState,
}

impl Reader {
    /// Reads and strips one object of this kind.
    pub(crate) fn read(&self, kind: &WatchedKind, json: &[u8]) -> Read {
        let left_out = if kind.group_kind() == VULNERABILITY_REPORT { NOT_READ_OF_REPORTS } else { &["managedFields"] };
        let Ok(mut value) = filtered::read(json, left_out) else {
            return Read { object: Err(Unsendable::Malformed), resource_version: None };
        };
        let resource_version = value
            .get("metadata")
            .and_then(|metadata| metadata.get("resourceVersion"))
            .and_then(Value::as_str)
            .map(str::to_owned);
        Read { object: self.prepare(kind, &mut value), resource_version }
    }

    fn prepare(&self, kind: &WatchedKind, value: &mut Value) -> Result<Object, Unsendable> {
        let Value::Object(fields) = &mut *value else { return Err(Unsendable::Malformed) };
        let metadata = fields.get("metadata").and_then(Value::as_object).ok_or(Unsendable::Malformed)?;
        let text = |name| metadata.get(name).and_then(Value::as_str);
        let uid = text("uid").and_then(|uid| Uuid::try_parse(uid).ok()).ok_or(Unsendable::NoUid)?;
        let identifies_cluster =
            kind.group.is_empty() && kind.kind == "Namespace" && text("name") == Some("kube-system");
        // Items of a list do not say what they are.
        fields.insert("apiVersion".to_owned(), Value::String(kind.api_version()));
        fields.insert("kind".to_owned(), Value::String(kind.kind.to_owned()));
        strip(kind.kind, value);
        let json = serde_json::value::to_raw_value(value).map_err(|_| Unsendable::Malformed)?;
        if json.get().len() > LONGEST {
            return Err(Unsendable::TooLong);
        }
        let hash = self.hasher.hash_one(json.get());
        Ok(Object { uid, hash, json, identifies_cluster })
    }
}

/// The identity of an object of which nothing else is needed.
pub(crate) fn uid_and_version(json: &[u8]) -> Option<(Uuid, Option<String>)> {
    #[derive(Deserialize)]
    struct Partial {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        uid: Uuid,
        resource_version: Option<String>,
    }
    let Partial { metadata } = serde_json::from_slice(json).ok()?;
    Some((metadata.uid, metadata.resource_version))
}

#[cfg(test)]
mod tests {
    use kubewise_protocol::KINDS;

    use super::*;

    const UID: &str = "0e8a3b5e-0000-4000-8000-000000000001";

    fn kind(name: &str) -> &'static WatchedKind {
        KINDS.iter().find(|kind| kind.kind == name).unwrap()
    }

    #[test]
    fn an_item_of_a_list_says_what_it_is() {
        let json = format!(r#"{{"metadata":{{"name":"a","uid":"{UID}","resourceVersion":"7"}}}}"#);
        let read = Reader::default().read(kind("Deployment"), json.as_bytes());
        assert_eq!(read.resource_version.as_deref(), Some("7"));
        let object = read.object.unwrap();
        assert_eq!(object.uid.to_string(), UID);
        let expected =
            format!(r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"a","uid":"{UID}"}}}}"#);
        assert_eq!(object.json.get(), expected);
    }

    #[test]
    fn a_report_of_many_megabytes_is_sent_as_far_as_it_is_taken() {
        let one = |n: u32| {
            format!(
                r#"{{"vulnerabilityID":"CVE-{n}","severity":"LOW","resource":"a","installedVersion":"1","fixedVersion":"",
                     "title":"{}","description":"{}","links":["https://example.com"]}}"#,
                "t".repeat(150),
                "d".repeat(1_000)
            )
        };
        let all = (0..6_000).map(one).collect::<Vec<_>>().join(",");
        let json = format!(r#"{{"metadata":{{"uid":"{UID}"}},"report":{{"vulnerabilities":[{all}]}}}}"#);
        assert!(json.len() > 6 << 20);
        let object = Reader::default().read(kind("VulnerabilityReport"), json.as_bytes()).object.unwrap();
        assert!(object.json.get().len() < LONGEST);
        let sent: Value = serde_json::from_str(object.json.get()).unwrap();
        let kept = sent["report"]["vulnerabilities"].as_array().unwrap().len() as u64;
        assert_eq!(kept + sent["report"]["truncated"].as_u64().unwrap(), 6_000);
    }

    #[test]
    fn the_hash_tells_changes_that_mean_something() {
        let reader = Reader::default();
        let hash = |version: u32, replicas: u32| {
            let json = format!(
                r#"{{"metadata":{{"uid":"{UID}","resourceVersion":"{version}"}},"spec":{{"replicas":{replicas}}}}}"#
            );
            reader.read(kind("Deployment"), json.as_bytes()).object.unwrap().hash
        };
        assert_eq!(hash(1, 1), hash(2, 1));
        assert_ne!(hash(1, 1), hash(1, 2));
    }

    #[test]
    fn what_cannot_be_sent() {
        let read = |json: &str| Reader::default().read(kind("Pod"), json.as_bytes()).object.unwrap_err();
        assert_eq!(read("{"), Unsendable::Malformed);
        assert_eq!(read("[]"), Unsendable::Malformed);
        assert_eq!(read(r#"{"metadata":{"name":"x"}}"#), Unsendable::NoUid);
        assert_eq!(read(r#"{"metadata":{"uid":"x"}}"#), Unsendable::NoUid);
        let long = format!(r#"{{"metadata":{{"uid":"{UID}"}},"spec":{{"x":"{}"}}}}"#, "a".repeat(2 << 20));
        assert_eq!(read(&long), Unsendable::TooLong);
    }

    #[test]
    fn kube_system_identifies_the_cluster() {
        let read = |kind, name: &str| {
            let json = format!(r#"{{"metadata":{{"uid":"{UID}","name":"{name}"}}}}"#);
            Reader::default().read(kind, json.as_bytes()).object.unwrap().identifies_cluster
        };
        assert!(read(kind("Namespace"), "kube-system"));
        assert!(!read(kind("Namespace"), "default"));
        assert!(!read(kind("Pod"), "kube-system"));
    }
}
