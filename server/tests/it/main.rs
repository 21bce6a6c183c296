//! The server from outside: over HTTP, on a random port, and as a program.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

mod accounts;
mod api;
mod attempts;
mod authorization;
mod common;
mod exports;
mod factors;
mod identity;
mod ingest;
mod killed;
mod localstripe;
mod logs;
mod notifications;
mod oidc;
mod policies;
mod privacy;
mod search;
mod stripe;
mod survival;
mod tls;
mod vulnerabilities;
