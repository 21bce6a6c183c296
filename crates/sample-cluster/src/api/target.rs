//! What a request is about, read from its path and query.

use http::{Method, Uri};
use serde::Deserialize;

/// The part of the query that matters here.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Query {
    pub(crate) watch: Option<String>,
    pub(crate) limit: Option<usize>,
    #[serde(rename = "continue")]
    pub(crate) continue_token: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) allow_watch_bookmarks: Option<String>,
    pub(crate) send_initial_events: Option<String>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) label_selector: Option<String>,
    pub(crate) field_selector: Option<String>,
}

/// As Go's `strconv.ParseBool` reads the API's flags.
pub(crate) fn is_true(flag: Option<&String>) -> bool {
    flag.is_some_and(|v| matches!(v.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`, `/api`, `/apis`, `/apis/G`, `/api/v1`, `/apis/G/V`; the path without a slash at its end.
    Discovery(String),
    /// One resource type, one object of it, or a subresource.
    Resource(ResourceTarget),
    /// Nothing that a Kubernetes API has.
    Unknown,
}

/// A resource type, one object of it, or a subresource.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceTarget {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    pub(crate) fn of(uri: &Uri) -> Self {
        let path = uri.path().trim_end_matches('/');
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments.as_slice() {
            ["version" | "api" | "apis"] | ["api" | "apis", _] | ["apis", _, _] => Self::Discovery(path.to_owned()),
            ["api", version, rest @ ..] => Self::resource("", version, rest),
            ["apis", group, version, rest @ ..] => Self::resource(group, version, rest),
            _ => Self::Unknown,
        }
    }

    fn resource(group: &str, version: &str, rest: &[&str]) -> Self {
        let mut target =
            ResourceTarget { group: group.to_owned(), version: version.to_owned(), ..ResourceTarget::default() };
        let own = |s: &&str| Some((*s).to_owned());
        match rest {
            // A namespace's own subresources look like resources in the namespace.
            ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
                (target.resource, target.name, target.subresource) = ("namespaces".to_owned(), own(name), own(sub));
            }
            ["namespaces", namespace, resource, more @ ..] => {
                (target.resource, target.namespace) = ((*resource).to_owned(), own(namespace));
                target.set_object(more);
            }
            [resource, more @ ..] => {
                (*resource).clone_into(&mut target.resource);
                target.set_object(more);
            }
            [] => return Self::Unknown,
        }
        Self::Resource(target)
    }
}

impl ResourceTarget {
    fn set_object(&mut self, segments: &[&str]) {
        self.name = segments.first().map(|&s| s.to_owned());
        self.subresource = (segments.len() > 1).then(|| segments[1..].join("/"));
    }

    /// The verb as RBAC sees it.
    pub(crate) fn verb(&self, method: &Method, query: &Query) -> &'static str {
        match (method, &self.name) {
            (&Method::GET, None) if is_true(query.watch.as_ref()) => "watch",
            (&Method::GET, None) => "list",
            (&Method::GET, Some(_)) => "get",
            _ => "other",
        }
    }

    /// The resource as RBAC names it: `pods`, `pods/log`.
    pub(crate) fn rbac_resource(&self) -> String {
        match &self.subresource {
            Some(sub) => format!("{}/{sub}", self.resource),
            None => self.resource.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        Target::of(&path.parse().unwrap())
    }

    fn resource(path: &str) -> ResourceTarget {
        match target(path) {
            Target::Resource(resource) => resource,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_are_read_as_the_api_server_reads_them() {
        assert_eq!(target("/apis/apps/v1/"), Target::Discovery("/apis/apps/v1".to_owned()));
        assert_eq!(target("/healthz"), Target::Unknown);
        let list = resource("/apis/apps/v1/deployments?limit=5");
        assert_eq!((list.group.as_str(), list.resource.as_str(), list.namespace), ("apps", "deployments", None));
        let object = resource("/api/v1/namespaces/shop/pods/cart-0");
        assert_eq!((object.namespace.as_deref(), object.name.as_deref()), (Some("shop"), Some("cart-0")));
        assert_eq!(resource("/api/v1/namespaces/shop").name.as_deref(), Some("shop"));
        assert_eq!(resource("/api/v1/namespaces/shop/status").subresource.as_deref(), Some("status"));
        assert_eq!(resource("/api/v1/namespaces/shop/pods/cart-0/log").rbac_resource(), "pods/log");
        assert_eq!(resource("/api/v1/nodes/node-1/proxy/metrics").rbac_resource(), "nodes/proxy/metrics");
    }
}
