//! The catalogue: a file for each subject, a function for each rule.

pub mod access;
pub mod admission;
pub mod cluster;
pub mod deprecation;
pub mod efficiency;
pub mod hygiene;
pub mod images;
pub mod network;
pub mod pod_security;
pub mod reliability;
pub mod secrets;
pub mod workload;

use crate::rule::Rule;

/// Every rule, in the order of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        pod_security::RULES,
        workload::RULES,
        secrets::RULES,
        images::RULES,
        efficiency::RULES,
        access::RULES,
        admission::RULES,
        network::RULES,
        reliability::RULES,
        hygiene::RULES,
        deprecation::RULES,
        cluster::RULES,
    ]
    .into_iter()
    .flatten()
}

/// A rule by its id.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}
