//! What the pages say of another provider that people sign in through.

use kubewise_contract::{Provider, ProviderRefusal, Timestamp, UiError, Ways};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    parts::{Age, FormError, Icon, Post, PostForm, Submit, ticking},
    place::encode,
};

/// The way there, above a form that does without; nothing where there is no provider.
pub(super) fn continue_with(ways: Resource<Result<Ways, UiError>>, next: Signal<String>) -> AnyView {
    view! {
        {provider_note()}
        <Transition>
            {move || Suspend::new(async move {
                ways.await.ok().and_then(|ways| ways.provider).map(|name| view! {
                    <a class="btn wide" href=move || there("", &next.get()) rel="external">"Continue with "{name}</a>
                    <div class="between">"or"</div>
                })
            })}
        </Transition>
    }
    .into_any()
}

/// Where the browser is sent to the provider.
pub(super) fn there(purpose: &str, next: &str) -> String {
    let pairs = [("purpose", purpose), ("next", next)];
    let pairs: Vec<_> =
        pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k}={}", encode(v))).collect();
    if pairs.is_empty() { "/login/google".to_owned() } else { format!("/login/google?{}", pairs.join("&")) }
}

/// Why somebody came back with nothing: in the address, so that it is said without JavaScript too.
pub(super) fn provider_note() -> AnyView {
    let query = use_query_map();
    let why = move || query.with(|q| q.get("google").and_then(|why| ProviderRefusal::parse(&why)));
    view! {
        <div role="alert">
            {move || why().map(|why| view! {
                <div class="note crit">{Icon::Alert.show()}<span>{why.sentence()}</span></div>
            })}
        </div>
    }
    .into_any()
}

/// The part of `/account/security` about the provider.
pub(super) fn linked(provider: Provider, now: Timestamp, action: Post, done: impl IntoView + 'static) -> AnyView {
    let trouble = action.trouble();
    let name = provider.name.clone();
    let state = match provider.linked {
        Some(linked) => {
            let now = ticking(now);
            view! {
                <div class="known"><b>{linked.email}</b>" "<span class="tag ok">"linked"</span></div>
                <div class="muted"><Age at=linked.since now before="since " after=" ago"/></div>
                <PostForm post=action>
                    <div class="act"><Submit pending=action.pending() class="btn danger">"Unlink "{provider.name}</Submit></div>
                </PostForm>
            }
            .into_any()
        }
        None => view! {
            <div class="act"><a class="btn" href=there("link", "") rel="external">"Link "{provider.name}</a></div>
        }
        .into_any(),
    };
    view! {
        <section class="setting">
            <div>
                <h2>{name}</h2>
                <p>"Signs you in instead of your password. Whatever else you set up is asked for all the same."</p>
            </div>
            <div class="form">
                {provider_note()}
                <FormError trouble/>
                {done}
                {state}
            </div>
        </section>
    }
    .into_any()
}
