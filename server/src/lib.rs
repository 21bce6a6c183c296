//! The Kubewise server: settings, the embedded PostgreSQL, listeners, the router, ingest, jobs, administration.

pub mod admin;
pub mod command;
pub mod config;
pub mod http;
mod logging;
mod pdf;
pub mod postgres;
pub mod serve;

pub use logging::start_logging;
