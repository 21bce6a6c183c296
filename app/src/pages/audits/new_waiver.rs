//! `/o/{org}/audits/waivers/new`: somebody has a finding that is there for a good reason. Shortest way: from the finding, all but
//! the reason and who answers for it is filled in.

use kubewise_contract::{Field, WaiverChoices};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    api::{AddWaiver, waiver_choices},
    parts::{FieldWrong, FormError, Head, Icon, Post, PostForm, Skeleton, Submit, TextField, failure},
    place::{org_href, use_org},
};

/// What the address fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filled {
    rule: String,
    cluster: String,
    kind: String,
    namespace: String,
    name: String,
}

/// Waiving findings.
#[component]
pub(crate) fn NewWaiver() -> impl IntoView {
    let (org, params) = (use_org(), use_query_map());
    let filled = Memo::new(move |_| {
        params.with(|params| {
            let get = |name| params.get(name).unwrap_or_default();
            Filled {
                rule: get("rule"),
                cluster: get("cluster"),
                kind: get("kind"),
                namespace: get("namespace"),
                name: get("name"),
            }
        })
    });
    let post = Post::to::<AddWaiver>();
    let found = Resource::new(move || org.get(), waiver_choices);
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(choices) => page(&org.get_untracked(), filled.get_untracked(), choices, post),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, filled: Filled, choices: WaiverChoices, post: Post) -> AnyView {
    let trouble = post.trouble();
    let crumbs = vec![(org_href(org, "/audits/waivers"), "Waivers".to_owned())];
    let every = choices.every_cluster.then(|| view! { <option value="">"Every cluster, also those to come"</option> });
    let clusters: Vec<_> = choices
        .clusters
        .into_iter()
        .map(|cluster| {
            let id = cluster.id.to_string();
            let selected = id == filled.cluster;
            view! { <option value=id selected=selected>{cluster.name}</option> }
        })
        .collect();
    let (title, word) = if choices.is_asked { ("Ask for a waiver", "Ask for it") } else { ("Waive findings", "Waive") };
    let note = choices.is_asked.then(|| {
        view! {
            <div class="note">{Icon::Shield.show()}<span>"It holds once somebody who sets policies in this organisation allows it."</span></div>
        }
    });
    let org = org.to_owned();
    view! {
        <Head title=title crumbs sentence="A finding that is waived is found all the same, and is no longer counted, listed or told of.".into_any()/>
        <div class="card pad">
            <PostForm post>
                <div class="form">
                    {note}
                    <FormError trouble/>
                    <input type="hidden" name="org" value=org/>
                    <TextField name="waiver[rule]" label="Rule".into_any() field=Field::Rule trouble code=true max=253 value=filled.rule
                        hint="The id of a rule, as its page says, or * for every rule."/>
                    <div class="field">
                        <label for="waiver-cluster">"In"</label>
                        <select id="waiver-cluster" name="waiver[cluster]">{every}{clusters}</select>
                        <FieldWrong field=Field::Clusters trouble/>
                    </div>
                    <fieldset class="options">
                        <legend>"Only for objects"</legend>
                        <TextField name="waiver[kind]" label="of kind".into_any() field=Field::Scope trouble code=true spare=true max=253
                            value=filled.kind/>
                        <TextField name="waiver[namespace]" label="in namespace".into_any() field=Field::Scope trouble code=true spare=true
                            max=253 value=filled.namespace/>
                        <TextField name="waiver[name]" label="named".into_any() field=Field::Scope trouble code=true spare=true max=253
                            value=filled.name/>
                        <TextField name="waiver[labels]" label="with labels".into_any() field=Field::Labels trouble code=true spare=true
                            max=1000 hint="Such as app=web, tier=front. What stays empty holds for all."/>
                    </fieldset>
                    <TextField name="waiver[reason]" label="Why".into_any() field=Field::Reason trouble max=1000
                        hint="For who reads it in a year."/>
                    <TextField name="waiver[owner]" label="Who answers for it".into_any() field=Field::Owner trouble max=100
                        hint="A team, such as platform team."/>
                    <TextField name="waiver[expires]" label="Until, with that day".into_any() field=Field::Expiry trouble kind="date" spare=true
                        value=choices.expires hint="UTC. Empty: until somebody ends it."/>
                    <div class="act"><Submit pending=post.pending()>{word}</Submit></div>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
