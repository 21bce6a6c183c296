//! For how long what was is kept.

use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{Most, Plan};

/// Days that an organisation may say that findings and audits of the past are kept for.
pub const HISTORY_DAYS: RangeInclusive<u32> = 7..=3650;

/// Whom something that is stored is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Somebody with an account, or who was invited.
    Person,
    /// An organisation.
    Organisation,
    /// What runs in a cluster.
    Cluster,
    /// The installation as a whole.
    Installation,
}

impl About {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Person, Self::Organisation, Self::Cluster, Self::Installation];

    /// The heading above what is about them.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Person => "About a person",
            Self::Organisation => "About an organisation",
            Self::Cluster => "About a cluster",
            Self::Installation => "About the installation",
        }
    }
}

/// For how long something is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedTime {
    /// Whom it is about.
    pub about: About,
    /// What it is.
    pub what: String,
    /// How long, in words: `30 days after it began`.
    pub kept: String,
    /// Why that long; empty where it needs no saying.
    pub why: String,
}

/// For how long what an organisation has is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The plan whose limits hold.
    pub plan: Plan,
    /// Days that it keeps findings and audits of the past for; none: for ever.
    pub plan_days: Most,
    /// Days that the organisation has set, within [`HISTORY_DAYS`]; none: as the plan has.
    pub setting: Option<u32>,
    /// Days that hold: the fewer of both; none: for ever.
    pub effective: Most,
    /// Everything that is kept for a stated time.
    pub times: Vec<StatedTime>,
}

impl Retention {
    /// The fewer of what the plan has and what is set.
    pub fn shorter(plan: Most, setting: Option<u32>) -> Most {
        match (plan, setting) {
            (Some(plan), Some(setting)) => Some(plan.min(setting)),
            (days, None) | (None, days) => days,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_makes_the_time_of_the_plan_shorter_and_never_longer() {
        assert_eq!(Retention::shorter(Some(30), Some(7)), Some(7));
        assert_eq!(Retention::shorter(Some(30), Some(400)), Some(30));
        assert_eq!(Retention::shorter(Some(30), None), Some(30));
        assert_eq!(Retention::shorter(None, Some(7)), Some(7));
        assert_eq!(Retention::shorter(None, None), None);
    }
}
