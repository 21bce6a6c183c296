//! `/o/{org}/audits`: audits of clusters, what they found, and what is decided about them.

mod compare;
mod finding;
mod findings;
mod list;
mod schedules;
mod tabs;

pub(crate) use compare::Compare;
pub(crate) use finding::FindingPage;
pub(crate) use findings::Findings;
pub(crate) use list::AuditList;
pub(crate) use schedules::AuditSchedules;
