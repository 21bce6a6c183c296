//! `…/settings`: somebody who manages clusters wants to rename one, change its token, or be rid of it. Shortest way: the
//! section says what it does before it does it.

use kubewise_contract::{ClusterDetail, Field};
use leptos::prelude::*;

use super::frame::Detail;
use crate::{
    api::{At, DeleteCluster, RenameCluster, RevokeToken, RotateToken, may_manage_cluster},
    live::Live,
    parts::{FormError, Icon, Post, PostForm, Skeleton, Submit, TextField, failure},
    place::{ClusterPlace, use_cluster_place},
};

/// The forms of this page; they live as long as it does.
#[derive(Clone, Copy)]
struct Forms {
    rename: Post,
    rotate: Post,
    revoke: Post,
    delete: Post,
}

/// What can be done with a cluster.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    let place = use_cluster_place();
    let live = expect_context::<Live>();
    let Detail(detail) = expect_context();
    let forms = Forms {
        rename: Post::to::<RenameCluster>(),
        rotate: Post::to::<RotateToken>(),
        revoke: Post::to::<RevokeToken>(),
        delete: Post::to::<DeleteCluster>(),
    };
    Effect::new(move |_| {
        let done = forms.rename.is_done() | forms.revoke.is_done();
        if done {
            live.touch();
        }
    });
    let allowed = Resource::new(move || place.get(), |place| may_manage_cluster(place.org, place.cluster));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match (allowed.await, detail.await) {
                    (Ok(()), Ok(At { body, .. })) => page(&place.get_untracked(), &body, &forms),
                    (Err(error), _) | (_, Err(error)) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(place: &ClusterPlace, detail: &ClusterDetail, forms: &Forms) -> AnyView {
    view! {
        <div class="card">
            {rename(place, detail, forms.rename)}
            {token(place, detail, forms.rotate, forms.revoke)}
            {delete(place, detail, forms.delete)}
        </div>
    }
    .into_any()
}

/// The hidden fields that say which cluster a form is about.
fn about(place: &ClusterPlace) -> AnyView {
    view! {
        <input type="hidden" name="org" value=place.org.clone()/>
        <input type="hidden" name="cluster" value=place.cluster.clone()/>
    }
    .into_any()
}

fn rename(place: &ClusterPlace, detail: &ClusterDetail, action: Post) -> AnyView {
    let trouble = action.trouble();
    let done = move || action.is_done();
    let (which, name) = (about(place), detail.summary.name.clone());
    view! {
        <section class="setting">
            <div><h2>"Name"</h2><p>"How people call it. Nothing in the cluster changes."</p></div>
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    {which}
                    <TextField name="name" label="Name of the cluster".into_any() field=Field::ClusterName trouble code=true max=63
                        value=name/>
                    <div class="act">
                        <Submit pending=action.pending() class="btn">"Rename"</Submit>
                        <span class="muted" role="status">{move || done().then_some("Renamed")}</span>
                    </div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

fn token(place: &ClusterPlace, detail: &ClusterDetail, rotate: Post, revoke: Post) -> AnyView {
    let rotating = rotate.trouble();
    let revoking = revoke.trouble();
    let (sentence, make) = if detail.has_token {
        ("A new token ends the old one at once. The agent is refused until it has the new one.", "Make a new token")
    } else {
        ("There is no token that is accepted: agents are refused.", "Make a token")
    };
    let revoke_form = detail.has_token.then(|| {
        let which = about(place);
        view! {
            <PostForm post=revoke>
                <div class="form">
                    <FormError trouble=revoking/>
                    {which}
                    <div class="act"><Submit pending=revoke.pending() class="btn danger">"Revoke the token"</Submit></div>
                    <div class="hint muted">"Ends the token without a new one. What was sent stays."</div>
                </div>
            </PostForm>
        }
    });
    let which = about(place);
    view! {
        <section class="setting">
            <div><h2>"Token"</h2><p>{sentence}</p></div>
            <div class="grid">
                <PostForm post=rotate>
                    <div class="form">
                        <FormError trouble=rotating/>
                        {which}
                        <div class="act"><Submit pending=rotate.pending() class="btn">{Icon::Refresh.show()}{make}</Submit></div>
                    </div>
                </PostForm>
                {revoke_form}
            </div>
        </section>
    }
    .into_any()
}

fn delete(place: &ClusterPlace, detail: &ClusterDetail, action: Post) -> AnyView {
    let trouble = action.trouble();
    let label = view! { "Type "<code>{detail.summary.name.clone()}</code>" to confirm" };
    let which = about(place);
    view! {
        <section class="setting danger">
            <div>
                <h2>"Delete"</h2>
                <p>"Everything that Kubewise holds of this cluster is deleted, and its token ends. The cluster itself is not touched; \
                    remove the agent there. This cannot be undone. A certificate of it then stands under Settings › Data."</p>
            </div>
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    {which}
                    <TextField name="confirmation" label=label.into_any() field=Field::Confirmation trouble code=true max=63/>
                    <div class="act"><Submit pending=action.pending() class="btn danger">{Icon::Trash.show()}"Delete the cluster"</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}
