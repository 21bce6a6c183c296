//! `…/images`: somebody heard of a bad image and wants to know whether it runs here, or looks for tags that can move.
//! Shortest way: filter by a part of its name; the row leads to the workloads that name it.

use kubewise_contract::{ImageRow, ListQuery, Scan};
use leptos::prelude::*;

use super::list::{Here, Words, list_page, list_view};
use crate::{
    api::{Listing, images},
    parts::{Offers, count, number, vulnerability_counts},
    place::{ClusterPlace, list_href},
};

const WORDS: Words = Words {
    path: "/images",
    plural: "images",
    none: "Images appear here once the agent has sent the workloads that name them.",
};

/// The images that a cluster runs or would run.
#[component]
pub(crate) fn Images() -> impl IntoView {
    list_page(images, show)
}

fn show(here: Here, listing: Listing<ImageRow>) -> AnyView {
    let rows = listing.page.rows.into_iter().map(|image| row(&here.place, image)).collect();
    let head = view! {
        <tr>
            <th scope="col">"Image"</th><th scope="col">"Tag"</th><th scope="col">"Vulnerabilities"</th>
            <th scope="col" class="num hide-s">"Workloads"</th>
            <th scope="col" class="num hide-s">"Pods"</th><th scope="col" class="hide-s">"Namespaces"</th>
        </tr>
    };
    let offers = Offers { text: "images", kinds: Vec::new(), namespaces: listing.namespaces };
    list_view(here, &WORDS, offers, head.into_any(), rows, listing.page.next)
}

fn row(place: &ClusterPlace, image: ImageRow) -> AnyView {
    let query = ListQuery { image: Some(image.reference.clone()), ..ListQuery::default() };
    let label = format!("{}, {}", image.reference, count(image.workloads, "workload"));
    // Twelve digits of a digest tell images apart; the rest is on hover.
    let digest = image.digest.map(|digest| {
        let short: String = digest.trim_start_matches("sha256:").chars().take(12).collect();
        view! { <div class="second" title=digest><code>{format!("sha256:{short}…")}</code></div> }
    });
    let tag = image.tag.map(|t| view! { <code>{t}</code> });
    let moves = image.mutable.then(|| {
        view! { <span class="tag med" title="The same name can mean another image tomorrow: tag latest or none, and no digest">"can move"</span> }
    });
    view! {
        <tr class="row">
            <td><a class="row-link first mono" href=list_href(&place.href("/workloads"), &query) aria-label=label>{image.repository.clone()}</a>{digest}</td>
            <td><div class="tags">{tag}{moves}</div></td>
            <td>{known(place, &query, &image.reference, image.scan)}</td>
            <td class="num hide-s">{number(image.workloads)}</td>
            <td class="num hide-s">{number(image.pods)}</td>
            <td class="hide-s">{image.namespaces.join(", ")}</td>
        </tr>
    }
    .into_any()
}

/// What is known to be wrong with what `query` asks for, by the name of it; leads to all of it.
pub(super) fn known(place: &ClusterPlace, query: &ListQuery, name: &str, scan: Option<Scan>) -> AnyView {
    let Some(scan) = scan else { return view! { <span class="muted">"not scanned"</span> }.into_any() };
    let href = list_href(&place.href("/vulnerabilities"), query);
    // What is seen is part of the name, for who says it aloud.
    let of = format!("Vulnerabilities of {name}: ");
    view! { <a class="above" href=href><span class="visually-hidden">{of}</span>{vulnerability_counts(&scan.counts)}</a> }
        .into_any()
}
