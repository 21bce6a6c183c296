//! `/account`: what people call somebody, and the address they are known by.

use kubewise_contract::{Account, Field, PASSWORD_MAX_CHARS, PersonName};
use leptos::prelude::*;

use crate::{
    api::{ChangeAddress, ChangeName, ResendVerification, account},
    parts::{FormError, Post, PostForm, Skeleton, Submit, TextField, done_note, failure, use_done},
};

#[derive(Clone, Copy)]
struct Forms {
    name: Post,
    address: Post,
    resend: Post,
    done: Memo<String>,
}

/// Name and address.
#[component]
pub(crate) fn Profile() -> impl IntoView {
    let done = use_done();
    let forms = Forms {
        name: Post::to::<ChangeName>(),
        address: Post::to::<ChangeAddress>(),
        resend: Post::to::<ResendVerification>(),
        done,
    };
    // What was done changes what is shown.
    let account = Resource::new(move || done.get(), |_| account());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match account.await {
                    Ok(account) => page(&account, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(account: &Account, forms: Forms) -> AnyView {
    let naming = forms.name.trouble();
    let (name, proof) = (account.name.clone(), proof(account, forms));
    let has_password = account.has_password;
    let addressing = forms.address.trouble();
    view! {
        <div class="card">
            <section class="setting">
                <div><h2>"Name"</h2><p>"What others in your organisations see."</p></div>
                <PostForm post=forms.name>
                    <div class="form">
                        <FormError trouble=naming/>
                        {done_note(forms.done, "name", "Your name was changed.")}
                        <TextField name="name" label="Your name".into_any() field=Field::Name trouble=naming
                            autocomplete="name" max=PersonName::MAX value=name/>
                        <div class="act"><Submit pending=forms.name.pending() class="btn">"Change the name"</Submit></div>
                    </div>
                </PostForm>
            </section>
            <section class="setting">
                <div>
                    <h2>"E-mail address"</h2>
                    <p>"You sign in with it, and are told there when something about your account changes."</p>
                </div>
                <div class="grid">
                    {proof}
                    <PostForm post=forms.address>
                        <div class="form">
                            <FormError trouble=addressing/>
                            {done_note(forms.done, "address", "A mail is on its way to the new address. It is yours once you open the link in it.")}
                            <TextField name="email" label="New e-mail address".into_any() field=Field::Email trouble=addressing
                                kind="email" autocomplete="email" max=254/>
                            {has_password.then(|| view! {
                                <TextField name="current_password" label="Your password".into_any() field=Field::CurrentPassword
                                    trouble=addressing kind="password" autocomplete="current-password" max=PASSWORD_MAX_CHARS/>
                            })}
                            <div class="act"><Submit pending=forms.address.pending() class="btn">"Change the address"</Submit></div>
                        </div>
                    </PostForm>
                </div>
            </section>
        </div>
    }
    .into_any()
}

/// The address, and whether it was proven.
fn proof(account: &Account, forms: Forms) -> AnyView {
    let trouble = forms.resend.trouble();
    let email = account.email.clone();
    let state = if account.is_verified {
        view! { <span class="tag ok">"confirmed"</span> }.into_any()
    } else {
        view! { <span class="tag med">"not confirmed"</span> }.into_any()
    };
    let resend = (!account.is_verified).then(|| {
        view! {
            <PostForm post=forms.resend>
                <div class="form">
                    <FormError trouble/>
                    <div class="act"><Submit pending=forms.resend.pending() class="btn">"Send the link again"</Submit></div>
                </div>
            </PostForm>
        }
    });
    view! {
        <div class="form">
            <div class="known"><b>{email}</b>" "{state}</div>
            {done_note(forms.done, "sent", "A mail with a link is on its way to this address.")}
            {resend}
        </div>
    }
    .into_any()
}
