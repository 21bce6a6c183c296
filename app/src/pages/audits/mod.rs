//! `/o/{org}/audits`, and one finding. A cluster's findings are among its own pages.

mod finding;
mod list;

pub(crate) use finding::FindingPage;
pub(crate) use list::AuditList;
