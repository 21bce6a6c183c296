//! The activity log: what is written in it, and how a line is shown.

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Cursor, Pseudonym, Timestamp};

macro_rules! actions {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $sentence:literal;)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Action {
            $(#[doc = $sentence] #[serde(rename = $text)] $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The action as the database, the API and exports spell it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What people read: what somebody did.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }
        }
    };
}

actions! {
    OrganisationCreate = "organisation.create", "made the organisation";
    OrganisationRename = "organisation.rename", "renamed the organisation";
    SecondFactorRequire = "organisation.require_second_factor", "changed whether two-step sign-in is asked for";
    HistorySet = "organisation.history", "changed for how long findings and audits are kept";
    JoinByDomain = "organisation.join_by_domain", "changed who joins by their address";
    OrganisationDelete = "organisation.delete", "asked for the organisation to be deleted";
    OrganisationKeep = "organisation.keep", "took back that the organisation is deleted";
    OrganisationExport = "organisation.export", "took all of the organisation's data out";
    ClusterAdd = "cluster.add", "added the cluster";
    ClusterRename = "cluster.rename", "renamed the cluster";
    ClusterDelete = "cluster.delete", "deleted the cluster";
    ClusterTokenRotate = "cluster.rotate_token", "made a new token for the cluster";
    ClusterTokenRevoke = "cluster.revoke_token", "revoked the token of the cluster";
    AuditRun = "audit.run", "ran an audit of the cluster";
    ScheduleSet = "audit.schedule", "set when audits are run of the cluster";
    ScheduleEnd = "audit.unschedule", "ended the schedule of audits of the cluster";
    WaiverAdd = "waiver.add", "waived findings of";
    WaiverAsk = "waiver.ask", "asked to waive findings of";
    WaiverAllow = "waiver.allow", "allowed the waiver of findings of";
    WaiverEnd = "waiver.end", "ended the waiver of findings of";
    PolicyRule = "policy.rule", "decided about the rule";
    PolicySet = "policy.set", "changed how clusters are judged";
    PolicyCluster = "policy.cluster", "changed how this cluster is judged:";
    MemberInvite = "member.invite", "invited";
    InvitationResend = "invitation.resend", "sent the invitation again to";
    InvitationRevoke = "invitation.revoke", "revoked the invitation of";
    MemberJoin = "member.join", "joined";
    MemberChange = "member.change", "changed what this person may do:";
    MemberRemove = "member.remove", "removed";
    MemberLeave = "member.leave", "left";
    OwnershipTransfer = "organisation.transfer", "handed the organisation over to";
    TokenCreate = "token.create", "made the API token";
    TokenRevoke = "token.revoke", "revoked the API token";
    NotificationCreate = "notification.create", "made the notification";
    NotificationRemove = "notification.remove", "ended the notification";
    NotificationResume = "notification.resume", "switched on again the notification";
    NotificationTest = "notification.test", "sent a test of the notification";
    BillingSubscribe = "billing.subscribe", "went to Stripe to subscribe to the plan";
    BillingDetails = "billing.details", "changed who is billed";
    ActivityExport = "activity.export", "exported the activity log";
}

impl Action {
    /// The inverse of [`Action::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text)
    }
}

/// A line of the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityRow {
    /// 1, 2, 3 … within the organisation.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who, as the log knows them: what a filter takes, and what tells two of the same name apart.
    pub person_id: Option<Pseudonym>,
    /// Who: a person's name; none for whoever runs the installation, and for a token of the organisation.
    pub person: Option<String>,
    /// The API token that it was done by, if it was one.
    pub token: Option<String>,
    /// From which network: `198.51.100.0/24`.
    pub place: String,
    /// What was done, as [`Action::as_str`] spells it.
    pub action: String,
    /// To what: a person's name or address, the name of a cluster or token; `(forgotten)` when that is not kept any more, and
    /// neither is what was before and then.
    pub subject: Option<String>,
    /// The cluster that it is about.
    pub cluster: Option<ClusterId>,
    /// What was before, as JSON.
    pub before: Option<String>,
    /// What was then, as JSON.
    pub after: Option<String>,
}

/// Which lines of the activity log are asked for: the query string of its page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityQuery {
    /// Only this action, or those that begin with it: `cluster.add`, `cluster`.
    pub action: Option<String>,
    /// Only by this person: as the log knows them, or by the id of their account.
    pub person: Option<String>,
    /// From this day on (UTC): `2026-11-23`.
    pub from: Option<String>,
    /// To this day, with it.
    pub to: Option<String>,
    /// Begin after this place.
    pub after: Option<Cursor>,
}

/// Whether the activity log is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// All lines are there, unchanged but for what was forgotten, and in order.
    Intact {
        /// How many.
        lines: i64,
        /// Of how many of them is forgotten what they were about.
        forgotten: i64,
        /// The hash of the last one, in hexadecimal: who keeps it can tell later that nothing before it was changed.
        hash: String,
    },
    /// From here on it is not as it was written.
    Broken {
        /// The line.
        seq: i64,
        /// What is wrong with it.
        fault: LogFault,
    },
}

/// What is wrong with the activity log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFault {
    /// The line is not there.
    Missing,
    /// The line, or what came before it, is not what it was.
    Changed,
    /// The lines from here on were not written by the server.
    Added,
    /// What says which line is the last is not there, or not from the server.
    Unsealed,
}

impl LogFault {
    /// What people read.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "This line was removed.",
            Self::Changed => "This line was changed, or put in another's place.",
            Self::Added => "The lines from here on were not written by Kubewise.",
            Self::Unsealed => "What says which line is the last was removed or changed.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_the_way_to_the_database_and_back() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(*action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }
}
