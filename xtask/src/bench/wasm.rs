//! What a first visit loads, compressed by brotli, to the route that loads the most.

use anyhow::Result;
use serde_json::json;

use super::Figure;
use crate::project::Project;
use crate::release::FirstLoad;

pub(super) fn run(project: &Project) -> Result<()> {
    let sizes = FirstLoad::measure(project)?;
    let kibibytes = |bytes: u64| u32::try_from(bytes).map_or(f64::MAX, |bytes| f64::from(bytes) / 1024.0);
    let details = json!({
        "wasm_bytes": sizes.wasm,
        "script_bytes": sizes.script,
        "style_bytes": sizes.style,
        "chunk_bytes": sizes.chunks,
        "all_chunks_bytes": sizes.all_chunks,
    });
    Figure::print("wasm", kibibytes(sizes.code()), "KiB", kibibytes(FirstLoad::BUDGET), details)
}
