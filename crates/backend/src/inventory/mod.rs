//! What runs in a cluster, read for pages. Every list is ordered by a key and continued after one.

pub(crate) mod cursor;
pub(crate) mod manifest;

mod applications;
mod detail;
mod images;
mod namespaces;
mod nodes;
mod resources;
mod search;
mod vulnerabilities;
mod workloads;
