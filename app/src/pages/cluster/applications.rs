//! `…/applications`: somebody wants to know which version of an application runs here. Shortest way: read its row.

use kubewise_contract::{AppSource, ApplicationRow, ListQuery};
use leptos::prelude::*;

use super::{
    images::known,
    list::{Here, Words, list_page, list_view},
};
use crate::{
    api::{Listing, applications},
    parts::{Offers, count, number},
    place::{ClusterPlace, list_href},
};

const WORDS: Words = Words {
    path: "/applications",
    plural: "applications",
    none: "Applications are found by the labels of workloads: Argo CD's, Helm's, and app.kubernetes.io/name.",
};

/// Workloads, grouped as people think of them.
#[component]
pub(crate) fn Applications() -> impl IntoView {
    list_page(applications, show)
}

fn show(here: Here, listing: Listing<ApplicationRow>) -> AnyView {
    let rows = listing.page.rows.into_iter().map(|application| row(&here.place, application)).collect();
    let head = view! {
        <tr>
            <th scope="col">"Application"</th><th scope="col">"Version"</th><th scope="col">"Vulnerabilities"</th>
            <th scope="col" class="num hide-s">"Workloads"</th><th scope="col" class="hide-s">"Images"</th>
        </tr>
    };
    let offers = Offers { text: "applications", kinds: Vec::new(), namespaces: listing.namespaces };
    list_view(here, &WORDS, offers, head.into_any(), rows, listing.page.next)
}

fn row(place: &ClusterPlace, application: ApplicationRow) -> AnyView {
    let query = ListQuery {
        app: Some(application.name.clone()),
        namespace: Some(application.namespace.clone()),
        ..ListQuery::default()
    };
    let source = match application.source {
        AppSource::ArgoCd => " · Argo CD",
        AppSource::Helm => " · Helm",
        AppSource::Labels | AppSource::Workload => "",
    };
    let class = if application.versions.len() > 1 { "tag wrap med" } else { "tag wrap" };
    let versions: Vec<_> =
        application.versions.into_iter().map(|v| view! { <span class=class><code>{v}</code></span> }).collect();
    let versions = if versions.is_empty() {
        view! { <span class="muted" title="No label of its workloads says a version">"–"</span> }.into_any()
    } else {
        view! { <div class="tags">{versions}</div> }.into_any()
    };
    let images: Vec<_> = application.images.iter().map(|i| view! { <code>{i.clone()}</code> }).collect();
    let failing = (application.failing > 0)
        .then(|| view! { <div class="second"><span class="crit-text">{format!("{} failing", number(application.failing))}</span></div> });
    let unscanned = (application.scan.is_some() && application.unscanned > 0)
        .then(|| view! { <div class="second">{count(application.unscanned, "image")}" not scanned"</div> });
    let label = format!("{}, {}", application.name, count(application.workloads, "workload"));
    view! {
        <tr class="row">
            <td>
                <a class="row-link first" href=list_href(&place.href("/workloads"), &query) aria-label=label>{application.name.clone()}</a>
                <div class="second">{application.namespace}{source}</div>
            </td>
            <td>{versions}</td>
            <td>{known(place, &query, &application.name, application.scan)}{unscanned}</td>
            <td class="num hide-s">{number(application.workloads)}{failing}</td>
            <td class="hide-s"><div class="imgs">{images}</div></td>
        </tr>
    }
    .into_any()
}
