//! `/o/{org}/audits`: audits of clusters, what they found, and what is decided about them.

mod compare;
mod finding;
mod findings;
mod list;
mod new_waiver;
mod policy;
mod schedules;
mod tabs;
mod waivers;

pub(crate) use compare::Compare;
pub(crate) use finding::FindingPage;
pub(crate) use findings::Findings;
pub(crate) use list::AuditList;
pub(crate) use new_waiver::NewWaiver;
pub(crate) use policy::AuditPolicy;
pub(crate) use schedules::AuditSchedules;
pub(crate) use waivers::Waivers;
