//! Fields of forms. What is wrong stands at the field it is wrong with, and screen readers hear it there.

use kubewise_contract::{Field, FieldError, UiError};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::Icon;

/// The error that a form's last attempt ended with, if any.
pub(crate) type Trouble = Signal<Option<UiError>>;

/// A line of text.
#[component]
pub(crate) fn TextField(
    /// Name of the server function's argument; also the element's id.
    name: &'static str,
    #[prop(into)] label: AnyView,
    field: Field,
    trouble: Trouble,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(default = "")] hint: &'static str,
    #[prop(optional, into)] value: String,
    /// Set in a fixed-width font: names of things in a cluster.
    #[prop(optional)]
    code: bool,
    /// May stay empty.
    #[prop(optional)]
    spare: bool,
    #[prop(optional)] min: Option<usize>,
    #[prop(optional)] max: Option<usize>,
    #[prop(optional)] focus: bool,
) -> impl IntoView {
    let wrong = Signal::derive(move || {
        trouble.with(|t| {
            let problem = t.as_ref()?.of_field(field)?;
            Some(FieldError { field, problem }.to_string())
        })
    });
    let described = move || {
        let hint = (!hint.is_empty()).then(|| format!("{name}-hint"));
        let wrong = wrong.with(Option::is_some).then(|| format!("{name}-wrong"));
        let ids: Vec<_> = wrong.into_iter().chain(hint).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    };
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                type=kind
                class:code=code
                value=value
                autocomplete=autocomplete
                autocapitalize=if code || kind != "text" { "none" } else { "sentences" }
                spellcheck="false"
                required=!spare
                minlength=min
                maxlength=max
                autofocus=focus
                aria-invalid=move || wrong.with(Option::is_some).then_some("true")
                aria-describedby=described
            />
            {move || wrong.get().map(|wrong| view! {
                <div class="wrong" id=format!("{name}-wrong")>{Icon::Alert.show()}<span>{wrong}</span></div>
            })}
            {(!hint.is_empty()).then(|| view! { <div class="hint" id=format!("{name}-hint")>{hint}</div> })}
        </div>
    }
    .into_any()
}

/// What is wrong with the attempt as a whole. Also leads the keyboard to the first field that is wrong.
#[component]
pub(crate) fn FormError(trouble: Trouble) -> impl IntoView {
    Effect::new(move |_| {
        if trouble.with(|t| matches!(t, Some(UiError::Invalid(_)))) {
            request_animation_frame(|| {
                let first = document().query_selector("input[aria-invalid=true]").ok().flatten();
                if let Some(input) = first.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
                    let _ = input.focus();
                }
            });
        }
    });
    let sentence = move || {
        trouble.get().and_then(|error| match error {
            UiError::Invalid(errors) if errors.iter().all(|e| e.field != Field::Query) => None,
            other => Some(other.to_string()),
        })
    };
    view! {
        <div role="alert">
            {move || sentence().map(|sentence| view! {
                <div class="note crit">{Icon::Alert.show()}<span>{sentence}</span></div>
            })}
        </div>
    }
    .into_any()
}

/// The form's button; while the form is on its way it cannot be pressed twice.
#[component]
pub(crate) fn Submit(
    #[prop(into)] pending: Signal<bool>,
    #[prop(default = "btn primary")] class: &'static str,
    children: Children,
) -> impl IntoView {
    view! { <button type="submit" class=class disabled=pending>{children()}</button> }.into_any()
}
