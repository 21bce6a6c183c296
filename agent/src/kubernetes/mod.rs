//! The Kubernetes side: nothing but list and watch of the kinds of the protocol, and `/version`.

mod client;
mod error;
mod follow;
mod list;
mod splitter;
mod watch;

pub(crate) use client::Kubernetes;
pub(crate) use error::ApiError;
pub(crate) use follow::{Change, Event, Follower, Start};
pub(crate) use list::Listing;
