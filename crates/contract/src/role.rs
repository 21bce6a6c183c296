//! Roles and permissions: one total table, from which the checks, the pages and the documentation come.

use core::fmt;

use serde::{Deserialize, Serialize};

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

/// One thing that a member may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See that the organisation exists, and one's own membership in it.
    ViewOrganisation,
    /// See clusters and what runs in them.
    ViewInventory,
    /// Add, rename and delete clusters; make, rotate and revoke their tokens.
    ManageClusters,
    /// See and change what the organisation asks of its members.
    ManageOrganisation,
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
            Permission::ViewInventory => match self {
                Self::Owner | Self::Admin | Self::Operator | Self::Viewer => true,
                Self::Billing => false,
            },
            Permission::ManageClusters => match self {
                Self::Owner | Self::Admin | Self::Operator => true,
                Self::Viewer | Self::Billing => false,
            },
            Permission::ManageOrganisation => match self {
                Self::Owner | Self::Admin => true,
                Self::Operator | Self::Viewer | Self::Billing => false,
            },
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
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 4] =
        [Self::ViewOrganisation, Self::ViewInventory, Self::ManageClusters, Self::ManageOrganisation];
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
        assert!(Permission::ALL.into_iter().all(|p| Role::Owner.may(p)));
    }

    #[test]
    fn a_viewer_changes_nothing_and_billing_sees_no_cluster() {
        assert!(!Role::Viewer.may(Permission::ManageClusters));
        assert!(!Role::Billing.may(Permission::ViewInventory));
        assert!(!Role::Billing.may(Permission::ManageClusters));
    }

    #[test]
    fn roles_survive_the_way_to_the_database_and_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
