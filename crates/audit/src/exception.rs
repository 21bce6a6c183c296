//! Exceptions: findings that somebody has decided to live with, for a reason and until a day.

use serde::{Deserialize, Serialize};

use crate::{object::Object, out::Finding};

/// Findings that are accepted: of a rule, where all that is said of the scope holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exception {
    /// The rule's id, or `*` for every rule.
    pub rule: String,
    /// Only objects of this kind: `Deployment`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Only in this namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Only the object of this name.
    #[serde(default)]
    pub name: Option<String>,
    /// Only objects with all of these labels.
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, String>,
    /// Why it is accepted.
    pub reason: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// The last day it holds, as `2027-01-31`; none: until it is removed.
    #[serde(default)]
    pub expires: Option<String>,
}

/// The annotation of an object by which findings in it are accepted: ids of rules, with commas between.
pub const ACCEPT: &str = "kubewise.io/waive";
/// The annotation that says why. Without it nothing is accepted.
pub const ACCEPT_REASON: &str = "kubewise.io/waive-reason";

/// The reason that annotations of the object give for accepting this finding. Only rules that are named are: who writes a
/// manifest cannot accept whatever a later rule finds in it.
pub fn annotated<'a>(finding: &Finding, object: &'a Object) -> Option<&'a str> {
    let reason = object.annotation(ACCEPT_REASON).trim();
    let names_it = || object.annotation(ACCEPT).split(',').any(|rule| rule.trim() == finding.rule.id);
    (!reason.is_empty() && names_it()).then_some(reason)
}

impl Exception {
    /// Whether it speaks of this finding.
    pub fn accepts(&self, finding: &Finding, object: &Object) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        (self.rule == "*" || self.rule == finding.rule.id)
            && is(&self.kind, &object.kind_name)
            && is(&self.namespace, &object.namespace)
            && is(&self.name, &object.name)
            && self.labels.iter().all(|(key, value)| object.labels().get(key).as_str() == Some(value))
    }

    /// Whether its last day is before this one, both as `2027-01-31`.
    pub fn has_ended(&self, today: &str) -> bool {
        self.expires.as_deref().is_some_and(|last| last < today)
    }
}
