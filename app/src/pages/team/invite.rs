//! `/o/{org}/team/invite`: somebody wants a colleague in. Shortest way: the address, the role, send.

use kubewise_contract::{Field, Role, Team};
use leptos::prelude::*;

use super::roles;
use crate::{
    api::{At, Invite as Inviting, invitations},
    parts::{AccessFields, FormError, Head, Post, PostForm, Skeleton, Submit, TextField, failure},
    place::{org_href, use_org},
};

/// Inviting somebody.
#[component]
pub(crate) fn Invite() -> impl IntoView {
    let org = use_org();
    let action = Post::to::<Inviting>();
    let found = Resource::new(move || org.get(), invitations);
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { body, .. }) => page(org.get_untracked(), body, action),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: String, team: Team, action: Post) -> AnyView {
    let trouble = action.trouble();
    let crumbs = vec![(org_href(&org, "/team"), "Team".to_owned())];
    view! {
        <Head title="Invite somebody" crumbs
            sentence="They get a mail with a link that works once, for a week, for their address alone.".into_any()/>
        <div class="card pad">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="org" value=org/>
                    <TextField name="email" label="E-mail address".into_any() field=Field::Email trouble
                        kind="email" autocomplete="off" max=254 focus=true/>
                    <AccessFields roles=roles(team.is_owner) role=Role::Viewer clusters=team.clusters chosen=None trouble/>
                    <div class="act"><Submit pending=action.pending()>"Send the invitation"</Submit></div>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
