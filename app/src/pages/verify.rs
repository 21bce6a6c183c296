//! `/verify`: somebody opened the link in a mail that asks whether an address is theirs. Shortest way: one button. Opening
//! the page alone proves nothing: mail servers open links too.

use kubewise_contract::{Field, UiError};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::outside::Outside;
use crate::{
    api::VerifyAddress,
    parts::{FormError, Icon, Post, PostForm, Submit},
};

/// Proving an address.
#[component]
pub(crate) fn Verify() -> impl IntoView {
    let action = Post::to::<VerifyAddress>();
    let query = use_query_map();
    let step =
        Memo::new(move |_| query.with(|q| (q.get("token").filter(|token| !token.is_empty()), q.get("done").is_some())));
    view! {
        <Title text="Confirm your address"/>
        <Outside>
            <div class="door">
                <h1>"Confirm your address"</h1>
                {move || match step.get() {
                    (_, true) => done(),
                    (Some(token), false) => confirm(token, action),
                    (None, false) => nothing(),
                }}
            </div>
        </Outside>
    }
}

fn confirm(token: String, action: Post) -> AnyView {
    // There is no field to say it at: the address stands in the mail.
    let trouble = Signal::derive(move || {
        let error = action.error()?;
        Some(if error.of_field(Field::Email).is_some() { UiError::LinkEnded } else { error })
    });
    view! {
        <div class="sub">"It is the one that the mail with the link was sent to."</div>
        <div class="card">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="token" value=token/>
                    <Submit pending=action.pending()>"Yes, this is my address"</Submit>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

fn done() -> AnyView {
    view! {
        <div class="card">
            <div class="form" role="status">
                <div class="note ok">{Icon::Check.show()}<span>"Thank you. The address is confirmed."</span></div>
                <a class="btn primary" href="/">"Go on"</a>
            </div>
        </div>
    }
    .into_any()
}

fn nothing() -> AnyView {
    view! {
        <div class="card">
            <div class="form">
                <p>"Open the link in the mail that we sent you. Your account page can send it again."</p>
                <a class="btn primary" href="/account">"Go to your account"</a>
            </div>
        </div>
    }
    .into_any()
}
