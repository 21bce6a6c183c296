//! `/o/{org}/audits/compare`: somebody wants to know what a change did, or how one cluster differs from another. Shortest
//! way: the sentence, the figures side by side, the rules that differ, then the findings themselves.

use kubewise_contract::{
    BySeverity, ClusterChoice, CompareQuery, ComparedFinding, ComparedRule, ComparedSide, Comparison, Difference,
    OnlyThere, Severity, Timestamp,
};
use leptos::{ev::SubmitEvent, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::tabs::tabs;
use crate::{
    api::{Compared, comparison},
    parts::{Age, Head, Skeleton, count, failure, kind_name, number, sent, severity_tag, ticking},
    place::{ClusterPlace, compare_href, compare_query, encode, org_href, use_compare_query, use_org},
};

/// Two audits side by side.
#[component]
pub(crate) fn Compare() -> impl IntoView {
    let (org, query) = (use_org(), use_compare_query());
    // Not asked for again as clusters change: audits that have ended stay as they are, and what is typed stays too.
    let found = Resource::new(move || (org.get(), query.get()), |(org, query)| comparison(org, query));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                let org = org.get_untracked();
                match found.await {
                    Ok(found) => page(&org, &query.get_untracked(), found),
                    Err(error) => {
                        // What was typed is wrong more often than the page is.
                        let again = compare_href(&org, &CompareQuery::default());
                        view! { {failure(&error)} <p><a class="link" href=again>"Compare other audits"</a></p> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &CompareQuery, found: Compared) -> AnyView {
    let Compared { now, clusters, comparison } = found;
    let now = ticking(now);
    let form = (!clusters.is_empty()).then(|| form(org, query, &clusters, comparison.as_ref()));
    let (sentence, body) = match &comparison {
        None => ("Two audits of one cluster, or of two clusters.".to_owned(), nothing_chosen(org, &clusters)),
        Some(Comparison { a, b, difference: Some(difference) }) => {
            (sentence(a, b, difference), compared(org, a, b, difference, now))
        }
        Some(Comparison { a, b, difference: None }) => {
            let never = if a.run.is_none() { a } else { b };
            (format!("{} has not been audited.", never.cluster.name), not_audited(org, never))
        }
    };
    view! {
        <Head title="Compare audits" sentence=sentence.into_any()/>
        {tabs("/audits/compare")}
        {form}
        {body}
    }
    .into_any()
}

fn form(org: &str, query: &CompareQuery, clusters: &[ClusterChoice], comparison: Option<&Comparison>) -> AnyView {
    let navigate = use_navigate();
    let to = org.to_owned();
    let submit = move |event: SubmitEvent| {
        if let Some(pairs) = sent(&event) {
            event.prevent_default();
            let query = compare_query(|name| pairs.get(name));
            navigate(&compare_href(&to, &query), NavigateOptions { scroll: false, ..NavigateOptions::default() });
        }
    };
    let (a, b) = (comparison.map(|c| &c.a), comparison.map(|c| &c.b));
    view! {
        <form class="filters" method="get" action=org_href(org, "/audits/compare") aria-label="What to compare" on:submit=submit>
            {chosen_cluster("a", "Compare", query.a.as_deref(), clusters, a)}
            {chosen_run("ra", "audit", "Number of the first audit", query.ra.clone(), a)}
            {chosen_cluster("b", "with", query.b.as_deref(), clusters, b)}
            {chosen_run("rb", "audit", "Number of the second audit", query.rb.clone(), b)}
            <button type="submit" class="btn small primary">"Compare"</button>
        </form>
    }
    .into_any()
}

fn chosen_cluster(
    name: &'static str,
    label: &'static str,
    set: Option<&str>,
    clusters: &[ClusterChoice],
    side: Option<&ComparedSide>,
) -> AnyView {
    // In a large organisation the one that is shown may not be among those that are offered.
    let more = side.map(|side| &side.cluster).filter(|one| !clusters.contains(one));
    let nothing = set.is_none();
    let options: Vec<_> = clusters
        .iter()
        .chain(more)
        .map(|cluster| {
            let id = cluster.id.to_string();
            let selected = set == Some(id.as_str());
            view! { <option value=id selected=selected prop:selected=selected>{cluster.name.clone()}</option> }
        })
        .collect();
    view! {
        <span class="chip" class:on=!nothing>
            <label for=name>{label}</label>
            <select id=name name=name required>
                <option value="" selected=nothing prop:selected=nothing>"choose a cluster"</option>
                {options}
            </select>
        </span>
    }
    .into_any()
}

fn chosen_run(
    name: &'static str,
    label: &'static str,
    whole: &'static str,
    set: Option<String>,
    side: Option<&ComparedSide>,
) -> AnyView {
    let set = set.unwrap_or_default();
    let on = !set.is_empty();
    let offered: Vec<_> = side
        .map(|side| side.runs.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|run| {
            let at = run.finished_at.map(Timestamp::minute_utc).unwrap_or_default();
            view! { <option value=run.number.to_string() label=format!("{}, {at}", run.number)></option> }
        })
        .collect();
    view! {
        <label class="chip" class:on=on>
            <span aria-hidden="true">{label}</span>
            <input class="few" type="text" name=name list=format!("{name}-runs") aria-label=whole inputmode="numeric" pattern="[0-9]*" maxlength="18"
                placeholder="the last" autocomplete="off" value=set.clone() prop:value=set/>
            <datalist id=format!("{name}-runs")>{offered}</datalist>
        </label>
    }
    .into_any()
}

fn nothing_chosen(org: &str, clusters: &[ClusterChoice]) -> AnyView {
    if clusters.is_empty() {
        return view! {
            <div class="card empty">
                <h2>"There is no cluster to compare"</h2>
                <p>"Audits judge what an agent has sent. Add a cluster and install its agent first."</p>
                <div class="act"><a class="btn" href=org_href(org, "/clusters")>"Clusters"</a></div>
            </div>
        }
        .into_any();
    }
    view! {
        <div class="card empty">
            <h2>"Choose what to compare"</h2>
            <p>"To see what a change did, choose one cluster twice, with the numbers of the audits before and after it. To see how one \
                cluster differs from another, choose both. Without a number, the last audit is meant."</p>
        </div>
    }
    .into_any()
}

fn not_audited(org: &str, side: &ComparedSide) -> AnyView {
    view! {
        <div class="card empty">
            <h2>"There is nothing to compare yet"</h2>
            <p>"No audit of "<b>{side.cluster.name.clone()}</b>" was done. Run one, then come back."</p>
            <div class="act"><a class="btn" href=place(org, side).href("/findings")>"Its findings"</a></div>
        </div>
    }
    .into_any()
}

fn place(org: &str, side: &ComparedSide) -> ClusterPlace {
    ClusterPlace { org: org.to_owned(), cluster: side.cluster.id.to_string() }
}

/// What an audit is called beside another: `eu, audit 3`.
fn called(side: &ComparedSide) -> String {
    match &side.run {
        Some(run) => format!("{}, audit {}", side.cluster.name, run.number),
        None => side.cluster.name.clone(),
    }
}

/// What matters: whether the second is worse.
fn sentence(a: &ComparedSide, b: &ComparedSide, difference: &Difference) -> String {
    let audit = |side: &ComparedSide| (side.cluster.id, side.run.as_ref().map(|run| run.number));
    if audit(a) == audit(b) {
        return "This is the same audit twice. Choose the numbers of two.".to_owned();
    }
    let both: i64 = difference.rules.iter().map(|rule| rule.both).sum();
    match (difference.only_a.total, difference.only_b.total) {
        (0, 0) => format!("Nothing differs: {} in both.", count(both, "finding")),
        (fewer, 0) => format!("B lacks {} of A, and has no others.", count(fewer, "finding")),
        (0, more) => format!("B has {} more than A, and lacks none.", count(more, "finding")),
        (fewer, more) => format!("B has {} that A has not, and lacks {} of A.", count(more, "finding"), number(fewer)),
    }
}

fn compared(org: &str, a: &ComparedSide, b: &ComparedSide, difference: &Difference, now: Signal<Timestamp>) -> AnyView {
    view! {
        {figures(org, a, b, now)}
        {rules(&difference.rules)}
        <div class="grid g2">
            {only("only-a", "A", org, a, &difference.only_a)}
            {only("only-b", "B", org, b, &difference.only_b)}
        </div>
    }
    .into_any()
}

fn figures(org: &str, a: &ComparedSide, b: &ComparedSide, now: Signal<Timestamp>) -> AnyView {
    let (Some(run_a), Some(run_b)) = (&a.run, &b.run) else { return ().into_any() };
    let head = |letter: &'static str, side: &ComparedSide| {
        let at = side.run.as_ref().and_then(|run| run.finished_at).map(|at| view! { <Age at now after=" ago"/> });
        let href = place(org, side).href("/findings");
        view! { <th scope="col" class="num">{letter}": "<a class="link" href=href>{called(side)}</a><div class="second">{at}</div></th> }
    };
    let figure = |name: String, a: i64, b: i64| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td class="num">{number(a)}</td><td class="num">{number(b)}</td><td class="num">{signed(b - a)}</td>
            </tr>
        }
    };
    let score = |score: Option<f64>| score.map_or_else(|| "–".to_owned(), |score| format!("{score:.1}"));
    // Between the figures that are shown: 70.1 and 70.1 differ by nothing.
    let by = run_a.score.zip(run_b.score).map(|(a, b)| ((b * 10.0).round() - (a * 10.0).round()) / 10.0);
    let by =
        by.map_or_else(|| "–".to_owned(), |by| if by.abs() < 0.05 { "0.0".to_owned() } else { format!("{by:+.1}") });
    let total = |findings: &BySeverity| findings.total();
    let severities: Vec<_> = Severity::WORST_FIRST
        .into_iter()
        .map(|s| figure(format!("of them {s}"), run_a.findings.of(s), run_b.findings.of(s)))
        .collect();
    view! {
        <div class="card list-card">
            <table>
                <caption class="visually-hidden">"Both audits side by side"</caption>
                <thead><tr>
                    <th scope="col">"Figure"</th>{head("A", a)}{head("B", b)}<th scope="col" class="num">"Difference"</th>
                </tr></thead>
                <tbody>
                    <tr>
                        <th scope="row">"Score of 100"</th>
                        <td class="num">{score(run_a.score)}</td><td class="num">{score(run_b.score)}</td><td class="num">{by}</td>
                    </tr>
                    {figure("Findings".to_owned(), total(&run_a.findings), total(&run_b.findings))}
                    {figure("Waived".to_owned(), run_a.waived, run_b.waived)}
                    {severities}
                    {figure("Objects judged".to_owned(), run_a.objects, run_b.objects)}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

fn signed(n: i64) -> String {
    if n > 0 { format!("+{}", number(n)) } else { number(n) }
}

/// The rules that differ; those that found the same are a line that opens.
fn rules(rules: &[ComparedRule]) -> AnyView {
    let (same, differ): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.only_a == 0 && rule.only_b == 0);
    let rows: Vec<_> = differ
        .into_iter()
        .map(|rule| {
            view! {
                <tr>
                    <td><span class="first">{rule.title.clone()}</span></td>
                    <td>{severity_tag(rule.severity)}</td>
                    <td class="num">{number(rule.only_a)}</td>
                    <td class="num">{number(rule.only_b)}</td>
                    <td class="num">{number(rule.both)}</td>
                </tr>
            }
        })
        .collect();
    let rows = (!rows.is_empty()).then(|| {
        view! {
            <div class="card list-card">
                <table>
                    <caption class="visually-hidden">"Rules that differ"</caption>
                    <thead><tr>
                        <th scope="col">"Rule"</th><th scope="col">"Severity"</th>
                        <th scope="col" class="num">"Only in A"</th><th scope="col" class="num">"Only in B"</th>
                        <th scope="col" class="num">"In both"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
    });
    let n = i64::try_from(same.len()).unwrap_or(i64::MAX);
    let same: Vec<_> = same
        .into_iter()
        .map(|rule| {
            view! { <li><div class="who">{rule.title.clone()}</div><span class="right">{count(rule.both, "finding")}</span></li> }
        })
        .collect();
    let same = (n > 0).then(|| {
        view! {
            <details class="card leave">
                <summary class="pad">{format!("{} found the same in both", count(n, "rule"))}</summary>
                <ul class="lines">{same}</ul>
            </details>
        }
    });
    view! { {rows}{same} }.into_any()
}

fn only(id: &'static str, letter: &'static str, org: &str, side: &ComparedSide, only: &OnlyThere) -> AnyView {
    let place = place(org, side);
    let shown = i64::try_from(only.rows.len()).unwrap_or(i64::MAX);
    let lines: Vec<_> = only.rows.iter().map(|finding| line(&place, finding)).collect();
    let body = if lines.is_empty() {
        view! { <div class="pad muted">"Nothing that the other has not."</div> }.into_any()
    } else {
        view! { <ul class="lines">{lines}</ul> }.into_any()
    };
    let more = (shown < only.total).then(
        || view! { <div class="pad muted">{format!("The worst {} of {}.", number(shown), number(only.total))}</div> },
    );
    view! {
        <section class="card" aria-labelledby=id>
            <header><h2 id=id>{format!("Only in {letter}: {}", called(side))}</h2><span class="right">{count(only.total, "finding")}</span></header>
            {body}{more}
        </section>
    }
    .into_any()
}

fn line(place: &ClusterPlace, finding: &ComparedFinding) -> AnyView {
    let href = place.href(&format!("/findings/{}", encode(&finding.id)));
    let object = match &finding.namespace {
        Some(namespace) => format!("{namespace} / {} {}", kind_name(&finding.kind), finding.name),
        None => format!("{} {}", kind_name(&finding.kind), finding.name),
    };
    let fixed = (!finding.is_open).then(|| view! { " "<span class="tag">"fixed since"</span> });
    view! {
        <li>
            <div class="who">
                <a class="link" href=href>{finding.title.clone()}</a>{fixed}
                <div class="muted small">{object}</div>
                <div class="muted small">{finding.message.clone()}</div>
            </div>
            <span class="right">{severity_tag(finding.severity)}</span>
        </li>
    }
    .into_any()
}
