//! `/account`: somebody wants to change what is known of them, or to be sure that nobody else is signed in as them.
//! Shortest way: three pages, each with what it does beside it.

mod authenticator;
mod codes;
mod confirm;
mod passkeys;
mod profile;
mod security;
mod sessions;
mod two_step;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{
    components::Outlet,
    hooks::{use_location, use_query_map},
};

use super::outside::Outside;
use crate::{api::home, parts::Icon, place::org_href};

pub(crate) use authenticator::Authenticator;
pub(crate) use codes::Codes;
pub(crate) use confirm::Confirm;
pub(crate) use profile::Profile;
pub(crate) use security::Security;
pub(crate) use sessions::Sessions;

const TABS: [(&str, &str); 3] =
    [("/account", "Profile"), ("/account/security", "Security"), ("/account/sessions", "Sessions")];

/// What surrounds the pages of a person's own account.
#[component]
pub(crate) fn AccountFrame() -> impl IntoView {
    let path = use_location().pathname;
    let viewer = Resource::new(|| (), |()| home());
    let links = view! {
        <Transition>
            {move || Suspend::new(async move {
                let organisations = viewer.await.ok().flatten().map(|viewer| viewer.organisations).unwrap_or_default();
                let first = organisations.into_iter().next();
                first.map(|o| view! { <a class="btn" href=org_href(o.slug.as_str(), "/")>"Back to "{o.name}</a> })
            })}
        </Transition>
    }
    .into_any();
    let tabs: Vec<_> = TABS
        .into_iter()
        .map(|(href, name)| {
            let current = move || is_at(&path.get(), href).then_some("page");
            view! { <a href=href aria-current=current>{name}</a> }
        })
        .collect();
    view! {
        <Title text="Your account"/>
        <Outside links>
            <div class="own">
                <h1>"Your account"</h1>
                <nav class="tabs" aria-label="Of your account">{tabs}</nav>
                <Outlet/>
            </div>
        </Outside>
    }
}

/// Whether a page belongs to a tab: also those that have none of their own.
fn is_at(path: &str, href: &str) -> bool {
    let path = path.trim_end_matches('/');
    path == href || (href == "/account/security" && path.starts_with(href))
}

/// What was done a moment ago: in the address, so that it is said without JavaScript too.
fn use_done() -> Memo<String> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|q| q.get("done").unwrap_or_default()))
}

/// Says what was done, where it was done.
fn done_note(done: Memo<String>, which: &'static str, sentence: &'static str) -> AnyView {
    view! {
        <div role="status">
            {move || (done.get() == which).then(|| view! {
                <div class="note ok">{Icon::Check.show()}<span>{sentence}</span></div>
            })}
        </div>
    }
    .into_any()
}
