//! Asking the browser about passkeys. What it is asked and what it answers is JSON (`WebAuthn` Level 3 §5.1.8 to 5.1.10),
//! which the server understands; here it only passes through.

use kubewise_contract::UiError;
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::js_sys::{Function, JSON, Object, Promise, Reflect};

/// Has a passkey made.
pub(crate) async fn create(options: &str) -> Result<String, UiError> {
    ceremony(options, "parseCreationOptionsFromJSON", "create").await
}

/// Has a passkey sign.
pub(crate) async fn get(options: &str) -> Result<String, UiError> {
    ceremony(options, "parseRequestOptionsFromJSON", "get").await
}

async fn ceremony(options: &str, parse: &str, ask: &str) -> Result<String, UiError> {
    let promise = begin(options, parse, ask).map_err(|_| UiError::NoPasskeys)?;
    // The person went away, said no, or has none that fits: browsers do not tell which.
    let credential = JsFuture::from(promise).await.map_err(|_| UiError::PasskeyCancelled)?;
    let text = JSON::stringify(&credential).map_err(|_| UiError::NoPasskeys)?;
    Ok(text.into())
}

/// Fails where the browser knows nothing of passkeys.
fn begin(options: &str, parse: &str, ask: &str) -> Result<Promise, JsValue> {
    let options = Reflect::get(&JSON::parse(options)?, &"publicKey".into())?;
    let class = Reflect::get(&window(), &"PublicKeyCredential".into())?;
    let parsed = call(&class, parse, &options)?;
    let argument = Object::new();
    Reflect::set(&argument, &"publicKey".into(), &parsed)?;
    let credentials = Reflect::get(&window().navigator(), &"credentials".into())?;
    call(&credentials, ask, &argument)?.dyn_into()
}

fn call(on: &JsValue, name: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    Reflect::get(on, &name.into())?.dyn_into::<Function>()?.call1(on, argument)
}
