//! The HTML document around the app, and the headers that belong to it.

use http::{HeaderValue, header};
use leptos::{nonce::use_nonce, prelude::*, tachys::html::InertElement};
use leptos_axum::ResponseOptions;
use leptos_meta::MetaTags;

use super::assets::Assets;
use crate::{App, pages::Outside};

/// The document. Scripts run only with this response's nonce; there is no inline style anywhere.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let nonce = use_nonce();
    set_headers(&options, nonce.as_deref().unwrap_or_default());
    let assets = Assets::get(&options);
    let start = start(assets);
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                {InertElement::new(ABOUT)}
                <link rel="stylesheet" href=assets.css.as_str()/>
                <AutoReload options=options.clone()/>
                <script type="module" async nonce=nonce>{start}</script>
                <MetaTags/>
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
    let (title, body) = (format!("{title} · Kubewise"), body.to_owned());
    let style = Assets::get(options).css.as_str();
    let page = Owner::new().with(|| {
        view! {
            <html lang="en">
                <head>{InertElement::new(ABOUT)}<link rel="stylesheet" href=style/><title>{title}</title></head>
                <body>
                    <Outside links=view! { <a class="btn" href="/docs">"Documentation"</a> }.into_any()>
                        <article class="text" inner_html=body></article>
                    </Outside>
                </body>
            </html>
        }
        .to_html()
    });
    format!("<!DOCTYPE html>{page}")
}

/// Loads the browser's part, both files at once, and takes the page over when all of it is there. A script does it rather
/// than preloading links: who runs no scripts then downloads nothing in vain. Whoever went back meanwhile, to an address
/// of the same document, sees what was not made for it: it is asked for anew.
fn start(assets: &Assets) -> String {
    format!(
        "const here = () => location.pathname + location.search, made = here();\n\
         const wasm = fetch({wasm:?}), code = import({js:?});\n\
         const {{ default: init, hydrate }} = await code;\n\
         await init({{ module_or_path: wasm }});\n\
         if (document.readyState === \"loading\") {{\n\
         await new Promise((ready) => document.addEventListener(\"DOMContentLoaded\", ready, {{ once: true }}));\n\
         }}\n\
         if (here() === made) hydrate(); else location.reload();",
        wasm = assets.wasm,
        js = assets.js,
    )
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
