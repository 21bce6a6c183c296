//! `…/namespaces`: somebody wants to know who has how much here, and where something fails. Shortest way: its row, which
//! leads to its workloads.

use kubewise_contract::{ListQuery, NamespaceRow, Timestamp};
use leptos::prelude::*;

use super::list::{Here, Words, list_page, list_view};
use crate::{
    api::{Listing, namespaces},
    parts::{Age, Offers, count, number, ticking},
    place::{ClusterPlace, list_href},
};

const WORDS: Words =
    Words { path: "/namespaces", plural: "namespaces", none: "Namespaces appear here once the agent has sent them." };

/// A cluster's namespaces.
#[component]
pub(crate) fn Namespaces() -> impl IntoView {
    list_page(namespaces, show)
}

fn show(here: Here, listing: Listing<NamespaceRow>) -> AnyView {
    let now = ticking(listing.now);
    let rows = listing.page.rows.into_iter().map(|namespace| row(&here.place, namespace, now)).collect();
    let head = view! {
        <tr>
            <th scope="col">"Namespace"</th><th scope="col" class="num">"Workloads"</th><th scope="col" class="num">"Pods"</th>
            <th scope="col" class="num hide-s">"All objects"</th><th scope="col" class="hide-s">"Pod security"</th>
            <th scope="col" class="num hide-s">"Age"</th>
        </tr>
    };
    let offers = Offers { text: "namespaces", ..Offers::default() };
    list_view(here, &WORDS, offers, head.into_any(), rows, listing.page.next)
}

fn row(place: &ClusterPlace, namespace: NamespaceRow, now: Signal<Timestamp>) -> AnyView {
    let query = ListQuery { namespace: Some(namespace.name.clone()), ..ListQuery::default() };
    let failing = (namespace.failing > 0)
        .then(|| view! { <div class="second"><span class="crit-text">{format!("{} failing", number(namespace.failing))}</span></div> });
    // Levels: Kubernetes, Pod Security Standards.
    let security = match namespace.pod_security.as_deref() {
        Some("restricted") => view! { <span class="tag ok">"restricted"</span> }.into_any(),
        Some("baseline") => view! { <span class="tag info">"baseline"</span> }.into_any(),
        Some("privileged") => view! { <span class="tag med">"privileged"</span> }.into_any(),
        Some(other) => view! { <span class="tag wrap">{other.to_owned()}</span> }.into_any(),
        None => view! { <span class="muted">"not enforced"</span> }.into_any(),
    };
    let label = format!("{}, {}", namespace.name, count(namespace.workloads, "workload"));
    view! {
        <tr class="row">
            <td><a class="row-link first" href=list_href(&place.href("/workloads"), &query) aria-label=label>{namespace.name.clone()}</a></td>
            <td class="num">{number(namespace.workloads)}{failing}</td>
            <td class="num">{number(namespace.pods)}</td>
            <td class="num hide-s">{number(namespace.resources)}</td>
            <td class="hide-s">{security}</td>
            <td class="num quiet hide-s">{namespace.created_at.map(|at| view! { <Age at now/> })}</td>
        </tr>
    }
    .into_any()
}
