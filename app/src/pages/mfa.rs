//! `/mfa`: somebody gave their password and has a second factor. Shortest way: one field, and the page they asked for.

use kubewise_contract::{Field, SecondFactors};
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
                            Ok(factors) => page(&factors, action),
                            Err(error) => failure(&error),
                        }
                    })}
                </Transition>
                <div class="else"><a class="link" href="/login">"Sign in as somebody else"</a></div>
            </div>
        </Outside>
    }
}

fn page(factors: &SecondFactors, action: Post) -> AnyView {
    let trouble = action.trouble();
    let code = code_field(factors, trouble, true);
    let nowhere = Memo::new(|_| String::new());
    let passkey = (!factors.passkeys.is_empty())
        .then(|| view! { <div class="or">{passkey_button(Purpose::Second, "Use a passkey", nowhere)}</div> });
    view! {
        <div class="sub">"The password was right. Show with a second proof that it is you."</div>
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
pub(super) fn code_field(factors: &SecondFactors, trouble: Trouble, focus: bool) -> AnyView {
    let (label, hint) = if factors.app_since.is_some() {
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
