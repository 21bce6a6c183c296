//! `/login`: somebody with an account wants to get to a page. Shortest way: two fields, then that page.

use kubewise_contract::{Field, PASSWORD_MAX_CHARS};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::{outside::Outside, provider::continue_with, signup::agreed};
use crate::{
    api::{LogIn, Purpose, ways},
    parts::{FormError, Icon, Post, PostForm, Submit, TextField, passkey_button},
};

/// Signing in. Whatever was wrong, one sentence says it, so that nobody learns which addresses have an account.
#[component]
pub(crate) fn Login() -> impl IntoView {
    let action = Post::to::<LogIn>();
    let trouble = action.trouble();
    let ways = Resource::new(|| (), |()| ways());
    let query = use_query_map();
    let next = Memo::new(move |_| query.with(|q| q.get("next").unwrap_or_default()));
    let reset = move || query.with(|q| q.get("reset").is_some());
    let asked = move || !next.with(|next| matches!(next.as_str(), "" | "/"));
    view! {
        <Title text="Sign in"/>
        <Outside>
            <div class="door">
                <h1>"Sign in"</h1>
                <div class="sub">{move || if asked() { "Sign in to see the page you asked for." } else { "Good to see you again." }}</div>
                <div class="card">
                    {continue_with(ways, next.into())}
                    <PostForm post=action>
                        <div class="form">
                            <FormError trouble/>
                            {move || reset().then(|| view! {
                                <div class="note ok" role="status">{Icon::Check.show()}<span>"Your password was changed. Sign in with the new one."</span></div>
                            })}
                            <input type="hidden" name="next" value=next/>
                            <TextField name="email" label="E-mail address".into_any() field=Field::Email trouble
                                kind="email" autocomplete="username" max=254 focus=true/>
                            <TextField name="password" label="Password".into_any() field=Field::Password trouble
                                kind="password" autocomplete="current-password" max=PASSWORD_MAX_CHARS/>
                            <label class="choice"><input type="checkbox" name="remember" value="1"/>"Stay signed in on this device"</label>
                            <Submit pending=action.pending()>"Sign in"</Submit>
                        </div>
                    </PostForm>
                    <Transition>
                        {move || Suspend::new(async move {
                            ways.await.is_ok_and(|ways| ways.passkeys).then(|| view! {
                                <div class="or">{passkey_button(Purpose::SignIn, "Sign in with a passkey", next)}</div>
                            })
                        })}
                    </Transition>
                </div>
                <div class="else"><a class="link" href="/reset">"Forgot your password?"</a></div>
                <Transition>
                    {move || Suspend::new(async move {
                        ways.await.ok().filter(|ways| ways.sign_up).map(|ways| view! {
                            <div class="else">"New here? "<a class="link" href="/signup">"Create an account"</a></div>
                            // Who continues with a provider and has no account gets one, here too.
                            {ways.provider.map(|_| agreed())}
                        })
                    })}
                </Transition>
            </div>
        </Outside>
    }
}
