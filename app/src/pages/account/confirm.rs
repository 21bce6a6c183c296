//! `/account/confirm`: somebody wants to do what a borrowed session must not do. Shortest way: prove once more who you
//! are, and be back where you were.

use kubewise_contract::{Account, Field, PASSWORD_MAX_CHARS, SecondFactors};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    api::{At, ConfirmIdentity, Purpose, account, second_factors},
    pages::{
        mfa::code_field,
        provider::{provider_note, there},
    },
    parts::{FormError, Post, PostForm, Skeleton, Submit, TextField, failure, passkey_button},
};

/// The password once more, or the provider's word from who has none; and a code from who has a second factor.
#[component]
pub(crate) fn Confirm() -> impl IntoView {
    let action = Post::to::<ConfirmIdentity>();
    let account = Resource::new(|| (), |()| account());
    let factors = Resource::new(|| (), |()| second_factors());
    let query = use_query_map();
    let next = Memo::new(move |_| query.with(|q| q.get("next").unwrap_or_default()));
    let half = Memo::new(move |_| query.with(|q| q.get("half").is_some()));
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match (account.await, factors.await) {
                    (Ok(account), Ok(At { body, .. })) => page(&account, &body, half.get(), action, next),
                    (Err(error), _) | (_, Err(error)) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(account: &Account, factors: &SecondFactors, half: bool, action: Post, next: Memo<String>) -> AnyView {
    let how = if account.has_password || half { form(factors, half, action, next) } else { elsewhere(account, next) };
    let passkey =
        (!factors.passkeys.is_empty()).then(|| passkey_button(Purpose::Confirm, "Use a passkey instead", next));
    view! {
        <div class="card">
            <section class="setting">
                <div>
                    <h2>"Confirm that it is you"</h2>
                    <p>"What you are about to do can lock somebody out, or let somebody in. Afterwards you are asked no more for ten \
                        minutes."</p>
                </div>
                <div class="grid">
                    {how}
                    {passkey}
                </div>
            </section>
        </div>
    }
    .into_any()
}

/// `half`: what stands for the password was given already.
fn form(factors: &SecondFactors, half: bool, action: Post, next: Memo<String>) -> AnyView {
    let trouble = action.trouble();
    let code = factors.is_on().then(|| code_field(factors.proofs(), trouble, half));
    let password = (!half).then(|| {
        view! {
            <TextField name="current_password" label="Your password".into_any() field=Field::CurrentPassword trouble
                kind="password" autocomplete="current-password" max=PASSWORD_MAX_CHARS focus=true/>
        }
    });
    view! {
        <PostForm post=action>
            <div class="form">
                <FormError trouble/>
                <input type="hidden" name="next" value=next/>
                {password}
                {code}
                <div class="act"><Submit pending=action.pending()>"Confirm"</Submit></div>
            </div>
        </PostForm>
    }
    .into_any()
}

/// For who has no password.
fn elsewhere(account: &Account, next: Memo<String>) -> AnyView {
    let provider = account.provider.clone().filter(|provider| provider.linked.is_some());
    view! {
        <div class="form">
            {provider_note()}
            {provider.map(|provider| view! {
                <div class="act">
                    <a class="btn primary" href=move || there("confirm", &next.get()) rel="external">"Confirm with "{provider.name}</a>
                </div>
            })}
            <div class="hint">
                "You would rather have a password? "<a class="link" href="/reset">"Choose one by mail"</a>
            </div>
        </div>
    }
    .into_any()
}
