//! From page to page of a list. Pages are found by key, so there is a next one and a first one, but no tenth.

use kubewise_contract::{Cursor, ListQuery};
use leptos::prelude::*;

use super::{Icon, number};
use crate::place::list_href;

/// The list's foot; nothing where the list fits on one page.
#[component]
pub(crate) fn Pager(base: String, query: ListQuery, rows: usize, next: Option<Cursor>) -> impl IntoView {
    if next.is_none() && query.after.is_none() {
        return ().into_any();
    }
    let first = query.after.is_some().then(|| list_href(&base, &ListQuery { after: None, ..query.clone() }));
    let next = next.map(|after| list_href(&base, &ListQuery { after: Some(after), ..query }));
    let rows = number(i64::try_from(rows).unwrap_or(i64::MAX));
    view! {
        <nav class="pager" aria-label="Pages">
            <span>{rows}" on this page"</span>
            {first.map(|href| view! { <a class="btn" href=href>"First page"</a> })}
            {next.map(|href| view! { <a class="btn" href=href>"Next page"{Icon::ArrowRight.show()}</a> })}
        </nav>
    }
    .into_any()
}
