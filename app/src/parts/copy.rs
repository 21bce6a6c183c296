//! A command or a secret, with a button that copies it.

use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen_futures::JsFuture;

use super::Icon;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    NotYet,
    Done,
    /// The browser does not allow it here; the text is selected instead.
    Selected,
}

/// Text to be copied, named by `label` for who cannot see it.
#[component]
pub(crate) fn Copy(#[prop(into)] text: String, label: &'static str) -> impl IntoView {
    let shown = text.clone();
    let place = NodeRef::<leptos::html::Pre>::new();
    view! {
        <div class="copy">
            <pre tabindex="0" role="group" aria-label=label node_ref=place><code>{shown}</code></pre>
            <CopyButton text label place/>
        </div>
    }
    .into_any()
}

/// A button that copies the text; where it may not, it selects it in `place`.
#[component]
pub(crate) fn CopyButton(
    #[prop(into)] text: String,
    label: &'static str,
    #[prop(optional)] place: NodeRef<leptos::html::Pre>,
) -> impl IntoView {
    let copied = RwSignal::new(Copied::NotYet);
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            // Browsers lend the clipboard to secure pages only.
            let done = window().is_secure_context()
                && JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
            if done {
                copied.try_set(Copied::Done);
            } else if let (Some(pre), Ok(Some(selection))) = (place.get_untracked(), window().get_selection()) {
                let _ = selection.select_all_children(&pre);
                copied.try_set(Copied::Selected);
            }
        });
    };
    view! {
        <button type="button" class="btn small needs-script" on:click=copy>
            {move || if copied.get() == Copied::Done { Icon::Check.show() } else { Icon::Copy.show() }}
            <span>{move || match copied.get() {
                Copied::NotYet => "Copy",
                Copied::Done => "Copied",
                Copied::Selected => "Selected",
            }}</span>
            <span class="visually-hidden">{format!(": {label}")}</span>
        </button>
    }
    .into_any()
}
