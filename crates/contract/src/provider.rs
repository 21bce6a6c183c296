//! Signing in through another provider, as the pages need it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The provider that this installation trusts, and who a person is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// What people call it.
    pub name: String,
    /// Who they are there, if it is linked.
    pub linked: Option<LinkedIdentity>,
}

/// Who somebody is at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedIdentity {
    /// Their address there.
    pub email: String,
    /// When it was linked.
    pub since: Timestamp,
}

/// Why somebody who came from the provider is not let in, or something about it is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderRefusal {
    /// They did not agree there.
    Cancelled,
    /// It cannot be reached.
    Away,
    /// What it answered proves nothing, or was not asked for, or came too late.
    Failed,
    /// It does not say that the address is theirs.
    Unverified,
    /// There is an account with that address, and not both sides know that it is theirs.
    AccountExists,
    /// New accounts are not accepted.
    SignUpClosed,
    /// Linked already, to another account or as another person.
    Taken,
    /// Not the one that is linked.
    Other,
    /// They did not prove it to the provider just now.
    Stale,
    /// Too many attempts.
    TooMany,
    /// Nothing else would let them in.
    LastWayIn,
}

/// Each with its name in an address, and what a person is told.
const ALL: [(ProviderRefusal, &str, &str); 11] = [
    (ProviderRefusal::Cancelled, "cancelled", "You did not agree there, so nothing was done."),
    (
        ProviderRefusal::Away,
        "away",
        "Your provider cannot be reached right now. Try again in a moment, or use your password.",
    ),
    (ProviderRefusal::Failed, "failed", "The answer of your provider cannot be used, or came too late. Try again."),
    (
        ProviderRefusal::Unverified,
        "unverified",
        "Your provider does not say that the e-mail address is yours. Confirm it there first.",
    ),
    (
        ProviderRefusal::AccountExists,
        "account_exists",
        "There is an account with this address already. Sign in with its password, then link your provider on its security page.",
    ),
    (
        ProviderRefusal::SignUpClosed,
        "sign_up_closed",
        "This installation does not accept new accounts. Ask whoever runs it for an invitation.",
    ),
    (
        ProviderRefusal::Taken,
        "taken",
        "This identity is linked to another account, or your account to another identity. Unlink that first.",
    ),
    (ProviderRefusal::Other, "other", "This is not the identity that is linked to your account."),
    (
        ProviderRefusal::Stale,
        "stale",
        "Your provider did not ask you who you are just now. Sign out here and sign in again instead.",
    ),
    (ProviderRefusal::TooMany, "too_many", "Too many attempts. Try again in a few minutes."),
    (ProviderRefusal::LastWayIn, "last_way_in", "Set a password first: nothing else would let you in."),
];

impl ProviderRefusal {
    /// Its name in an address.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// What a person is told.
    pub fn sentence(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        &ALL[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for (at, (refusal, name, _)) in ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, at);
            assert_eq!((ProviderRefusal::parse(name), refusal.as_str()), (Some(*refusal), *name));
        }
        assert_eq!(ProviderRefusal::parse("<script>"), None);
    }
}
