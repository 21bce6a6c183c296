//! Forms that change something. Without JavaScript the browser sends them; with it the page does and stays where it is,
//! unless the answer leads elsewhere. Leptos' own forms do the same, but compile all of it once more for each.

use kubewise_contract::UiError;
use leptos::{
    ev::SubmitEvent,
    prelude::*,
    server_fn::{ServerFn, client::Client, error::ServerFnUrlError},
    task::spawn_local,
};
use wasm_bindgen::JsCast;
use web_sys::{FormData, HtmlFormElement, UrlSearchParams};

use super::Trouble;
use crate::api::{Answer, FORM, ask};

/// A server function that a form is sent to, and what came of it.
#[derive(Clone, Copy)]
pub(crate) struct Post {
    path: &'static str,
    ask: fn(&'static str, &'static str, String) -> Answer<'static>,
    pending: RwSignal<bool>,
    outcome: RwSignal<Option<Result<(), UiError>>>,
    version: RwSignal<usize>,
}

impl Post {
    /// To this server function. What a form that was sent without JavaScript came to stands in the page's address.
    pub(crate) fn to<F>() -> Self
    where
        F: ServerFn<Error = UiError, Output = ()>,
        F::Client: Client<UiError>,
    {
        Self::new(F::PATH, ask::<F::Client>)
    }

    fn new(path: &'static str, ask: fn(&'static str, &'static str, String) -> Answer<'static>) -> Self {
        let told = use_context::<ServerActionError>().filter(|told| told.path() == path);
        let outcome = told.map(|told| Err(ServerFnUrlError::<UiError>::decode_err(told.err())));
        Self { path, ask, pending: RwSignal::new(false), outcome: RwSignal::new(outcome), version: RwSignal::new(0) }
    }

    /// Whether it is on its way.
    pub(crate) fn pending(self) -> Signal<bool> {
        self.pending.into()
    }

    /// Why it was refused the last time, if it was.
    pub(crate) fn error(self) -> Option<UiError> {
        self.outcome.get().and_then(Result::err)
    }

    /// The same, as a signal.
    pub(crate) fn trouble(self) -> Trouble {
        Signal::derive(move || self.error())
    }

    /// Whether it was done the last time.
    pub(crate) fn is_done(self) -> bool {
        matches!(self.outcome.get(), Some(Ok(())))
    }

    /// How often it came back.
    pub(crate) fn version(self) -> usize {
        self.version.get()
    }

    /// How often it was done. What shows a form's fields anew depends on this: what was typed stays where it is refused.
    pub(crate) fn times_done(self) -> Memo<usize> {
        Memo::new(move |last: Option<&usize>| {
            let version = self.version.get();
            if self.is_done() { version } else { last.copied().unwrap_or_default() }
        })
    }

    fn send(self, event: &SubmitEvent) {
        let Some(body) = body(event) else { return };
        event.prevent_default();
        self.pending.set(true);
        let answer = (self.ask)(self.path, FORM, body);
        spawn_local(async move {
            let outcome = answer.await.map(drop);
            // The answer may have led to another page.
            self.outcome.try_set(Some(outcome));
            self.pending.try_set(false);
            self.version.try_update(|version| *version += 1);
        });
    }
}

/// What a form sends, as browsers write it.
fn body(event: &SubmitEvent) -> Option<String> {
    let form = event.target()?.dyn_into::<HtmlFormElement>().ok()?;
    let data = FormData::new_with_form(&form).ok()?;
    let pairs = UrlSearchParams::new_with_str_sequence_sequence(&data).ok()?;
    Some(String::from(pairs.to_string()))
}

/// A form that is sent to a server function. `id`: for fields that are elsewhere on the page.
#[component]
pub(crate) fn PostForm(post: Post, #[prop(optional)] id: Option<&'static str>, children: Children) -> impl IntoView {
    view! { <form id=id method="post" action=post.path on:submit=move |event| post.send(&event)>{children()}</form> }
        .into_any()
}

/// A form that is one button, in a row of a list. `label`: what it does to which row, for who does not see the row.
pub(crate) fn row_button(post: Post, fields: &[(&'static str, String)], word: &'static str, label: String) -> AnyView {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| view! { <input type="hidden" name=*name value=value.clone()/> }).collect();
    view! {
        <PostForm post>
            {fields}
            <button type="submit" class="btn small" aria-label=label disabled=post.pending()>{word}</button>
        </PostForm>
    }
    .into_any()
}
