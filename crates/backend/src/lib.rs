//! Everything that talks to PostgreSQL. Owns all SQL and all authorization; knows nothing of HTTP or HTML.
//!
//! One type per part of the server, each with its own database login: [`Web`] for people, [`Ingest`] for agents,
//! [`Worker`] for jobs. What a person may touch is proven by an [`Authorized`] value, which only a lookup can make;
//! row-level security in PostgreSQL is the second wall (migrations/).
#![warn(missing_docs)]

mod accounts;
pub mod admin;
mod attempts;
mod authorize;
mod browsers;
mod clusters;
pub mod database;
mod error;
mod hashing;
mod identity;
pub mod ingest;
mod inventory;
mod jobs;
mod links;
mod live;
mod mail;
mod password;
pub mod session;
mod strength;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod web;
mod world;

pub use accounts::{LoggedIn, SignUp, SignedUp};
pub use authorize::{Actor, Authorized, Cluster, Organisation, permission};
pub use browsers::{KEPT, Visitor};
pub use error::Error;
pub use ingest::Ingest;
pub use jobs::Worker;
pub use live::{Change, Live};
pub use mail::Mailer;
pub use password::PasswordPolicy;
pub use web::Web;
pub use world::World;
