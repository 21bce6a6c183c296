//! `/account`: what people call somebody, and the address they are known by.

use kubewise_contract::{Account, Field, PASSWORD_MAX_CHARS, PersonName};
use leptos::{form::ActionForm, prelude::*};

use super::{done_note, use_done};
use crate::{
    api::{ChangeAddress, ChangeName, ResendVerification, account},
    parts::{FormError, Skeleton, Submit, TextField, failure},
};

#[derive(Clone, Copy)]
struct Forms {
    name: ServerAction<ChangeName>,
    address: ServerAction<ChangeAddress>,
    resend: ServerAction<ResendVerification>,
    done: Memo<String>,
}

/// Name and address.
#[component]
pub(crate) fn Profile() -> impl IntoView {
    let done = use_done();
    let forms = Forms { name: ServerAction::new(), address: ServerAction::new(), resend: ServerAction::new(), done };
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
    let naming = Signal::derive(move || forms.name.value().get().and_then(Result::err));
    let (name, proof) = (account.name.clone(), proof(account, forms));
    let addressing = Signal::derive(move || forms.address.value().get().and_then(Result::err));
    view! {
        <div class="card">
            <section class="setting">
                <div><h2>"Name"</h2><p>"What others in your organisations see."</p></div>
                <ActionForm action=forms.name>
                    <div class="form">
                        <FormError trouble=naming/>
                        {done_note(forms.done, "name", "Your name was changed.")}
                        <TextField name="name" label="Your name".into_any() field=Field::Name trouble=naming
                            autocomplete="name" max=PersonName::MAX value=name/>
                        <div class="act"><Submit pending=forms.name.pending() class="btn">"Change the name"</Submit></div>
                    </div>
                </ActionForm>
            </section>
            <section class="setting">
                <div>
                    <h2>"E-mail address"</h2>
                    <p>"You sign in with it, and are told there when something about your account changes."</p>
                </div>
                <div class="grid">
                    {proof}
                    <ActionForm action=forms.address>
                        <div class="form">
                            <FormError trouble=addressing/>
                            {done_note(forms.done, "address", "A mail is on its way to the new address. It is yours once you open the link in it.")}
                            <TextField name="email" label="New e-mail address".into_any() field=Field::Email trouble=addressing
                                kind="email" autocomplete="email" max=254/>
                            <TextField name="current_password" label="Your password".into_any() field=Field::CurrentPassword
                                trouble=addressing kind="password" autocomplete="current-password" max=PASSWORD_MAX_CHARS/>
                            <div class="act"><Submit pending=forms.address.pending() class="btn">"Change the address"</Submit></div>
                        </div>
                    </ActionForm>
                </div>
            </section>
        </div>
    }
    .into_any()
}

/// The address, and whether it was proven.
fn proof(account: &Account, forms: Forms) -> AnyView {
    let trouble = Signal::derive(move || forms.resend.value().get().and_then(Result::err));
    let email = account.email.clone();
    let state = if account.is_verified {
        view! { <span class="tag ok">"confirmed"</span> }.into_any()
    } else {
        view! { <span class="tag med">"not confirmed"</span> }.into_any()
    };
    let resend = (!account.is_verified).then(|| {
        view! {
            <ActionForm action=forms.resend>
                <div class="form">
                    <FormError trouble/>
                    <div class="act"><Submit pending=forms.resend.pending() class="btn">"Send the link again"</Submit></div>
                </div>
            </ActionForm>
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
