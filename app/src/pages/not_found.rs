//! An address that leads nowhere.

use kubewise_contract::UiError;
use leptos::prelude::*;

use super::outside::Outside;
use crate::parts::Failure;

/// Somebody followed an old or mistyped link and wants to know that, and where to go on.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    view! {
        <Outside>
            <div class="door"><Failure error=UiError::NotFound/></div>
        </Outside>
    }
    .into_any()
}
