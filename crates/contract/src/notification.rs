//! What is told to people and programs that do not look at pages: by which way, of what, and what became of it.

use serde::{Deserialize, Serialize};

use crate::{
    ClusterChoice, ClusterId, DeliveryId, Field, FieldError, NotificationId, Page, Problem, Severity, Timestamp, UserId,
};

macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal, $sentence:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As the database, forms and what is sent spell it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What people read.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }

            /// The inverse of [`Self::as_str`].
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

spelled! {
    /// By which way something is told.
    Channel {
        /// To a member's address.
        Mail = "mail", "Mail";
        /// To a program: signed JSON, as Standard Webhooks has it.
        Webhook = "webhook", "Webhook";
        /// To a channel of Slack, or of what takes the same.
        Slack = "slack", "Slack";
    }
}

spelled! {
    /// What was told of.
    DeliveryEvent {
        /// An audit found what the one before did not.
        NewFindings = "findings.new", "new findings";
        /// An audit could not be done.
        FailedRun = "audit.failed", "an audit that failed";
        /// An audit was run late, since no server ran when it was due.
        MissedRun = "audit.missed", "an audit that was missed";
        /// An agent is not heard any more.
        SilentCluster = "cluster.silent", "a silent cluster";
        /// All of it since the last time.
        Digest = "digest", "a digest";
        /// Nothing: somebody wanted to see whether it arrives.
        Test = "test", "a test";
    }
}

spelled! {
    /// How far telling is.
    DeliveryState {
        /// To be sent, or to be sent again.
        Waiting = "waiting", "waiting";
        /// It was taken.
        Sent = "sent", "sent";
        /// It was not taken however often it was tried.
        Failed = "failed", "failed";
        /// There was nothing to tell any more when it was to be sent, or nobody who may be told.
        Nothing = "nothing", "nothing to tell";
    }
}

spelled! {
    /// Why something is not told any more.
    Ended {
        /// The receiver said that it is gone (410).
        Gone = "gone", "The receiver answered that it is gone (410).";
        /// Nothing arrived however often it was tried.
        Failures = "failures", "Several in a row could not be delivered.";
    }
}

/// Of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasions {
    /// Findings that the audit before did not have, at least this severe.
    pub new_findings: Option<Severity>,
    /// Audits that failed, and those that were missed.
    pub failed_runs: bool,
    /// Clusters whose agents fell silent.
    pub silent_clusters: bool,
}

/// Namespaces at once.
const NAMESPACES: usize = 50;

/// Namespaces as a form has them: with commas or spaces between, each a DNS label (RFC 1123), as Kubernetes names them.
pub fn parse_namespaces(raw: &str) -> Result<Vec<String>, FieldError> {
    let wrong = |problem| FieldError { field: Field::Namespaces, problem };
    let mut names: Vec<String> = raw
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    names.sort();
    names.dedup();
    let is_label = |name: &String| {
        name.len() <= 63
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    if !names.iter().all(is_label) {
        return Err(wrong(Problem::NotANamespace));
    }
    if names.len() > NAMESPACES {
        return Err(wrong(Problem::TooLong { max: NAMESPACES * 64 }));
    }
    Ok(names)
}

/// Something that is told to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRow {
    /// Names it.
    pub id: NotificationId,
    /// What people call it.
    pub name: String,
    /// By which way.
    pub channel: Channel,
    /// To whom: a member's name, or the host of a URL.
    pub to: String,
    /// Of what.
    pub occasions: Occasions,
    /// Of this cluster alone; none: of all that the recipient sees.
    pub cluster: Option<ClusterChoice>,
    /// Findings of these namespaces alone; empty: of all.
    pub namespaces: Vec<String>,
    /// When a digest is sent, in plain words; none: at once.
    pub digest: Option<String>,
    /// When the next one is.
    pub next_at: Option<Timestamp>,
    /// Why it is not told any more, if so.
    pub ended: Option<Ended>,
    /// Who made it; none when they are no member any more.
    pub made_by: Option<String>,
    /// Whether it is mail to who looks.
    pub is_own: bool,
}

/// What is told to whom in an organisation: all of it for who manages that, else what is told to who looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifications {
    /// By name.
    pub rows: Vec<NotificationRow>,
    /// Clusters to choose from.
    pub clusters: Vec<ClusterChoice>,
    /// Members to choose from, for who manages notifications.
    pub members: Vec<MemberChoice>,
    /// Whether who looks manages those of the organisation.
    pub manages: bool,
}

/// A member by name, for choosing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChoice {
    /// Names them.
    pub id: UserId,
    /// Name, and address to tell two of the same name apart.
    pub name: String,
    /// Whether it is who looks.
    pub is_viewer: bool,
}

/// One thing that is told, and what was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationDetail {
    /// The thing.
    pub row: NotificationRow,
    /// What was told, the last first.
    pub deliveries: Page<DeliveryRow>,
}

/// Something that was told, or is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Names it: the `webhook-id` that a receiver was told.
    pub id: DeliveryId,
    /// Of what.
    pub event: DeliveryEvent,
    /// About which cluster.
    pub cluster: Option<(ClusterId, String)>,
    /// About which of its audits.
    pub audit: Option<i64>,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i32,
    /// What came of the last attempt, in words.
    pub answer: Option<String>,
    /// When it happened.
    pub made_at: Timestamp,
    /// When it was tried last.
    pub tried_at: Option<Timestamp>,
    /// When it is tried again.
    pub next_try_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_written_as_people_write_lists() {
        assert_eq!(parse_namespaces(" shop, shop-api\nshop ,"), Ok(vec!["shop".to_owned(), "shop-api".to_owned()]));
        assert_eq!(parse_namespaces("  "), Ok(Vec::new()));
        for bad in ["Shop", "-a", "a-", "a.b", "shop/*", &"a".repeat(64)] {
            assert_eq!(parse_namespaces(bad).unwrap_err().problem, Problem::NotANamespace, "{bad}");
        }
    }

    #[test]
    fn words_survive_the_way_to_the_database_and_back() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Some(*channel));
        }
        for event in DeliveryEvent::ALL {
            assert_eq!(DeliveryEvent::parse(event.as_str()), Some(*event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(*state));
        }
        for ended in Ended::ALL {
            assert_eq!(Ended::parse(ended.as_str()), Some(*ended));
        }
    }
}
