//! Audits: asked for by people, done by the worker, shown by pages.

mod ask;
mod engine;
mod export;
mod findings;
mod rules;
mod run;
mod summary;

pub use export::FindingsExport;
pub(crate) use run::AuditCluster;
