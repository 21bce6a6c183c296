//! The sample cluster from outside, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod api;
mod common;
mod contents;
