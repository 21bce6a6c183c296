//! The table of clusters, on the overview and in the list.

use kubewise_contract::{ClusterStatus, ClusterSummary, Timestamp};
use leptos::prelude::*;

use crate::{
    parts::{Age, ClusterDot, number},
    place::ClusterPlace,
};

/// The clusters as a table; each row leads to the cluster.
pub(crate) fn cluster_table(org: &str, clusters: &[ClusterSummary], now: Signal<Timestamp>) -> AnyView {
    let rows: Vec<_> = clusters.iter().map(|cluster| row(org, cluster, now)).collect();
    view! {
        <table>
            <thead><tr>
                <th scope="col">"Cluster"</th>
                <th scope="col" class="hide-s">"Kubernetes"</th>
                <th scope="col" class="num">"Nodes"</th>
                <th scope="col" class="num">"Workloads"</th>
                <th scope="col" class="num hide-s">"Pods"</th>
                <th scope="col" class="num hide-s">"Namespaces"</th>
                <th scope="col" class="num hide-s">"Images"</th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

fn row(org: &str, cluster: &ClusterSummary, now: Signal<Timestamp>) -> AnyView {
    let href = ClusterPlace { org: org.to_owned(), cluster: cluster.id.to_string() }.href("");
    // Nothing has been sent yet: a zero would be a claim.
    let known = cluster.status != ClusterStatus::Waiting;
    let figure = move |n: i64| if known { number(n) } else { "–".to_owned() };
    let not_ready = cluster.nodes - cluster.nodes_ready;
    view! {
        <tr class="row">
            <td>
                <div class="named">
                    <ClusterDot status=cluster.status/>
                    <div>
                        <a class="row-link first" href=href>{cluster.name.clone()}</a>
                        <div class="second">{heard(cluster, now)}</div>
                    </div>
                </div>
            </td>
            <td class="hide-s">{cluster.kubernetes_version.clone().map(|v| view! { <code>{v}</code> })}</td>
            <td class="num">
                {figure(cluster.nodes)}
                {(known && not_ready > 0).then(|| view! { <div class="second med-text">{format!("{} not ready", number(not_ready))}</div> })}
            </td>
            <td class="num">{figure(cluster.workloads)}</td>
            <td class="num hide-s">{figure(cluster.pods)}</td>
            <td class="num hide-s">{figure(cluster.namespaces)}</td>
            <td class="num hide-s">{figure(cluster.images)}</td>
        </tr>
    }
    .into_any()
}

/// Whether the cluster's agent is heard, in words.
pub(crate) fn heard(cluster: &ClusterSummary, now: Signal<Timestamp>) -> AnyView {
    match (cluster.status, cluster.last_heard) {
        (ClusterStatus::Waiting, _) => "waiting for its agent".into_any(),
        (ClusterStatus::Syncing, _) => "sending its first inventory".into_any(),
        (ClusterStatus::Live, Some(at)) => view! { <Age at now before="heard " after=" ago"/> }.into_any(),
        (ClusterStatus::Silent, Some(at)) => {
            view! { <span class="crit-text"><Age at now before="silent for "/></span> }.into_any()
        }
        (ClusterStatus::Live, None) => "heard".into_any(),
        (ClusterStatus::Silent, None) => view! { <span class="crit-text">"silent"</span> }.into_any(),
    }
}
