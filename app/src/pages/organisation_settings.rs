//! `/o/{org}/settings`: whoever answers for an organisation wants to decide what it asks of its members. Shortest way:
//! the section says whom it would shut out before it does.

use kubewise_contract::OrganisationSettings as Shown;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    api::{RequireSecondFactor, organisation_settings},
    parts::{FormError, Head, Icon, Post, PostForm, Skeleton, Submit, count, failure},
    place::use_org,
};

/// What an organisation asks of its members.
#[component]
pub(crate) fn OrganisationSettings() -> impl IntoView {
    let org = use_org();
    let action = Post::to::<RequireSecondFactor>();
    let query = use_query_map();
    let done = Memo::new(move |_| query.with(|q| q.get("done").is_some()));
    let settings = Resource::new(move || (org.get(), action.version()), |(org, _)| organisation_settings(org));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match settings.await {
                    Ok(settings) => page(org.get_untracked(), &settings, action, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: String, settings: &Shown, action: Post, done: Memo<bool>) -> AnyView {
    let trouble = action.trouble();
    let required = settings.requires_second_factor;
    let (have, all) = (settings.members - settings.without_second_factor, settings.members);
    let who = match settings.without_second_factor {
        0 => format!("All members have it ({all})."),
        _ => format!(
            "{have} of {} have it. The others see nothing of the organisation until they set it up.",
            count(all, "member")
        ),
    };
    let (state, label) = if required {
        (view! { <span class="tag ok">"asked for"</span> }.into_any(), "Ask no more")
    } else {
        (view! { <span class="tag">"not asked for"</span> }.into_any(), "Ask all members for it")
    };
    let choice = (!required).then(|| view! { <input type="hidden" name="required" value="1"/> });
    view! {
        <Head title="Settings".to_owned() sentence="What the organisation asks of its members.".into_any()/>
        <div class="card">
            <section class="setting">
                <div>
                    <h2>"Two-step sign-in"</h2>
                    <p>"Whoever signs in, with a password or through another provider, proves in a second way who they are."</p>
                </div>
                <PostForm post=action>
                    <div class="form">
                        <FormError trouble/>
                        <div role="status">
                            {move || done.get().then(|| view! {
                                <div class="note ok">{Icon::Check.show()}<span>"It is set."</span></div>
                            })}
                        </div>
                        <input type="hidden" name="org" value=org/>
                        {choice}
                        <div class="known">{state}</div>
                        <div class="hint">{who}</div>
                        <div class="act"><Submit pending=action.pending() class="btn">{label}</Submit></div>
                    </div>
                </PostForm>
            </section>
        </div>
    }
    .into_any()
}
