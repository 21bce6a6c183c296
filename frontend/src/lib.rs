//! The WASM entry point: takes over the pages that the server rendered.

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the page. Marks the document when the page has been taken over, so that whoever drives a browser by
/// program can tell.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(kubewise_app::App);
    if let Some(root) = leptos::prelude::document().document_element() {
        // Fails only for names that are none.
        let _ = root.set_attribute("data-hydrated", "");
    }
}
