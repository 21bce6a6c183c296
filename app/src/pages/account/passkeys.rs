//! The part of `/account/security` about passkeys: somebody wants to sign in with a finger instead of a password.

use kubewise_contract::{Field, PasskeyName, PasskeyRow, Timestamp};
use leptos::{ev::SubmitEvent, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlInputElement};

use crate::{
    api::{RemovePasskey, add_passkey, begin_passkey},
    parts::{Age, FormError, Icon, Post, PostForm, Submit, TextField, done_note, needs_script, ticking, under_way},
    passkey,
};

/// The forms; they live as long as the page does.
#[derive(Clone, Copy)]
pub(super) struct Forms {
    pending: RwSignal<bool>,
    trouble: RwSignal<Option<kubewise_contract::UiError>>,
    remove: Post,
    done: Memo<String>,
}

impl Forms {
    pub(super) fn new(done: Memo<String>) -> Self {
        Self { pending: RwSignal::new(false), trouble: RwSignal::new(None), remove: Post::to::<RemovePasskey>(), done }
    }
}

/// The passkeys there are, and a form for one more.
/// `offered`: whether the site can have any.
pub(super) fn passkeys(rows: &[PasskeyRow], now: Timestamp, forms: Forms, offered: bool) -> AnyView {
    let now = ticking(now);
    let rows: Vec<_> = rows.iter().map(|row| line(row, now, forms.remove)).collect();
    let list = (!rows.is_empty()).then(|| view! { <ul class="keys" aria-label="Your passkeys">{rows}</ul> });
    let removing = forms.remove.trouble();
    let more = if offered {
        view! { {adding(forms)}{needs_script()} }.into_any()
    } else {
        view! { <p class="hint">"There are none here: this site is reached by a bare IP address, and passkeys belong to names."</p> }
            .into_any()
    };
    view! {
        <section class="setting">
            <div>
                <h2>"Passkeys"</h2>
                <p>"Sign in with a finger, a face or a PIN of your device, or with a security key, instead of a password and a code. A \
                    passkey works on this site alone, so nobody can trick you into giving it away."</p>
            </div>
            <div class="form">
                {done_note(forms.done, "passkey", "The passkey was added.")}
                {done_note(forms.done, "passkey-removed", "The passkey was removed.")}
                <FormError trouble=removing/>
                {list}
                {more}
            </div>
        </section>
    }
    .into_any()
}

fn adding(forms: Forms) -> AnyView {
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        let input = event_target::<Element>(&event).query_selector("input").ok().flatten();
        let Some(name) = input.and_then(|i| i.dyn_into::<HtmlInputElement>().ok()).map(|i| i.value()) else { return };
        under_way(forms.pending, forms.trouble, async move {
            let answer = passkey::create(&begin_passkey(name.clone()).await?).await?;
            add_passkey(name, answer).await
        });
    };
    let trouble = forms.trouble.into();
    view! {
        <form class="form needs-script" on:submit=add>
            <FormError trouble/>
            <TextField name="passkey_name" label="What you will know it by".into_any() field=Field::PasskeyName trouble
                max=PasskeyName::MAX value="This device"/>
            <div class="act"><Submit pending=forms.pending class="btn">{Icon::Key.show()}"Add a passkey"</Submit></div>
        </form>
    }
    .into_any()
}

fn line(row: &PasskeyRow, now: Signal<Timestamp>, action: Post) -> AnyView {
    let (name, id, label) = (row.name.clone(), row.id.clone(), format!("Remove {}", row.name));
    let used = match row.last_used_at {
        Some(at) => view! { <Age at now before="used " after=" ago"/> }.into_any(),
        None => "not used yet".into_any(),
    };
    view! {
        <li>
            <div>
                <b>{name}</b>
                <div class="muted"><Age at=row.created_at now before="added " after=" ago"/>", "{used}</div>
            </div>
            <PostForm post=action>
                <input type="hidden" name="id" value=id/>
                <button type="submit" class="btn danger" aria-label=label disabled=action.pending()>"Remove"</button>
            </PostForm>
        </li>
    }
    .into_any()
}
