//! The HTML document around the app, and the headers that belong to it.

use std::collections::HashSet;

use http::{HeaderValue, header};
use leptos::{nonce::use_nonce, prelude::*, tachys::html::InertElement};
use leptos_axum::ResponseOptions;
use leptos_meta::{Meta, MetaTags};

use super::assets::Assets;
use crate::{App, lazy::Announcement, pages::Outside};

/// The document. Scripts run only with this response's nonce; there is no inline style anywhere.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let nonce = use_nonce();
    set_headers(&options, nonce.as_deref().unwrap_or_default());
    let assets = Assets::get(&options);
    let start = start(assets);
    provide_context(Announced { assets, chunks: ArcStoredValue::default() });
    provide_context(Announcement(announce));
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                {InertElement::new(ABOUT)}
                <link rel="stylesheet" href=assets.css.as_str()/>
                <AutoReload options=options.clone()/>
                // Before the script, which reads them.
                <MetaTags/>
                <script type="module" async nonce=nonce>{start}</script>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// What every document says of itself.
const ABOUT: &str = concat!(
    r#"<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">"#,
    r#"<meta name="color-scheme" content="light dark">"#,
    r##"<meta name="theme-color" content="#f7f7f5" media="(prefers-color-scheme: light)">"##,
    r##"<meta name="theme-color" content="#131516" media="(prefers-color-scheme: dark)">"##,
    r#"<meta name="description" content="What runs in each of your Kubernetes clusters, in which version, in one place.">"#,
    r#"<link rel="icon" href="/favicon.svg" type="image/svg+xml">"#,
    r#"<link rel="preload" href="/fonts/inter-latin-wght-normal.woff2" as="font" type="font/woff2" crossorigin="">"#,
    r#"<link rel="preload" href="/fonts/jetbrains-mono-latin-wght-normal.woff2" as="font" type="font/woff2" crossorigin="">"#,
);

/// A document of text, without a script: the documentation. `body` is HTML.
pub fn document(options: &LeptosOptions, title: &str, body: &str) -> String {
    // As HTML: text of a view would leave a mark behind it, which a title shows.
    let title = format!("{title} · Kubewise").replace('&', "&amp;").replace('<', "&lt;");
    let body = body.to_owned();
    let style = Assets::get(options).css.as_str();
    let page = Owner::new().with(|| {
        view! {
            <html lang="en">
                <head>{InertElement::new(ABOUT)}<link rel="stylesheet" href=style/><title inner_html=title></title></head>
                <body>
                    <Outside links=view! { <a class="btn" href="/policies">"Policies"</a><a class="btn" href="/docs">"Documentation"</a> }.into_any()>
                        <article class="text" inner_html=body></article>
                    </Outside>
                </body>
            </html>
        }
        .to_html()
    });
    format!("<!DOCTYPE html>{page}")
}

/// Loads the browser's part, all files at once, and takes the page over when all of it is there. A script does it rather
/// than preloading links: who runs no scripts then downloads nothing in vain. Whoever went back meanwhile, to an address
/// of the same document, sees what was not made for it: it is asked for anew. If a chunk cannot be had, the page stays as it
/// is, and works as it does without scripts.
fn start(assets: &Assets) -> String {
    // The other script imports it too, but only once that has come.
    let loader = assets.loader.as_ref().map(|loader| format!("import({loader:?}).catch(() => {{}});\n"));
    format!(
        "const here = () => location.pathname + location.search, made = here();\n\
         const wasm = fetch({wasm:?}), code = import({js:?});\n\
         {loader}\
         const have = async (file) => {{\n\
         const response = await fetch(file);\n\
         await response.arrayBuffer();\n\
         return response.ok;\n\
         }};\n\
         const chunks = Promise.all(Array.from(document.querySelectorAll(\"meta[name={CHUNK}]\"), (e) => have(e.content)))\n\
         .then((had) => had.every(Boolean), () => false);\n\
         const {{ default: init, hydrate }} = await code;\n\
         await init({{ module_or_path: wasm }});\n\
         if (document.readyState === \"loading\") {{\n\
         await new Promise((ready) => document.addEventListener(\"DOMContentLoaded\", ready, {{ once: true }}));\n\
         }}\n\
         const complete = await chunks;\n\
         if (here() !== made) location.reload(); else if (complete) hydrate();",
        wasm = assets.wasm,
        js = assets.js,
        loader = loader.unwrap_or_default(),
    )
}

/// The name of the elements that say what else the page needs.
const CHUNK: &str = "kubewise-chunk";

/// Which chunks the document's head names already: a page and its frame are of the same.
#[derive(Clone)]
struct Announced {
    assets: &'static Assets,
    chunks: ArcStoredValue<HashSet<&'static str>>,
}

/// Names in the document's head the files that a chunk consists of.
fn announce(chunk: &'static str) {
    let Announced { assets, chunks } = expect_context();
    if !chunks.write_value().insert(chunk) {
        return;
    }
    for file in assets.chunks.get(chunk).into_iter().flatten() {
        // Rendering it puts it into the head, and nothing here.
        let _ = view! { <Meta name=CHUNK content=file.as_str()/> }.to_html();
    }
}

/// Pages show what belongs to one organisation at one moment, and each has its own nonce: none may be kept or shared.
fn set_headers(options: &LeptosOptions, nonce: &str) {
    let Some(response) = use_context::<ResponseOptions>() else { return };
    let policy = content_security_policy(nonce, &reload_sources(options));
    match HeaderValue::try_from(policy) {
        Ok(policy) => response.insert_header(header::CONTENT_SECURITY_POLICY, policy),
        Err(e) => tracing::error!(error = %e, "no content security policy"),
    }
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn content_security_policy(nonce: &str, reload: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'{reload}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'; object-src 'none'"
    )
}

/// While developing, pages also listen for rebuilds.
fn reload_sources(options: &LeptosOptions) -> String {
    if std::env::var_os("LEPTOS_WATCH").is_none() {
        return String::new();
    }
    let port = options.reload_port;
    format!(" ws://127.0.0.1:{port} ws://localhost:{port}")
}
