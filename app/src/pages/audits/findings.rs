//! `…/findings`: somebody wants to know what is dangerous in this cluster, what is new since the last audit, and what to
//! begin with. Shortest way: the score and four numbers, then the findings, worst first.

use kubewise_contract::{
    AuditRun, ClusterAudit, CompareQuery, Cursor, FindingRow, FindingState, FindingsQuery, Severity, Share, Timestamp,
};
use leptos::{ev::SubmitEvent, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use crate::{
    api::{Findings as Found, RunAudit, findings},
    live::{Interest, Live},
    parts::{
        Age, FormError, Head, Icon, Post, Skeleton, chooser, count, failure, fixed, kind_name, number, progress,
        run_button, run_note, sent, severity_counts, severity_tag, ticking,
    },
    place::{
        ClusterPlace, compare_href, encode, findings_export_href, findings_href, findings_query, org_href,
        use_cluster_place, use_findings_query,
    },
};

/// The formats of exports, by their names in addresses and on the page.
const FORMATS: [(&str, &str); 5] =
    [("csv", "CSV"), ("json", "JSON"), ("sarif", "SARIF"), ("html", "HTML"), ("pdf", "PDF")];

/// What audits found.
#[component]
pub(crate) fn Findings() -> impl IntoView {
    let (place, query) = (use_cluster_place(), use_findings_query());
    let run = Post::to::<RunAudit>();
    let changed = expect_context::<Live>().version(Interest::Status, move || Some(place.get().cluster));
    let found = Resource::new(
        move || (place.get(), query.get(), changed.get(), run.version()),
        |(place, query, ..)| findings(place.org, place.cluster, query),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(found) => page(&place.get_untracked(), &query.get_untracked(), found, run),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(place: &ClusterPlace, query: &FindingsQuery, found: Found, run: Post) -> AnyView {
    let Found { now, audit, page, namespaces } = found;
    let now = ticking(now);
    let trouble = run.trouble();
    let Some(last) = audit.cluster.last.clone() else { return never(place, &audit, run) };
    let base = place.href("/findings");
    let button = audit.can_run.then(|| run_button(run, &place.org, &audit.cluster, "btn primary", "Run audit"));
    let rows: Vec<_> = page.rows.iter().map(|finding| row(place, finding, now)).collect();
    let list = if rows.is_empty() {
        nothing(&base, query, &last)
    } else {
        let n = rows.len();
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Severity"</th><th scope="col">"Finding"</th>
                        <th scope="col" class="hide-s">"In"</th><th scope="col" class="num hide-s">"Found"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                {foot(&base, query, n, page.next)}
            </div>
        }
        .into_any()
    };
    let mut sentence = match (last.findings.critical, last.opened) {
        (0, 0) => "Nothing critical, and nothing new since the audit before.".to_owned(),
        (0, new) => format!("Nothing critical; {} since the audit before.", count(new, "new finding")),
        (critical, new) => {
            format!("{}; {} since the audit before.", count(critical, "critical finding"), count(new, "new finding"))
        }
    };
    if last.waived > 0 {
        sentence = format!("{sentence} Waived: {}.", number(last.waived));
    }
    view! {
        {head(place, &audit, sentence.into_any(), button.into_any())}
        <div class="grid notes">{run_note(&audit.cluster)}</div>
        <FormError trouble/>
        <div class="grid g4">{figures(&base, &audit, &last, now)}</div>
        <div class="bar">{filters(&base, query, &namespaces, &audit)}{earlier(place, &audit)}{exports(&base, query)}</div>
        {list}
        {breakdown(&base, &audit)}
    }
    .into_any()
}

fn head(place: &ClusterPlace, audit: &ClusterAudit, sentence: AnyView, actions: AnyView) -> AnyView {
    let name = &audit.cluster.name;
    let crumbs = vec![(org_href(&place.org, "/audits"), "Audits".to_owned()), (place.href(""), name.clone())];
    view! { <Head title="Findings" tab=format!("Findings · {name}") crumbs sentence=sentence actions=actions/> }
        .into_any()
}

/// Leads to what has changed since the audit before; there, any other can be chosen.
fn earlier(place: &ClusterPlace, audit: &ClusterAudit) -> Option<AnyView> {
    let [.., before, last] = audit.trend.as_slice() else { return None };
    let [before, last] = [before, last].map(|run| Some(run.number.to_string()));
    let cluster = Some(place.cluster.clone());
    let href = compare_href(&place.org, &CompareQuery { a: cluster.clone(), ra: before, b: cluster, rb: last });
    Some(view! { <a class="link" href=href>"Compare with an earlier audit"</a> }.into_any())
}

/// Before the first audit.
fn never(place: &ClusterPlace, audit: &ClusterAudit, run: Post) -> AnyView {
    let body = not_audited(place, audit, run);
    let sentence = "What audits find in this cluster.".into_any();
    view! { {head(place, audit, sentence, ().into_any())} {body} }.into_any()
}

fn not_audited(place: &ClusterPlace, audit: &ClusterAudit, run: Post) -> AnyView {
    let cluster = &audit.cluster;
    if let Some(newer) = cluster.newer.as_ref().filter(|newer| newer.state.is_on_the_way()) {
        return view! { <div class="card empty"><h2>"The first audit"</h2><p>{progress(newer)}</p></div> }.into_any();
    }
    if !cluster.is_synced {
        return view! {
            <div class="card empty">
                <h2>"There is nothing to audit yet"</h2>
                <p>"An audit judges what the agent has sent. It begins with the first inventory."</p>
            </div>
        }
        .into_any();
    }
    let button = audit.can_run.then(|| run_button(run, &place.org, cluster, "btn primary", "Run audit"));
    view! {
        <div class="grid notes">{run_note(cluster)}</div>
        <div class="card empty">
            <h2>"This cluster has not been audited"</h2>
            <p>"An audit judges every object by all rules: Pod Security Standards, access, network, reliability, outdated APIs. It takes \
                seconds, and changes nothing in the cluster."</p>
            <div class="act">{button}</div>
        </div>
    }
    .into_any()
}

fn figures(base: &str, audit: &ClusterAudit, last: &AuditRun, now: Signal<Timestamp>) -> AnyView {
    let of = |state| findings_href(base, &FindingsQuery { state: Some(state), ..FindingsQuery::default() });
    let score = last.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.1}"));
    let at = last.finished_at.map(|at| view! { <Age at now after=" ago"/> });
    let took = last.took_ms.map(|ms| format!(", in {} ms", number(ms)));
    // Fewer rules judge fewer things: the score is about those.
    let by = last.profile.as_deref().filter(|profile| *profile != "all").map(|profile| format!(", by {profile} alone"));
    view! {
        <div class="card stat">
            <div class="k">"Score of 100"</div>
            <div class="v">{score}</div>
            {trend(&audit.trend)}
            <div class="d">{count(last.objects, "object")}" judged "{at}{took}{by}</div>
        </div>
        <a class="card stat" href=base.to_owned()>
            <div class="k">"Findings"</div>
            <div class="v">{number(last.findings.total())}</div>
            <div class="d">{severity_counts(&last.findings)}</div>
        </a>
        <a class="card stat" href=of(FindingState::New)>
            <div class="k">"New"</div>
            <div class="v">{number(last.opened)}</div>
            <div class="d">"compared with the audit before"</div>
        </a>
        <a class="card stat" href=of(FindingState::Fixed)>
            <div class="k">"Fixed"</div>
            <div class="v">{number(last.fixed)}</div>
            <div class="d">{format!("{} persist", number(last.findings.total() - last.opened))}</div>
        </a>
    }
    .into_any()
}

/// The scores of the last audits as a line; words say the same.
fn trend(runs: &[AuditRun]) -> AnyView {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 24.0;
    let scores: Vec<f64> = runs.iter().filter_map(|run| run.score).collect();
    let (Some(first), Some(last)) = (scores.first(), scores.last()) else { return ().into_any() };
    if scores.len() < 2 {
        return ().into_any();
    }
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let range = (scores.iter().copied().fold(0.0, f64::max) - low).max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "at most thirty points")]
    let step = WIDTH / (scores.len() - 1) as f64;
    let mut x = 0.0;
    let points: Vec<_> = scores
        .iter()
        .map(|score| {
            let point = format!("{x:.1},{:.1}", HEIGHT - 2.0 - (score - low) / range * (HEIGHT - 4.0));
            x += step;
            point
        })
        .collect();
    let points = points.join(" ");
    let label = format!("From {first:.1} to {last:.1} in {} audits", scores.len());
    view! {
        <svg class="trend" viewBox="0 0 120 24" width="120" height="24" role="img" aria-label=label preserveAspectRatio="none">
            <polyline points=points fill="none" stroke="currentColor" stroke-width="1.5"/>
        </svg>
    }
    .into_any()
}

fn row(place: &ClusterPlace, finding: &FindingRow, now: Signal<Timestamp>) -> AnyView {
    let href = place.href(&format!("/findings/{}", encode(&finding.id)));
    let new = finding.is_new.then(|| view! { " "<span class="tag info">"new"</span> });
    let place = match &finding.namespace {
        Some(namespace) => format!("{namespace} / {} {}", kind_name(&finding.kind), finding.name),
        None => format!("{} {}", kind_name(&finding.kind), finding.name),
    };
    view! {
        <tr class="row">
            <td>{severity_tag(finding.severity)}</td>
            <td>
                <a class="row-link first" href=href>{finding.title.clone()}</a>{new}
                <div class="second">{finding.message.clone()}</div>
                <div class="second only-s">{place.clone()}</div>
            </td>
            <td class="hide-s quiet">{place}</td>
            <td class="num hide-s quiet nowrap"><Age at=finding.since now after=" ago"/></td>
        </tr>
    }
    .into_any()
}

fn nothing(base: &str, query: &FindingsQuery, last: &AuditRun) -> AnyView {
    if *query == FindingsQuery::default() {
        return view! {
            <div class="card empty"><h2>"Nothing was found"</h2><p>{count(last.objects, "object")}" judged, and nothing is wrong with any of them."</p></div>
        }
        .into_any();
    }
    view! {
        <div class="card empty">
            <h2>"No findings match"</h2>
            <p>"The last audit has none with all of these filters."</p>
            <div class="act"><a class="btn" href=base.to_owned()>"Remove all filters"</a></div>
        </div>
    }
    .into_any()
}

fn foot(base: &str, query: &FindingsQuery, rows: usize, next: Option<Cursor>) -> AnyView {
    if next.is_none() && query.after.is_none() {
        return ().into_any();
    }
    let first = query.after.is_some().then(|| findings_href(base, &FindingsQuery { after: None, ..query.clone() }));
    let next = next.map(|after| findings_href(base, &FindingsQuery { after: Some(after), ..query.clone() }));
    view! {
        <nav class="pager" aria-label="Pages">
            <span>{number(i64::try_from(rows).unwrap_or(i64::MAX))}" on this page"</span>
            {first.map(|href| view! { <a class="btn" href=href>"First page"</a> })}
            {next.map(|href| view! { <a class="btn" href=href>"Next page"{Icon::ArrowRight.show()}</a> })}
        </nav>
    }
    .into_any()
}

fn filters(base: &str, query: &FindingsQuery, namespaces: &[String], audit: &ClusterAudit) -> AnyView {
    let navigate = use_navigate();
    let to = base.to_owned();
    let submit = move |event: SubmitEvent| {
        if let Some(pairs) = sent(&event) {
            event.prevent_default();
            let query = findings_query(|name| pairs.get(name));
            navigate(&findings_href(&to, &query), NavigateOptions { scroll: false, ..NavigateOptions::default() });
        }
    };
    let without = |change: fn(&mut FindingsQuery)| {
        let mut query = FindingsQuery { after: None, ..query.clone() };
        change(&mut query);
        findings_href(base, &query)
    };
    let states = ["new", "fixed", "waived"].map(|state| (state.to_owned(), state.to_owned())).to_vec();
    let state = match query.state {
        Some(FindingState::New) => Some("new".to_owned()),
        Some(FindingState::Fixed) => Some("fixed".to_owned()),
        Some(FindingState::Waived) => Some("waived".to_owned()),
        Some(FindingState::Open) | None => None,
    };
    let severities = Severity::WORST_FIRST.map(|severity| (severity.to_string(), severity.to_string())).to_vec();
    let named = |shares: &[Share]| shares.iter().map(|s| (s.name.clone(), s.title.clone())).collect::<Vec<_>>();
    let namespaces = namespaces.iter().map(|name| (name.clone(), name.clone())).collect();
    view! {
        <form class="filters" method="get" action=base.to_owned() role="search" aria-label="Filters" on:submit=submit>
            {chooser("state", states, state, without(|q| q.state = None))}
            {chooser("severity", severities, query.severity.map(|s| s.to_string()), without(|q| q.severity = None))}
            {chooser("category", named(&audit.summary.categories), query.category.clone(), without(|q| q.category = None))}
            {chooser("framework", named(&audit.summary.frameworks), query.framework.clone(), without(|q| q.framework = None))}
            {chooser("namespace", namespaces, query.namespace.clone(), without(|q| q.namespace = None))}
            {fixed("rule", "rule", query.rule.clone(), without(|q| q.rule = None))}
            {fixed("app", "application", query.app.clone(), without(|q| q.app = None))}
            {fixed("q", "name", query.q.clone(), without(|q| q.q = None))}
            <button type="submit" class="btn small needs-no-script">"Filter"</button>
        </form>
    }
    .into_any()
}

/// The list as files, all its pages. Plain links, which the server answers with a file, or with a sentence that says why not.
fn exports(base: &str, query: &FindingsQuery) -> AnyView {
    // What was fixed is not open.
    if query.state == Some(FindingState::Fixed) {
        return ().into_any();
    }
    let links = FORMATS.map(|(format, name)| {
        let href = findings_export_href(base, query, format);
        view! { <a class="btn small" href=href rel="external" aria-label=format!("Export as {name}")>{name}</a> }
    });
    view! { <nav class="exports" aria-label="Export"><span>"Export"</span>{links.into_iter().collect_view()}</nav> }
        .into_any()
}

/// Where the findings are, and what could not be judged.
fn breakdown(base: &str, audit: &ClusterAudit) -> AnyView {
    let summary = &audit.summary;
    let card = |id: &'static str, title: &'static str, shares: &[Share], query: fn(String) -> FindingsQuery| {
        let lines: Vec<_> = shares
            .iter()
            .take(12)
            .map(|share| {
                let href = findings_href(base, &query(share.name.clone()));
                view! { <li><a class="link who" href=href>{share.title.clone()}</a><span class="right">{severity_counts(&share.findings)}</span></li> }
            })
            .collect();
        (!lines.is_empty()).then(|| {
            view! {
                <section class="card" aria-labelledby=id>
                    <header><h2 id=id>{title}</h2></header>
                    <ul class="lines">{lines}</ul>
                </section>
            }
        })
    };
    let unknown: Vec<_> = summary
        .not_assessable
        .iter()
        .map(|one| {
            view! { <li><div class="who">{one.title.clone()}<div class="muted small">{one.reason.clone()}</div></div><span class="right">{count(one.objects, "object")}</span></li> }
        })
        .collect();
    let n = i64::try_from(unknown.len()).unwrap_or(i64::MAX);
    let unknown = (n > 0).then(|| {
        view! {
            <details class="card leave">
                <summary class="pad">{format!("{} could not be judged: that is not the same as passed", count(n, "rule"))}</summary>
                <ul class="lines">{unknown}</ul>
            </details>
        }
    });
    view! {
        <div class="grid g2">
            {card("categories", "By category", &summary.categories, |name| FindingsQuery { category: Some(name), ..FindingsQuery::default() })}
            {card("frameworks", "By framework", &summary.frameworks, |name| FindingsQuery { framework: Some(name), ..FindingsQuery::default() })}
            {card("namespaces", "By namespace", &summary.namespaces, |name| FindingsQuery { namespace: Some(name), ..FindingsQuery::default() })}
            {card("applications", "By application", &summary.applications, |name| FindingsQuery { app: Some(name), ..FindingsQuery::default() })}
        </div>
        {unknown}
    }
    .into_any()
}
