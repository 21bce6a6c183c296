//! `/admin`: which organisations there are.

use kubewise_contract::{InstallationOrganisation, ListQuery, Page, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, installation_organisations},
    parts::{Age, FilterBar, Offers, Pager, Skeleton, failure, number, ticking},
    place::use_list_query,
};

/// The organisations.
#[component]
pub(crate) fn AllOrganisations() -> impl IntoView {
    let query = use_list_query();
    let found = Resource::new(move || query.get(), installation_organisations);
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(query.get_untracked(), body, now),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(query: ListQuery, page: Page<InstallationOrganisation>, now: Timestamp) -> AnyView {
    let now = ticking(now);
    let shown = page.rows.len();
    let rows: Vec<_> = page
        .rows
        .into_iter()
        .map(|row| {
            let made = row.created_at;
            view! {
                <tr>
                    <td><div class="first">{row.name}</div><div class="second">{row.slug.to_string()}</div></td>
                    <td class="num">{number(row.members)}</td>
                    <td class="num quiet hide-s"><Age at=made now after=" ago"/></td>
                </tr>
            }
        })
        .collect();
    let list = if rows.is_empty() {
        view! { <div class="card empty"><h2>"No organisation has a name like that"</h2></div> }.into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Organisation"</th><th scope="col" class="num">"Members"</th>
                        <th scope="col" class="num hide-s">"Made"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base="/admin".to_owned() query=query.clone() rows=shown next=page.next/>
            </div>
        }
        .into_any()
    };
    view! {
        <FilterBar base="/admin".to_owned() query offers=Offers { text: "organisations", ..Offers::default() }/>
        {list}
    }
    .into_any()
}
