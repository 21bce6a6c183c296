//! HTTP: the router and what surrounds every request.

mod activity_export;
mod assets;
mod bearer;
mod billing;
mod certificate;
mod client_address;
mod differences;
mod docs;
mod erasure;
mod events;
mod findings_export;
mod health;
mod ingest;
mod install;
mod listen;
mod member;
mod my_data;
mod oidc;
mod one_task;
mod organisation_export;
mod origin;
mod page;
mod policies;
mod router;
mod security;
mod sessions;
mod trace;
mod unsubscribe;
mod v1;

pub use health::healthcheck;
pub use listen::{Listener, listen};
pub use oidc::CALLBACK as OIDC_CALLBACK;
pub use router::{Parts, router};
