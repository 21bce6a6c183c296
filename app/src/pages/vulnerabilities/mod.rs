//! What is known to be wrong with images.

mod everywhere;
mod of_cluster;
mod row;

pub(crate) use everywhere::Vulnerable;
pub(crate) use of_cluster::Vulnerabilities;
