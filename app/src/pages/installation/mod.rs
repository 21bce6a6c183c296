//! `/admin`: whoever administers the installation wants to know who uses it and whether its jobs are done. Nothing of any
//! cluster is here.

mod accounts;
mod billing;
mod jobs;
mod organisations;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{components::Outlet, hooks::use_location};

use super::outside::Outside;

pub(crate) use accounts::AllAccounts;
pub(crate) use billing::InstallationStripe;
pub(crate) use jobs::Jobs;
pub(crate) use organisations::AllOrganisations;

const TABS: [(&str, &str); 4] = [
    ("/admin", "Organisations"),
    ("/admin/accounts", "Accounts"),
    ("/admin/jobs", "Jobs"),
    ("/admin/billing", "Billing"),
];

/// What surrounds the pages of the installation.
#[component]
pub(crate) fn AdminFrame() -> impl IntoView {
    let path = use_location().pathname;
    let links = view! { <a class="btn" href="/account">"Your account"</a> }.into_any();
    let tabs: Vec<_> = TABS
        .into_iter()
        .map(|(href, name)| {
            let current = move || (path.get().trim_end_matches('/') == href).then_some("page");
            view! { <a href=href aria-current=current>{name}</a> }
        })
        .collect();
    view! {
        <Title text="This installation"/>
        <Outside links>
            <div class="own">
                <h1>"This installation"</h1>
                <nav class="tabs" aria-label="Of the installation">{tabs}</nav>
                <Outlet/>
            </div>
        </Outside>
    }
}
