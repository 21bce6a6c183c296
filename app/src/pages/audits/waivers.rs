//! `/o/{org}/audits/waivers`: somebody asks what is lived with, why, and for how long; who answers for it decides what others
//! ask for. Shortest way: what waits to be allowed is one click, beside its reason.

use kubewise_contract::{Cursor, Timestamp, WaiverRow, WaiverState, Waivers as Found, WaiversQuery, WaiversShown};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::tabs::tabs;
use crate::{
    api::{AllowWaiver, At, EndWaiver, waivers},
    parts::{Age, FormError, Head, Icon, Post, Skeleton, done_note, failure, number, row_button, ticking, use_done},
    place::{encode, org_href, use_org},
};

#[derive(Clone, Copy)]
struct Forms {
    allow: Post,
    end: Post,
    done: Memo<String>,
}

/// Findings that are lived with.
#[component]
pub(crate) fn Waivers() -> impl IntoView {
    let (org, params) = (use_org(), use_query_map());
    let query = Memo::new(move |_| {
        params.with(|params| WaiversQuery {
            shown: WaiversShown::parse(&params.get("shown").unwrap_or_default()),
            after: params.get("after").filter(|after| !after.is_empty()).map(Cursor),
        })
    });
    let forms = Forms { allow: Post::to::<AllowWaiver>(), end: Post::to::<EndWaiver>(), done: use_done() };
    let found = Resource::new(
        move || (org.get(), query.get(), forms.allow.version(), forms.end.version()),
        |(org, query, ..)| waivers(org, query),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &query.get_untracked(), &body, now, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &WaiversQuery, found: &Found, now: Timestamp, forms: Forms) -> AnyView {
    let trouble = Signal::derive(move || forms.allow.error().or_else(|| forms.end.error()));
    let word = if found.are_asked && !found.can_allow { "Ask for a waiver" } else { "Waive findings" };
    let button =
        found.can_waive.then(|| view! { <a class="btn primary" href=org_href(org, "/audits/waivers/new")>{word}</a> });
    let sentence = match found.asked {
        0 => "Findings that are lived with, for a reason and until a day. They are found all the same.".to_owned(),
        1 => "A waiver waits to be allowed.".to_owned(),
        asked => format!("{} waivers wait to be allowed.", number(asked)),
    };
    view! {
        <Head title="Audits" tab="Waivers · Audits" sentence=sentence.into_any() actions=button.into_any()/>
        {tabs("/audits/waivers")}
        <div class="grid notes">
            {done_note(forms.done, "added", "Waived. What it is about is being judged again.")}
            {done_note(forms.done, "asked", "Asked for. It holds once somebody who sets policies allows it.")}
            {done_note(forms.done, "allowed", "Allowed. What it is about is being judged again.")}
            {done_note(forms.done, "ended", "Ended. What it was about is being judged again.")}
        </div>
        <FormError trouble/>
        {shown(org, query)}
        {list(org, query, found, now, forms)}
    }
    .into_any()
}

/// Which are shown, as links: one of them is always chosen.
fn shown(org: &str, query: &WaiversQuery) -> AnyView {
    let links: Vec<_> = WaiversShown::ALL
        .into_iter()
        .map(|(title, shown)| {
            let on = shown == query.shown;
            let href = address(org, shown, None);
            view! { <a class="chip" class:on=on href=href aria-current=on.then_some("true")>{title}</a> }
        })
        .collect();
    view! { <nav class="filters" aria-label="Which waivers">{links}</nav> }.into_any()
}

fn address(org: &str, shown: WaiversShown, after: Option<&Cursor>) -> String {
    let name = shown.as_str();
    let after = after.map(|after| format!("&after={}", encode(&after.0))).unwrap_or_default();
    match (shown, after.is_empty()) {
        (WaiversShown::Current, true) => org_href(org, "/audits/waivers"),
        _ => format!("{}?shown={name}{after}", org_href(org, "/audits/waivers")),
    }
}

fn list(org: &str, query: &WaiversQuery, found: &Found, now: Timestamp, forms: Forms) -> AnyView {
    if found.rows.is_empty() {
        return nothing(query.shown);
    }
    let now = ticking(now);
    let rows: Vec<_> = found.rows.iter().map(|waiver| row(org, waiver, now, found.can_allow, forms)).collect();
    let first = query.after.is_some().then(|| {
        view! { <a class="btn" href=address(org, query.shown, None)>"First page"</a> }
    });
    let next = found.next.as_ref().map(|after| {
        view! { <a class="btn" href=address(org, query.shown, Some(after))>"Next page"{Icon::ArrowRight.show()}</a> }
    });
    let foot = (first.is_some() || next.is_some())
        .then(|| view! { <nav class="pager" aria-label="Pages">{first}{next}</nav> });
    view! {
        <div class="card list-card">
            <table>
                <thead><tr>
                    <th scope="col">"What is waived"</th><th scope="col" class="hide-s">"Why"</th>
                    <th scope="col" class="hide-s">"Until"</th><th scope="col" class="num">"Findings"</th>
                    <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {foot}
        </div>
    }
    .into_any()
}

fn nothing(shown: WaiversShown) -> AnyView {
    let (title, text) = match shown {
        WaiversShown::Current => (
            "Nothing is waived",
            "A finding that is there for a good reason can be waived from its page: it is found all the same, and counts no more.",
        ),
        WaiversShown::Asked => {
            ("Nothing waits to be allowed", "What Operators ask for stands here, where waivers have to be allowed.")
        }
        WaiversShown::Unused => {
            ("Every waiver is used", "A waiver that waives nothing of the last audits is not needed any more.")
        }
        WaiversShown::Ended => (
            "No waiver has ended",
            "Those whose last day is over, and those that were ended or turned down, stay here.",
        ),
    };
    view! { <div class="card empty"><h2>{title}</h2><p>{text}</p></div> }.into_any()
}

fn row(org: &str, waiver: &WaiverRow, now: Signal<Timestamp>, can_allow: bool, forms: Forms) -> AnyView {
    let about = [("org", org.to_owned()), ("waiver", waiver.id.to_string())];
    let title = waiver.title.clone().unwrap_or_else(|| "Every rule".to_owned());
    let place =
        waiver.cluster.clone().map_or_else(|| "every cluster".to_owned(), |cluster| format!("cluster {cluster}"));
    let scope = std::iter::once(place).chain(waiver.scope.iter().cloned()).collect::<Vec<_>>().join(", ");
    let asked = waiver.state == WaiverState::Asked;
    let tag = match waiver.state {
        WaiverState::Asked => view! { " "<span class="tag info">"to be allowed"</span> }.into_any(),
        WaiverState::Ended => view! { " "<span class="tag">"ended"</span> }.into_any(),
        WaiverState::Holds => ().into_any(),
    };
    let by = waiver.requested_by.clone().map(|name| format!("{name}, ")).unwrap_or_default();
    let allowed = waiver.approved_by.clone().map(|name| format!(", allowed by {name}"));
    let requested_at = waiver.requested_at;
    let who = move || view! { {by.clone()}<Age at=requested_at now after=" ago"/>{allowed.clone()} };
    let until = match (waiver.state, waiver.ended_at, &waiver.expires) {
        (WaiverState::Ended, Some(at), _) => view! { "ended "<Age at now after=" ago"/> }.into_any(),
        (_, _, Some(day)) => day.clone().into_any(),
        (_, _, None) => view! { <span class="muted">"it is ended"</span> }.into_any(),
    };
    let findings = match (waiver.state, waiver.findings) {
        (WaiverState::Holds, 0) => view! { <span class="tag">"unused"</span> }.into_any(),
        (WaiverState::Holds, 1000..) => "1,000 or more".into_any(),
        (WaiverState::Holds, findings) => number(findings).into_any(),
        _ => "–".into_any(),
    };
    let name = format!("{title}, {scope}");
    let allow =
        (asked && can_allow).then(|| row_button(forms.allow, &about, "Allow", format!("Allow the waiver of {name}")));
    let word = if asked { "Turn down" } else { "End" };
    let end = waiver.can_end.then(|| row_button(forms.end, &about, word, format!("{word} the waiver of {name}")));
    view! {
        <tr>
            <td>
                <div class="first">{title.clone()}{tag}</div>
                <div class="second"><code>{waiver.rule.clone()}</code>" in "{scope.clone()}</div>
                <div class="second only-s">{waiver.reason.clone()}</div>
            </td>
            <td class="hide-s">
                {waiver.reason.clone()}
                <div class="second">{format!("Answers for it: {}. ", waiver.owner)}{who()}</div>
            </td>
            <td class="hide-s nowrap">{until}</td>
            <td class="num">{findings}</td>
            <td class="num"><div class="buttons">{allow}{end}</div></td>
        </tr>
    }
    .into_any()
}
