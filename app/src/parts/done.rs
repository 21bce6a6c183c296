//! What was done a moment ago, said where it was done.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::Icon;

/// What was done a moment ago: in the address, so that it is said without JavaScript too.
pub(crate) fn use_done() -> Memo<String> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|q| q.get("done").unwrap_or_default()))
}

/// Says what was done, where it was done.
pub(crate) fn done_note(done: Memo<String>, which: &'static str, sentence: &'static str) -> AnyView {
    view! {
        <div role="status">
            {move || (done.get() == which).then(|| view! {
                <div class="note ok">{Icon::Check.show()}<span>{sentence}</span></div>
            })}
        </div>
    }
    .into_any()
}
