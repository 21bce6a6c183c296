//! The field for a new password. While it is typed it says how hard the password is to guess and what would help. The
//! server judges: what it compares with is larger than all of the browser's part. Without scripts, the refusal says the
//! same.

use std::time::Duration;

use kubewise_contract::{Field, FieldError, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Strength};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;

use super::{TextField, field::Trouble};
use crate::api::password_strength;

/// Whoever pauses for so long wants to know.
const PAUSE: Duration = Duration::from_millis(400);

/// The field `password` of a form.
#[component]
pub(crate) fn NewPassword(label: &'static str, trouble: Trouble, #[prop(optional)] focus: bool) -> impl IntoView {
    let strength = RwSignal::new(None);
    // The room for the answer is made before it is needed: if it came with the answer, the button below would move away
    // under whoever presses it just then. A field that has the focus before scripts run gets none any more: there, what is
    // typed makes the room.
    let room = RwSignal::new(false);
    let typed = StoredValue::new(0_u32);
    let judge = move |event: web_sys::Event| {
        room.set(true);
        let password = event_target_value(&event);
        let turn = typed.get_value().wrapping_add(1);
        typed.set_value(turn);
        if password.chars().count() < PASSWORD_MIN_CHARS {
            strength.set(None);
            return;
        }
        let about = others(&event);
        // The page may be another by then.
        let is_last = move || typed.try_get_value() == Some(turn);
        let ask = move || {
            spawn_local(async move {
                if is_last() {
                    let answer = password_strength(password, about).await;
                    if is_last() {
                        strength.set(answer.ok());
                    }
                }
            });
        };
        set_timeout(ask, PAUSE);
    };
    view! {
        <div on:focusin=move |_| room.set(true) on:input=judge>
            <TextField name="password" label=label.into_any() field=Field::Password trouble kind="password"
                autocomplete="new-password" min=PASSWORD_MIN_CHARS max=PASSWORD_MAX_CHARS focus
                hint="At least 10 characters. A few words that have nothing to do with each other make a good one."/>
            <div class="strength" role="status">
                {move || room.get().then(|| view! {
                    <div>
                        <span class="bar" data-score=move || strength.get().map(|s| s.score) aria-hidden="true"></span>
                        <span class="said">{move || strength.get().map(sentence)}</span>
                    </div>
                })}
            </div>
        </div>
    }
    .into_any()
}

fn sentence(strength: Strength) -> String {
    match strength.problem {
        Some(problem) => FieldError { field: Field::Password, problem }.to_string(),
        None if strength.score < Strength::MOST => {
            "The password is good enough. One word more makes it much harder to guess.".to_owned()
        }
        None => "The password is hard to guess.".to_owned(),
    }
}

/// What else stands in the form: a password must not be made of it.
fn others(event: &web_sys::Event) -> String {
    let input: web_sys::HtmlInputElement = event_target(event);
    let fields = input
        .closest("form")
        .ok()
        .flatten()
        .and_then(|form| form.query_selector_all("input[type=text], input[type=email]").ok());
    let Some(fields) = fields else { return String::new() };
    let values = (0..fields.length()).filter_map(|n| fields.get(n)?.dyn_into::<web_sys::HtmlInputElement>().ok());
    values.map(|field| field.value()).collect::<Vec<_>>().join(" ")
}

const _: () = assert!(PASSWORD_MIN_CHARS == 10, "the hint under the password says 10");
