//! `/o/{org}/audits`: somebody wants to know where it is worst, and what is new. Shortest way: a line for each cluster with
//! its score and what has changed; a button that audits it now.

use kubewise_contract::{AuditedCluster, Audits, ListQuery, RunState, Timestamp};
use leptos::prelude::*;

use super::tabs::tabs;
use crate::{
    api::{At, RunAudit, RunAudits, audits},
    live::{Interest, Live},
    parts::{
        Age, FormError, Head, Icon, Pager, Post, PostForm, Skeleton, Submit, count, failure, number, progress,
        run_button, severity_counts, ticking,
    },
    place::{ClusterPlace, org_href, use_list_query, use_org},
};

/// The form that boxes in the rows belong to.
const CHOSEN: &str = "chosen";

/// The clusters and their last audits.
#[component]
pub(crate) fn AuditList() -> impl IntoView {
    let (org, query) = (use_org(), use_list_query());
    let (run, run_all) = (Post::to::<RunAudit>(), Post::to::<RunAudits>());
    let chosen = StoredValue::new(Vec::new());
    let done = run_all.times_done();
    Effect::new(move |_| {
        done.track();
        chosen.set_value(Vec::new());
    });
    let changed = expect_context::<Live>().version(Interest::Status, || None);
    let found = Resource::new(
        move || (org.get(), query.get(), changed.get(), run.version(), run_all.version()),
        |(org, query, ..)| audits(org, query),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &query.get_untracked(), &body, ticking(now), (run, run_all), chosen),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(
    org: &str,
    query: &ListQuery,
    audits: &Audits,
    now: Signal<Timestamp>,
    (run, run_all): (Post, Post),
    chosen: StoredValue<Vec<String>>,
) -> AnyView {
    let trouble = Signal::derive(move || run.error().or_else(|| run_all.error()));
    // One cluster is chosen by its own button.
    let can_choose = audits.can_run && audits.clusters.iter().filter(|cluster| cluster.is_synced).count() > 1;
    let (run, chosen) = (audits.can_run.then_some(run), can_choose.then_some(chosen));
    let rows: Vec<_> = audits.clusters.iter().map(|cluster| row(org, cluster, now, run, chosen)).collect();
    let n = rows.len();
    let here = org.to_owned();
    let of_chosen = can_choose.then(|| {
        view! {
            <div class="chosen">
                <PostForm post=run_all id=CHOSEN>
                    <input type="hidden" name="org" value=here/>
                    <input type="hidden" name="which" value="chosen"/>
                    <Submit pending=run_all.pending() class="btn small">"Audit the chosen clusters"</Submit>
                </PostForm>
            </div>
        }
    });
    let body = if rows.is_empty() {
        view! {
            <div class="card empty">
                <h2>"There is no cluster to audit"</h2>
                <p>"An audit judges what an agent has sent. Add a cluster and install its agent first."</p>
                <div class="act"><a class="btn" href=org_href(org, "/clusters")>"Clusters"</a></div>
            </div>
        }
        .into_any()
    } else {
        view! {
            <div class="card list-card">
                {of_chosen}
                <table>
                    <thead><tr>
                        <th scope="col">"Cluster"</th>
                        <th scope="col" class="num">"Score"</th>
                        <th scope="col" class="hide-s">"Findings"</th>
                        <th scope="col" class="num hide-s">"New"</th>
                        <th scope="col" class="num hide-s">"Fixed"</th>
                        <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base=org_href(org, "/audits") query=query.clone() rows=n next=audits.next.clone()/>
            </div>
        }
        .into_any()
    };
    let here = org.to_owned();
    let all = (audits.can_run && audits.clusters.iter().any(|cluster| cluster.is_synced)).then(|| {
        view! {
            <PostForm post=run_all>
                <input type="hidden" name="org" value=here/>
                <Submit pending=run_all.pending()>{Icon::Shield.show()}"Audit every cluster"</Submit>
            </PostForm>
        }
    });
    view! {
        <Head title="Audits" sentence=sentence(audits) actions=all.into_any()/>
        {tabs("/audits")}
        <FormError trouble/>
        {body}
    }
    .into_any()
}

/// What matters now, of the clusters that are shown.
fn sentence(audits: &Audits) -> AnyView {
    let last = || audits.clusters.iter().filter_map(|cluster| cluster.last.as_ref());
    let never = audits.clusters.iter().filter(|cluster| cluster.last.is_none()).count();
    let new: i64 = last().map(|run| run.opened).sum();
    let critical: i64 = last().map(|run| run.findings.critical).sum();
    let never = i64::try_from(never).unwrap_or(i64::MAX);
    if last().next().is_none() {
        return "No cluster has been audited yet.".into_any();
    }
    let mut text = match (critical, new) {
        (0, 0) => "Nothing critical, and nothing new in the last audits.".to_owned(),
        (0, new) => format!("Nothing critical; {} since the audits before.", count(new, "new finding")),
        (critical, new) => {
            format!("{}; {} since the audits before.", count(critical, "critical finding"), count(new, "new finding"))
        }
    };
    match never {
        0 => {}
        1 => text += " One cluster has not been audited.",
        never => text.extend([" ", &number(never), " clusters have not been audited."]),
    }
    text.into_any()
}

fn row(
    org: &str,
    cluster: &AuditedCluster,
    now: Signal<Timestamp>,
    run: Option<Post>,
    chosen: Option<StoredValue<Vec<String>>>,
) -> AnyView {
    let place = ClusterPlace { org: org.to_owned(), cluster: cluster.id.to_string() };
    let on_the_way = cluster.newer.as_ref().filter(|run| run.state.is_on_the_way());
    let failed = cluster.newer.as_ref().is_some_and(|run| run.state == RunState::Failed);
    let second = match (on_the_way, &cluster.last) {
        (Some(run), _) => progress(run),
        (None, Some(last)) => {
            let failed = failed.then(|| view! { <span class="crit-text">"; the last one failed"</span> });
            let at = last.finished_at.map(|at| view! { "audited "<Age at now after=" ago"/> });
            view! { {at}{failed} }.into_any()
        }
        (None, None) if failed => view! { <span class="crit-text">"the audit failed"</span> }.into_any(),
        (None, None) if cluster.is_synced => "not audited yet".into_any(),
        (None, None) => "nothing of it is known yet".into_any(),
    };
    let last = cluster.last.as_ref();
    let number_or_none = |n: Option<i64>| n.map_or_else(|| "–".to_owned(), number);
    let (run, chosen) = (run.filter(|_| cluster.is_synced), chosen.filter(|_| cluster.is_synced));
    let button = run.map(|run| run_button(run, org, cluster, "btn small", "Run audit"));
    let choice = chosen.map(|chosen| choice(cluster, chosen));
    view! {
        <tr>
            <td>
                <div class="named">
                    {choice}
                    <div>
                        <a class="first link" href=place.href("/findings")>{cluster.name.clone()}</a>
                        <div class="second">{second}</div>
                    </div>
                </div>
            </td>
            <td class="num">{score(last.and_then(|run| run.score))}</td>
            <td class="hide-s">{last.map(|run| severity_counts(&run.findings))}</td>
            <td class="num hide-s">{number_or_none(last.map(|run| run.opened))}</td>
            <td class="num hide-s">{number_or_none(last.map(|run| run.fixed))}</td>
            <td class="num">{button}</td>
        </tr>
    }
    .into_any()
}

/// A box of the form for those that are chosen. The row is made anew whenever something changes in a cluster: what is
/// ticked stays so.
fn choice(cluster: &AuditedCluster, chosen: StoredValue<Vec<String>>) -> AnyView {
    let id = cluster.id.to_string();
    let is_chosen = chosen.with_value(|chosen| chosen.contains(&id));
    let value = id.clone();
    let change = move |event| {
        chosen.update_value(|chosen| {
            chosen.retain(|other| *other != id);
            if event_target_checked(&event) {
                chosen.push(id.clone());
            }
        });
    };
    let label = format!("Choose {}", cluster.name);
    view! {
        <input type="checkbox" form=CHOSEN name="clusters[]" value=value aria-label=label prop:checked=is_chosen on:change=change/>
    }
    .into_any()
}

fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.1}"))
}
