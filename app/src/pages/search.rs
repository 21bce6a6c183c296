//! `/o/{org}/search`: somebody knows a part of a name and wants to know in which clusters it is. Shortest way: `/`, type, Enter.

use kubewise_contract::{ListQuery, SearchRow, Timestamp, is_found_anywhere};
use leptos::prelude::*;

use crate::{
    api::{Listing, search},
    live::{Interest, Live},
    parts::{Age, FilterBar, Head, Offers, Pager, Skeleton, failure, health_tag, kind_name, ticking},
    place::{ClusterPlace, org_href, use_list_query, use_org},
};

/// Objects of all clusters by a part of their name.
#[component]
pub(crate) fn Search() -> impl IntoView {
    let (org, query) = (use_org(), use_list_query());
    let version = expect_context::<Live>().version(Interest::Inventory, || None);
    let found = Resource::new(move || (org.get(), query.get(), version.get()), |(org, query, _)| search(org, query));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(listing) => page(&org.get_untracked(), query.get_untracked(), listing),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

/// The kinds that people search for most.
const KINDS: [&str; 10] = [
    "Deployment.apps",
    "StatefulSet.apps",
    "DaemonSet.apps",
    "CronJob.batch",
    "Job.batch",
    "Pod",
    "Service",
    "Ingress.networking.k8s.io",
    "Namespace",
    "Node",
];

fn page(org: &str, query: ListQuery, listing: Listing<SearchRow>) -> AnyView {
    let base = org_href(org, "/search");
    let now = ticking(listing.now);
    let rows = listing.page.rows;
    let offers = Offers { text: "", kinds: KINDS.map(ToOwned::to_owned).to_vec(), namespaces: Vec::new() };
    let tab = query.q.as_ref().map_or_else(|| "Search".to_owned(), |q| format!("{q}, search"));
    let sentence = match &query.q {
        Some(q) if is_found_anywhere(q) => view! {
            "Objects of all clusters whose name contains "<b>{q.clone()}</b>", and what they own."
        }
        .into_any(),
        Some(q) => view! { "Objects of all clusters whose name begins with "<b>{q.clone()}</b>"." }.into_any(),
        None => "Objects of all clusters, by a part of their name. Press / anywhere to begin.".into_any(),
    };
    let body = if query.is_unfiltered() {
        view! {
            <div class="card empty">
                <h2>"What are you looking for?"</h2>
                <p>"A part of a name is enough: of a workload, a pod, a service, a node or any other object, in any cluster."</p>
            </div>
        }
        .into_any()
    } else if rows.is_empty() {
        view! {
            <div class="card empty">
                <h2>"Nothing is called that"</h2>
                <p>"Search looks at the names of all objects in every cluster. A shorter part of the name may find it."</p>
            </div>
        }
        .into_any()
    } else {
        let lines: Vec<_> = rows.iter().map(|r| row(org, r, now)).collect();
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Name"</th><th scope="col">"Cluster"</th><th scope="col" class="hide-s">"Namespace"</th>
                        <th scope="col" class="hide-s">"State"</th><th scope="col" class="num hide-s">"Age"</th>
                    </tr></thead>
                    <tbody>{lines}</tbody>
                </table>
                <Pager base=base.clone() query=query.clone() rows=rows.len() next=listing.page.next/>
            </div>
        }
        .into_any()
    };
    view! {
        <Head title="Search" tab=tab sentence=sentence/>
        <FilterBar base query offers/>
        {body}
    }
    .into_any()
}

fn row(org: &str, row: &SearchRow, now: Signal<Timestamp>) -> AnyView {
    let resource = &row.resource;
    let href = ClusterPlace { org: org.to_owned(), cluster: row.cluster.to_string() }.resource(resource.uid);
    view! {
        <tr class="row">
            <td>
                <a class="row-link first" href=href>{resource.name.clone()}</a>
                <div class="second">
                    {kind_name(&resource.kind).to_owned()}
                    <span class="only-s">{resource.namespace.clone().map(|n| format!(" in {n}"))}</span>
                </div>
            </td>
            <td>{row.cluster_name.clone()}</td>
            <td class="hide-s">{resource.namespace.clone().unwrap_or_else(|| "–".to_owned())}</td>
            <td class="hide-s">{health_tag(resource.health)}</td>
            <td class="num quiet hide-s">{resource.created_at.map(|at| view! { <Age at now/> })}</td>
        </tr>
    }
    .into_any()
}
