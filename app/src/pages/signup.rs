//! `/signup`: somebody decided to try Kubewise. Shortest way: four fields, then their organisation.

use kubewise_contract::{Field, OrganisationName, PersonName, UiError, Ways};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::{outside::Outside, provider::continue_with};
use crate::{
    api::{CreateAccount, ways},
    parts::{FormError, NewPassword, Post, PostForm, Submit, TextField},
};

/// Making an account.
#[component]
pub(crate) fn SignUp() -> impl IntoView {
    let action = Post::to::<CreateAccount>();
    let ways = Resource::new(|| (), |()| ways());
    let query = use_query_map();
    let invitation = Memo::new(move |_| query.with(|q| q.get("invitation").unwrap_or_default()));
    view! {
        <Title text="Create an account"/>
        <Outside>
            <div class="door">
                <h1>"Create an account"</h1>
                <Transition>
                    {move || Suspend::new(async move {
                        let open = ways.await.is_ok_and(|ways| ways.sign_up);
                        if open || !invitation.get().is_empty() { page(action, ways, invitation, open) } else { closed() }
                    })}
                </Transition>
                <div class="else">"Already have one? "<a class="link" href="/login">"Sign in"</a></div>
            </div>
        </Outside>
    }
}

fn page(action: Post, ways: Resource<Result<Ways, UiError>>, invitation: Memo<String>, open: bool) -> AnyView {
    let trouble = action.trouble();
    let provider = open.then(|| continue_with(ways, Signal::stored(String::new())));
    view! {
        <div class="sub">"You and your organisation. Others can join later."</div>
        <div class="card">
            {provider}
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="invitation" value=invitation/>
                    <TextField name="name" label="Your name".into_any() field=Field::Name trouble
                        autocomplete="name" max=PersonName::MAX focus=true/>
                    <TextField name="email" label="E-mail address".into_any() field=Field::Email trouble
                        kind="email" autocomplete="email" max=254/>
                    <TextField name="organisation" label="Organisation".into_any() field=Field::Organisation trouble
                        autocomplete="organization" max=OrganisationName::MAX/>
                    <NewPassword label="Password" trouble/>
                    <Submit pending=action.pending()>"Create account"</Submit>
                </div>
            </PostForm>
        </div>
        {agreed()}
    }
    .into_any()
}

/// What somebody agrees to by making an account, whichever way.
pub(super) fn agreed() -> AnyView {
    view! {
        <div class="else">
            "By making an account you agree to the "<a class="link" href="/policies/privacy" rel="external">"privacy policy"</a>
            " and the "<a class="link" href="/policies/security" rel="external">"security policy"</a>" as they are today."
        </div>
    }
    .into_any()
}

fn closed() -> AnyView {
    view! {
        <div class="card">
            <p>"This installation takes in whom it invites. Ask whoever runs it for an invitation; its link leads here."</p>
        </div>
    }
    .into_any()
}
