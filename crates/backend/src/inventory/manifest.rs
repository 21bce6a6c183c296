//! Manifests as they are stored.

use crate::Error;

/// Largest manifest that is unpacked: what ingest takes.
const MOST_BYTES: usize = 4 << 20;

/// A stored manifest: JSON, zstd.
pub(crate) fn json(manifest: &[u8]) -> Result<Vec<u8>, Error> {
    zstd::bulk::decompress(manifest, MOST_BYTES).map_err(|e| broken(&e))
}

/// The same, as a value.
pub(crate) fn unpack(manifest: &[u8]) -> Result<serde_json::Value, Error> {
    serde_json::from_slice(&json(manifest)?).map_err(|e| broken(&e))
}

/// As people read it.
pub(crate) fn yaml(manifest: &serde_json::Value) -> Result<String, Error> {
    serde_saphyr::to_string(manifest).map_err(|e| Error::Internal(format!("manifest as YAML: {e}")))
}

/// What is stored is not what it should be.
pub(crate) fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("stored manifest: {error}"))
}
