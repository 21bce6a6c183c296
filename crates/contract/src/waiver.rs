//! Waivers: findings that an organisation lives with, for a reason.

use serde::{Deserialize, Serialize};

use crate::{ClusterChoice, Cursor, Timestamp, WaiverId};

/// Whether a waiver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaiverState {
    /// Somebody has to allow it first.
    Asked,
    /// It holds.
    Holds,
    /// It was ended, turned down, or its last day is over.
    Ended,
}

impl WaiverState {
    /// As addresses spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Holds => "holds",
            Self::Ended => "ended",
        }
    }
}

/// Which waivers are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaiversShown {
    /// Those that hold, and those that wait to be allowed.
    #[default]
    Current,
    /// Those that wait to be allowed.
    Asked,
    /// Those that hold and waive nothing that the last audits found.
    Unused,
    /// Those whose last day is over, and those that were ended or turned down.
    Ended,
}

impl WaiversShown {
    /// All of them, and what people read.
    pub const ALL: [(&'static str, Self); 4] =
        [("current", Self::Current), ("to be allowed", Self::Asked), ("unused", Self::Unused), ("ended", Self::Ended)];

    /// As addresses and the database spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Asked => "asked",
            Self::Unused => "unused",
            Self::Ended => "ended",
        }
    }

    /// As addresses spell it; what is not known is what is shown when nothing is said.
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().map(|(_, shown)| shown).find(|shown| shown.as_str() == text).unwrap_or_default()
    }
}

/// Which waivers are asked for: the query string of their page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiversQuery {
    /// In which state.
    pub shown: WaiversShown,
    /// Begin after this place.
    pub after: Option<Cursor>,
}

/// What a waiver is about, and why: what its form sends. What is empty holds for every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverInput {
    /// The rule's id, or `*` for every rule.
    pub rule: String,
    /// The cluster's id; empty: every cluster.
    #[serde(default)]
    pub cluster: String,
    /// The kind: `Deployment`.
    #[serde(default)]
    pub kind: String,
    /// The namespace.
    #[serde(default)]
    pub namespace: String,
    /// The object's name.
    #[serde(default)]
    pub name: String,
    /// Labels that the object has: `app=web, tier=front`.
    #[serde(default)]
    pub labels: String,
    /// Why it is lived with.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day, as `2027-01-31`; empty: until it is ended.
    #[serde(default)]
    pub expires: String,
}

/// A waiver, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverRow {
    /// Id.
    pub id: WaiverId,
    /// The rule's id, or `*`.
    pub rule: String,
    /// The rule's title; none for every rule.
    pub title: Option<String>,
    /// In this cluster; none: in every cluster.
    pub cluster: Option<String>,
    /// What else is said of its objects: `Deployment`, `namespace shop`, `app=web`.
    pub scope: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day that it holds, as `2027-01-31`.
    pub expires: Option<String>,
    /// Whether it holds.
    pub state: WaiverState,
    /// Who asked for it: a person's name, if they are here still.
    pub requested_by: Option<String>,
    /// When.
    pub requested_at: Timestamp,
    /// Who allowed it, if somebody had to.
    pub approved_by: Option<String>,
    /// Since when it does not hold any more.
    pub ended_at: Option<Timestamp>,
    /// Findings that it waives.
    pub findings: i64,
    /// Whether the viewer may end it.
    pub can_end: bool,
}

/// The page of an organisation's waivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waivers {
    /// Last first.
    pub rows: Vec<WaiverRow>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
    /// How many wait to be allowed.
    pub asked: i64,
    /// Whether the viewer may waive findings, or ask for it.
    pub can_waive: bool,
    /// Whether the viewer may allow what others ask for.
    pub can_allow: bool,
    /// Whether waivers of those who may not wait to be allowed.
    pub are_asked: bool,
}

/// What the form of a waiver needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverChoices {
    /// Clusters to choose from.
    pub clusters: Vec<ClusterChoice>,
    /// Whether it may be for every cluster.
    pub every_cluster: bool,
    /// Whether somebody else has to allow it.
    pub is_asked: bool,
    /// A day in three months, as `2027-01-31`.
    pub expires: String,
}

/// Why a finding is lived with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    /// Why.
    pub reason: String,
    /// Who answers for it; none where an annotation of the object says it.
    pub owner: Option<String>,
    /// The last day, as `2027-01-31`.
    pub expires: Option<String>,
}
