//! `…/vulnerabilities`: somebody wants to know what is known to be wrong with the images of a cluster, an application or one
//! image, and what to mend first. Shortest way: the numbers, then the list, worst first, each with the version that mends it.

use std::collections::BTreeSet;

use kubewise_contract::{
    ImageScan, ImageUse, ListQuery, Timestamp, VulnerabilitiesOf, VulnerabilitiesQuery, VulnerabilityRow,
    VulnerabilitySeverity as Severity,
};
use leptos::{ev::SubmitEvent, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::row;
use crate::{
    api::{Known, vulnerabilities},
    live::{Interest, Live},
    parts::{
        Age, Copy, Head, Icon, Skeleton, chooser, failure, fixed, kind_name, number, searched, sent, ticking,
        vulnerability_counts,
    },
    place::{
        ClusterPlace, list_href, org_href, use_cluster_place, use_vulnerabilities_query, vulnerabilities_href,
        vulnerabilities_query,
    },
};

/// How Trivy Operator is installed, as its own documentation says.
const INSTALL: &str = "helm install trivy-operator oci://ghcr.io/aquasecurity/helm-charts/trivy-operator \\
  --namespace trivy-system --create-namespace";

/// What is known to be wrong.
#[component]
pub(crate) fn Vulnerabilities() -> impl IntoView {
    let (place, query) = (use_cluster_place(), use_vulnerabilities_query());
    let changed = expect_context::<Live>().version(Interest::Inventory, move || Some(place.get().cluster));
    let found = Resource::new(
        move || (place.get(), query.get(), changed.get()),
        |(place, query, _)| vulnerabilities(place.org, place.cluster, query),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(known) => page(&place.get_untracked(), &query.get_untracked(), known),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(place: &ClusterPlace, query: &VulnerabilitiesQuery, known: Known) -> AnyView {
    let Known { now, of, page, namespaces } = known;
    let now = ticking(now);
    if !of.has_reports {
        return view! { {head(place, query, &of)} {no_reports()} }.into_any();
    }
    if of.scanned == 0 {
        return view! { {head(place, query, &of)} {not_scanned(place)} }.into_any();
    }
    let base = place.href("/vulnerabilities");
    let many = query.image.is_none();
    let rows: Vec<_> = page.rows.iter().map(|found| line(place, found, many)).collect();
    let list = if rows.is_empty() {
        nothing(&base, query)
    } else {
        let n = rows.len();
        let to = |after| vulnerabilities_href(&base, &VulnerabilitiesQuery { after, ..query.clone() });
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Vulnerability"</th><th scope="col">"Severity"</th><th scope="col">"Package"</th>
                        {many.then(|| view! { <th scope="col" class="hide-s">"Image"</th> })}
                        <th scope="col" class="hide-s">"Elsewhere"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                {row::foot(n, query.after.is_none(), page.next, to)}
            </div>
        }
        .into_any()
    };
    let beside = if many { worst(place, &of.worst) } else { used_by(place, &of.used_by) };
    view! {
        {head(place, query, &of)}
        {left_out(&of)}
        <div class="grid g4">{figures(&base, query, &of, now)}</div>
        <div class="bar">{filters(&base, query, &namespaces)}</div>
        {list}
        {beside}
    }
    .into_any()
}

fn head(place: &ClusterPlace, query: &VulnerabilitiesQuery, of: &VulnerabilitiesOf) -> AnyView {
    let name = &of.cluster_name;
    let mut crumbs = vec![(org_href(&place.org, "/clusters"), "Clusters".to_owned()), (place.href(""), name.clone())];
    let (title, what) = match (&query.image, &query.app) {
        (Some(image), _) => {
            crumbs.push((place.href("/vulnerabilities"), "Vulnerabilities".to_owned()));
            (image.clone(), "in this image")
        }
        (None, Some(app)) => {
            crumbs.push((place.href("/vulnerabilities"), "Vulnerabilities".to_owned()));
            (app.clone(), "in the images of this application")
        }
        (None, None) => ("Vulnerabilities".to_owned(), "in the images that run here"),
    };
    let counts = &of.scan.counts;
    let sentence = match (of.scanned, counts.total(), counts.critical) {
        (0, ..) => format!("What is known to be wrong {what}."),
        (_, 0, _) => format!("Nothing is known to be wrong {what}."),
        (_, n, 0) => format!("Nothing critical {what}; {} in all.", number(n)),
        (_, n, critical) => format!("{} critical {what}, of {} in all.", number(critical), number(n)),
    };
    let tab = format!("{title} · {name}");
    view! { <Head title tab=tab crumbs sentence=sentence.into_any()/> }.into_any()
}

/// Before Trivy Operator is there, or before it has looked at anything.
fn no_reports() -> AnyView {
    view! {
        <div class="card empty">
            <h2>"No reports in this cluster"</h2>
            <p>
                "Trivy Operator scans the images that run in a cluster and leaves its reports there. Kubewise reads them by itself \
                 once they are there; there is nothing to set up here."
            </p>
            <Copy text=INSTALL label="Command that installs Trivy Operator"/>
            <p><a class="link" href="/docs/vulnerabilities" rel="external">"How vulnerabilities get here"</a></p>
        </div>
    }
    .into_any()
}

fn not_scanned(place: &ClusterPlace) -> AnyView {
    view! {
        <div class="card empty">
            <h2>"Not scanned"</h2>
            <p>"The cluster has reports, but none about this. Scanners begin with what has just started; some images they cannot pull."</p>
            <div class="act"><a class="btn" href=place.href("/vulnerabilities")>"All vulnerabilities of the cluster"</a></div>
        </div>
    }
    .into_any()
}

/// What a long report leaves out is said, so that the list is not taken for all there is.
fn left_out(of: &VulnerabilitiesOf) -> Option<AnyView> {
    let n = of.truncated;
    (n > 0).then(|| {
        view! {
            <div class="grid notes"><div class="note med">
                {Icon::Alert.show()}
                <span><b>{format!("{} more were found than are listed.", number(n))}</b>
                " A report is kept as far as it is read by anybody; the worst come first, so what is missing is no worse."</span>
            </div></div>
        }
        .into_any()
    })
}

fn figures(base: &str, query: &VulnerabilitiesQuery, of: &VulnerabilitiesOf, now: Signal<Timestamp>) -> AnyView {
    let all = VulnerabilitiesQuery { severity: None, fixable: false, q: None, after: None, ..query.clone() };
    let fixable = vulnerabilities_href(base, &VulnerabilitiesQuery { fixable: true, ..all.clone() });
    let scan = match of.worst.as_slice() {
        [one] if query.image.is_some() => scanned(one, now),
        _ => view! {
            <div class="card stat">
                <div class="k">"Images scanned"</div>
                <div class="v">{number(of.scanned)}</div>
                <div class="d">{format!("of {}", number(of.images))}</div>
            </div>
        }
        .into_any(),
    };
    view! {
        <a class="card stat" href=vulnerabilities_href(base, &all)>
            <div class="k">"Vulnerabilities"</div>
            <div class="v">{number(of.scan.counts.total())}</div>
            <div class="d">{vulnerability_counts(&of.scan.counts)}</div>
        </a>
        <a class="card stat" href=fixable>
            <div class="k">"Can be mended"</div>
            <div class="v">{number(of.scan.fixable)}</div>
            <div class="d">"by another version of the package"</div>
        </a>
        {scan}
    }
    .into_any()
}

/// When an image was looked at, and by what.
fn scanned(one: &ImageScan, now: Signal<Timestamp>) -> AnyView {
    let system = (!one.os.is_empty()).then(|| format!(", {}", one.os));
    view! {
        <div class="card stat">
            <div class="k">"Scanned"</div>
            <div class="v"><Age at=one.scanned_at now after=" ago"/></div>
            <div class="d">{format!("by {} {}", one.scanner, one.scanner_version)}{system}</div>
        </div>
    }
    .into_any()
}

fn filters(base: &str, query: &VulnerabilitiesQuery, namespaces: &[String]) -> AnyView {
    let navigate = use_navigate();
    let to = base.to_owned();
    let submit = move |event: SubmitEvent| {
        if let Some(pairs) = sent(&event) {
            event.prevent_default();
            let query = vulnerabilities_query(|name| pairs.get(name));
            let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
            navigate(&vulnerabilities_href(&to, &query), options);
        }
    };
    let without = |change: fn(&mut VulnerabilitiesQuery)| {
        let mut query = VulnerabilitiesQuery { after: None, ..query.clone() };
        change(&mut query);
        vulnerabilities_href(base, &query)
    };
    let severities = Severity::WORST_FIRST.map(|severity| (severity.to_string(), severity.to_string())).to_vec();
    let fixable = vec![("yes".to_owned(), "yes".to_owned())];
    let names = namespaces.iter().map(|name| (name.clone(), name.clone())).collect();
    // An image, and what an application runs, is meant wherever it is.
    let namespace = match (&query.image, &query.app) {
        (None, None) => chooser("namespace", names, query.namespace.clone(), without(|q| q.namespace = None)),
        _ => fixed("namespace", "namespace", query.namespace.clone(), without(|q| q.namespace = None)),
    };
    let label = "Filter vulnerabilities by id or package".to_owned();
    let text = searched(base, label, "id or package contains", 253, query.q.clone(), None);
    view! {
        <form class="filters" method="get" action=base.to_owned() role="search" aria-label="Filters" on:submit=submit>
            {text}
            {chooser("severity", severities, query.severity.map(|s| s.to_string()), without(|q| q.severity = None))}
            {chooser("fixable", fixable, query.fixable.then(|| "yes".to_owned()), without(|q| q.fixable = false))}
            {namespace}
            {fixed("app", "application", query.app.clone(), without(|q| q.app = None))}
            {fixed("image", "image", query.image.clone(), without(|q| q.image = None))}
            <button type="submit" class="btn small needs-no-script">"Filter"</button>
        </form>
    }
    .into_any()
}

fn line(place: &ClusterPlace, found: &VulnerabilityRow, many: bool) -> AnyView {
    let image = many.then(|| {
        let of = VulnerabilitiesQuery { image: Some(found.image.clone()), ..VulnerabilitiesQuery::default() };
        let href = vulnerabilities_href(&place.href("/vulnerabilities"), &of);
        view! { <td class="hide-s"><a class="link mono" href=href>{found.image.clone()}</a></td> }
    });
    let everywhere = ListQuery { q: Some(found.id.clone()), ..ListQuery::default() };
    let everywhere = list_href(&org_href(&place.org, "/vulnerabilities"), &everywhere);
    view! {
        <tr>
            <td>{row::name(found)}</td>
            <td>{row::severity(found)}</td>
            <td>{row::package(found)}</td>
            {image}
            <td class="hide-s quiet"><a class="link" href=everywhere aria-label=format!("Where it is: {}", found.id)>"Where it is"</a></td>
        </tr>
    }
    .into_any()
}

fn nothing(base: &str, query: &VulnerabilitiesQuery) -> AnyView {
    let all = VulnerabilitiesQuery { severity: None, fixable: false, q: None, after: None, ..query.clone() };
    if *query == all {
        return view! {
            <div class="card empty"><h2>"No vulnerabilities"</h2><p>"The scanner knows of nothing that is wrong with this."</p></div>
        }
        .into_any();
    }
    view! {
        <div class="card empty">
            <h2>"No vulnerabilities match"</h2>
            <p>"There are none with all of these filters at this moment."</p>
            <div class="act"><a class="btn" href=vulnerabilities_href(base, &all)>"Remove all filters"</a></div>
        </div>
    }
    .into_any()
}

/// Where to begin.
fn worst(place: &ClusterPlace, images: &[ImageScan]) -> AnyView {
    let lines: Vec<_> = images
        .iter()
        .filter(|image| image.scan.counts.total() > 0)
        .map(|image| {
            let of = VulnerabilitiesQuery { image: Some(image.image.clone()), ..VulnerabilitiesQuery::default() };
            let href = vulnerabilities_href(&place.href("/vulnerabilities"), &of);
            view! {
                <li><a class="link who mono" href=href>{image.image.clone()}</a><span class="right">{vulnerability_counts(&image.scan.counts)}</span></li>
            }
        })
        .collect();
    (!lines.is_empty())
        .then(|| {
            view! {
                <section class="card" aria-labelledby="worst">
                    <header><h2 id="worst">"Worst images"</h2></header>
                    <ul class="lines">{lines}</ul>
                </section>
            }
        })
        .into_any()
}

/// What runs an image.
fn used_by(place: &ClusterPlace, uses: &[ImageUse]) -> AnyView {
    if uses.is_empty() {
        return view! { <div class="card pad muted">"No workload names this image at this moment."</div> }.into_any();
    }
    let workloads: Vec<_> = uses
        .iter()
        .map(|one| {
            let what = format!("{} in {}", kind_name(&one.kind), one.namespace);
            view! { <li><a class="link who" href=place.resource(one.uid)>{one.name.clone()}</a><span class="right">{what}</span></li> }
        })
        .collect();
    let applications: BTreeSet<_> =
        uses.iter().filter_map(|one| Some((one.application.as_ref()?, &one.namespace))).collect();
    let applications: Vec<_> = applications
        .into_iter()
        .map(|(app, namespace)| {
            let of = VulnerabilitiesQuery {
                app: Some(app.clone()),
                namespace: Some(namespace.clone()),
                ..VulnerabilitiesQuery::default()
            };
            let href = vulnerabilities_href(&place.href("/vulnerabilities"), &of);
            view! { <li><a class="link who" href=href>{app.clone()}</a><span class="right">{namespace.clone()}</span></li> }
        })
        .collect();
    view! {
        <div class="grid g2">
            <section class="card" aria-labelledby="workloads">
                <header><h2 id="workloads">"Workloads that run it"</h2></header>
                <ul class="lines">{workloads}</ul>
            </section>
            <section class="card" aria-labelledby="applications">
                <header><h2 id="applications">"Applications"</h2></header>
                <ul class="lines">{applications}</ul>
            </section>
        </div>
    }
    .into_any()
}
