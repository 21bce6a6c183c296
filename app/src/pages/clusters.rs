//! `/o/{org}/clusters`: somebody looks for one cluster among many. Shortest way: type a part of its name.

use kubewise_contract::{ClusterSummary, ListQuery, Permission};
use leptos::prelude::*;

use super::{cluster_table::cluster_table, frame::FrameResource};
use crate::{
    api::{Listing, clusters},
    live::{Interest, Live},
    parts::{FilterBar, Head, Icon, Offers, Pager, Skeleton, failure, ticking},
    place::{org_href, use_list_query, use_org},
};

/// The list of clusters.
#[component]
pub(crate) fn Clusters() -> impl IntoView {
    let (org, query) = (use_org(), use_list_query());
    let version = expect_context::<Live>().version(Interest::Status, || None);
    let found = Resource::new(move || (org.get(), query.get(), version.get()), |(org, query, _)| clusters(org, query));
    let frame = expect_context::<FrameResource>();
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(listing) => {
                        let may_add = frame.await.is_ok_and(|frame| frame.here.may(Permission::AddClusters));
                        page(&org.get_untracked(), query.get_untracked(), listing, may_add)
                    }
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: ListQuery, listing: Listing<ClusterSummary>, may_add: bool) -> AnyView {
    let base = org_href(org, "/clusters");
    let rows = listing.page.rows;
    let now = ticking(listing.now);
    let add = may_add.then(|| {
        view! { <a class="btn primary" href=org_href(org, "/clusters/new")>{Icon::Plus.show()}"Add cluster"</a> }
    });
    let body = if rows.is_empty() {
        let sentence =
            if query.is_unfiltered() { "There is no cluster yet." } else { "No cluster has a name like that." };
        view! { <div class="card empty"><h2>{sentence}</h2></div> }.into_any()
    } else {
        view! {
            <div class="card list-card">
                {cluster_table(org, &rows, now)}
                <Pager base=base.clone() query=query.clone() rows=rows.len() next=listing.page.next/>
            </div>
        }
        .into_any()
    };
    view! {
        <Head title="Clusters" sentence="Every cluster whose agent reports to this organisation.".into_any() actions=add.into_any()/>
        <FilterBar base query offers=Offers { text: "clusters", ..Offers::default() }/>
        {body}
    }
    .into_any()
}
