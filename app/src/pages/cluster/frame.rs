//! What surrounds the pages of one cluster: its name, the sentence about how it is, and the tabs.

use kubewise_contract::{ClusterDetail, ClusterStatus, Timestamp, UiError};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{components::Outlet, hooks::use_location};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::{
    api::{At, cluster_detail},
    live::{Interest, Live},
    pages::cluster_table::heard,
    parts::{Head, Icon, count, number, ticking, version},
    place::{ClusterPlace, org_href, use_cluster_place},
};

/// The cluster that all its pages are about; in their context.
#[derive(Clone, Copy)]
pub(crate) struct Detail(pub(crate) Resource<Result<At<ClusterDetail>, UiError>>);

/// The frame; the tab's page is its outlet. A cluster that is not there has no frame: its page says so.
#[component]
pub(crate) fn ClusterFrame() -> impl IntoView {
    let place = use_cluster_place();
    let changed = expect_context::<Live>().version(Interest::Status, move || Some(place.get().cluster));
    let detail =
        Resource::new(move || (place.get(), changed.get()), |(place, _)| cluster_detail(place.org, place.cluster));
    provide_context(Detail(detail));
    let path = use_location().pathname;
    let tab = Memo::new(move |_| {
        let base = place.get().href("");
        path.with(|p| p.strip_prefix(&base).unwrap_or_default().trim_matches('/').to_owned())
    });
    Effect::new(move |_| {
        tab.track();
        show_current_tab();
    });
    view! {
        <Transition>
            {move || Suspend::new(async move {
                detail.await.ok().map(|At { now, body }| head(&place.get_untracked(), &body, ticking(now), tab))
            })}
        </Transition>
        <Outlet/>
    }
}

/// In the browser: on a phone, the tabs are scrolled to the one that is shown.
fn show_current_tab() {
    let current = document().query_selector(".tabs [aria-current]").ok().flatten();
    let Some(current) = current.and_then(|e| e.dyn_into::<HtmlElement>().ok()) else { return };
    if let Some(tabs) = current.parent_element().and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        let beside = (tabs.client_width() - current.offset_width()) / 2;
        tabs.set_scroll_left(current.offset_left() - tabs.offset_left() - beside);
    }
}

fn head(place: &ClusterPlace, detail: &ClusterDetail, now: Signal<Timestamp>, tab: Memo<String>) -> AnyView {
    let summary = &detail.summary;
    let crumbs = vec![(org_href(&place.org, "/clusters"), "Clusters".to_owned())];
    let install = (summary.status == ClusterStatus::Waiting && detail.can_manage).then(|| {
        view! { <a class="btn primary" href=place.href("/install")>"Install the agent"{Icon::ArrowRight.show()}</a> }.into_any()
    });
    let mut tabs = vec![
        ("", "Overview", None),
        ("applications", "Applications", Some(detail.applications)),
        ("findings", "Findings", None),
        ("workloads", "Workloads", Some(summary.workloads)),
        ("images", "Images", Some(summary.images)),
        ("vulnerabilities", "Vulnerabilities", None),
        ("nodes", "Nodes", Some(summary.nodes)),
        ("namespaces", "Namespaces", Some(summary.namespaces)),
        ("resources", "All objects", None),
    ];
    if detail.can_manage {
        tabs.push(("settings", "Settings", None));
    }
    let titles: Vec<_> = tabs.iter().map(|(at, name, _)| (*at, *name)).collect();
    let name = summary.name.clone();
    // The text is found here and not by the title itself: the server writes titles last, when signals may be gone.
    let title = move || {
        let tab = tab.get();
        let of = titles.iter().find(|(at, _)| *at == tab).map_or("", |(_, name)| *name);
        let text = if tab.is_empty() { name.clone() } else { format!("{of} · {name}") };
        view! { <Title text/> }
    };
    let links: Vec<_> = tabs
        .into_iter()
        .map(|(at, name, n)| {
            let href = if at.is_empty() { place.href("") } else { place.href(&format!("/{at}")) };
            let n = n.filter(|n| *n > 0).map(|n| format!(" ({})", number(n)));
            view! { <a href=href aria-current=move || (tab.get() == at).then_some("page")>{name}{n}</a> }
        })
        .collect();
    view! {
        <Head title=summary.name.clone() titled=false crumbs sentence=sentence(detail, now)
            beside=status_tag(summary.status) actions=install.unwrap_or_else(|| ().into_any())/>
        {title}
        <nav class="tabs" aria-label="Of this cluster">{links}</nav>
    }
    .into_any()
}

/// What is out of the ordinary, in a word; a cluster that is heard needs none.
fn status_tag(status: ClusterStatus) -> AnyView {
    let (class, word) = match status {
        ClusterStatus::Live => return ().into_any(),
        ClusterStatus::Waiting => ("tag", "waiting"),
        ClusterStatus::Syncing => ("tag med", "first inventory"),
        ClusterStatus::Silent => ("tag crit", "silent"),
    };
    view! { <span class=class>{word}</span> }.into_any()
}

fn sentence(detail: &ClusterDetail, now: Signal<Timestamp>) -> AnyView {
    let summary = &detail.summary;
    if summary.status == ClusterStatus::Waiting {
        return "No agent has reported for this cluster yet.".into_any();
    }
    let mut what = version(summary.kubernetes_version.as_deref()).map(|v| format!("{v}, ")).unwrap_or_default();
    what += &count(summary.nodes, "node");
    match summary.nodes - summary.nodes_ready {
        _ if summary.nodes == 0 => {}
        0 => what += ", all ready",
        n => what.extend([", ", &number(n), " not ready"]),
    }
    view! { {what}"; "{heard(summary, now)}"." }.into_any()
}
