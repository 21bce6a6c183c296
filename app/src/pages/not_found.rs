//! An address that leads nowhere.

use kubewise_contract::UiError;
use leptos::prelude::*;

use super::outside::Outside;
use crate::{lazy::is_taking_over, parts::Failure};

/// Somebody followed an old or mistyped link and wants to know that, and where to go on.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    // Where a form or a sign-in led may be a page that is the server's alone. The address is that one's already; what the router
    // says here is still the one from before.
    if !is_taking_over() {
        Effect::new(|_| {
            if let Err(error) = window().location().reload() {
                leptos::logging::error!("{error:?}");
            }
        });
    }
    view! {
        <Outside>
            <div class="door"><Failure error=UiError::NotFound/></div>
        </Outside>
    }
    .into_any()
}
