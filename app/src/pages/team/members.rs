//! `/o/{org}/team`: somebody wants to know who can see what, or to change it for one person. Shortest way: the person's
//! row leads to the form.

use kubewise_contract::{ListQuery, MemberRow, Team, Timestamp};
use leptos::prelude::*;

use super::{head, sees};
use crate::{
    api::{At, LeaveOrganisation, team},
    live::Live,
    parts::{
        Age, FilterBar, FormError, Offers, Pager, Post, PostForm, Skeleton, Submit, done_note, failure, initials,
        ticking, use_done,
    },
    place::{org_href, use_list_query, use_org},
};

/// The members.
#[component]
pub(crate) fn Members() -> impl IntoView {
    let (org, query, done) = (use_org(), use_list_query(), use_done());
    let leave = Post::to::<LeaveOrganisation>();
    // The members may be shown anew while somebody is about to leave.
    let leaving = RwSignal::new(false);
    let live = expect_context::<Live>();
    let found =
        Resource::new(move || (org.get(), query.get(), live.rights(), done.get()), |(org, query, ..)| team(org, query));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), query.get_untracked(), body, now, (leave, leaving), done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(
    org: &str,
    query: ListQuery,
    team: Team,
    now: Timestamp,
    (leave, leaving): (Post, RwSignal<bool>),
    done: Memo<String>,
) -> AnyView {
    let base = org_href(org, "/team");
    let top = head(org, &team, "/team");
    let now = ticking(now);
    let shown = team.members.rows.len();
    let manages = team.can_manage;
    let rows: Vec<_> = team.members.rows.iter().map(|member| row(org, member, now, manages)).collect();
    let filters = (team.count > 10 || query.q.is_some()).then(|| {
        view! { <FilterBar base=base.clone() query=query.clone() offers=Offers { text: "members", ..Offers::default() }/> }
    });
    let list = if rows.is_empty() {
        view! { <div class="card empty"><h2>"Nobody has a name or address like that."</h2></div> }.into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Person"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col" class="hide-s">"Sees"</th>
                        {manages.then(|| view! { <th scope="col" class="hide-s">"Second factor"</th> })}
                        <th scope="col" class="num hide-s">"Joined"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base query rows=shown next=team.members.next/>
            </div>
        }
        .into_any()
    };
    let trouble = leave.trouble();
    let org = org.to_owned();
    view! {
        {top}
        {done_note(done, "changed", "It is changed. It takes effect with the next thing that person does.")}
        {done_note(done, "removed", "That person is no member any more.")}
        {done_note(done, "transferred", "Ownership is handed over. You are an Admin now.")}
        {filters}
        {list}
        // Open where what was refused is said.
        <details class="either leave" open=move || leaving.get() || trouble.with(Option::is_some)
            on:toggle=move |event| leaving.set(event_target::<web_sys::Element>(&event).has_attribute("open"))>
            <summary>"Leave this organisation"</summary>
            <PostForm post=leave>
                <div class="form">
                    <FormError trouble/>
                    <p>"You see nothing of it from then on, and your API tokens in it end. To come back, somebody has to invite you."</p>
                    <input type="hidden" name="org" value=org/>
                    <div class="act"><Submit pending=leave.pending() class="btn danger">"Leave"</Submit></div>
                </div>
            </PostForm>
        </details>
    }
    .into_any()
}

fn row(org: &str, member: &MemberRow, now: Signal<Timestamp>, manages: bool) -> AnyView {
    let you = member.is_viewer.then(|| view! { <span class="tag">"you"</span> });
    let name = member.name.clone();
    let name = if member.can_change {
        let href = org_href(org, &format!("/team/members/{}", member.id));
        view! { <a class="row-link first" href=href>{name}</a> }.into_any()
    } else {
        view! { <span class="first">{name}</span> }.into_any()
    };
    let factor = manages.then(|| {
        let tag = match member.has_second_factor {
            Some(true) => view! { <span class="tag ok">"set up"</span> }.into_any(),
            _ => view! { <span class="tag med">"none"</span> }.into_any(),
        };
        view! { <td class="hide-s">{tag}</td> }
    });
    let joined = member.joined_at;
    view! {
        <tr class:row=member.can_change>
            <td>
                <div class="named">
                    <span class="avatar" aria-hidden="true">{initials(&member.name)}</span>
                    <div>{name}" "{you}<div class="second">{member.email.clone()}</div></div>
                </div>
            </td>
            <td>{member.role.to_string()}</td>
            <td class="hide-s">{sees(member.role, member.is_limited, &member.clusters)}</td>
            {factor}
            <td class="num quiet hide-s"><Age at=joined now after=" ago"/></td>
        </tr>
    }
    .into_any()
}
