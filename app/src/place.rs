//! Where a page is: which organisation, which cluster, which part of a list. All of it is in the address; nothing else
//! remembers it.

use kubewise_contract::{
    CompareQuery, Cursor, FindingRow, FindingState, FindingsQuery, ListQuery, Severity, VulnerabilitiesQuery,
    VulnerabilitySeverity,
};
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

/// Which findings the address asks for.
pub(crate) fn use_findings_query() -> Memo<FindingsQuery> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|params| findings_query(|name| params.get(name))))
}

/// Which findings are asked for, from what an address or a form says. What is not understood is not asked for.
pub(crate) fn findings_query(get: impl Fn(&str) -> Option<String>) -> FindingsQuery {
    let get = |name| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    FindingsQuery {
        state: match get("state").as_deref() {
            Some("new") => Some(FindingState::New),
            Some("fixed") => Some(FindingState::Fixed),
            Some("waived") => Some(FindingState::Waived),
            _ => None,
        },
        severity: get("severity").and_then(|severity| Severity::parse(&severity)),
        rule: get("rule"),
        category: get("category"),
        framework: get("framework"),
        namespace: get("namespace"),
        app: get("app"),
        q: get("q"),
        after: get("after").map(Cursor),
    }
}

/// The address of a list of findings with these filters and position.
pub(crate) fn findings_href(base: &str, query: &FindingsQuery) -> String {
    let state = match query.state {
        Some(FindingState::New) => Some("new".to_owned()),
        Some(FindingState::Fixed) => Some("fixed".to_owned()),
        Some(FindingState::Waived) => Some("waived".to_owned()),
        Some(FindingState::Open) | None => None,
    };
    with_query(
        base,
        &[
            ("state", state),
            ("severity", query.severity.map(|severity| severity.to_string())),
            ("rule", query.rule.clone()),
            ("category", query.category.clone()),
            ("framework", query.framework.clone()),
            ("namespace", query.namespace.clone()),
            ("app", query.app.clone()),
            ("q", query.q.clone()),
            ("after", query.after.as_ref().map(|cursor| cursor.0.clone())),
        ],
    )
}

/// Which vulnerabilities the address asks for.
pub(crate) fn use_vulnerabilities_query() -> Memo<VulnerabilitiesQuery> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|params| vulnerabilities_query(|name| params.get(name))))
}

/// Which vulnerabilities are asked for, from what an address or a form says. What is not understood is not asked for.
pub(crate) fn vulnerabilities_query(get: impl Fn(&str) -> Option<String>) -> VulnerabilitiesQuery {
    let get = |name| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    VulnerabilitiesQuery {
        image: get("image"),
        app: get("app"),
        namespace: get("namespace"),
        severity: get("severity").and_then(|severity| VulnerabilitySeverity::parse(&severity)),
        fixable: get("fixable").is_some(),
        q: get("q"),
        after: get("after").map(Cursor),
    }
}

/// The address of a list of vulnerabilities with these filters and position.
pub(crate) fn vulnerabilities_href(base: &str, query: &VulnerabilitiesQuery) -> String {
    with_query(
        base,
        &[
            ("image", query.image.clone()),
            ("app", query.app.clone()),
            ("namespace", query.namespace.clone()),
            ("severity", query.severity.map(|severity| severity.to_string())),
            ("fixable", query.fixable.then(|| "yes".to_owned())),
            ("q", query.q.clone()),
            ("after", query.after.as_ref().map(|cursor| cursor.0.clone())),
        ],
    )
}

/// Which audits the address compares.
pub(crate) fn use_compare_query() -> Memo<CompareQuery> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|params| compare_query(|name| params.get(name))))
}

/// Which audits are compared, from what an address or a form says.
pub(crate) fn compare_query(get: impl Fn(&str) -> Option<String>) -> CompareQuery {
    let get = |name| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    CompareQuery { a: get("a"), ra: get("ra"), b: get("b"), rb: get("rb") }
}

/// The address of a comparison.
pub(crate) fn compare_href(org: &str, query: &CompareQuery) -> String {
    let CompareQuery { a, ra, b, rb } = query.clone();
    with_query(&org_href(org, "/audits/compare"), &[("a", a), ("ra", ra), ("b", b), ("rb", rb)])
}

/// The address of the file that has what a list of findings shows, on all its pages.
pub(crate) fn findings_export_href(base: &str, query: &FindingsQuery, format: &str) -> String {
    let list = findings_href(&format!("{base}/export"), &FindingsQuery { after: None, ..query.clone() });
    let joint = if list.contains('?') { '&' } else { '?' };
    format!("{list}{joint}format={format}")
}

fn with_query(base: &str, pairs: &[(&str, Option<String>)]) -> String {
    let set: Vec<_> = pairs
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}", encode(value))))
        .collect();
    if set.is_empty() { base.to_owned() } else { format!("{base}?{}", set.join("&")) }
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

/// The address where a finding is waived: all that the finding says is filled in.
pub(crate) fn waive_href(place: &ClusterPlace, kind: &str, finding: &FindingRow) -> String {
    with_query(
        &org_href(&place.org, "/audits/waivers/new"),
        &[
            ("rule", Some(finding.rule.clone())),
            ("cluster", Some(place.cluster.clone())),
            ("kind", Some(kind.to_owned())),
            ("namespace", finding.namespace.clone()),
            ("name", Some(finding.name.clone())),
        ],
    )
}

/// The address of a list with these filters and position.
pub(crate) fn list_href(base: &str, query: &ListQuery) -> String {
    with_query(
        base,
        &[
            ("kind", query.kind.clone()),
            ("namespace", query.namespace.clone()),
            ("q", query.q.clone()),
            ("app", query.app.clone()),
            ("image", query.image.clone()),
            ("after", query.after.as_ref().map(|cursor| cursor.0.clone())),
        ],
    )
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
    fn an_address_of_vulnerabilities_is_read_as_it_was_written() {
        let query = VulnerabilitiesQuery {
            image: Some("docker.io/library/nginx:1.25".into()),
            severity: Some(VulnerabilitySeverity::Critical),
            fixable: true,
            ..VulnerabilitiesQuery::default()
        };
        let href = vulnerabilities_href("/x", &query);
        assert_eq!(href, "/x?image=docker.io%2Flibrary%2Fnginx%3A1.25&severity=critical&fixable=yes");
        let pairs =
            [("image", "docker.io/library/nginx:1.25"), ("severity", "critical"), ("fixable", "yes"), ("q", "")];
        let get = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(vulnerabilities_query(get), query);
    }

    #[test]
    fn empty_fields_of_a_form_are_no_filters() {
        let params: ParamsMap = [("q", ""), ("namespace", "  "), ("kind", "Pod")].into_iter().collect();
        assert_eq!(list_query(&params), ListQuery { kind: Some("Pod".into()), ..ListQuery::default() });
    }
}
