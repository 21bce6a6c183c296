//! `…/resources/{uid}`: somebody wants to know exactly what an object says, what it belongs to and what belongs to it.
//! Shortest way: the manifest, complete, beside its relatives.

use kubewise_contract::{ListQuery, ResourceDetail, ResourceRef, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, resource},
    live::{Interest, Live},
    parts::{Age, CopyButton, Head, Skeleton, count, failure, health_tag, highlight, kind_name, number, ticking},
    place::{ClusterPlace, list_href, org_href, use_cluster_place, use_param},
};

/// Above this size colouring costs the browser more than it helps the reader.
const COLOURED_BYTES: usize = 200_000;

/// One object.
#[component]
pub(crate) fn ResourcePage() -> impl IntoView {
    let place = use_cluster_place();
    let uid = use_param("uid");
    let version = expect_context::<Live>().version(Interest::Inventory, move || Some(place.get().cluster));
    let found = Resource::new(
        move || (place.get(), uid.get(), version.get()),
        |(place, uid, _)| resource(place.org, place.cluster, uid),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&place.get_untracked(), body, ticking(now)),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(place: &ClusterPlace, detail: ResourceDetail, now: Signal<Timestamp>) -> AnyView {
    let row = &detail.row;
    let of_kind = ListQuery { kind: Some(row.kind.clone()), ..ListQuery::default() };
    let crumbs = vec![
        (org_href(&place.org, "/clusters"), "Clusters".to_owned()),
        (place.href(""), detail.cluster_name.clone()),
        (list_href(&place.href("/resources"), &of_kind), kind_name(&row.kind).to_owned()),
    ];
    let sentence = {
        let kind = kind_name(&row.kind).to_owned();
        let namespace = row.namespace.as_ref().map(|n| format!(" in {n}"));
        let created = row.created_at.map(|at| view! { ", created "<Age at now after=" ago"/> });
        view! { {kind}{namespace}{created}"; sent by the agent "<Age at=detail.updated_at now after=" ago"/>"." }
            .into_any()
    };
    let tab = format!("{} · {}", row.name, detail.cluster_name);
    view! {
        <Head title=row.name.clone() tab=tab crumbs sentence=sentence beside=health_tag(row.health)/>
        <div class="grid detail">
            <div class="grid">
                {about(place, &detail)}
                {family(place, &detail)}
                {labels(&detail)}
            </div>
            {manifest(detail.yaml)}
        </div>
    }
    .into_any()
}

fn about(place: &ClusterPlace, detail: &ResourceDetail) -> AnyView {
    let row = &detail.row;
    let link = |path: &str, query: ListQuery, text: String| {
        view! { <a class="link" href=list_href(&place.href(path), &query)>{text}</a> }.into_any()
    };
    let mut facts: Vec<(&'static str, AnyView)> = vec![
        ("Kind", kind_name(&row.kind).to_owned().into_any()),
        ("API version", view! { <code>{detail.api_version.clone()}</code> }.into_any()),
    ];
    if let Some(namespace) = &row.namespace {
        let query = ListQuery { namespace: Some(namespace.clone()), ..ListQuery::default() };
        facts.push(("Namespace", link("/workloads", query, namespace.clone())));
    }
    if let Some(application) = &detail.application {
        let query =
            ListQuery { app: Some(application.clone()), namespace: row.namespace.clone(), ..ListQuery::default() };
        facts.push(("Application", link("/workloads", query, application.clone())));
    }
    if let Some(node) = &detail.node {
        let query = ListQuery { q: Some(node.clone()), ..ListQuery::default() };
        facts.push(("Node", link("/nodes", query, node.clone())));
    }
    match (detail.ready, detail.desired) {
        (Some(ready), Some(desired)) => facts.push(("Ready", format!("{ready} of {desired}").into_any())),
        (Some(ready), None) => facts.push(("Ready", ready.to_string().into_any())),
        _ => {}
    }
    if !detail.images.is_empty() {
        let images: Vec<_> = detail.images.iter().map(|i| view! { <code>{i.clone()}</code> }).collect();
        facts.push(("Images", view! { <div class="imgs">{images}</div> }.into_any()));
    }
    facts.push(("UID", view! { <code>{row.uid.to_string()}</code> }.into_any()));
    let facts: Vec<_> = facts.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }).collect();
    view! {
        <section class="card" aria-labelledby="about">
            <header><h2 id="about">"About"</h2></header>
            <dl class="facts pad">{facts}</dl>
        </section>
    }
    .into_any()
}

/// What owns it, up to the top, and what it owns.
fn family(place: &ClusterPlace, detail: &ResourceDetail) -> AnyView {
    let owners = (!detail.owners.is_empty()).then(|| {
        let lines: Vec<_> = detail.owners.iter().map(|owner| relative(place, owner)).collect();
        view! {
            <section class="card" aria-labelledby="owners">
                <header><h2 id="owners">"Owned by"</h2></header>
                <ul class="lines">{lines}</ul>
            </section>
        }
    });
    let owned = (!detail.owned.is_empty()).then(|| {
        let lines: Vec<_> = detail.owned.iter().map(|owned| relative(place, owned)).collect();
        let shown = i64::try_from(detail.owned.len()).unwrap_or(i64::MAX);
        let more = (detail.owned_count > shown).then(|| format!("{} of {}", number(shown), number(detail.owned_count)));
        view! {
            <section class="card" aria-labelledby="owned">
                <header>
                    <h2 id="owned">"Owns"</h2>
                    <span class="right">{more.unwrap_or_else(|| count(detail.owned_count, "object"))}</span>
                </header>
                <ul class="lines">{lines}</ul>
            </section>
        }
    });
    view! { {owners}{owned} }.into_any()
}

fn relative(place: &ClusterPlace, relative: &ResourceRef) -> AnyView {
    let kind = kind_name(&relative.kind).to_owned();
    let name = match relative.uid {
        Some(uid) => view! { <a class="link" href=place.resource(uid)>{relative.name.clone()}</a> }.into_any(),
        None => view! { <span title="Named by this object, but not held by Kubewise">{relative.name.clone()}</span> }
            .into_any(),
    };
    view! {
        <li><div class="who">{name}<div class="muted small">{kind}</div></div><span class="right">{health_tag(relative.health)}</span></li>
    }
    .into_any()
}

fn labels(detail: &ResourceDetail) -> AnyView {
    if detail.labels.is_empty() {
        return ().into_any();
    }
    let lines: Vec<_> = detail
        .labels
        .iter()
        .map(|(key, value)| view! { <li><code>{key.clone()}<span class="muted">"="</span>{value.clone()}</code></li> })
        .collect();
    view! {
        <section class="card" aria-labelledby="labels">
            <header><h2 id="labels">"Labels"</h2></header>
            <ul class="labels pad">{lines}</ul>
        </section>
    }
    .into_any()
}

/// The manifest as the agent sent it.
fn manifest(yaml: String) -> AnyView {
    let place = NodeRef::<leptos::html::Pre>::new();
    let code = if yaml.len() <= COLOURED_BYTES {
        view! { <code inner_html=highlight(&yaml)></code> }.into_any()
    } else {
        view! { <code>{yaml.clone()}</code> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="manifest">
            <header>
                <h2 id="manifest">"Manifest"</h2>
                <span class="right"><CopyButton text=yaml label="the manifest" place/></span>
            </header>
            <pre class="yaml" node_ref=place tabindex="0" role="group" aria-labelledby="manifest">{code}</pre>
        </section>
    }
    .into_any()
}
