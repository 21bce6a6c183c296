//! Audits: asked for by people, done by the worker, shown by pages.

mod ask;
mod compare;
mod engine;
mod export;
mod findings;
mod rules;
mod run;
mod schedule;
mod summary;

pub use export::FindingsExport;
pub(crate) use run::AuditCluster;
pub(crate) use schedule::Timetable;
