//! `/account`: somebody wants to change what is known of them, to be sure that nobody else is signed in as them, or to
//! be forgotten. Shortest way: a page each, each with what it does beside it.

mod authenticator;
mod codes;
mod confirm;
mod organisations;
mod passkeys;
mod privacy;
mod profile;
mod security;
mod sessions;
mod two_step;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{components::Outlet, hooks::use_location};

use super::outside::Outside;
use crate::{api::home, place::org_href};

pub(crate) use authenticator::Authenticator;
pub(crate) use codes::Codes;
pub(crate) use confirm::Confirm;
pub(crate) use organisations::Organisations;
pub(crate) use privacy::Privacy;
pub(crate) use profile::Profile;
pub(crate) use security::Security;
pub(crate) use sessions::Sessions;

const TABS: [(&str, &str); 5] = [
    ("/account", "Profile"),
    ("/account/organisations", "Organisations"),
    ("/account/security", "Security"),
    ("/account/sessions", "Sessions"),
    ("/account/privacy", "Privacy"),
];

/// What surrounds the pages of a person's own account.
#[component]
pub(crate) fn AccountFrame() -> impl IntoView {
    let path = use_location().pathname;
    let viewer = Resource::new(|| (), |()| home());
    let links = view! {
        <Transition>
            {move || Suspend::new(async move {
                let viewer = viewer.await.ok().flatten()?;
                let administers = viewer.is_administrator.then(|| view! { <a class="btn" href="/admin">"This installation"</a> });
                let first = viewer.organisations.into_iter().next();
                let back = first.map(|o| view! { <a class="btn" href=org_href(o.slug.as_str(), "/")>"Back to "{o.name}</a> });
                Some(view! { {administers}{back} })
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
