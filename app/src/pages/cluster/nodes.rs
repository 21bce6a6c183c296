//! `…/nodes`: somebody plans an upgrade or looks for the node that is not well. Shortest way: the column that differs.

use kubewise_contract::{Health, NodeRow, Timestamp};
use leptos::prelude::*;

use super::list::{Here, Words, list_page, list_view};
use crate::{
    api::{Listing, nodes},
    parts::{Age, Offers, cpu, memory, ticking},
    place::ClusterPlace,
};

const WORDS: Words = Words { path: "/nodes", plural: "nodes", none: "Nodes appear here once the agent has sent them." };

/// The machines of a cluster.
#[component]
pub(crate) fn Nodes() -> impl IntoView {
    list_page(nodes, show)
}

fn show(here: Here, listing: Listing<NodeRow>) -> AnyView {
    let now = ticking(listing.now);
    let rows = listing.page.rows.into_iter().map(|node| row(&here.place, node, now)).collect();
    let head = view! {
        <tr>
            <th scope="col">"Node"</th><th scope="col">"State"</th><th scope="col">"Kubelet"</th>
            <th scope="col" class="hide-s">"System"</th><th scope="col" class="num hide-s">"Cores"</th>
            <th scope="col" class="num hide-s">"Memory"</th><th scope="col" class="num hide-s">"Age"</th>
        </tr>
    };
    let offers = Offers { text: "nodes", ..Offers::default() };
    list_view(here, &WORDS, offers, head.into_any(), rows, listing.page.next)
}

fn row(place: &ClusterPlace, node: NodeRow, now: Signal<Timestamp>) -> AnyView {
    let (class, word) = match node.health {
        Health::Healthy => ("tag ok", "ready"),
        Health::Failing => ("tag crit", "not ready"),
        Health::Idle => ("tag", "cordoned"),
        Health::Progressing => ("tag info", "starting"),
        Health::Unknown => ("tag", "unknown"),
    };
    let roles = if node.roles.is_empty() { "worker".to_owned() } else { node.roles.join(", ") };
    let quantity = |raw: Option<String>, say: fn(&str) -> String| {
        raw.map(|raw| {
            let said = say(&raw);
            view! { <span title=format!("{raw} allocatable")>{said}</span> }
        })
    };
    view! {
        <tr class="row">
            <td><a class="row-link first" href=place.resource(node.uid)>{node.name.clone()}</a><div class="second">{roles}</div></td>
            <td><span class=class>{word}</span></td>
            <td>{node.kubelet_version.map(|v| view! { <code>{v}</code> })}</td>
            <td class="hide-s">
                {node.os_image}
                <div class="second">{[node.architecture, node.container_runtime].into_iter().flatten().collect::<Vec<_>>().join(" · ")}</div>
            </td>
            <td class="num hide-s nowrap">{quantity(node.cpu, cpu)}</td>
            <td class="num hide-s nowrap">{quantity(node.memory, memory)}</td>
            <td class="num quiet hide-s">{node.created_at.map(|at| view! { <Age at now/> })}</td>
        </tr>
    }
    .into_any()
}
