//! The pages.

mod account;
mod add_cluster;
mod audits;
mod billing;
pub(crate) mod cluster;
mod cluster_table;
mod clusters;
pub(crate) mod frame;
mod install;
mod installation;
mod invited;
mod landing;
mod login;
mod mfa;
mod not_found;
mod outside;
mod overview;
mod provider;
mod reset;
mod search;
mod settings;
mod signup;
mod team;
mod verify;
mod vulnerabilities;

pub(crate) use account::{
    AccountFrame, Authenticator, Codes, Confirm, Organisations, Privacy, Profile, Security, Sessions,
};
pub(crate) use add_cluster::AddCluster;
pub(crate) use audits::{AuditList, AuditPolicy, AuditSchedules, Compare, FindingPage, Findings, NewWaiver, Waivers};
pub(crate) use billing::Billing;
pub(crate) use cluster::{ClusterFrame, ClusterOverview};
pub(crate) use clusters::Clusters;
pub(crate) use frame::OrganisationFrame;
pub(crate) use install::Install;
pub(crate) use installation::{AdminFrame, AllAccounts, AllOrganisations, InstallationStripe, Jobs};
pub(crate) use invited::Invited;
pub(crate) use landing::Landing;
pub(crate) use login::Login;
pub(crate) use mfa::Mfa;
pub(crate) use not_found::NotFound;
#[cfg(feature = "ssr")]
pub(crate) use outside::Outside;
pub(crate) use overview::OrganisationOverview;
pub(crate) use reset::Reset;
pub(crate) use search::Search;
pub(crate) use settings::{
    Activity, AllNotifications, NewNotification, NewToken, OneNotification, OrganisationData, OrganisationSettings,
    Tokens,
};
pub(crate) use signup::SignUp;
pub(crate) use team::{Invitations, Invite, Member, Members};
pub(crate) use verify::Verify;
pub(crate) use vulnerabilities::{Vulnerabilities, Vulnerable};
