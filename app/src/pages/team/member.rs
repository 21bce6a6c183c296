//! `/o/{org}/team/members/{member}`: somebody wants one person to be able to do more, or less, or nothing. Shortest way:
//! choose, save.

use kubewise_contract::{ClusterId, Member as Shown, Role};
use leptos::prelude::*;

use super::roles;
use crate::{
    api::{ChangeMember, RemoveMember, TransferOwnership, member},
    live::Live,
    parts::{AccessFields, FormError, Head, Icon, Post, PostForm, Skeleton, Submit, failure},
    place::{org_href, use_org, use_param},
};

#[derive(Clone, Copy)]
struct Forms {
    change: Post,
    remove: Post,
    transfer: Post,
}

/// What one member may do.
#[component]
pub(crate) fn Member() -> impl IntoView {
    let (org, id) = (use_org(), use_param("member"));
    let forms = Forms {
        change: Post::to::<ChangeMember>(),
        remove: Post::to::<RemoveMember>(),
        transfer: Post::to::<TransferOwnership>(),
    };
    let live = expect_context::<Live>();
    let found = Resource::new(move || (org.get(), id.get(), live.rights()), |(org, id, _)| member(org, id));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(found) => page(&org.get_untracked(), found, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, shown: Shown, forms: Forms) -> AnyView {
    let Shown { row, clusters, is_owner } = shown;
    let crumbs = vec![(org_href(org, "/team"), "Team".to_owned())];
    let sentence = row.email.clone().into_any();
    let (org, id) = (org.to_owned(), row.id.to_string());
    let about = {
        let (org, id) = (org.clone(), id);
        move || {
            let (org, id) = (org.clone(), id.clone());
            view! { <input type="hidden" name="org" value=org/><input type="hidden" name="member" value=id/> }
        }
    };
    if !row.can_change {
        return view! {
            <Head title=row.name crumbs sentence/>
            <div class="card empty"><h2>"Only an Owner changes what an Owner may do."</h2></div>
        }
        .into_any();
    }
    let chosen = row.is_limited.then(|| row.clusters.iter().map(|cluster| cluster.id).collect::<Vec<ClusterId>>());
    let changing = forms.change.trouble();
    let (removing, handing) = (forms.remove.trouble(), forms.transfer.trouble());
    let transfer = (is_owner && !row.is_viewer && row.role != Role::Owner).then(|| {
        let about = about();
        view! {
            <section class="setting danger">
                <div>
                    <h2>"Hand over"</h2>
                    <p>"This person becomes Owner, and you become an Admin. You are asked to confirm that it is you."</p>
                </div>
                <PostForm post=forms.transfer>
                    <div class="form">
                        <FormError trouble=handing/>
                        {about}
                        <div class="act"><Submit pending=forms.transfer.pending() class="btn danger">"Hand the organisation over"</Submit></div>
                    </div>
                </PostForm>
            </section>
        }
    });
    let remove = (!row.is_viewer).then(|| {
        let about = about();
        view! {
            <section class="setting danger">
                <div>
                    <h2>"Remove"</h2>
                    <p>"Ends at once what this person sees and may do here, and their API tokens. Their account stays."</p>
                </div>
                <PostForm post=forms.remove>
                    <div class="form">
                        <FormError trouble=removing/>
                        {about}
                        <div class="act"><Submit pending=forms.remove.pending() class="btn danger">{Icon::Trash.show()}"Remove from the team"</Submit></div>
                    </div>
                </PostForm>
            </section>
        }
    });
    view! {
        <Head title=row.name crumbs sentence/>
        <div class="card">
            <section class="setting">
                <div>
                    <h2>"Access"</h2>
                    <p>"Takes effect with the next thing that this person does."</p>
                </div>
                <PostForm post=forms.change>
                    <div class="form">
                        <FormError trouble=changing/>
                        {about()}
                        <AccessFields roles=roles(is_owner) role=row.role clusters chosen trouble=changing/>
                        <div class="act"><Submit pending=forms.change.pending()>"Save"</Submit></div>
                    </div>
                </PostForm>
            </section>
            {transfer}
            {remove}
        </div>
    }
    .into_any()
}
