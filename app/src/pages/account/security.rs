//! `/account/security`: the password.

use kubewise_contract::{Field, PASSWORD_MAX_CHARS};
use leptos::{form::ActionForm, prelude::*};

use super::{done_note, use_done};
use crate::{
    api::{ChangePassword, account},
    parts::{FormError, NewPassword, Skeleton, Submit, TextField, failure},
};

/// Changing the password.
#[component]
pub(crate) fn Security() -> impl IntoView {
    let action = ServerAction::<ChangePassword>::new();
    let done = use_done();
    // Asked for so that who is signed out is sent to sign in.
    let account = Resource::new(|| (), |()| account());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match account.await {
                    Ok(account) => page(&account.email, action, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(email: &str, action: ServerAction<ChangePassword>, done: Memo<String>) -> AnyView {
    let email = email.to_owned();
    let trouble = Signal::derive(move || action.value().get().and_then(Result::err));
    view! {
        <div class="card">
            <section class="setting">
                <div>
                    <h2>"Password"</h2>
                    <p>"Everywhere else you are signed out when you change it, and a mail tells you that it was changed."</p>
                </div>
                <ActionForm action>
                    <div class="form">
                        <FormError trouble/>
                        {done_note(done, "password", "Your password was changed, and you were signed out everywhere else.")}
                        // For password managers, which want to know whose password it is.
                        <input type="text" name="username" value=email autocomplete="username" class="visually-hidden"
                            tabindex="-1" aria-hidden="true" readonly/>
                        <TextField name="current_password" label="The password you have".into_any() field=Field::CurrentPassword
                            trouble kind="password" autocomplete="current-password" max=PASSWORD_MAX_CHARS/>
                        <NewPassword label="The password you want" trouble/>
                        <div class="act"><Submit pending=action.pending() class="btn">"Change the password"</Submit></div>
                        <div class="hint">
                            "You have forgotten it? "<a class="link" href="/reset">"Choose a new one by mail"</a>
                        </div>
                    </div>
                </ActionForm>
            </section>
        </div>
    }
    .into_any()
}
