//! A page's head: where one is, the title, the sentence that says what matters now, the actions.

use leptos::prelude::*;
use leptos_meta::Title;

/// The head of a page. `crumbs` are address and name of what is above it.
#[component]
pub(crate) fn Head(
    #[prop(into)] title: String,
    /// What the browser's tab says, where the title alone would not tell.
    #[prop(optional, into)]
    tab: Option<String>,
    /// Whether this also is the browser's title; not where a frame shows it for several pages.
    #[prop(default = true)]
    titled: bool,
    #[prop(optional)] crumbs: Vec<(String, String)>,
    /// Something beside the title, such as a state.
    #[prop(optional, into)]
    beside: Option<AnyView>,
    #[prop(optional, into)] sentence: Option<AnyView>,
    #[prop(optional, into)] actions: Option<AnyView>,
) -> impl IntoView {
    let crumbs = (!crumbs.is_empty()).then(|| {
        let links: Vec<_> = crumbs
            .into_iter()
            .enumerate()
            .map(|(i, (href, name))| {
                let before = (i > 0).then(|| view! { <span aria-hidden="true">"›"</span> });
                view! { {before}<a href=href>{name}</a> }
            })
            .collect();
        view! { <nav class="crumb" aria-label="Breadcrumb">{links}</nav> }
    });
    view! {
        {titled.then(|| view! { <Title text=tab.unwrap_or_else(|| title.clone())/> })}
        <div class="head">
            <div class="what">
                {crumbs}
                <div class="title"><h1>{title}</h1>{beside}</div>
                {sentence.map(|sentence| view! { <div class="sub">{sentence}</div> })}
            </div>
            {actions.map(|actions| view! { <div class="act">{actions}</div> })}
        </div>
    }
    .into_any()
}
