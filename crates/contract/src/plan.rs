//! Plans: what an organisation may do, as data.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What an organisation pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Everything: of each organisation where the installation bills nobody.
    SelfHosted,
    /// For nothing.
    Free,
    /// Per node and month.
    Team,
    /// By agreement.
    Enterprise,
}

/// How much of something a plan has; none: as much as one likes.
pub type Most = Option<u32>;

/// What a plan lets an organisation do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlements {
    /// Clusters.
    pub clusters: Most,
    /// Nodes, in all clusters together.
    pub nodes: Most,
    /// Members, with those who are invited.
    pub members: Most,
    /// Clusters that are audited by themselves.
    pub schedules: Most,
    /// Notifications.
    pub notifications: Most,
    /// Days that findings and audits of the past are kept for.
    pub history_days: Most,
    /// Whether the organisation may ask all its members for a second factor.
    pub asks_second_factor: bool,
}

/// What a plan has a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Entitlements::clusters`]
    Clusters,
    /// [`Entitlements::nodes`]
    Nodes,
    /// [`Entitlements::members`]
    Members,
    /// [`Entitlements::schedules`]
    Schedules,
    /// [`Entitlements::notifications`]
    Notifications,
    /// [`Entitlements::asks_second_factor`]
    SecondFactor,
}

impl Plan {
    /// Every plan, least first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Team, Self::Enterprise, Self::SelfHosted];

    /// What it has.
    pub const fn entitlements(self) -> Entitlements {
        match self {
            Self::Free => Entitlements {
                clusters: Some(2),
                nodes: Some(10),
                members: Some(5),
                schedules: Some(1),
                notifications: Some(3),
                history_days: Some(30),
                asks_second_factor: false,
            },
            Self::Team => Entitlements {
                clusters: None,
                nodes: None,
                members: None,
                schedules: None,
                notifications: None,
                history_days: Some(400),
                asks_second_factor: true,
            },
            Self::Enterprise | Self::SelfHosted => Entitlements {
                clusters: None,
                nodes: None,
                members: None,
                schedules: None,
                notifications: None,
                history_days: None,
                asks_second_factor: true,
            },
        }
    }

    /// As the database and commands spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelfHosted => "self_hosted",
            Self::Free => "free",
            Self::Team => "team",
            Self::Enterprise => "enterprise",
        }
    }

    /// The inverse of [`Plan::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.as_str() == text)
    }

    /// What it costs: the documentation's sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SelfHosted => "Everything, where the installation bills nobody.",
            Self::Free => "For nothing, as long as one likes.",
            Self::Team => "Per node and month, after a trial of 14 days.",
            Self::Enterprise => "By agreement.",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SelfHosted => "Self-hosted",
            Self::Free => "Free",
            Self::Team => "Team",
            Self::Enterprise => "Enterprise",
        })
    }
}

impl Entitlements {
    /// How many there may be.
    pub const fn most(&self, limit: Limit) -> Most {
        match limit {
            Limit::Clusters => self.clusters,
            Limit::Nodes => self.nodes,
            Limit::Members => self.members,
            Limit::Schedules => self.schedules,
            Limit::Notifications => self.notifications,
            Limit::SecondFactor => {
                if self.asks_second_factor {
                    None
                } else {
                    Some(0)
                }
            }
        }
    }
}

impl Limit {
    /// What there is too much of, by how many there may be.
    fn of(self, most: u32) -> String {
        let (one, several) = match self {
            Self::Clusters => ("cluster", "clusters"),
            Self::Nodes => ("node", "nodes"),
            Self::Members => ("member", "members, with those who are invited"),
            Self::Schedules => ("cluster that is audited by itself", "clusters that are audited by themselves"),
            Self::Notifications => ("notification", "notifications"),
            Self::SecondFactor => return "no rule that all members sign in with two steps".to_owned(),
        };
        format!("at most {most} {}", if most == 1 { one } else { several })
    }
}

/// A plan does not have more of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLimit {
    /// The plan.
    pub plan: Plan,
    /// Of what.
    pub limit: Limit,
    /// How many there may be.
    pub most: u32,
}

impl fmt::Display for PlanLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The plan {} has {}. Whoever sees the organisation's billing can choose another plan there; what is there \
             already stays.",
            self.plan,
            self.limit.of(self.most)
        )
    }
}

/// The nodes of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDay {
    /// `2026-11-28`, in UTC.
    pub day: String,
    /// The most that each cluster had at once, together.
    pub nodes: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dearer_plan_has_no_less() {
        for (less, more) in
            [(Plan::Free, Plan::Team), (Plan::Team, Plan::Enterprise), (Plan::Enterprise, Plan::SelfHosted)]
        {
            let (less, more) = (less.entitlements(), more.entitlements());
            let no_less = |a: Most, b: Most| b.is_none() || (a.is_some() && a <= b);
            for limit in [
                Limit::Clusters,
                Limit::Nodes,
                Limit::Members,
                Limit::Schedules,
                Limit::Notifications,
                Limit::SecondFactor,
            ] {
                assert!(no_less(less.most(limit), more.most(limit)), "{limit:?}");
            }
            assert!(no_less(less.history_days, more.history_days));
        }
    }

    #[test]
    fn a_limit_is_said_in_a_sentence_with_a_way_out() {
        let limit = PlanLimit { plan: Plan::Free, limit: Limit::Schedules, most: 1 };
        let said = limit.to_string();
        assert!(said.starts_with("The plan Free has at most 1 cluster that is audited by itself."), "{said}");
        assert!(said.contains("billing"));
    }

    /// The documentation's table is this one. `UPDATE_EXPECT=1` writes it anew.
    #[test]
    fn the_documentation_says_what_the_plans_have() {
        let most = |most: Most| most.map_or_else(|| "as many as one likes".to_owned(), |most| most.to_string());
        let lines = Plan::ALL.map(|plan| {
            let has = plan.entitlements();
            let cells = [has.clusters, has.nodes, has.members, has.schedules, has.notifications].map(most);
            let history = has.history_days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
            let asks = if has.asks_second_factor { "yes" } else { "no" };
            format!("| **{plan}** | {} | {} | {history} | {asks} |\n", plan.sentence(), cells.join(" | "))
        });
        let table = format!(
            "| plan | price | clusters | nodes | members | schedules | notifications | history | two steps for all |\n\
             |---|---|---|---|---|---|---|---|---|\n{}",
            lines.concat()
        );
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/billing/plans.md");
        let text = std::fs::read_to_string(file).unwrap();
        let (before, rest) = text.split_once("<!-- plans -->\n").unwrap();
        let (written, after) = rest.split_once("<!-- end -->").unwrap();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(file, format!("{before}<!-- plans -->\n{table}<!-- end -->{after}")).unwrap();
            return;
        }
        assert_eq!(written, table, "UPDATE_EXPECT=1 writes docs/billing/plans.md anew");
    }
}
