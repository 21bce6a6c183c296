//! `/o/{org}/settings`: what the organisation is called and asks of its members, API tokens, and what was done.

mod activity;
mod new_token;
mod organisation;
mod tokens;

use kubewise_contract::{OrganisationRef, Permission};
use leptos::prelude::*;

use super::frame::FrameResource;
use crate::{parts::Head, place::org_href};

pub(crate) use activity::Activity;
pub(crate) use new_token::NewToken;
pub(crate) use organisation::OrganisationSettings;
pub(crate) use tokens::Tokens;

/// The pages of the settings, and what one must hold for each.
const TABS: [(&str, &str, Permission); 3] = [
    ("/settings", "Organisation", Permission::ManageOrganisation),
    ("/settings/tokens", "API tokens", Permission::MakeTokens),
    ("/settings/activity", "Activity log", Permission::ViewActivity),
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
    let found = expect_context::<FrameResource>();
    let tabs = view! {
        <Transition>
            {move || Suspend::new(async move {
                let frame = found.await.ok()?;
                let tabs: Vec<_> = TABS
                    .into_iter()
                    .filter(|(.., permission)| frame.here.may(*permission))
                    .map(|(href, name, _)| {
                        let current = (href == here).then_some("page");
                        view! { <a href=org_href(frame.here.slug.as_str(), href) aria-current=current>{name}</a> }
                    })
                    .collect();
                Some(view! { <nav class="tabs" aria-label="Of the settings">{tabs}</nav> })
            })}
        </Transition>
    };
    view! {
        <Head title="Settings" sentence=sentence.into_any() actions=actions.unwrap_or_else(|| ().into_any())/>
        {tabs}
    }
    .into_any()
}
