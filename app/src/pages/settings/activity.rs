//! `/o/{org}/settings/activity`: somebody asks who did that, and when; or an auditor asks for all of it. Shortest way: the
//! latest stand on top, the kind of thing is one choice, the file one button.

use kubewise_contract::{Action, ActivityQuery, ActivityRow, LogFault, Page, Timestamp, UiError, Verdict};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_query_map;

use super::SettingsHead;
use crate::{
    api::{At, activity, verify_activity},
    parts::{Age, Icon, Skeleton, failure, number, ticking},
    place::{encode, org_href, use_org},
};

/// What the log can be narrowed to: the beginnings of actions.
const SUBJECTS: [(&str, &str); 11] = [
    ("cluster", "clusters"),
    ("audit", "audits"),
    ("waiver", "waivers"),
    ("policy", "policies"),
    ("member", "members"),
    ("invitation", "invitations"),
    ("token", "API tokens"),
    ("notification", "notifications"),
    ("organisation", "the organisation"),
    ("billing", "billing"),
    ("activity", "this log"),
];

/// The activity log.
#[component]
pub(crate) fn Activity() -> impl IntoView {
    let (org, params) = (use_org(), use_query_map());
    let query = Memo::new(move |_| {
        params.with(|p| {
            let get = |name| p.get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
            ActivityQuery {
                action: get("action"),
                person: get("person"),
                from: get("from"),
                to: get("to"),
                after: get("after").map(kubewise_contract::Cursor),
            }
        })
    });
    let found = Resource::new(move || (org.get(), query.get()), |(org, query)| activity(org, query));
    view! {
        <SettingsHead here="/settings/activity" sentence="Who did what to what, from where and when. Kept as long as the organisation."/>
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &query.get_untracked(), &body, now),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &ActivityQuery, page: &Page<ActivityRow>, now: Timestamp) -> AnyView {
    let now = ticking(now);
    let rows: Vec<_> = page.rows.iter().map(|line| row(line, now)).collect();
    let list = if rows.is_empty() {
        view! { <div class="card empty"><h2>"Nothing of that kind was done"</h2></div> }.into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"What"</th>
                        <th scope="col" class="hide-s">"Before and after"</th>
                        <th scope="col" class="hide-s">"From"</th>
                        <th scope="col" class="num">"When"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                {pager(org, query, page)}
            </div>
        }
        .into_any()
    };
    view! {
        {filters(org, query)}
        {list}
        {out(org, query)}
    }
    .into_any()
}

fn row(line: &ActivityRow, now: Signal<Timestamp>) -> AnyView {
    let who = match (&line.person, &line.token) {
        (Some(person), Some(token)) => format!("{person}, by the token {token},"),
        (Some(person), None) => person.clone(),
        (None, Some(token)) => format!("The token {token}"),
        (None, None) => "The server".to_owned(),
    };
    let what = Action::parse(&line.action).map_or_else(|| line.action.clone(), |action| action.sentence().to_owned());
    let subject = line.subject.clone().map(|subject| view! { " "<b>{subject}</b> });
    let change = match (&line.before, &line.after) {
        (Some(before), Some(after)) => {
            view! { <code class="line">{before.clone()}</code><code class="line">"→ "{after.clone()}</code> }.into_any()
        }
        (Some(only), None) | (None, Some(only)) => view! { <code class="line">{only.clone()}</code> }.into_any(),
        (None, None) => ().into_any(),
    };
    let at = line.at;
    view! {
        <tr>
            <td>{who}" "{what}{subject}<div class="second">{format!("line {}", number(line.seq))}</div></td>
            <td class="hide-s change">{change}</td>
            <td class="hide-s quiet">{line.place.clone()}</td>
            <td class="num quiet"><Age at now after=" ago"/></td>
        </tr>
    }
    .into_any()
}

fn filters(org: &str, query: &ActivityQuery) -> AnyView {
    let set = query.action.clone().unwrap_or_default();
    let options: Vec<_> = std::iter::once(("", "everything"))
        .chain(SUBJECTS)
        .map(|(value, name)| view! { <option value=value selected=value == set>{name}</option> })
        .collect();
    let (from, to) = (query.from.clone().unwrap_or_default(), query.to.clone().unwrap_or_default());
    let unset = *query == ActivityQuery::default();
    let base = org_href(org, "/settings/activity");
    let off = (!unset).then(|| {
        let base = base.clone();
        view! { <a class="btn small" href=base>"Show everything"</a> }
    });
    view! {
        <form class="filters" method="get" action=base role="search" aria-label="Filters">
            <span class="chip"><label for="filter-action">"about"</label><select id="filter-action" name="action">{options}</select></span>
            <span class="chip"><label for="filter-from">"from"</label><input id="filter-from" type="date" name="from" value=from/></span>
            <span class="chip"><label for="filter-to">"to"</label><input id="filter-to" type="date" name="to" value=to/></span>
            <button type="submit" class="btn small">"Filter"</button>
            {off}
        </form>
    }
    .into_any()
}

/// The filters that are set.
fn set(query: &ActivityQuery) -> impl Iterator<Item = (&'static str, &str)> {
    [("action", &query.action), ("person", &query.person), ("from", &query.from), ("to", &query.to)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
}

/// The query of the address, in another place of the list.
fn address(org: &str, query: &ActivityQuery, after: Option<&str>) -> String {
    let pairs = set(query).chain(after.map(|after| ("after", after)));
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("{}?{}", org_href(org, "/settings/activity"), pairs.join("&"))
}

fn pager(org: &str, query: &ActivityQuery, page: &Page<ActivityRow>) -> AnyView {
    if page.next.is_none() && query.after.is_none() {
        return ().into_any();
    }
    let first = query.after.is_some().then(|| address(org, query, None));
    let next = page.next.as_ref().map(|after| address(org, query, Some(&after.0)));
    view! {
        <nav class="pager" aria-label="Pages">
            <span>{page.rows.len()}" on this page"</span>
            {first.map(|href| view! { <a class="btn" href=href>"Latest"</a> })}
            {next.map(|href| view! { <a class="btn" href=href>"Older"{Icon::ArrowRight.show()}</a> })}
        </nav>
    }
    .into_any()
}

/// Taking the log out, and asking whether it is whole.
fn out(org: &str, query: &ActivityQuery) -> AnyView {
    let action = org_href(org, "/activity/export");
    let hidden: Vec<_> =
        set(query).map(|(name, value)| view! { <input type="hidden" name=name value=value.to_owned()/> }).collect();
    let verdict = RwSignal::new(None::<Result<Verdict, UiError>>);
    let pending = RwSignal::new(false);
    let slug = org.to_owned();
    let verify = move |_| {
        let slug = slug.clone();
        pending.set(true);
        spawn_local(async move {
            let answer = verify_activity(slug).await;
            verdict.try_set(Some(answer));
            pending.try_set(false);
        });
    };
    view! {
        <div class="card next">
            <section class="setting">
                <div><h2>"Take it out"</h2><p>"As a file, with the filters above. That it was taken is written in the log."</p></div>
                <form method="post" action=action class="form">
                    {hidden}
                    <div class="act">
                        <button type="submit" class="btn" name="format" value="csv">"CSV"</button>
                        <button type="submit" class="btn" name="format" value="json">"JSON"</button>
                    </div>
                </form>
            </section>
            <section class="setting needs-script">
                <div>
                    <h2>"Is it whole?"</h2>
                    <p>"Each line carries the hash of all before it, and the last one is sealed with the server's key. Reading them all tells \
                        whether a line was removed, changed or moved."</p>
                </div>
                <div class="form">
                    <div role="status">{move || verdict.get().map(said)}</div>
                    <div class="act"><button type="button" class="btn" disabled=pending on:click=verify>"Verify the log"</button></div>
                </div>
            </section>
        </div>
    }
    .into_any()
}

fn said(verdict: Result<Verdict, UiError>) -> AnyView {
    match verdict {
        Ok(Verdict::Intact { lines, forgotten, hash }) => {
            let what = match forgotten {
                0 => String::new(),
                1 => " What one of them was about is forgotten.".to_owned(),
                some => format!(" What {} of them were about is forgotten.", number(some)),
            };
            let all = format!("All {} lines are as they were written.{what} The last one's hash: ", number(lines));
            view! { <div class="note ok">{Icon::Check.show()}<span>{all}<code>{hash}</code></span></div> }.into_any()
        }
        Ok(Verdict::Broken { seq, fault }) => view! {
            <div class="note crit">{Icon::Alert.show()}<span>{format!("Line {}: {}", number(seq), LogFault::sentence(fault))}</span></div>
        }
        .into_any(),
        Err(error) => view! { <div class="note crit">{Icon::Alert.show()}<span>{error.to_string()}</span></div> }.into_any(),
    }
}
