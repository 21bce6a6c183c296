//! What is served: objects' API versions.

use crate::{
    object::Object,
    out::Out,
    rules::deprecation::{addons, apis},
    version::KubernetesVersion,
};

/// In a cluster an object has the API version that it was asked for in; manifests have the one that will be sent.
pub(super) fn removed(object: &Object, out: &mut Out<'_>) {
    let Some(api) = apis::find(&object.api_version, &object.kind_name) else { return };
    let Some(removed) = api.removed.filter(|removed| out.version() >= *removed) else { return };
    let what = format!("{} of {} is no longer served as of Kubernetes {removed}", api.kind, api.version);
    out.fail(object.spot("apiVersion"), format!("{what}; {}.", instead(api, out.version())));
}

pub(super) fn deprecated(object: &Object, out: &mut Out<'_>) {
    let Some(api) = apis::find(&object.api_version, &object.kind_name) else { return };
    let Some(since) = api.deprecated.filter(|since| out.version() >= *since) else { return };
    let until = match api.removed {
        Some(removed) if out.version() >= removed => return,
        Some(removed) => format!(" and removed in {removed}"),
        // What is never removed is made by controllers in every cluster: only whoever writes it can stop.
        None if !out.inventory().is_manifests() => return,
        None => String::new(),
    };
    let what = format!("{} of {} is deprecated since Kubernetes {since}{until}", api.kind, api.version);
    out.fail(object.spot("apiVersion"), format!("{what}; {}.", instead(api, out.version())));
}

/// What to use. A replacement may be newer than the version that is meant, while what it replaces is deprecated in it.
fn instead(api: &apis::Api, version: KubernetesVersion) -> String {
    if api.replacement.is_empty() {
        return api.change.to_owned();
    }
    let newer = apis::find(api.replacement, api.kind).filter(|replacement| replacement.introduced > version);
    let from = newer.map(|newer| format!(" from Kubernetes {} on", newer.introduced)).unwrap_or_default();
    let comma = if api.change.is_empty() { "" } else { ", " };
    format!("use {}{from}{comma}{}", api.replacement, api.change)
}

pub(super) fn not_yet(object: &Object, out: &mut Out<'_>) {
    let Some(api) = apis::find(&object.api_version, &object.kind_name) else { return };
    // What was read from a cluster is served there.
    if out.inventory().is_manifests() && out.version() < api.introduced {
        let what = format!("{} of {} is served from Kubernetes {} on", api.kind, api.version, api.introduced);
        out.fail(object.spot("apiVersion"), format!("{what}; the target is {}.", out.version()));
    }
}

pub(super) fn addon_removed(object: &Object, out: &mut Out<'_>) {
    let Some(api) = addons::find(&object.api_version, &object.kind_name) else { return };
    // What a cluster answered with is served there: its add-on is older than the release without it.
    if out.inventory().is_manifests() {
        let addons::AddonApi { addon, removed, replacement, .. } = api;
        let what = format!("{} of {} is no longer served as of {addon} {removed}", object.kind_name, api.version);
        out.fail(object.spot("apiVersion"), format!("{what}; use {replacement}."));
    }
}

pub(super) fn addon_deprecated(object: &Object, out: &mut Out<'_>) {
    let Some(api) = addons::find(&object.api_version, &object.kind_name) else { return };
    if !out.inventory().is_manifests() {
        let addons::AddonApi { addon, removed, deprecated, replacement, .. } = api;
        let what = format!("{} of {} is deprecated since {addon} {deprecated}", object.kind_name, api.version);
        out.fail(object.spot("apiVersion"), format!("{what} and gone with {removed}; use {replacement}."));
    }
}
