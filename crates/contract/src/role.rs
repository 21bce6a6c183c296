//! Roles and permissions: one total table, from which the checks, the pages and the documentation come.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::ClusterId;

/// What a member may be in an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything; at least one always exists.
    Owner,
    /// Everything but ownership and deleting the organisation.
    Admin,
    /// Clusters, audits, waivers, schedules.
    Operator,
    /// Reads.
    Viewer,
    /// Billing and invoices only.
    Billing,
}

macro_rules! permissions {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $sentence:literal;)*) => {
        /// One thing that a member may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Permission {
            $($(#[doc = $doc])* #[doc = $sentence] $name,)*
        }

        impl Permission {
            /// Every permission, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The permission as the database and the API spell it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it allows: the documentation's sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }
        }
    };
}

permissions! {
    ViewOrganisation = "view_organisation",
        "See that the organisation exists and one's own membership in it, and leave it.";
    ViewInventory = "view_inventory",
        "See clusters, what runs in them and what audits found, search, and be told of changes as they happen.";
    ManageClusters = "manage_clusters",
        "Rename and delete clusters; make, rotate and revoke their agents' tokens.";
    AddClusters = "add_clusters",
        "Add clusters. Not for who is limited to chosen clusters: they would not see what they added.";
    RunAudits = "run_audits",
        "Run audits of the clusters one sees, and set when they are run by themselves.";
    WaiveFindings = "waive_findings",
        "Waive findings in the clusters one sees, with a reason, or ask for it where the organisation wants it allowed; end waivers.";
    ManagePolicies = "manage_policies",
        "Decide how clusters are judged: which rules, how bad, by which parameters and for which version; allow waivers.";
    ViewTeam = "view_team",
        "See who is a member, in which role and, of the clusters one sees oneself, limited to which.";
    ManageTeam = "manage_team",
        "Invite people, and change or end what members other than Owners may do.";
    ManageOwnership = "manage_ownership",
        "Make somebody Owner, change or remove Owners, hand the organisation over, take all of its data out, delete it.";
    ManageOrganisation = "manage_organisation",
        "Decide what the organisation is called, asks of its members (two-step sign-in, who joins by their address) and keeps for how long.";
    ViewActivity = "view_activity",
        "Read, export and verify the activity log; of who is limited, what was done to the clusters they see.";
    MakeTokens = "make_tokens",
        "Make API tokens of one's own, which never do more than oneself.";
    ManageTokens = "manage_tokens",
        "Make API tokens of the organisation, and revoke those of anybody.";
    ManageBilling = "manage_billing",
        "See the plan, what is used of it and what it costs, and choose another one.";
    ManageNotifications = "manage_notifications",
        "Have the organisation notified: by webhooks, and by mail to any member. Who sees clusters has mail sent to themselves.";
}

impl Role {
    /// Every role, most powerful first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Operator, Self::Viewer, Self::Billing];

    /// The table. Both matches are exhaustive: a new role or permission does not compile until it is decided here.
    pub const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::ViewOrganisation => match self {
                Self::Owner | Self::Admin | Self::Operator | Self::Viewer | Self::Billing => true,
            },
            Permission::ViewInventory | Permission::ViewTeam | Permission::ViewActivity | Permission::MakeTokens => {
                match self {
                    Self::Owner | Self::Admin | Self::Operator | Self::Viewer => true,
                    Self::Billing => false,
                }
            }
            Permission::ManageClusters
            | Permission::AddClusters
            | Permission::RunAudits
            | Permission::WaiveFindings => match self {
                Self::Owner | Self::Admin | Self::Operator => true,
                Self::Viewer | Self::Billing => false,
            },
            Permission::ManageTeam
            | Permission::ManageOrganisation
            | Permission::ManageTokens
            | Permission::ManagePolicies
            | Permission::ManageNotifications => match self {
                Self::Owner | Self::Admin => true,
                Self::Operator | Self::Viewer | Self::Billing => false,
            },
            Permission::ManageBilling => match self {
                Self::Owner | Self::Admin | Self::Billing => true,
                Self::Operator | Self::Viewer => false,
            },
            Permission::ManageOwnership => match self {
                Self::Owner => true,
                Self::Admin | Self::Operator | Self::Viewer | Self::Billing => false,
            },
        }
    }

    /// Whether a membership in this role can be limited to chosen clusters. Who answers for the whole organisation
    /// cannot: they could lift the limit themselves. Billing sees no cluster anyway.
    pub const fn can_be_limited(self) -> bool {
        match self {
            Self::Operator | Self::Viewer => true,
            Self::Owner | Self::Admin | Self::Billing => false,
        }
    }

    /// The role as the database and the API spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Billing => "billing",
        }
    }

    /// The inverse of [`Role::as_str`].
    pub fn parse(s: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == s)
    }

    /// What the role is for: the documentation's sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Owner => "Everything. An organisation always has at least one.",
            Self::Admin => "Everything but ownership and deleting the organisation.",
            Self::Operator => {
                "Clusters: adds, audits, renames and deletes them, waives findings, and manages their agents' tokens."
            }
            Self::Viewer => "Reads, and changes nothing.",
            Self::Billing => "Billing and invoices, and nothing of clusters or people.",
        }
    }
}

impl Permission {
    /// What a token can be given: what a script needs. The rest is decided by people in the browser.
    pub const FOR_TOKENS: &'static [Self] =
        &[Self::ViewInventory, Self::AddClusters, Self::ManageClusters, Self::ViewTeam, Self::ViewActivity];

    /// The inverse of [`Permission::as_str`].
    pub fn parse(s: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == s)
    }

    /// Whether it is about the organisation as a whole, so that who is limited to chosen clusters does not have it.
    pub const fn needs_every_cluster(self) -> bool {
        matches!(self, Self::AddClusters)
    }
}

/// Several permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

const _: () = assert!(Permission::ALL.len() <= 32, "as many as fit");

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// Those of a role, for who is limited to chosen clusters or not.
    pub fn of(role: Role, limited: bool) -> Self {
        Permission::ALL.iter().copied().filter(|p| role.may(*p) && !(limited && p.needs_every_cluster())).collect()
    }

    /// Whether this one is among them.
    pub const fn contain(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |p| self.contain(*p))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | 1 << permission as u32))
    }
}

/// What a member is, and what of the organisation's clusters they see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The role.
    pub role: Role,
    /// Only these clusters; none: all, also those to come.
    pub clusters: Option<Vec<ClusterId>>,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "Owner",
            Self::Admin => "Admin",
            Self::Operator => "Operator",
            Self::Viewer => "Viewer",
            Self::Billing => "Billing",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_may_do_everything() {
        assert!(Permission::ALL.iter().all(|p| Role::Owner.may(*p)));
    }

    #[test]
    fn each_role_may_do_no_more_than_the_one_above_it() {
        for (above, below) in
            [(Role::Owner, Role::Admin), (Role::Admin, Role::Operator), (Role::Operator, Role::Viewer)]
        {
            assert!(Permission::ALL.iter().all(|p| above.may(*p) || !below.may(*p)), "{above} and {below}");
        }
    }

    #[test]
    fn a_viewer_changes_nothing_and_billing_sees_no_cluster() {
        assert!(!Role::Viewer.may(Permission::ManageClusters));
        assert!(!Role::Billing.may(Permission::ViewInventory));
        assert!(!Role::Billing.may(Permission::ManageClusters));
    }

    #[test]
    fn who_is_limited_manages_nothing_of_the_whole() {
        for role in Role::ALL.into_iter().filter(|role| role.can_be_limited()) {
            assert!(!Permissions::of(role, true).contain(Permission::AddClusters));
            for whole in [
                Permission::ManageTeam,
                Permission::ManageOrganisation,
                Permission::ManageTokens,
                Permission::ManageNotifications,
            ] {
                assert!(!role.may(whole), "{role} could lift its own limit by {whole:?}");
            }
        }
    }

    #[test]
    fn a_set_holds_what_was_put_into_it() {
        let set: Permissions = [Permission::ViewTeam, Permission::ManageTokens].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Permission::ViewTeam, Permission::ManageTokens]);
        assert_eq!(set.and(Permissions::of(Role::Viewer, false)).iter().collect::<Vec<_>>(), [Permission::ViewTeam]);
    }

    /// The documentation's tables are this one. `UPDATE_EXPECT=1` writes them anew.
    #[test]
    fn the_documentation_says_what_the_table_says() {
        let roles: String = ["| role | |\n|---|---|\n".to_owned()]
            .into_iter()
            .chain(Role::ALL.map(|role| format!("| **{role}** | {} |\n", role.sentence())))
            .collect();
        let names: Vec<String> = Role::ALL.iter().map(ToString::to_string).collect();
        let heading =
            format!("| permission | what it allows | {} |\n{}|\n", names.join(" | "), "|---".repeat(names.len() + 2));
        let lines = Permission::ALL.iter().map(|permission| {
            let cells: Vec<&str> =
                Role::ALL.iter().map(|role| if role.may(*permission) { "yes" } else { "no" }).collect();
            format!("| `{}` | {} | {} |\n", permission.as_str(), permission.sentence(), cells.join(" | "))
        });
        let permissions: String = std::iter::once(heading).chain(lines).collect();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/roles.md");
        let mut text = std::fs::read_to_string(file).unwrap();
        for (part, table) in [("roles", roles), ("permissions", permissions)] {
            let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- /{part} -->"));
            let (before, rest) = text.split_once(&begin).unwrap();
            let (_, after) = rest.split_once(&end).unwrap();
            text = format!("{before}{begin}\n{table}\n{end}{after}");
        }
        expect_test::expect_file![file].assert_eq(&text);
    }

    #[test]
    fn names_survive_the_way_to_the_database_and_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(*permission));
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.as_str());
        }
    }
}
