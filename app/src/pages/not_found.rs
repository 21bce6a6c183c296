//! An address that leads nowhere.

use kubewise_contract::UiError;
use leptos::prelude::*;

use super::outside::Outside;
use crate::{
    lazy::{ask_server, is_taking_over},
    parts::Failure,
};

/// Somebody followed an old or mistyped link and wants to know that, and where to go on.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    // Where a form or a sign-in led may be a page that is the server's alone.
    if !is_taking_over() {
        Effect::new(|_| ask_server());
    }
    view! {
        <Outside>
            <div class="door"><Failure error=UiError::NotFound/></div>
        </Outside>
    }
    .into_any()
}
