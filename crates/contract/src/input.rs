//! Inputs, parsed once where they enter: what has one of these types is valid.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Field, FieldError, Problem};

/// Shortest password, in characters (NIST SP 800-63B-4 §3.1.1.2 asks for 15 where it is the only factor and allows
/// 8 with a second one; OWASP ASVS 5.0 6.2.1 asks for 8 and recommends 15. Strength is judged on top of it).
pub const PASSWORD_MIN_CHARS: usize = 10;
/// Longest password, in characters; what is longer is refused rather than cut.
pub const PASSWORD_MAX_CHARS: usize = 256;

fn one_line(field: Field, raw: &str, max: usize) -> Result<String, FieldError> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(FieldError { field, problem: Problem::Missing });
    }
    if text.chars().count() > max {
        return Err(FieldError { field, problem: Problem::TooLong { max } });
    }
    if text.chars().any(char::is_control) {
        return Err(FieldError { field, problem: Problem::NotText });
    }
    Ok(text.to_owned())
}

/// The same, of what may be empty.
pub(crate) fn one_line_or_none(field: Field, raw: &str, max: usize) -> Result<String, FieldError> {
    if raw.trim().is_empty() { Ok(String::new()) } else { one_line(field, raw, max) }
}

macro_rules! text_input {
    ($(#[$doc:meta])* $name:ident, $field:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name(String);

        impl $name {
            /// Longest value, in characters.
            pub const MAX: usize = $max;

            /// Trims and checks.
            pub fn parse(raw: &str) -> Result<Self, FieldError> {
                one_line($field, raw, Self::MAX).map(Self)
            }

            /// The value.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_input! {
    /// A person's name, as they write it.
    PersonName, Field::Name, 100
}
text_input! {
    /// An organisation's name, as people write it.
    OrganisationName, Field::Organisation, 80
}
text_input! {
    /// What a person calls a passkey of theirs.
    PasskeyName, Field::PasskeyName, 60
}

text_input! {
    /// What people call an API token.
    TokenName, Field::TokenName, 60
}

text_input! {
    /// What people call a notification.
    NotificationName, Field::NotificationName, 60
}

/// A cluster's name in Kubewise: 1 to 63 of lower-case letters, digits, `-` and `.` (so that it can be used on a command line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterName(String);

impl ClusterName {
    /// Trims and checks.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = one_line(Field::ClusterName, raw, 63)?;
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last()) {
            Ok(Self(text))
        } else {
            Err(FieldError { field: Field::ClusterName, problem: Problem::NotAName })
        }
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address: kept as written, compared in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Trims and checks the shape (one `@`, something before it, a dotted domain after it, no spaces, at most 254
    /// characters: RFC 5321 §4.5.3.1.3). Whether it exists only a mail can tell.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = one_line(Field::Email, raw, 254)?;
        let bad = FieldError { field: Field::Email, problem: Problem::NotAnAddress };
        let Some((local, domain)) = text.rsplit_once('@') else { return Err(bad) };
        let labels_ok = domain.split('.').count() >= 2
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            });
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.contains('@')
            && !local
                .chars()
                .any(|c| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\'));
        if local_ok && labels_ok { Ok(Self(text)) } else { Err(bad) }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is compared: two addresses that differ only in case are one account.
    pub fn canonical(&self) -> String {
        self.0.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for good in ["maya@example.com", " Maya.Duran+k8s@mail.example.co.uk ", "δοκιμή@παράδειγμα.ελ"]
        {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "maya",
            "maya@",
            "@example.com",
            "a b@example.com",
            "a@b",
            "a@@example.com",
            "a@-x.com",
            "a@x..com",
            "<a@x.com>",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cluster_names_fit_a_command_line() {
        for good in ["eu-prod", "a", "edge.lyon-1"] {
            assert!(ClusterName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "EU", "a b", "-a", "a-", "$(x)", "a;b", &"a".repeat(64)] {
            assert!(ClusterName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_one_line_of_text() {
        assert_eq!(PersonName::parse("  Maya Durán ").map(|n| n.to_string()), Ok("Maya Durán".to_owned()));
        assert!(PersonName::parse("a\r\nBcc: x").is_err());
        assert!(PersonName::parse(&"x".repeat(101)).is_err());
    }
}
