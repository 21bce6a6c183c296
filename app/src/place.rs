//! Where a page is: which organisation, which cluster, which part of a list. All of it is in the address; nothing else
//! remembers it.

use kubewise_contract::{Cursor, ListQuery};
use leptos::prelude::*;
use leptos_router::{
    hooks::{use_params_map, use_query_map},
    params::ParamsMap,
};

/// A part of the address that the route names, such as `org`. While a page comes that has no such part, the one that is
/// left stays about what it was about.
pub(crate) fn use_param(name: &'static str) -> Memo<String> {
    let params = use_params_map();
    Memo::new(move |last: Option<&String>| params.with(|p| p.get(name)).or_else(|| last.cloned()).unwrap_or_default())
}

/// The organisation in the address.
pub(crate) fn use_org() -> Memo<String> {
    use_param("org")
}

/// A cluster's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterPlace {
    /// Slug of the organisation, as written in the address.
    pub(crate) org: String,
    /// Id of the cluster, as written in the address.
    pub(crate) cluster: String,
}

/// The cluster in the address.
pub(crate) fn use_cluster_place() -> Memo<ClusterPlace> {
    let (org, cluster) = (use_org(), use_param("cluster"));
    Memo::new(move |_| ClusterPlace { org: org.get(), cluster: cluster.get() })
}

/// The filters and position in the address.
pub(crate) fn use_list_query() -> Memo<ListQuery> {
    let query = use_query_map();
    Memo::new(move |_| query.with(list_query))
}

fn list_query(params: &ParamsMap) -> ListQuery {
    // A form without JavaScript sends its empty fields too: empty means not set.
    let get = |name| params.get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    ListQuery {
        kind: get("kind"),
        namespace: get("namespace"),
        q: get("q"),
        app: get("app"),
        image: get("image"),
        after: get("after").map(Cursor),
    }
}

/// The address of a page of an organisation; `rest` begins with a slash.
pub(crate) fn org_href(org: &str, rest: &str) -> String {
    format!("/o/{}{rest}", encode(org))
}

impl ClusterPlace {
    /// The address of a page of the cluster; `rest` is empty or begins with a slash.
    pub(crate) fn href(&self, rest: &str) -> String {
        format!("/o/{}/clusters/{}{rest}", encode(&self.org), encode(&self.cluster))
    }

    /// The address of one object's page.
    pub(crate) fn resource(&self, uid: impl std::fmt::Display) -> String {
        self.href(&format!("/resources/{uid}"))
    }
}

/// The address of a list with these filters and position.
pub(crate) fn list_href(base: &str, query: &ListQuery) -> String {
    let pairs = [
        ("kind", &query.kind),
        ("namespace", &query.namespace),
        ("q", &query.q),
        ("app", &query.app),
        ("image", &query.image),
        ("after", &query.after.as_ref().map(|c| c.0.clone())),
    ];
    let query: Vec<_> =
        pairs.into_iter().filter_map(|(k, v)| v.as_ref().map(|v| format!("{k}={}", encode(v)))).collect();
    if query.is_empty() { base.to_owned() } else { format!("{base}?{}", query.join("&")) }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 §2.3: safe in a path segment and in a query.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_stays_in_its_place() {
        assert_eq!(encode("ghcr.io/acme/shop:1 ä&b=c"), "ghcr.io%2Facme%2Fshop%3A1%20%C3%A4%26b%3Dc");
    }

    #[test]
    fn a_list_address_names_only_the_filters_that_are_set() {
        let query = ListQuery { namespace: Some("shop".into()), q: Some("a b".into()), ..ListQuery::default() };
        assert_eq!(list_href("/x", &query), "/x?namespace=shop&q=a%20b");
        assert_eq!(list_href("/x", &ListQuery::default()), "/x");
    }

    #[test]
    fn empty_fields_of_a_form_are_no_filters() {
        let params: ParamsMap = [("q", ""), ("namespace", "  "), ("kind", "Pod")].into_iter().collect();
        assert_eq!(list_query(&params), ListQuery { kind: Some("Pod".into()), ..ListQuery::default() });
    }
}
