//! Audits: asked for by people, done by the worker, shown by pages.

mod again;
mod ask;
mod compare;
mod decisions;
mod engine;
mod export;
mod findings;
mod policy;
mod rules;
mod run;
mod schedule;
mod summary;
mod waivers;

pub(crate) use again::JudgeAgain;
pub use export::FindingsExport;
pub(crate) use run::{AuditCluster, folder};
pub(crate) use schedule::Timetable;
