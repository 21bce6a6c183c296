//! `/reset`: somebody forgot their password. Shortest way: their address, the link in the mail, the new password.

use kubewise_contract::Field;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::outside::Outside;
use crate::{
    api::{RequestReset, ResetPassword},
    parts::{FormError, Icon, NewPassword, Post, PostForm, Submit, TextField},
};

/// Asking for the link, and what the link leads to.
#[component]
pub(crate) fn Reset() -> impl IntoView {
    let (request, reset) = (Post::to::<RequestReset>(), Post::to::<ResetPassword>());
    let query = use_query_map();
    let step =
        Memo::new(move |_| query.with(|q| (q.get("token").filter(|token| !token.is_empty()), q.get("sent").is_some())));
    view! {
        <Title text="Choose a new password"/>
        <Outside>
            <div class="door">
                <h1>"Choose a new password"</h1>
                {move || match step.get() {
                    (Some(token), _) => choose(token, reset),
                    (None, true) => sent(),
                    (None, false) => ask(request),
                }}
                <div class="else"><a class="link" href="/login">"Back to signing in"</a></div>
            </div>
        </Outside>
    }
}

fn ask(action: Post) -> AnyView {
    let trouble = action.trouble();
    view! {
        <div class="sub">"We send you a link that lets you choose one."</div>
        <div class="card">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <TextField name="email" label="E-mail address".into_any() field=Field::Email trouble
                        kind="email" autocomplete="username" max=254 focus=true/>
                    <Submit pending=action.pending()>"Send the link"</Submit>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

fn sent() -> AnyView {
    view! {
        <div class="card">
            <div class="form" role="status">
                <div class="note ok">{Icon::Check.show()}<span>"If this address has an account, a mail is on its way to it."</span></div>
                <p class="hint">"The link in it works once, for an hour. Nothing there? Look among the junk, then "
                    <a class="link" href="/reset">"ask again"</a>"."</p>
            </div>
        </div>
    }
    .into_any()
}

fn choose(token: String, action: Post) -> AnyView {
    let trouble = action.trouble();
    view! {
        <div class="sub">"You are signed out everywhere, and sign in with the new one."</div>
        <div class="card">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="token" value=token/>
                    <NewPassword label="New password" trouble focus=true/>
                    <Submit pending=action.pending()>"Use this password"</Submit>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
