//! What surrounds the pages of people who are not signed in.

use leptos::prelude::*;

use crate::parts::Logo;

/// Header with the mark and `links`, the page, and a foot.
#[component]
pub(crate) fn Outside(#[prop(optional, into)] links: Option<AnyView>, children: Children) -> impl IntoView {
    view! {
        <a class="skip" href="#main" rel="external">"Skip to content"</a>
        <div class="outside">
            <header>
                <a class="brand" href="/"><Logo/>"Kubewise"</a>
                {links}
            </header>
            <main id="main" tabindex="-1">{children()}</main>
            <footer>"Cookies only for signing in; nothing is tracked. What is kept about you, why and for how long: "<a class="link" href="/policies/privacy" rel="external">"privacy"</a>" and other "<a class="link" href="/policies" rel="external">"policies"</a>"."</footer>
        </div>
    }
    .into_any()
}
