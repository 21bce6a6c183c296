//! Identifiers. Each is its own type, so that one cannot be passed where another is meant.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// An organisation: the tenant. First column of every tenant table's key.
    OrgId
}
uuid_id! {
    /// A person with an account.
    UserId
}
uuid_id! {
    /// As whom the activity log of an organisation knows a person: what connects the two goes with the account.
    Pseudonym
}
uuid_id! {
    /// A cluster as Kubewise knows it (not the UID that Kubernetes gives it).
    ClusterId
}
uuid_id! {
    /// An API token.
    TokenId
}
uuid_id! {
    /// An invitation to an organisation.
    InvitationId
}
uuid_id! {
    /// A waiver of findings.
    WaiverId
}
uuid_id! {
    /// What is told to whom.
    NotificationId
}
uuid_id! {
    /// One thing that was told.
    DeliveryId
}
uuid_id! {
    /// Something that a person takes out.
    ExportId
}
uuid_id! {
    /// `metadata.uid` of a Kubernetes object.
    ResourceUid
}

/// The part of an organisation's address after `/o/`: 1 to 48 of `a-z`, `0-9` and inner hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgSlug(String);

impl OrgSlug {
    /// Longest slug, in characters.
    pub const MAX: usize = 48;

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A slug made from a name as people write it: "Åre Bikes & Co" becomes `re-bikes-co`; a name
    /// with nothing usable in it becomes `organisation`.
    pub fn from_name(name: &str) -> Self {
        let mut slug = String::new();
        for c in name.chars() {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= 40 {
                break;
            }
        }
        let slug = slug.trim_matches('-');
        Self(if slug.is_empty() { "organisation".to_owned() } else { slug.to_owned() })
    }
}

impl fmt::Display for OrgSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a slug.
#[derive(Debug, thiserror::Error)]
#[error("not an organisation's address")]
pub struct InvalidSlug;

impl TryFrom<String> for OrgSlug {
    type Error = InvalidSlug;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        let ok = (1..=Self::MAX).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !s.starts_with('-')
            && !s.ends_with('-');
        if ok { Ok(Self(s)) } else { Err(InvalidSlug) }
    }
}

impl FromStr for OrgSlug {
    type Err = InvalidSlug;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.to_owned().try_into()
    }
}

impl From<OrgSlug> for String {
    fn from(slug: OrgSlug) -> Self {
        slug.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_slug_made_from_any_name_is_a_valid_slug(name in ".{0,200}") {
            let slug = OrgSlug::from_name(&name);
            prop_assert_eq!(OrgSlug::from_str(slug.as_str()).unwrap(), slug);
        }
    }

    #[test]
    fn a_slug_refuses_what_could_leave_its_path_segment() {
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a b", "é", &"a".repeat(49)] {
            assert!(bad.parse::<OrgSlug>().is_err(), "{bad:?}");
        }
    }
}
