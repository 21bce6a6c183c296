//! `/o/{org}/clusters/new`: somebody wants a cluster to appear here. Shortest way: a name, then the commands.

use kubewise_contract::{Field, UiError};
use leptos::prelude::*;

use crate::{
    api::{CreateCluster, may_manage},
    parts::{FormError, Head, Post, PostForm, Skeleton, Submit, TextField, failure},
    place::{org_href, use_org},
};

/// Naming a new cluster.
#[component]
pub(crate) fn AddCluster() -> impl IntoView {
    let org = use_org();
    let action = Post::to::<CreateCluster>();
    let trouble = action.trouble();
    let allowed = Resource::new(move || org.get(), may_manage);
    view! {
        <Suspense fallback=Skeleton>
            {move || Suspend::new(async move {
                match allowed.await {
                    Ok(()) => form(org, action, trouble),
                    Err(error) => failure(&error),
                }
            })}
        </Suspense>
    }
}

fn form(org: Memo<String>, action: Post, trouble: Signal<Option<UiError>>) -> AnyView {
    let crumbs = vec![(org_href(&org.get_untracked(), "/clusters"), "Clusters".to_owned())];
    view! {
        <Head title="Add a cluster" crumbs sentence="Name it; the next page has the commands that install its agent.".into_any()/>
        <div class="card pad">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="org" value=move || org.get()/>
                    <TextField name="name" label="Name of the cluster".into_any() field=Field::ClusterName trouble code=true max=63 focus=true
                        hint="Lower-case letters, digits, hyphens and dots, such as eu-prod. It can be changed later."/>
                    <div class="act">
                        <Submit pending=action.pending()>"Add cluster"</Submit>
                        <a class="btn" href=move || org_href(&org.get(), "/clusters")>"Cancel"</a>
                    </div>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
