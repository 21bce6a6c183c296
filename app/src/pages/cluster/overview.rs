//! `/o/{org}/clusters/{id}`: somebody wants to know how this cluster is and how big. Shortest way: the sentence and four
//! numbers, each of which leads to its list.

use kubewise_contract::{ClusterDetail, ClusterStatus, ListQuery, Timestamp};
use leptos::prelude::*;

use super::frame::Detail;
use crate::{
    api::At,
    parts::{Age, Icon, Skeleton, count, failure, kind_name, number, ticking},
    place::{ClusterPlace, list_href, use_cluster_place},
};

/// The cluster's first page. What it shows the frame has loaded.
#[component]
pub(crate) fn ClusterOverview() -> impl IntoView {
    let place = use_cluster_place();
    let Detail(detail) = expect_context();
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match detail.await {
                    Ok(At { now, body }) => page(&place.get_untracked(), &body, ticking(now)),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(place: &ClusterPlace, detail: &ClusterDetail, now: Signal<Timestamp>) -> AnyView {
    let summary = &detail.summary;
    if summary.status == ClusterStatus::Waiting {
        return waiting(place, detail.can_manage);
    }
    let images = match detail.mutable_images {
        0 => "none with a tag that can move".to_owned(),
        n => format!("{} with a tag that can move", number(n)),
    };
    let nodes = match summary.nodes - summary.nodes_ready {
        0 => "all ready".to_owned(),
        n => format!("{} not ready", number(n)),
    };
    view! {
        {notes(detail, now)}
        <div class="grid g4">
            {stat(place.href("/workloads"), "Workloads", summary.workloads, format!("{} in all", count(summary.pods, "pod")))}
            {stat(place.href("/applications"), "Applications", detail.applications, format!("in {}", count(summary.namespaces, "namespace")))}
            {stat(place.href("/images"), "Images", summary.images, images)}
            {stat(place.href("/nodes"), "Nodes", summary.nodes, nodes)}
        </div>
        <div class="grid g21">
            {totals(place, detail)}
            {about(detail, now)}
        </div>
    }
    .into_any()
}

fn stat(href: String, name: &'static str, value: i64, compared: String) -> AnyView {
    view! {
        <a class="card stat" href=href>
            <div class="k">{name}</div>
            <div class="v">{number(value)}</div>
            <div class="d">{compared}</div>
        </a>
    }
    .into_any()
}

/// What limits the picture: silence, and kinds that could not be read.
fn notes(detail: &ClusterDetail, now: Signal<Timestamp>) -> AnyView {
    let summary = &detail.summary;
    let silent = (summary.status == ClusterStatus::Silent).then(|| {
        let since = summary.last_heard.map(|at| view! { " for "<Age at now/> });
        view! {
            <div class="note crit">{Icon::Alert.show()}<span>
                <b>"The agent has been silent"{since}"."</b>" What is shown is what it sent last. In the cluster, "
                <code>"kubectl -n kubewise get pods"</code>" tells whether it runs."
            </span></div>
        }
    });
    let first = (summary.status == ClusterStatus::Syncing).then(|| {
        view! {
            <div class="note med">{Icon::Refresh.show()}<span>
                "The agent is sending its first inventory. It appears all at once, when it is complete."
            </span></div>
        }
    });
    let unreadable = (!detail.unreadable.is_empty()).then(|| {
        let kinds = detail.unreadable.iter().map(|k| format!("{} ({})", kind_name(&k.kind), k.reason));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        view! {
            <div class="note med">{Icon::Alert.show()}<span>
                <b>{format!("{} could not be read: ", count(i64::try_from(detail.unreadable.len()).unwrap_or(i64::MAX), "kind"))}</b>
                {kinds}". Forbidden kinds are missing from the agent's ClusterRole; unavailable ones are tried again."
            </span></div>
        }
    });
    let any = silent.is_some() || first.is_some() || unreadable.is_some();
    any.then(|| view! { <div class="grid notes">{silent}{first}{unreadable}</div> }).into_any()
}

/// How many of each kind.
fn totals(place: &ClusterPlace, detail: &ClusterDetail) -> AnyView {
    let base = place.href("/resources");
    let all: i64 = detail.totals.iter().map(|t| t.count).sum();
    let lines: Vec<_> = detail
        .totals
        .iter()
        .map(|total| {
            let query = ListQuery { kind: Some(total.kind.clone()), ..ListQuery::default() };
            let group = total.kind.split_once('.').map(|(_, group)| group.to_owned());
            view! {
                <tr class="row">
                    <td><a class="row-link first" href=list_href(&base, &query)>{kind_name(&total.kind).to_owned()}</a></td>
                    <td class="quiet hide-s">{group}</td>
                    <td class="num">{number(total.count)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <section class="card" aria-labelledby="objects">
            <header><h2 id="objects">"What is in it"</h2><span class="right">{count(all, "object")}</span></header>
            <table>
                <thead class="visually-hidden"><tr>
                    <th scope="col">"Kind"</th><th scope="col" class="hide-s">"API group"</th><th scope="col">"Objects"</th>
                </tr></thead>
                <tbody>{lines}</tbody>
            </table>
        </section>
    }
    .into_any()
}

fn about(detail: &ClusterDetail, now: Signal<Timestamp>) -> AnyView {
    let summary = &detail.summary;
    let moment = move |at: Option<Timestamp>| match at {
        Some(at) => view! { <Age at now after=" ago"/> }.into_any(),
        None => "never".into_any(),
    };
    let or_unknown = |text: Option<String>| match text {
        Some(text) => view! { <code>{text}</code> }.into_any(),
        None => "not known".into_any(),
    };
    view! {
        <section class="card" aria-labelledby="about">
            <header><h2 id="about">"About"</h2></header>
            <dl class="facts pad">
                <dt>"Kubernetes"</dt><dd>{or_unknown(summary.kubernetes_version.clone())}</dd>
                <dt>"Agent"</dt><dd>{or_unknown(detail.agent_version.clone())}</dd>
                <dt>"Last heard"</dt><dd>{moment(summary.last_heard)}</dd>
                <dt>"Last complete inventory"</dt><dd>{moment(detail.synced_at)}</dd>
                <dt>"Added"</dt><dd>{moment(Some(detail.created_at))}</dd>
                <dt>"Token"</dt><dd>{if detail.has_token { "accepted" } else { "none: agents are refused" }}</dd>
                <dt>"Id"</dt><dd><code>{summary.id.to_string()}</code></dd>
            </dl>
        </section>
    }
    .into_any()
}

/// Nothing yet: what to do first.
fn waiting(place: &ClusterPlace, can_manage: bool) -> AnyView {
    let act = can_manage.then(|| {
        view! { <div class="act"><a class="btn" href=place.href("/install")>"Show the commands"</a></div> }
    });
    view! {
        <div class="card empty">
            <h2>"Waiting for the agent"</h2>
            <p>"Once it is installed and heard, what runs in this cluster appears here by itself, usually within a minute."</p>
            {act}
        </div>
    }
    .into_any()
}
