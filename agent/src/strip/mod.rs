//! What is taken out of an object before anything leaves the cluster.
//!
//! Pure functions over JSON. When in doubt they take out too much: a page that shows `[removed]` is a nuisance, a
//! password that has left the cluster has to be changed.

mod annotations;
mod argo;
mod arguments;
mod names;
mod object;
mod report;
mod shell;
mod status;
mod text;

pub use object::strip;
pub(crate) use report::NOT_READ as NOT_READ_OF_REPORTS;

/// Stands where something was taken out.
pub const REMOVED: &str = "[removed]";
