//! `…/resources`: somebody looks for an object of any kind. Shortest way: choose the kind, type a part of the name.

use kubewise_contract::{ResourceRow, Timestamp};
use leptos::prelude::*;

use super::{
    frame::Detail,
    list::{Here, Words, list_page, list_view},
};
use crate::{
    api::{Listing, resources},
    parts::{Age, Offers, health_tag, kind_name, ticking},
    place::ClusterPlace,
};

const WORDS: Words =
    Words { path: "/resources", plural: "objects", none: "Everything the agent sends appears here, kind by kind." };

/// Every object of a cluster.
#[component]
pub(crate) fn Resources() -> impl IntoView {
    list_page(resources, show)
}

fn show(here: Here, listing: Listing<ResourceRow>) -> AnyView {
    // The kinds that the cluster has; the frame knows them.
    let kinds = expect_context::<Detail>().0.get_untracked().and_then(Result::ok).map(|detail| {
        let mut kinds: Vec<_> = detail.body.totals.into_iter().map(|total| total.kind).collect();
        kinds.sort_unstable();
        kinds
    });
    let now = ticking(listing.now);
    let rows = listing.page.rows.into_iter().map(|resource| row(&here.place, resource, now)).collect();
    let head = view! {
        <tr>
            <th scope="col">"Name"</th><th scope="col">"Kind"</th><th scope="col" class="hide-s">"Namespace"</th>
            <th scope="col" class="hide-s">"State"</th><th scope="col" class="num hide-s">"Age"</th>
        </tr>
    };
    let offers = Offers { text: "objects", kinds: kinds.unwrap_or_default(), namespaces: listing.namespaces };
    list_view(here, &WORDS, offers, head.into_any(), rows, listing.page.next)
}

fn row(place: &ClusterPlace, resource: ResourceRow, now: Signal<Timestamp>) -> AnyView {
    let group = resource.kind.split_once('.').map(|(_, group)| group.to_owned());
    view! {
        <tr class="row">
            <td>
                <a class="row-link first" href=place.resource(resource.uid)>{resource.name.clone()}</a>
                <div class="second only-s">{resource.namespace.clone()}</div>
            </td>
            <td>{kind_name(&resource.kind).to_owned()}<div class="second">{group}</div></td>
            <td class="hide-s">{resource.namespace.clone().unwrap_or_else(|| "–".to_owned())}</td>
            <td class="hide-s">{health_tag(resource.health)}</td>
            <td class="num quiet hide-s">{resource.created_at.map(|at| view! { <Age at now/> })}</td>
        </tr>
    }
    .into_any()
}
