//! `/o/{org}/vulnerabilities`: somebody has read of a vulnerability and wants to know whether, and where, it is here. Shortest
//! way: type or paste its id, Enter.

use kubewise_contract::{ListQuery, VulnerabilitiesQuery, VulnerablePlace};
use leptos::prelude::*;

use super::row;
use crate::{
    api::{Listing, vulnerable},
    live::{Interest, Live},
    parts::{Head, Skeleton, count, failure, number, searched},
    place::{ClusterPlace, list_href, org_href, use_list_query, use_org, vulnerabilities_href},
};

/// One vulnerability in all clusters.
#[component]
pub(crate) fn Vulnerable() -> impl IntoView {
    let (org, query) = (use_org(), use_list_query());
    let version = expect_context::<Live>().version(Interest::Inventory, || None);
    let found =
        Resource::new(move || (org.get(), query.get(), version.get()), |(org, query, _)| vulnerable(org, query));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(listing) => page(&org.get_untracked(), &query.get_untracked(), listing),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &ListQuery, listing: Listing<VulnerablePlace>) -> AnyView {
    let base = org_href(org, "/vulnerabilities");
    let rows = listing.page.rows;
    let asked = query.q.clone().unwrap_or_default();
    let tab = if asked.is_empty() { "Vulnerabilities".to_owned() } else { format!("{asked}, vulnerabilities") };
    let sentence = match rows.first() {
        _ if asked.is_empty() => "One vulnerability in all clusters, by its id.".to_owned(),
        None => format!("{asked} is in no image that runs here, as far as it was scanned."),
        Some(first) if listing.page.next.is_none() && query.after.is_none() => {
            format!("{} is in {}.", first.found.id, count(i64::try_from(rows.len()).unwrap_or(i64::MAX), "place"))
        }
        Some(first) => format!("{} is in many places.", first.found.id),
    };
    let body = if rows.is_empty() {
        let (title, text) = if asked.is_empty() {
            ("Which one are you looking for?", "The whole id, such as CVE-2024-3094 or GHSA-jfh8-c2jp-5v3q.")
        } else {
            (
                "It is in no image that runs here",
                "Images that no scanner has looked at are not known. Ids are matched whole.",
            )
        };
        view! { <div class="card empty"><h2>{title}</h2><p>{text}</p></div> }.into_any()
    } else {
        let n = rows.len();
        let lines: Vec<_> = rows.iter().map(|place| line(org, place)).collect();
        let to = |after| list_href(&base, &ListQuery { after, ..query.clone() });
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Image"</th><th scope="col">"Cluster"</th><th scope="col">"Package"</th>
                        <th scope="col" class="hide-s">"Severity"</th><th scope="col" class="num hide-s">"Workloads"</th>
                    </tr></thead>
                    <tbody>{lines}</tbody>
                </table>
                {row::foot(n, query.after.is_none(), listing.page.next, to)}
            </div>
        }
        .into_any()
    };
    let text = searched(&base, "Id of a vulnerability".to_owned(), "CVE-2024-3094", 64, query.q.clone(), None);
    let what = rows.first().map(|first| view! { <div class="card pad">{row::name(&first.found)}</div> });
    view! {
        <Head title="Vulnerabilities" tab=tab sentence=sentence.into_any()/>
        <form class="filters" method="get" action=base role="search" aria-label="Vulnerability">
            {text}
            <button type="submit" class="btn small">"Find"</button>
        </form>
        {what}
        {body}
    }
    .into_any()
}

fn line(org: &str, place: &VulnerablePlace) -> AnyView {
    let found = &place.found;
    let cluster = ClusterPlace { org: org.to_owned(), cluster: place.cluster.to_string() };
    let of = VulnerabilitiesQuery { image: Some(found.image.clone()), ..VulnerabilitiesQuery::default() };
    let href = vulnerabilities_href(&cluster.href("/vulnerabilities"), &of);
    view! {
        <tr class="row">
            <td><a class="row-link first mono" href=href>{found.image.clone()}</a></td>
            <td>{place.cluster_name.clone()}</td>
            <td>{row::package(found)}</td>
            <td class="hide-s">{row::severity(found)}</td>
            <td class="num hide-s">{number(place.workloads)}</td>
        </tr>
    }
    .into_any()
}
