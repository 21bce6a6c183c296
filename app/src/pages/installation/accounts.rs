//! `/admin/accounts`: somebody must be shut out now. Shortest way: find them, one button.

use kubewise_contract::{InstallationAccount, ListQuery, Page, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, DisableAccount, installation_accounts},
    parts::{
        Age, FilterBar, FormError, Offers, Pager, Post, Skeleton, done_note, failure, number, row_button, ticking,
        use_done,
    },
    place::use_list_query,
};

/// The accounts.
#[component]
pub(crate) fn AllAccounts() -> impl IntoView {
    let (query, done) = (use_list_query(), use_done());
    let action = Post::to::<DisableAccount>();
    let found = Resource::new(move || (query.get(), action.version()), |(query, _)| installation_accounts(query));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(query.get_untracked(), body, now, action, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(
    query: ListQuery,
    page: Page<InstallationAccount>,
    now: Timestamp,
    action: Post,
    done: Memo<String>,
) -> AnyView {
    let now = ticking(now);
    let trouble = action.trouble();
    let shown = page.rows.len();
    let rows: Vec<_> = page.rows.into_iter().map(|account| row(account, now, action)).collect();
    let list = if rows.is_empty() {
        view! { <div class="card empty"><h2>"Nobody has a name or address like that"</h2></div> }.into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Account"</th><th scope="col" class="num hide-s">"Organisations"</th>
                        <th scope="col" class="num hide-s">"Made"</th>
                        <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base="/admin/accounts".to_owned() query=query.clone() rows=shown next=page.next/>
            </div>
        }
        .into_any()
    };
    view! {
        <FormError trouble/>
        {done_note(done, "changed", "It is changed. Who is disabled is signed out everywhere.")}
        <FilterBar base="/admin/accounts".to_owned() query offers=Offers { text: "accounts", ..Offers::default() }/>
        {list}
    }
    .into_any()
}

fn row(account: InstallationAccount, now: Signal<Timestamp>, action: Post) -> AnyView {
    let disabled = account.disabled_at.is_some();
    let state = disabled.then(|| view! { <span class="tag crit">"disabled"</span> });
    let administrator = account.is_administrator.then(|| view! { <span class="tag">"administrator"</span> });
    let (word, label) = if disabled {
        ("Let in again", format!("Let {} in again", account.email))
    } else {
        ("Disable", format!("Disable {}", account.email))
    };
    let button = (!account.is_viewer).then(|| {
        let mut fields = vec![("account", account.id.to_string())];
        if !disabled {
            fields.push(("disabled", "1".to_owned()));
        }
        row_button(action, &fields, word, label)
    });
    let made = account.created_at;
    view! {
        <tr>
            <td>
                <span class="first">{account.name}</span>" "{state}{administrator}
                <div class="second">{account.email}</div>
            </td>
            <td class="num hide-s">{number(account.organisations)}</td>
            <td class="num quiet hide-s"><Age at=made now after=" ago"/></td>
            <td class="num">{button}</td>
        </tr>
    }
    .into_any()
}
