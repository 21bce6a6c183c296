use kubewise_contract::Permission;
use leptos::prelude::*;

use crate::{pages::frame::FrameResource, place::org_href};

/// The pages about audits, and what one must hold for each.
const TABS: [(&str, &str, Permission); 3] = [
    ("/audits", "Clusters", Permission::ViewInventory),
    ("/audits/schedules", "Schedules", Permission::ViewInventory),
    ("/audits/compare", "Compare", Permission::ViewInventory),
];

/// The tabs of the pages about audits; `here` is the one that is shown.
pub(super) fn tabs(here: &'static str) -> AnyView {
    let found = expect_context::<FrameResource>();
    view! {
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
                Some(view! { <nav class="tabs" aria-label="Of audits">{tabs}</nav> })
            })}
        </Transition>
    }
    .into_any()
}
