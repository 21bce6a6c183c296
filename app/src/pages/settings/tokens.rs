//! `/o/{org}/settings/tokens`: somebody has a script that asks the API. Shortest way: make a token, copy it; a glance says
//! which are old or unused.

use kubewise_contract::{Timestamp, TokenRow};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::SettingsHead;
use crate::{
    api::{At, RevokeApiToken, Tokens as Shown, api_tokens},
    parts::{Age, Copy, FormError, Icon, Post, Skeleton, done_note, failure, row_button, ticking, use_done},
    place::{org_href, use_org},
};

/// The API tokens.
#[component]
pub(crate) fn Tokens() -> impl IntoView {
    let (org, query, done) = (use_org(), use_query_map(), use_done());
    let revoke = Post::to::<RevokeApiToken>();
    let made = Memo::new(move |_| query.with(|q| q.get("made")));
    let found =
        Resource::new(move || (org.get(), made.get(), revoke.version()), |(org, made, _)| api_tokens(org, made));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), body, now, revoke, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, shown: Shown, now: Timestamp, revoke: Post, done: Memo<String>) -> AnyView {
    let trouble = revoke.trouble();
    let make = view! { <a class="btn" href="/docs/api" rel="external">"The API"</a><a class="btn primary" href=org_href(org, "/settings/tokens/new")>{Icon::Plus.show()}"Make a token"</a> };
    let made = shown.made.map(|made| {
        view! {
            <div class="card pad made">
                <div class="form wide">
                    <h2>"Your new token"</h2>
                    <div class="note ok">{Icon::Key.show()}<span><b>"It is shown this once."</b>" Kubewise keeps only a hash of it."</span></div>
                    <Copy text=made.secret label="API token"/>
                </div>
            </div>
        }
    });
    let ticking = ticking(now);
    let rows: Vec<_> = shown.rows.iter().map(|token| row(org, token, now, ticking, revoke)).collect();
    let list = if rows.is_empty() {
        view! {
            <div class="card empty">
                <h2>"There is no token yet"</h2>
                <p>"A script that asks the API proves itself with one. It does what it was given, and never more than you may."</p>
            </div>
        }
        .into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Token"</th>
                        <th scope="col">"May"</th>
                        <th scope="col" class="hide-s">"Sees"</th>
                        <th scope="col" class="hide-s">"Last used"</th>
                        <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <SettingsHead here="/settings/tokens" sentence="By which scripts ask the API." actions=make.into_any()/>
        <FormError trouble/>
        {done_note(done, "revoked", "The token is refused from now on.")}
        {made}
        {list}
    }
    .into_any()
}

fn row(org: &str, token: &TokenRow, now: Timestamp, ticking: Signal<Timestamp>, revoke: Post) -> AnyView {
    let of = token.owner.clone().unwrap_or_else(|| "the organisation".to_owned());
    let until = if token.is_expired {
        view! { "of "{of}", "<span class="med-text">"has ended"</span> }.into_any()
    } else {
        format!("of {of}, works for {}", now.age(token.expires_at)).into_any()
    };
    let permissions: Vec<_> = token
        .permissions
        .iter()
        .map(|permission| view! { <code class="line name">{permission.as_str()}</code> })
        .collect();
    let sees = if token.is_limited {
        let names: Vec<_> = token.clusters.iter().map(|cluster| cluster.name.clone()).collect();
        view! { <code>{names.join(", ")}</code> }.into_any()
    } else if token.owner.is_some() {
        "what its owner sees".into_any()
    } else {
        "all clusters".into_any()
    };
    let used = match token.last_used_at {
        Some(at) => view! { <Age at now=ticking after=" ago"/> }.into_any(),
        None => view! { <span class="muted">"never"</span> }.into_any(),
    };
    let label = format!("Revoke the token {}", token.name);
    let end = row_button(revoke, &[("org", org.to_owned()), ("token", token.id.to_string())], "Revoke", label);
    view! {
        <tr>
            <td><div class="first">{token.name.clone()}</div><div class="second">{until}</div></td>
            <td>{permissions}</td>
            <td class="hide-s">{sees}</td>
            <td class="hide-s quiet">{used}</td>
            <td class="num">
                {end}
            </td>
        </tr>
    }
    .into_any()
}
