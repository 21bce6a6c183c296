//! `kubewise-agent audit`: the rules over manifests on disk, for pipelines. No cluster, no server, no network.

mod arguments;
mod catalogue;
mod decisions;
mod files;
mod read;
mod run;

pub use arguments::Arguments;
pub use run::audit;
