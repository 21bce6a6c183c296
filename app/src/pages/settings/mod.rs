//! `/o/{org}/settings`: what the organisation is called and asks of its members, what it is told of, API tokens, what was
//! done, and what becomes of its data.

mod activity;
mod data;
mod new_token;
mod notifications;
mod organisation;
mod tokens;

use kubewise_contract::{OrganisationRef, Permission};
use leptos::prelude::*;

use super::frame::{Tab, tabs};
use crate::parts::Head;

pub(crate) use activity::Activity;
pub(crate) use data::OrganisationData;
pub(crate) use new_token::NewToken;
pub(crate) use notifications::{AllNotifications, NewNotification, OneNotification};
pub(crate) use organisation::OrganisationSettings;
pub(crate) use tokens::Tokens;

/// The pages of the settings, and what one must hold for each.
const TABS: [Tab; 5] = [
    ("/settings", "Organisation", Permission::ManageOrganisation),
    ("/settings/notifications", "Notifications", Permission::ViewInventory),
    ("/settings/tokens", "API tokens", Permission::MakeTokens),
    ("/settings/activity", "Activity log", Permission::ViewActivity),
    ("/settings/data", "Data", Permission::ManageOrganisation),
];

/// The first page of the settings that is of use to somebody, if there is one.
pub(super) fn first(here: &OrganisationRef) -> Option<&'static str> {
    TABS.into_iter().find(|(.., permission)| here.may(*permission)).map(|(href, ..)| href)
}

/// Title, sentence and tabs.
#[component]
fn SettingsHead(
    here: &'static str,
    sentence: &'static str,
    #[prop(optional, into)] actions: Option<AnyView>,
) -> impl IntoView {
    view! {
        <Head title="Settings" sentence=sentence.into_any() actions=actions.unwrap_or_else(|| ().into_any())/>
        {tabs("Of the settings", &TABS, here)}
    }
    .into_any()
}
