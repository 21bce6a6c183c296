//! What all lists of a cluster have in common: they are loaded by the address, show their filters, and say what it means
//! when nothing is there.

use std::future::Future;

use kubewise_contract::{ListQuery, UiError};
use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::Listing,
    live::{Interest, Live},
    parts::{FilterBar, Offers, Pager, Skeleton, failure},
    place::{ClusterPlace, use_cluster_place, use_list_query},
};

/// Where a list is shown.
pub(super) struct Here {
    pub(super) place: ClusterPlace,
    pub(super) query: ListQuery,
}

/// Loads the list that the address asks for, again whenever the address or the cluster changes, and shows it.
pub(super) fn list_page<T, F>(
    load: fn(String, String, ListQuery) -> F,
    show: fn(Here, Listing<T>) -> AnyView,
) -> AnyView
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<Listing<T>, UiError>> + Send + 'static,
{
    let (place, query) = (use_cluster_place(), use_list_query());
    let version = expect_context::<Live>().version(Interest::Inventory, move || Some(place.get().cluster));
    let found = Resource::new(
        move || (place.get(), query.get(), version.get()),
        move |(place, query, _)| load(place.org, place.cluster, query),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(listing) => show(Here { place: place.get_untracked(), query: query.get_untracked() }, listing),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
    .into_any()
}

/// A list's words.
pub(super) struct Words {
    /// Path below the cluster's: `/workloads`.
    pub(super) path: &'static str,
    /// `workloads`
    pub(super) plural: &'static str,
    /// What it means when a cluster has none.
    pub(super) none: &'static str,
}

/// Filters, then the table with its foot, or why there is nothing to show.
pub(super) fn list_view(
    here: Here,
    words: &Words,
    offers: Offers,
    head: AnyView,
    rows: Vec<AnyView>,
    next: Option<kubewise_contract::Cursor>,
) -> AnyView {
    let base = here.place.href(words.path);
    let query = here.query;
    let body = if rows.is_empty() {
        nothing(&base, &query, words)
    } else {
        let n = rows.len();
        view! {
            <div class="card list-card">
                <table>
                    <thead>{head}</thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base=base.clone() query=query.clone() rows=n next/>
            </div>
        }
        .into_any()
    };
    view! { <FilterBar base query offers/> {body} }.into_any()
}

fn nothing(base: &str, query: &ListQuery, words: &Words) -> AnyView {
    if query.is_unfiltered() && query.after.is_none() {
        return view! { <div class="card empty"><h2>{format!("No {}", words.plural)}</h2><p>{words.none}</p></div> }
            .into_any();
    }
    view! {
        <div class="card empty">
            <h2>{format!("No {} match", words.plural)}</h2>
            <p>"There are none with all of these filters at this moment."</p>
            <div class="act"><a class="btn" href=base.to_owned()>"Remove all filters"</a></div>
        </div>
    }
    .into_any()
}
