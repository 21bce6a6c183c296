//! What a rule is.

use std::{fmt, str::FromStr};

use crate::{
    object::{Container, Kind, Object, Pod},
    out::Out,
    version::KubernetesVersion,
};

/// One rule: what it looks at, and what people are told of it.
#[derive(Debug)]
pub struct Rule {
    /// Never changed: baselines, exceptions and history know the rule by it.
    pub id: &'static str,
    /// A few words that say what is wrong: `Privileged container`.
    pub title: &'static str,
    /// Why it matters: what somebody could do, or what would break.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// The change, where one is possible that is right for everybody.
    pub patch: Patch,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub categories: &'static [Category],
    /// Which controls of which frameworks it is evidence for.
    pub controls: &'static [(Framework, &'static str)],
    /// The first version of Kubernetes that it is judged for: 1.0 where none is said.
    pub since: KubernetesVersion,
    /// Where the rule comes from.
    pub references: &'static [&'static str],
    /// How it is judged.
    pub check: Check,
}

/// How a rule is judged.
#[derive(Clone, Copy)]
pub enum Check {
    /// Each pod and each template of pods.
    Pod(for<'a> fn(Pod<'a>, &mut Out<'a>)),
    /// Each container of those.
    Container(for<'a> fn(Container<'a>, &mut Out<'a>)),
    /// Each object of these kinds.
    Object(&'static [Kind], fn(&Object, &mut Out<'_>)),
    /// All objects together; those of these kinds count as judged.
    Inventory(&'static [Kind], fn(&mut Out<'_>)),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(_) => f.write_str("Pod"),
            Self::Container(_) => f.write_str("Container"),
            Self::Object(kinds, _) => f.debug_tuple("Object").field(kinds).finish(),
            Self::Inventory(kinds, _) => f.debug_tuple("Inventory").field(kinds).finish(),
        }
    }
}

impl Check {
    /// The kinds that it is about.
    pub const fn kinds(&self) -> &'static [Kind] {
        match self {
            Self::Pod(_) | Self::Container(_) => Kind::WITH_PODS,
            Self::Object(kinds, _) | Self::Inventory(kinds, _) => kinds,
        }
    }
}

/// YAML that mends what a rule finds, relative to where it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// What is right depends on the workload.
    None,
    /// Fields of the container.
    Container(&'static str),
    /// Fields of the pod's `spec`.
    Pod(&'static str),
    /// Fields of the object.
    Object(&'static str),
}

/// How bad a finding is, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Good practice that is missed.
    Low,
    /// Makes an attack or an outage easier.
    Medium,
    /// A step of a known attack, or an outage that waits for its occasion.
    High,
    /// Whoever is in the workload, or holds the right, has the node or the cluster.
    Critical,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The Pod Security Standards.
    PodSecurity,
    /// What workloads may do beyond those.
    Security,
    /// Who may do what.
    AccessControl,
    /// What is reached from where.
    Network,
    /// Secrets in the wrong place.
    Secrets,
    /// Whether it goes on when something fails.
    Reliability,
    /// What it uses of what it asks for.
    Efficiency,
    /// What is left over, leads nowhere or is not where it should be.
    Hygiene,
    /// What newer versions no longer have.
    Deprecation,
    /// Where containers come from.
    Images,
}

/// A catalogue of controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framework {
    /// CIS Kubernetes Benchmark 1.12, sections 1 to 5, by the number.
    Cis,
    /// NSA and CISA, Kubernetes Hardening Guide 1.2, by the heading.
    Nsa,
    /// MITRE ATT&CK for Containers, by the technique.
    Mitre,
    /// AICPA Trust Services Criteria.
    Soc2,
    /// ISO/IEC 27001:2022, Annex A.
    Iso27001,
    /// PCI DSS 4.0.1.
    Pci,
    /// Pod Security Standards, baseline.
    PssBaseline,
    /// Pod Security Standards, restricted.
    PssRestricted,
}

macro_rules! names {
    ($type:ident, $($name:ident = $id:literal, $title:literal;)*) => {
        impl $type {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As configuration, the database and reports spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// As people read it.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| UnknownName {
                    text: text.to_owned(),
                    known: Self::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A name that is none of those that are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none of {known}")]
pub struct UnknownName {
    text: String,
    known: String,
}

names! { Severity,
    Info = "info", "Info";
    Low = "low", "Low";
    Medium = "medium", "Medium";
    High = "high", "High";
    Critical = "critical", "Critical";
}

names! { Category,
    PodSecurity = "pod-security", "Pod Security Standards";
    Security = "security", "Workload security";
    AccessControl = "access-control", "Access control";
    Network = "network", "Network";
    Secrets = "secrets", "Secrets";
    Reliability = "reliability", "Reliability";
    Efficiency = "efficiency", "Efficiency";
    Hygiene = "hygiene", "Hygiene";
    Deprecation = "deprecation", "Outdated";
    Images = "images", "Images";
}

names! { Framework,
    Cis = "cis", "CIS Kubernetes Benchmark";
    Nsa = "nsa", "NSA/CISA Kubernetes Hardening Guide";
    Mitre = "mitre", "MITRE ATT&CK";
    Soc2 = "soc2", "SOC 2";
    Iso27001 = "iso27001", "ISO/IEC 27001";
    Pci = "pci", "PCI DSS";
    PssBaseline = "pss-baseline", "Pod Security Standards: baseline";
    PssRestricted = "pss-restricted", "Pod Security Standards: restricted";
}

impl Severity {
    /// What a finding of this severity weighs in the score.
    pub const fn weight(self) -> u64 {
        match self {
            Self::Info => 0,
            Self::Low => 1,
            Self::Medium => 4,
            Self::High => 10,
            Self::Critical => 25,
        }
    }
}

/// Which rules are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every rule.
    All,
    /// Those that are evidence for a framework's controls. Restricted is baseline and more.
    Framework(Framework),
    /// Those about something.
    Category(Category),
}

impl Profile {
    /// Whether this rule is judged.
    pub fn has(self, rule: &Rule) -> bool {
        let of = |framework| rule.controls.iter().any(|(f, _)| *f == framework);
        match self {
            Self::All => true,
            Self::Framework(Framework::PssRestricted) => of(Framework::PssRestricted) || of(Framework::PssBaseline),
            Self::Framework(framework) => of(framework),
            Self::Category(category) => rule.categories.contains(&category),
        }
    }

    /// The names of all of them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let frameworks = Framework::ALL.iter().map(|f| f.as_str());
        std::iter::once("all").chain(frameworks).chain(Category::ALL.iter().map(|c| c.as_str()))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Framework(framework) => framework.fmt(f),
            Self::Category(category) => category.fmt(f),
        }
    }
}

impl FromStr for Profile {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(framework) = text.parse() {
            return Ok(Self::Framework(framework));
        }
        text.parse()
            .map(Self::Category)
            .map_err(|_| UnknownName { text: text.to_owned(), known: Self::names().collect::<Vec<_>>().join(", ") })
    }
}
