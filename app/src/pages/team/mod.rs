//! `/o/{org}/team`: who can see and do what here, and how to change it.

mod invitations;
mod invite;
mod member;
mod members;

use kubewise_contract::{ClusterChoice, Role, Team};
use leptos::prelude::*;

use crate::{
    parts::{Head, Icon, count},
    place::org_href,
};

pub(crate) use invitations::Invitations;
pub(crate) use invite::Invite;
pub(crate) use member::Member;
pub(crate) use members::Members;

/// Title, sentence and tabs of the pages with lists.
fn head(org: &str, team: &Team, here: &'static str) -> AnyView {
    let waiting = team.invitations.len();
    let members = count(team.count, "member");
    let sentence = match waiting {
        0 => format!("{members}."),
        n => format!("{members}, {} waiting.", count(i64::try_from(n).unwrap_or_default(), "invitation")),
    };
    let actions = view! {
        <a class="btn" href="/docs/roles" rel="external">"Roles explained"</a>
        {team.can_manage.then(|| view! {
            <a class="btn primary" href=org_href(org, "/team/invite")>{Icon::UserPlus.show()}"Invite"</a>
        })}
    }
    .into_any();
    let tab = |rest: &'static str, name: String| {
        let current = (rest == here).then_some("page");
        view! { <a href=org_href(org, rest) aria-current=current>{name}</a> }
    };
    let tabs = team.can_manage.then(|| {
        view! {
            <nav class="tabs" aria-label="Of the team">
                {tab("/team", "Members".to_owned())}
                {tab("/team/invitations", format!("Invitations ({waiting})"))}
            </nav>
        }
    });
    view! {
        <Head title="Team" sentence=sentence.into_any() actions/>
        {tabs}
    }
    .into_any()
}

/// Which clusters somebody sees, in words.
fn sees(role: Role, is_limited: bool, clusters: &[ClusterChoice]) -> AnyView {
    match (role, is_limited) {
        (Role::Billing, _) => view! { <span class="muted">"no cluster"</span> }.into_any(),
        (_, false) => "all clusters".into_any(),
        (_, true) if clusters.is_empty() => view! { <span class="muted">"none that you see"</span> }.into_any(),
        (_, true) => {
            let names: Vec<_> = clusters.iter().map(|cluster| cluster.name.clone()).collect();
            view! { <code>{names.join(", ")}</code> }.into_any()
        }
    }
}

/// The roles that somebody may give: ownership is given by Owners alone.
fn roles(is_owner: bool) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| is_owner || *role != Role::Owner).collect()
}
