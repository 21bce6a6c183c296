//! A button that asks for a passkey.

use kubewise_contract::UiError;
use leptos::{prelude::*, task::spawn_local};

use super::{FormError, Icon};
use crate::{
    api::{Purpose, answer_passkey, ask_passkey},
    passkey,
};

/// Asks for a passkey and leads on to `next`. Says itself that it needs JavaScript.
pub(crate) fn passkey_button(purpose: Purpose, label: &'static str, next: Memo<String>) -> AnyView {
    let (pending, trouble) = (RwSignal::new(false), RwSignal::new(None));
    let ask = move |_| {
        under_way(pending, trouble, async move {
            let answer = passkey::get(&ask_passkey(purpose).await?).await?;
            answer_passkey(purpose, answer, next.get_untracked()).await
        });
    };
    view! {
        <div class="form">
            <FormError trouble=trouble.into()/>
            <button type="button" class="btn needs-script" disabled=pending on:click=ask>{Icon::Key.show()}{label}</button>
            {needs_script()}
        </div>
    }
    .into_any()
}

/// For who runs no scripts.
pub(crate) fn needs_script() -> AnyView {
    view! { <p class="hint needs-no-script">"Passkeys need JavaScript: browsers offer them to scripts alone."</p> }
        .into_any()
}

/// Does the work while the button is off, and keeps what went wrong.
pub(crate) fn under_way(
    pending: RwSignal<bool>,
    trouble: RwSignal<Option<UiError>>,
    work: impl Future<Output = Result<(), UiError>> + 'static,
) {
    pending.set(true);
    trouble.set(None);
    spawn_local(async move {
        let done = work.await;
        // The page may be gone by now.
        pending.try_set(false);
        trouble.try_set(done.err());
    });
}
