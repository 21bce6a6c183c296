//! `/mfa`: somebody gave their password and has a second factor. Shortest way: one field, and the page they asked for.

use kubewise_contract::{Field, SecondProofs};
use leptos::prelude::*;
use leptos_meta::Title;

use super::outside::Outside;
use crate::{
    api::{EnterCode, Purpose, pending},
    parts::{FormError, Post, PostForm, Skeleton, Submit, TextField, Trouble, failure, passkey_button},
};

/// The second step of signing in.
#[component]
pub(crate) fn Mfa() -> impl IntoView {
    let action = Post::to::<EnterCode>();
    let pending = Resource::new(|| (), |()| pending());
    view! {
        <Title text="Sign in"/>
        <Outside>
            <div class="door">
                <h1>"One more step"</h1>
                <Transition fallback=Skeleton>
                    {move || Suspend::new(async move {
                        match pending.await {
                            Ok(proofs) => page(proofs, action),
                            Err(error) => failure(&error),
                        }
                    })}
                </Transition>
                <div class="else"><a class="link" href="/login">"Sign in as somebody else"</a></div>
            </div>
        </Outside>
    }
}

fn page(proofs: SecondProofs, action: Post) -> AnyView {
    let trouble = action.trouble();
    let code = code_field(proofs, trouble, true);
    let nowhere = Memo::new(|_| String::new());
    let passkey = proofs
        .passkey
        .then(|| view! { <div class="or">{passkey_button(Purpose::Second, "Use a passkey", nowhere)}</div> });
    view! {
        <div class="sub">"You are almost there: show in a second way that it is you."</div>
        <div class="card">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    {code}
                    <Submit pending=action.pending()>"Sign in"</Submit>
                </div>
            </PostForm>
            {passkey}
        </div>
    }
    .into_any()
}

/// Where a code is typed: of the app, or a recovery code.
pub(super) fn code_field(proofs: SecondProofs, trouble: Trouble, focus: bool) -> AnyView {
    let (label, hint) = if proofs.app {
        ("Code", "The six digits that your authenticator app shows, or one of your recovery codes.")
    } else {
        ("Recovery code", "One of those you kept when you set up your passkey. Each works once.")
    };
    view! {
        <TextField name="code" label=label.into_any() field=Field::Code trouble code=true autocomplete="one-time-code" max=64
            hint focus/>
    }
    .into_any()
}
