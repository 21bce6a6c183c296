//! `/o/{org}/`: somebody starts their day here: is every cluster heard, and how much runs? Shortest way: the sentence.

use kubewise_contract::{ClusterStatus, ClusterSummary, Overview, Timestamp};
use leptos::prelude::*;

use super::cluster_table::cluster_table;
use crate::{
    api::{At, overview},
    live::{Interest, Live},
    parts::{Age, Head, Icon, Skeleton, count, failure, number, ticking},
    place::{org_href, use_org},
};

/// The organisation's first page.
#[component]
pub(crate) fn OrganisationOverview() -> impl IntoView {
    let org = use_org();
    let version = expect_context::<Live>().version(Interest::Status, || None);
    let found = Resource::new(move || (org.get(), version.get()), |(org, _)| overview(org));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &body, ticking(now)),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, overview: &Overview, now: Signal<Timestamp>) -> AnyView {
    let add = overview.can_manage.then(|| {
        view! { <a class="btn primary" href=org_href(org, "/clusters/new")>{Icon::Plus.show()}"Add cluster"</a> }
            .into_any()
    });
    if overview.cluster_count == 0 {
        return empty(org, overview.can_manage);
    }
    let per_node = overview.pods.checked_div(overview.nodes).unwrap_or_default();
    let ready: i64 = overview.clusters.iter().map(|c| c.nodes_ready).sum();
    let complete = i64::try_from(overview.clusters.len()) == Ok(overview.cluster_count);
    let nodes_say = match overview.nodes - ready {
        _ if !complete => "in all clusters".to_owned(),
        0 => "all ready".to_owned(),
        not_ready => format!("{} not ready", number(not_ready)),
    };
    let images_say = match overview.mutable_images {
        0 => "none with a tag that can move".to_owned(),
        n => format!("{} with a tag that can move", number(n)),
    };
    let shown = count(i64::try_from(overview.clusters.len()).unwrap_or(i64::MAX), "cluster");
    view! {
        <Head title="Overview" sentence=sentence(overview, now) actions=add.unwrap_or_else(|| ().into_any())/>
        <div class="grid g4">
            {stat("Workloads", overview.workloads, format!("in {}", count(overview.cluster_count, "cluster")))}
            {stat("Pods", overview.pods, format!("about {} to a node", number(per_node)))}
            {stat("Nodes", overview.nodes, nodes_say)}
            {stat("Images", overview.images, images_say)}
        </div>
        <section class="card" aria-labelledby="clusters">
            <header>
                <h2 id="clusters">"Clusters"</h2>
                {(!complete).then(|| view! {
                    <a class="right link" href=org_href(org, "/clusters")>{format!("{shown} here, all in the list")}</a>
                })}
            </header>
            {cluster_table(org, &overview.clusters, now)}
        </section>
    }
    .into_any()
}

fn stat(name: &'static str, value: i64, compared: String) -> AnyView {
    view! {
        <div class="card stat">
            <div class="k">{name}</div>
            <div class="v">{number(value)}</div>
            <div class="d">{compared}</div>
        </div>
    }
    .into_any()
}

/// What matters now: who is not heard, or that everybody is.
fn sentence(overview: &Overview, now: Signal<Timestamp>) -> AnyView {
    let size = format!("{}, {}. ", count(overview.cluster_count, "cluster"), count(overview.nodes, "node"));
    let of = |status: ClusterStatus| overview.clusters.iter().filter(move |c| c.status == status);
    let waiting = of(ClusterStatus::Waiting).count();
    let quiet: Vec<&ClusterSummary> = of(ClusterStatus::Silent).collect();
    let state = match (overview.silent, quiet.as_slice()) {
        (1, [one]) => {
            let name = one.name.clone();
            let since = one.last_heard.map(|at| view! { " for "<Age at now/> });
            view! { <b class="crit-text">{name}" has been silent"{since}"."</b> }.into_any()
        }
        (0, _) if waiting == 0 => "All are heard.".into_any(),
        (0, _) => format!("{} waiting for the first word of an agent.", is_are(waiting)).into_any(),
        (n, _) => view! { <b class="crit-text">{format!("{} are silent.", number(n))}</b> }.into_any(),
    };
    view! { {size}{state} }.into_any()
}

fn is_are(n: usize) -> String {
    if n == 1 { "One is".to_owned() } else { format!("{n} are") }
}

/// Nothing yet: what to do first, and what it does.
fn empty(org: &str, can_manage: bool) -> AnyView {
    let act = if can_manage {
        view! { <a class="btn primary" href=org_href(org, "/clusters/new")>{Icon::Plus.show()}"Add your first cluster"</a> }.into_any()
    } else {
        view! { <p>"Adding clusters needs the role Operator, Admin or Owner. Ask an owner of the organisation."</p> }
            .into_any()
    };
    view! {
        <Head title="Overview" sentence="No cluster yet.".into_any()/>
        <div class="card empty">
            <h2>"See what runs in your clusters"</h2>
            <p>
                "Name a cluster, run a few commands in it, and its applications, workloads, images and nodes appear here within \
                 a minute. The agent only reads, and it has no right to read secrets."
            </p>
            <div class="act">{act}</div>
        </div>
    }
    .into_any()
}
