//! What the backend promises, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

mod activity;
mod audits;
mod billing;
mod bucket;
mod decisions;
mod erasure;
mod exports;
mod jobs;
mod notifications;
mod policies;
mod races;
mod register;
mod retention;
mod rotation;
mod stripe;
mod team;
mod walls;
