//! The agent between a Kubernetes API (the sample cluster's) and a server (a small one that remembers everything).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod cluster;
mod ingest;
mod memory;
mod process;
mod recordings;
mod requests;
mod scene;
mod secrets;
mod server;
mod tls;
