//! The WASM entry point: takes over the pages that the server rendered.

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the page. Marks the document when the page has been taken over, which may need a chunk first, so that
/// whoever drives a browser by program can tell.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(async {
        leptos::mount::hydrate_from_async(leptos::tachys::dom::body(), kubewise_app::App).await.forget();
        if let Some(root) = leptos::prelude::document().document_element() {
            // Fails only for names that are none.
            let _ = root.set_attribute("data-hydrated", "");
        }
    });
}
