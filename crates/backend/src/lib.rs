//! Everything that talks to PostgreSQL. Owns all SQL and all authorization; knows nothing of HTTP or HTML.
//!
//! One type per part of the server, each with its own database login: [`Web`] for people, [`Ingest`] for agents,
//! [`Worker`] for jobs. What a person may touch is proven by an [`Authorized`] value, which only a lookup can make;
//! row-level security in PostgreSQL is the second wall (migrations/).
#![warn(missing_docs)]

mod accounts;
mod activity;
pub mod admin;
mod api_tokens;
mod attempts;
mod audits;
mod authorize;
mod billing;
mod browsers;
mod bucket;
mod certificates;
mod clusters;
pub mod database;
mod erasure;
mod error;
mod exports;
mod factors;
mod hashing;
mod identity;
pub mod ingest;
mod installation;
mod inventory;
mod invitations;
mod jobs;
mod keys;
mod links;
mod live;
mod logged;
mod mail;
mod notifications;
mod oidc;
mod organisation_export;
mod organisations;
mod outbound;
mod passkeys;
mod password;
mod policies;
pub mod register;
mod retention;
pub mod session;
mod strength;
mod team;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod web;
mod world;

pub use accounts::{SignUp, SignUpInvited, SignUpPolicy, SignedUp};
pub use api_tokens::{NewToken, REQUESTS_PER_MINUTE, Rate};
pub use audits::FindingsExport;
pub use authorize::{Actor, Authorized, Bearer, Cluster, Organisation, permission};
pub use billing::{Billing, EndedBilling, NotFromStripe, Stripe, StripeFault, agree_plan};
pub use browsers::{KEPT, Visitor};
pub use bucket::{Bucket, BucketAddress, Held, S3Access};
pub use certificates::{SignedCertificate, VerifyingKey};
pub use erasure::{DeletionNotice, ErasureState};
pub use error::Error;
pub use ingest::Ingest;
pub use installation::{Installation, set_administrator};
pub use jobs::Worker;
pub use keys::{Keys, MasterKeys, Rotated};
pub use live::{Change, Live};
pub use mail::Mailer;
pub use notifications::{NewNotification, Receiver, Webhooks};
pub use oidc::{Flow, FlowPurpose, Oidc, OidcError, Proven};
pub use organisation_export::ExportPlace;
pub use outbound::AllowedNetworks;
pub use passkeys::Ceremony;
pub use password::PasswordPolicy;
pub use policies::{CONTACT, PolicyVersion, PublicPolicies, PublicPolicy, Published, parse_date, publish_policy};
pub use retention::{stated_times, stated_times_as_markdown};
pub use web::Web;
pub use world::World;
