//! `/o/{org}/settings/tokens/new`: somebody wants a script to do one thing. Shortest way: name it, tick what it needs.

use kubewise_contract::{Field, TokenName};
use leptos::prelude::*;

use crate::{
    api::{MakeApiToken, TokenChoices, token_choices},
    parts::{ClusterFields, FieldWrong, FormError, Head, Post, PostForm, Skeleton, Submit, TextField, failure},
    place::{org_href, use_org},
};

/// How long a token works, in days.
const DAYS: [(u32, &str); 4] = [(7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year")];

/// Making a token.
#[component]
pub(crate) fn NewToken() -> impl IntoView {
    let org = use_org();
    let action = Post::to::<MakeApiToken>();
    let found = Resource::new(move || org.get(), token_choices);
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(choices) => page(org.get_untracked(), choices, action),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: String, choices: TokenChoices, action: Post) -> AnyView {
    let trouble = action.trouble();
    let crumbs = vec![(org_href(&org, "/settings/tokens"), "API tokens".to_owned())];
    let permissions: Vec<_> = choices
        .permissions
        .iter()
        .map(|permission| {
            view! {
                <label class="option">
                    <input type="checkbox" name="permissions[]" value=permission.as_str()/>
                    <span><b><code>{permission.as_str()}</code></b><span class="muted">{permission.sentence()}</span></span>
                </label>
            }
        })
        .collect();
    let days: Vec<_> = DAYS
        .into_iter()
        .map(|(days, name)| view! { <option value=days.to_string() selected=days == 90>{name}</option> })
        .collect();
    let whose = choices.manages.then(|| {
        view! {
            <fieldset class="options">
                <legend>"Whose"</legend>
                <label class="option">
                    <input type="radio" name="of" value="person" checked/>
                    <span><b>"Yours"</b><span class="muted">"Does no more than you may, and ends with your membership."</span></span>
                </label>
                <label class="option">
                    <input type="radio" name="of" value="organisation"/>
                    <span><b>"The organisation's"</b><span class="muted">"Stays when you leave. For what runs without a person, such as a pipeline."</span></span>
                </label>
            </fieldset>
        }
    });
    view! {
        <Head title="Make a token" crumbs sentence="For a script that asks the API. You are asked to confirm that it is you.".into_any()/>
        <div class="card pad">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="org" value=org/>
                    <TextField name="name" label="Name".into_any() field=Field::TokenName trouble max=TokenName::MAX focus=true
                        hint="For you to recognise it, such as “nightly report”."/>
                    {whose}
                    <fieldset class="options">
                        <legend>"May"</legend>
                        {permissions}
                        <FieldWrong field=Field::Permissions trouble/>
                    </fieldset>
                    <ClusterFields all="All clusters that its owner sees" clusters=choices.clusters chosen=None trouble/>
                    <div class="field">
                        <label for="days">"Works for"</label>
                        <select id="days" name="days">{days}</select>
                        <FieldWrong field=Field::Expiry trouble/>
                    </div>
                    <div class="act"><Submit pending=action.pending()>"Make the token"</Submit></div>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
