//! `/o/{org}/settings/notifications`: somebody wants to hear of what is new without looking, or asks who hears of it.
//! Shortest way: a glance says who is told of what; one button makes another.

use kubewise_contract::{NotificationRow, Notifications, Timestamp};
use leptos::prelude::*;

use super::{super::SettingsHead, of, to, when};
use crate::{
    api::{At, notifications},
    parts::{Icon, Skeleton, done_note, failure, use_done},
    place::{org_href, use_org},
};

/// What is told to whom.
#[component]
pub(crate) fn AllNotifications() -> impl IntoView {
    let (org, done) = (use_org(), use_done());
    let found = Resource::new(move || (org.get(), done.get()), |(org, _)| notifications(org));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &body, now, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, found: &Notifications, now: Timestamp, done: Memo<String>) -> AnyView {
    let new = org_href(org, "/settings/notifications/new");
    let make = view! {
        <a class="btn" href="/docs/notifications" rel="external">"What is sent"</a>
        <a class="btn primary" href=new.clone()>{Icon::Plus.show()}"Make a notification"</a>
    };
    let sentence = if found.manages {
        "Who is told of what audits find, of audits that fail and of clusters that fall silent."
    } else {
        "What you are told of the clusters that you see."
    };
    let rows: Vec<_> = found.rows.iter().map(|one| row(org, one, now)).collect();
    let list = if rows.is_empty() {
        let more = if found.manages {
            "A mail to you or a colleague, at once or every morning; or a webhook to a chat or a program of yours."
        } else {
            "A mail to you, at once or every morning."
        };
        view! {
            <div class="card empty">
                <h2>"Nobody is told of anything yet"</h2>
                <p>"What audits find waits on pages until somebody looks. "{more}</p>
                <div class="act"><a class="btn" href=new>"Make the first"</a></div>
            </div>
        }
        .into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Notification"</th>
                        <th scope="col" class="hide-s">"Of"</th>
                        <th scope="col" class="hide-s">"When"</th>
                        <th scope="col" class="num">"State"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <SettingsHead here="/settings/notifications" sentence actions=make.into_any()/>
        {done_note(done, "removed", "It has ended: nothing is told by it any more.")}
        {list}
    }
    .into_any()
}

fn row(org: &str, one: &NotificationRow, now: Timestamp) -> AnyView {
    let href = org_href(org, &format!("/settings/notifications/{}", one.id));
    let cluster = one.cluster.clone().map(|cluster| view! { <div class="second"><code>{cluster.name}</code></div> });
    let next =
        one.next_at.filter(|at| *at > now).map(|at| view! { <div class="second">"next "{at.minute_utc()}</div> });
    let state = if one.ended.is_some() {
        view! { <span class="tag crit">"switched off"</span> }.into_any()
    } else {
        view! { <span class="tag ok">"on"</span> }.into_any()
    };
    view! {
        <tr>
            <td><a class="first link" href=href>{one.name.clone()}</a><div class="second">{to(one)}</div></td>
            <td class="hide-s">{of(one)}{cluster}</td>
            <td class="hide-s">{when(one)}{next}</td>
            <td class="num">{state}</td>
        </tr>
    }
    .into_any()
}
