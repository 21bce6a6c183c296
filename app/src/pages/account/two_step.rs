//! The part of `/account/security` about what signing in asks for besides the password.

use kubewise_contract::{SecondFactors, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{BeginAuthenticator, NewRecoveryCodes, RemoveAuthenticator},
    parts::{Age, FormError, Icon, Post, PostForm, Submit, count, done_note, ticking},
};

/// The forms; they live as long as the page does.
#[derive(Clone, Copy)]
pub(super) struct Forms {
    begin: Post,
    remove: Post,
    codes: Post,
    done: Memo<String>,
}

impl Forms {
    pub(super) fn new(done: Memo<String>) -> Self {
        Self {
            begin: Post::to::<BeginAuthenticator>(),
            remove: Post::to::<RemoveAuthenticator>(),
            codes: Post::to::<NewRecoveryCodes>(),
            done,
        }
    }
}

/// The authenticator app.
pub(super) fn two_step(factors: &SecondFactors, now: Timestamp, forms: Forms) -> AnyView {
    let trouble = Signal::derive(move || {
        let begin = forms.begin.error();
        begin.or_else(|| forms.remove.error())
    });
    let app = match factors.app_since {
        Some(since) => {
            let now = ticking(now);
            view! {
                <div class="form">
                    <div class="known"><b>"Authenticator app"</b>" "<span class="tag ok">"on"</span></div>
                    <div class="muted"><Age at=since now before="since " after=" ago"/></div>
                    <PostForm post=forms.remove>
                        <div class="act"><Submit pending=forms.remove.pending() class="btn danger">"Remove the app"</Submit></div>
                    </PostForm>
                </div>
            }
            .into_any()
        }
        None => view! {
            <PostForm post=forms.begin>
                <div class="act"><Submit pending=forms.begin.pending() class="btn">{Icon::Key.show()}"Set up an authenticator app"</Submit></div>
            </PostForm>
        }
        .into_any(),
    };
    view! {
        <section class="setting">
            <div>
                <h2>"Two-step sign-in"</h2>
                <p>"Who learns your password cannot sign in with it alone: a code is asked for that an app on your phone shows."</p>
            </div>
            <div class="form">
                <FormError trouble/>
                {done_note(forms.done, "app", "Two-step sign-in is on.")}
                {done_note(forms.done, "removed", "The app was removed.")}
                {app}
            </div>
        </section>
    }
    .into_any()
}

/// Recovery codes: how many are left, and new ones.
pub(super) fn codes(left: u32, forms: Forms) -> AnyView {
    let trouble = forms.codes.trouble();
    let left = match left {
        0 => view! { <span class="tag crit">"none left"</span> }.into_any(),
        1..=3 => view! { <span class="tag med">{count(i64::from(left), "code")}" left"</span> }.into_any(),
        _ => view! { <span>{count(i64::from(left), "code")}" left"</span> }.into_any(),
    };
    view! {
        <section class="setting">
            <div><h2>"Recovery codes"</h2><p>"For when your app or passkey is lost. Each works once."</p></div>
            <PostForm post=forms.codes>
                <div class="form">
                    <FormError trouble/>
                    <div class="known">{left}</div>
                    <div class="act"><Submit pending=forms.codes.pending() class="btn">"Make new codes"</Submit></div>
                    <div class="hint">"Those from before work no more then."</div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}
