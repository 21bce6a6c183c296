//! The pages.

mod account;
mod add_cluster;
pub(crate) mod cluster;
mod cluster_table;
mod clusters;
mod frame;
mod install;
mod landing;
mod login;
mod mfa;
mod not_found;
mod organisation_settings;
mod outside;
mod overview;
mod provider;
mod reset;
mod search;
mod signup;
mod verify;

pub(crate) use account::{AccountFrame, Authenticator, Codes, Confirm, Profile, Security, Sessions};
pub(crate) use add_cluster::AddCluster;
pub(crate) use cluster::{ClusterFrame, ClusterOverview};
pub(crate) use clusters::Clusters;
pub(crate) use frame::OrganisationFrame;
pub(crate) use install::Install;
pub(crate) use landing::Landing;
pub(crate) use login::Login;
pub(crate) use mfa::Mfa;
pub(crate) use not_found::NotFound;
pub(crate) use organisation_settings::OrganisationSettings;
pub(crate) use overview::OrganisationOverview;
pub(crate) use reset::Reset;
pub(crate) use search::Search;
pub(crate) use signup::SignUp;
pub(crate) use verify::Verify;
