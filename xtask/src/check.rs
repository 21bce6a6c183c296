//! Whether the server holds what the cluster's API served: no more, no less.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http;

/// Objects per group-kind (`Pod`, `Deployment.apps`).
pub(crate) type Totals = BTreeMap<String, u64>;

/// One request that the sample cluster's API noted.
#[derive(Deserialize)]
struct Request {
    verb: String,
    group: String,
    version: String,
    resource: String,
    status: u16,
}

/// The part of an `APIResourceList` that tells which kind a resource is.
#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
}

/// What the API served of the kinds that were asked for: its totals without the kinds that nobody listed.
pub(crate) fn served(api: SocketAddr) -> Result<Totals> {
    let requests: Vec<Request> = ask(api, "/_sample/requests")?;
    let asked: BTreeSet<(String, String, String)> = requests
        .into_iter()
        .filter(|request| request.verb == "list" && request.status == 200)
        .map(|request| (request.group, request.version, request.resource))
        .collect();
    let mut kinds = BTreeSet::new();
    for (group, version) in asked.iter().map(|(group, version, _)| (group, version)).collect::<BTreeSet<_>>() {
        let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let resources: Resources = ask(api, &path)?;
        for resource in resources.resources {
            if asked.contains(&(group.clone(), version.clone(), resource.name)) {
                kinds.insert(group_kind(group, &resource.kind));
            }
        }
    }
    let mut totals: Totals = ask(api, "/_sample/totals")?;
    totals.retain(|kind, count| *count > 0 && kinds.contains(kind));
    Ok(totals)
}

/// One sentence for each kind whose figures differ.
pub(crate) fn differences(served: &Totals, seen: &Totals) -> Vec<String> {
    let kinds: BTreeSet<_> = served.keys().chain(seen.keys()).collect();
    let count = |totals: &Totals, kind: &str| totals.get(kind).copied().unwrap_or(0);
    kinds
        .into_iter()
        .map(|kind| (kind, count(served, kind), count(seen, kind)))
        .filter(|(_, served, seen)| served != seen)
        .map(|(kind, served, seen)| format!("{kind}: the cluster's API served {served}, the server holds {seen}"))
        .collect()
}

fn group_kind(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

fn ask<T: DeserializeOwned>(api: SocketAddr, path: &str) -> Result<T> {
    let (status, body) = http::get(api, path)?;
    if status != 200 {
        bail!("the sample cluster answered {path} with {status}");
    }
    serde_json::from_str(&body).with_context(|| format!("the sample cluster's answer to {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(of: &[(&str, u64)]) -> Totals {
        of.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
    }

    #[test]
    fn equal_totals_have_no_differences_and_zero_is_as_good_as_absent() {
        let served = totals(&[("Pod", 3), ("Deployment.apps", 1)]);
        assert!(differences(&served, &totals(&[("Pod", 3), ("Deployment.apps", 1), ("Job.batch", 0)])).is_empty());
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let found = differences(&totals(&[("Pod", 3), ("Node", 1)]), &totals(&[("Pod", 2), ("Secret", 1)]));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[1].starts_with("Pod: the cluster's API served 3, the server holds 2"), "{found:?}");
    }
}
