//! What stands where a list will be, in its shape.

use leptos::prelude::*;

/// A list that is on its way.
#[component]
pub(crate) fn Skeleton() -> impl IntoView {
    let lines: Vec<_> = (0..10).map(|_| view! { <span></span> }).collect();
    view! { <div class="card skeleton" role="status" aria-label="Loading">{lines}</div> }.into_any()
}
