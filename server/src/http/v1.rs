//! The public API, for scripts. Who asks proves it by a token in each request, which no browser sends by itself: there
//! are no sessions here and no Origin is looked at (docs/adr/0021).

mod activity;
mod asks;
mod clusters;
mod description;
mod input;
mod manage_clusters;
mod members;
mod page;
mod problem;
mod reference;
mod resources;
mod routes;
mod search;
mod surround;

pub(super) use routes::routes;
