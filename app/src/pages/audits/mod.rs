//! `/o/{org}/audits`, a cluster's findings, and one of them.

mod finding;
mod findings;
mod list;

pub(crate) use finding::FindingPage;
pub(crate) use findings::Findings;
pub(crate) use list::AuditList;
