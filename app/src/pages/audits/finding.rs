//! `…/findings/{finding}`: somebody wants to know what is wrong, why it matters, and how to mend it. Shortest way: the
//! sentence, the place in the manifest, the patch to copy.

use kubewise_contract::{FindingDetail, FindingsQuery, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, finding},
    live::{Interest, Live},
    parts::{Age, Copy, Head, Icon, Skeleton, failure, highlight, kind_name, number, severity_tag, ticking},
    place::{ClusterPlace, encode, findings_href, org_href, use_cluster_place, use_param, waive_href},
};

/// Lines of the manifest that are shown before and after what was found.
const AROUND: usize = 12;

/// One finding.
#[component]
pub(crate) fn FindingPage() -> impl IntoView {
    let (place, id) = (use_cluster_place(), use_param("finding"));
    let version = expect_context::<Live>().version(Interest::Status, move || Some(place.get().cluster));
    let found = Resource::new(
        move || (place.get(), id.get(), version.get()),
        |(place, id, _)| finding(place.org, place.cluster, id),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&place.get_untracked(), &body, ticking(now)),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(place: &ClusterPlace, detail: &FindingDetail, now: Signal<Timestamp>) -> AnyView {
    let row = &detail.row;
    let of_rule = FindingsQuery { rule: Some(row.rule.clone()), ..FindingsQuery::default() };
    let crumbs = vec![
        (org_href(&place.org, "/audits"), "Audits".to_owned()),
        (place.href("/findings"), detail.cluster_name.clone()),
        (findings_href(&place.href("/findings"), &of_rule), row.title.clone()),
    ];
    let gone = (!detail.is_open).then(|| {
        let at = detail.history.first().and_then(|span| span.closed_at);
        let at = at.map(|at| view! { " "<Age at now after=" ago"/> });
        view! { <div class="note ok">{Icon::Check.show()}<span><b>"It was not found any more"{at}"."</b></span></div> }
    });
    let sentence = row.message.clone().into_any();
    let tab = format!("{} · {}", row.title, row.name);
    let waive = (detail.can_waive && detail.is_open && detail.waived.is_none()).then(|| {
        view! { <a class="btn" href=waive_href(place, kind_name(&row.kind), row)>"Waive"</a> }
    });
    let actions = waive.into_any();
    view! {
        <Head title=row.title.clone() tab=tab crumbs sentence=sentence beside=severity_tag(row.severity) actions=actions/>
        {gone.map(|gone| view! { <div class="grid notes">{gone}</div> })}
        {waived(place, detail)}
        <div class="grid detail">
            <div class="grid">
                {about(place, detail, now)}
                {why(place, detail)}
                {history(detail, now)}
            </div>
            <div class="grid">
                {fix(detail)}
                {evidence(detail)}
            </div>
        </div>
    }
    .into_any()
}

/// Why it is lived with.
fn waived(place: &ClusterPlace, detail: &FindingDetail) -> Option<AnyView> {
    let waived = detail.waived.as_ref()?;
    let until = waived.expires.as_ref().map(|day| format!(" Until {day}."));
    let who = match &waived.owner {
        Some(owner) => format!("Answers for it: {owner}."),
        None => "An annotation of the object says so.".to_owned(),
    };
    let waivers = org_href(&place.org, "/audits/waivers");
    Some(
        view! {
            <div class="grid notes"><div class="note">{Icon::Check.show()}<span>
                <b>"Waived: "</b>{waived.reason.clone()}" "{who}{until}" "<a class="link" href=waivers>"All waivers"</a>
            </span></div></div>
        }
        .into_any(),
    )
}

fn about(place: &ClusterPlace, detail: &FindingDetail, now: Signal<Timestamp>) -> AnyView {
    let row = &detail.row;
    let object = match detail.uid {
        Some(uid) => view! { <a class="link" href=place.resource(uid)>{row.name.clone()}</a> }.into_any(),
        None => row.name.clone().into_any(),
    };
    let namespace = row.namespace.clone().map(|name| view! { <dt>"Namespace"</dt><dd>{name}</dd> });
    let application = detail.application.clone().map(|name| view! { <dt>"Application"</dt><dd>{name}</dd> });
    let path = (!detail.path.is_empty()).then(|| view! { <dt>"Where"</dt><dd><code>{detail.path.clone()}</code></dd> });
    view! {
        <section class="card" aria-labelledby="about">
            <header><h2 id="about">"What it is in"</h2></header>
            <dl class="facts pad">
                <dt>{kind_name(&row.kind).to_owned()}</dt><dd>{object}</dd>
                {namespace}{application}{path}
                <dt>"Found"</dt><dd><Age at=row.since now after=" ago"/></dd>
            </dl>
        </section>
    }
    .into_any()
}

fn why(place: &ClusterPlace, detail: &FindingDetail) -> AnyView {
    let rule = &detail.rule;
    let categories: Vec<_> =
        rule.categories.iter().map(|name| view! { <span class="tag">{name.clone()}</span> }).collect();
    let controls: Vec<_> = rule
        .controls
        .iter()
        .map(|control| view! { <li>{control.framework.clone()}<span class="right">{control.control.clone()}</span></li> })
        .collect();
    let references: Vec<_> = rule
        .references
        .iter()
        .map(|link| view! { <li><a class="link" href=link.clone() rel="noreferrer external">{link.clone()}</a></li> })
        .collect();
    let controls = (!controls.is_empty()).then(|| view! { <ul class="lines">{controls}</ul> });
    // Of a rule that this version no longer has, the documentation says nothing.
    let page = (!rule.why.is_empty()).then(|| {
        let page = format!("/docs/rules/{}", rule.id);
        view! { <span class="right"><a class="link" href=page rel="external">"About this rule"</a></span> }
    });
    let decide = (detail.can_set && !rule.why.is_empty()).then(|| {
        let href = format!("{}?rule={}", org_href(&place.org, "/audits/policy"), encode(&rule.id));
        view! { <p><a class="link" href=href>"Change how bad this is here, or switch the rule off"</a></p> }
    });
    view! {
        <section class="card" aria-labelledby="why">
            <header><h2 id="why">"Why it matters"</h2>{page}</header>
            <div class="pad prose">
                <p>{rule.why.clone()}</p>
                <div class="tags">{categories}</div>
                {decide}
                <ul class="labels small">{references}</ul>
            </div>
            {controls}
        </section>
    }
    .into_any()
}

fn fix(detail: &FindingDetail) -> AnyView {
    let patch = (!detail.patch.is_empty()).then(|| {
        view! {
            <p>"Put this where the object is made, or try it with "<code>"kubectl patch --type strategic --patch-file"</code>":"</p>
            <Copy text=detail.patch.clone() label="the patch"/>
        }
    });
    view! {
        <section class="card" aria-labelledby="fix">
            <header><h2 id="fix">"How to mend it"</h2></header>
            <div class="pad prose">
                <p>{detail.rule.fix.clone()}</p>
                {patch}
            </div>
        </section>
    }
    .into_any()
}

/// The lines around what was found. The whole manifest is the object's own page.
fn evidence(detail: &FindingDetail) -> AnyView {
    if detail.evidence.is_empty() {
        return view! {
            <section class="card" aria-labelledby="evidence">
                <header><h2 id="evidence">"Evidence"</h2></header>
                <div class="pad muted">"The object is no longer in the cluster."</div>
            </section>
        }
        .into_any();
    }
    let lines: Vec<&str> = detail.evidence.lines().collect();
    let at = (detail.line as usize).saturating_sub(1);
    let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(lines.len()));
    let shown: Vec<_> = lines[from..to]
        .iter()
        .enumerate()
        .map(|(n, line)| {
            let number = from + n + 1;
            let is_it = detail.line as usize == number;
            view! { <span class="line" class:hit=is_it><span class="no" aria-hidden="true">{number}</span><span inner_html=highlight(line)></span></span> }
        })
        .collect();
    let whole = lines.len();
    view! {
        <section class="card" aria-labelledby="evidence">
            <header>
                <h2 id="evidence">"Evidence"</h2>
                <span class="right">{format!("line {} of {}, as the agent sent it last", number(i64::from(detail.line.max(1))), number(i64::try_from(whole).unwrap_or(i64::MAX)))}</span>
            </header>
            <pre class="yaml numbered" tabindex="0" role="group" aria-labelledby="evidence"><code>{shown}</code></pre>
        </section>
    }
    .into_any()
}

fn history(detail: &FindingDetail, now: Signal<Timestamp>) -> AnyView {
    let lines: Vec<_> = detail
        .history
        .iter()
        .map(|span| {
            let until = match (span.closed_in, span.closed_at) {
                (Some(run), Some(at)) => view! { "fixed in audit "{run}", "<Age at now after=" ago"/> }.into_any(),
                _ => "still there".into_any(),
            };
            view! {
                <li><div>"Found in audit "{span.opened_in}", "<Age at=span.opened_at now after=" ago"/></div><span class="right">{until}</span></li>
            }
        })
        .collect();
    view! {
        <section class="card" aria-labelledby="history">
            <header><h2 id="history">"History"</h2></header>
            <ul class="lines">{lines}</ul>
        </section>
    }
    .into_any()
}
