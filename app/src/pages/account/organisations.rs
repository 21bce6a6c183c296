//! `/account/organisations`: somebody is in several organisations, or in none, and wants to get to one. Shortest way: a
//! button each; those that they may join by their address stand below.

use kubewise_contract::{Field, Joinable, OrganisationName, Viewer};
use leptos::prelude::*;

use crate::{
    api::{CreateOrganisation, JoinOrganisation, home, joinable, ways},
    parts::{FormError, Icon, Post, PostForm, Skeleton, Submit, TextField, done_note, failure, use_done},
    place::org_href,
};

#[derive(Clone, Copy)]
struct Forms {
    join: Post,
    create: Post,
    done: Memo<String>,
}

/// The organisations of who looks.
#[component]
pub(crate) fn Organisations() -> impl IntoView {
    let forms =
        Forms { join: Post::to::<JoinOrganisation>(), create: Post::to::<CreateOrganisation>(), done: use_done() };
    let viewer = Resource::new(|| (), |()| home());
    let others = Resource::new(|| (), |()| joinable());
    let ways = Resource::new(|| (), |()| ways());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                let may_create = ways.await.is_ok_and(|ways| ways.sign_up);
                match (viewer.await, others.await) {
                    (Ok(Some(viewer)), Ok(others)) => page(&viewer, others, may_create, forms),
                    (Err(error), _) | (_, Err(error)) => failure(&error),
                    (Ok(None), _) => ().into_any(),
                }
            })}
        </Transition>
    }
}

fn page(viewer: &Viewer, others: Vec<Joinable>, may_create: bool, forms: Forms) -> AnyView {
    let none = viewer.organisations.is_empty();
    let members: Vec<_> = viewer
        .organisations
        .iter()
        .map(|organisation| {
            let limits = if organisation.is_limited { ", chosen clusters" } else { "" };
            view! {
                <li>
                    <div><b>{organisation.name.clone()}</b><div class="muted">{format!("{}{limits}", organisation.role)}</div></div>
                    <a class="btn" href=org_href(organisation.slug.as_str(), "/")>"Open"{Icon::ArrowRight.show()}</a>
                </li>
            }
        })
        .collect();
    let joinable: Vec<_> = others
        .into_iter()
        .map(|other| {
            view! {
                <li>
                    <div><b>{other.name}</b><div class="muted">{format!("open to addresses like yours, as {}", other.role)}</div></div>
                    <PostForm post=forms.join>
                        <input type="hidden" name="org" value=other.slug.to_string()/>
                        <Submit pending=forms.join.pending() class="btn">"Join"</Submit>
                    </PostForm>
                </li>
            }
        })
        .collect();
    let (joining, creating) = (forms.join.trouble(), forms.create.trouble());
    let create = may_create.then(|| {
        view! {
            <div class="card next">
                <section class="setting">
                    <div><h2>"A new one"</h2><p>"With you as its Owner. Its clusters and members are apart from those of the others."</p></div>
                    <PostForm post=forms.create>
                        <div class="form">
                            <FormError trouble=creating/>
                            <TextField name="organisation" label="Name of the organisation".into_any() field=Field::Organisation
                                trouble=creating autocomplete="organization" max=OrganisationName::MAX/>
                            <div class="act"><Submit pending=forms.create.pending() class="btn">"Make it"</Submit></div>
                        </div>
                    </PostForm>
                </section>
            </div>
        }
    });
    view! {
        {done_note(forms.done, "left", "You are no member there any more.")}
        <FormError trouble=joining/>
        <div class="card">
            {none.then(|| view! {
                <div class="empty"><h2>"You are in no organisation"</h2><p>"Ask a colleague to invite you; the mail leads here."</p></div>
            })}
            <ul class="sessions" aria-label="Your organisations">{members}{joinable}</ul>
        </div>
        {create}
    }
    .into_any()
}
