//! `/account/security`: what signing in asks for.

use kubewise_contract::{Field, PASSWORD_MAX_CHARS};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    passkeys::{self, passkeys},
    two_step::{self, codes, two_step},
};
use crate::{
    api::{At, ChangePassword, SetPassword, UnlinkGoogle, account, second_factors, ways},
    pages::provider::linked,
    parts::{FormError, Icon, NewPassword, Post, PostForm, Skeleton, Submit, TextField, done_note, failure, use_done},
};

/// Changing the password, and what is asked for besides.
#[component]
pub(crate) fn Security() -> impl IntoView {
    let action = Post::to::<ChangePassword>();
    let done = use_done();
    let (forms, keys) = (two_step::Forms::new(done), passkeys::Forms::new(done));
    let (first, unlink) = (Post::to::<SetPassword>(), Post::to::<UnlinkGoogle>());
    let account = Resource::new(move || done.get(), |_| account());
    let factors = Resource::new(move || done.get(), |_| second_factors());
    let ways = Resource::new(|| (), |()| ways());
    let query = use_query_map();
    let needed = move || query.with(|q| q.get("needed").is_some());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match (account.await, factors.await, ways.await) {
                    (Ok(account), Ok(At { now, body }), Ok(ways)) => view! {
                        {move || needed().then(|| view! {
                            <div class="note med" role="status">{Icon::Alert.show()}<span>
                                "An organisation of yours shows itself only to members with two-step sign-in. Set it up here."
                            </span></div>
                        })}
                        <div class="card">
                            {if account.has_password {
                                password(&account.email, action, done)
                            } else {
                                first_password(&account.email, first)
                            }}
                            {account.provider.map(|provider| linked(provider, now, unlink, (
                                done_note(done, "linked", "Linked: it signs you in from now on."),
                                done_note(done, "unlinked", "Unlinked: it signs you in no more."),
                            )))}
                            {two_step(&body, now, forms)}
                            {passkeys(&body.passkeys, now, keys, ways.passkeys)}
                            {body.is_on().then(|| codes(body.codes, forms))}
                        </div>
                    }
                    .into_any(),
                    (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn password(email: &str, action: Post, done: Memo<String>) -> AnyView {
    let email = email.to_owned();
    let trouble = action.trouble();
    view! {
            <section class="setting">
                <div>
                    <h2>"Password"</h2>
                    <p>"Everywhere else you are signed out when you change it, and a mail tells you that it was changed."</p>
                </div>
                <PostForm post=action>
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
                </PostForm>
            </section>
    }
    .into_any()
}

/// For who signs in through the provider alone.
fn first_password(email: &str, action: Post) -> AnyView {
    let email = email.to_owned();
    let trouble = action.trouble();
    view! {
        <section class="setting">
            <div>
                <h2>"Password"</h2>
                <p>"You have none. With one you can sign in without your provider. Everywhere else you are signed out when you set it."</p>
            </div>
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="text" name="username" value=email autocomplete="username" class="visually-hidden"
                        tabindex="-1" aria-hidden="true" readonly/>
                    <NewPassword label="The password you want" trouble/>
                    <div class="act"><Submit pending=action.pending() class="btn">"Set a password"</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}
