//! From rows of the inventory to what the audit engine judges.

use std::collections::BTreeSet;

use kubewise_audit::{Completeness, Kind, KubernetesVersion, Object};
use kubewise_contract::UnreadableKind;
use kubewise_protocol::KINDS;
use uuid::Uuid;

use crate::{Error, inventory::manifest};

/// An object of the cluster, as it is stored.
pub(super) struct Stored {
    pub(super) uid: Uuid,
    /// Group-kind.
    pub(super) kind: String,
    pub(super) application: Option<String>,
    pub(super) manifest: Vec<u8>,
}

/// An object as it is judged, and what is said of it besides.
pub(super) struct Judged {
    pub(super) uid: Uuid,
    pub(super) kind: String,
    pub(super) application: Option<String>,
}

/// What the agent reads, without what it could not.
pub(super) fn completeness(unreadable: Vec<UnreadableKind>, version: Option<KubernetesVersion>) -> Completeness {
    let whole: BTreeSet<Kind> = KINDS
        .iter()
        .filter(|watched| !unreadable.iter().any(|kind| kind.kind == watched.group_kind()))
        .map(|watched| Kind::find(watched.group, watched.kind))
        .filter(|kind| *kind != Kind::Other)
        .collect();
    Completeness::Cluster { whole, without_values: true, version }
}

/// Unpacks some objects: their manifests as JSON, and as the engine takes them. What is no object is left out.
pub(super) fn unpack(rows: Vec<Stored>) -> Result<Vec<(Judged, Vec<u8>, Object)>, Error> {
    let mut unpacked = Vec::with_capacity(rows.len());
    for row in rows {
        let json = manifest::json(&row.manifest)?;
        let node = serde_json::from_slice(&json).map_err(|e| manifest::broken(&e))?;
        let Some(object) = Object::new(node, None) else { continue };
        let Stored { uid, kind, application, .. } = row;
        unpacked.push((Judged { uid, kind, application }, json, object));
    }
    Ok(unpacked)
}
