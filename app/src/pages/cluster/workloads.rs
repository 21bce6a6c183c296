//! `…/workloads`: somebody wants to know whether what they deployed runs, and from which image. Shortest way: its row.

use kubewise_contract::{Timestamp, WorkloadRow};
use leptos::prelude::*;

use super::list::{Here, Words, list_page, list_view};
use crate::{
    api::{Listing, workloads},
    parts::{Age, Offers, health_tag, kind_name, ticking},
    place::ClusterPlace,
};

const WORDS: Words = Words {
    path: "/workloads",
    plural: "workloads",
    none: "Deployments, stateful sets, daemon sets, jobs and bare pods appear here once the agent has sent them.",
};

/// What counts as a workload.
const KINDS: [&str; 7] =
    ["Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "CronJob.batch", "Job.batch", "ReplicaSet.apps", "Pod"];

/// What people deployed.
#[component]
pub(crate) fn Workloads() -> impl IntoView {
    list_page(workloads, show)
}

fn show(here: Here, listing: Listing<WorkloadRow>) -> AnyView {
    let now = ticking(listing.now);
    let rows = listing.page.rows.into_iter().map(|workload| row(&here.place, workload, now)).collect();
    let head = view! {
        <tr>
            <th scope="col">"Workload"</th><th scope="col" class="hide-s">"Namespace"</th><th scope="col">"State"</th>
            <th scope="col" class="num hide-s">"Ready"</th><th scope="col" class="hide-s">"Images"</th>
            <th scope="col" class="num hide-s">"Age"</th>
        </tr>
    };
    let offers =
        Offers { text: "workloads", kinds: KINDS.map(ToOwned::to_owned).to_vec(), namespaces: listing.namespaces };
    list_view(here, &WORDS, offers, head.into_any(), rows, listing.page.next)
}

fn row(place: &ClusterPlace, workload: WorkloadRow, now: Signal<Timestamp>) -> AnyView {
    let ready = match (workload.ready, workload.desired) {
        (Some(ready), Some(desired)) => format!("{ready} of {desired}"),
        (Some(ready), None) => ready.to_string(),
        _ => "–".to_owned(),
    };
    let images: Vec<_> = workload.images.iter().map(|i| view! { <code>{i.clone()}</code> }).collect();
    let application = workload.application.filter(|a| *a != workload.name).map(|a| format!(" · {a}"));
    view! {
        <tr class="row">
            <td>
                <a class="row-link first" href=place.resource(workload.uid)>{workload.name.clone()}</a>
                <div class="second">
                    {kind_name(&workload.kind).to_owned()}{application}
                    <span class="only-s">{format!(" in {}", workload.namespace)}</span>
                </div>
            </td>
            <td class="hide-s">{workload.namespace.clone()}</td>
            <td>{health_tag(workload.health)}</td>
            <td class="num hide-s nowrap">{ready}</td>
            <td class="hide-s"><div class="imgs">{images}</div></td>
            <td class="num quiet hide-s">{workload.created_at.map(|at| view! { <Age at now/> })}</td>
        </tr>
    }
    .into_any()
}
