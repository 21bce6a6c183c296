//! What surrounds every page of an organisation: where to go, search, whether the page is live, and who is looking.

use kubewise_contract::{OrganisationRef, Permission, UiError};
use leptos::{
    ev::{self, SubmitEvent},
    prelude::*,
};
use leptos_router::{
    NavigateOptions,
    components::Outlet,
    hooks::{use_location, use_navigate, use_query_map},
};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlInputElement, KeyboardEvent, Node};

use super::settings;
use crate::{
    api::{Frame, frame},
    live::{Live, Stream},
    parts::{Icon, Logo, initials},
    place::{encode, org_href, use_org},
};

/// Who looks, and the organisation in the address; in the context of all its pages.
pub(crate) type FrameResource = Resource<Result<Frame, UiError>>;

/// A page that stands beside others under tabs: its address within the organisation, its name, and what one must hold for it.
pub(super) type Tab = (&'static str, &'static str, Permission);

/// The tabs that are of use to who looks; `here` is the one that is shown.
pub(super) fn tabs(label: &'static str, tabs: &'static [Tab], here: &'static str) -> AnyView {
    let found = expect_context::<FrameResource>();
    view! {
        <Transition>
            {move || Suspend::new(async move {
                let frame = found.await.ok()?;
                let tabs: Vec<_> = tabs
                    .iter()
                    .filter(|(.., permission)| frame.here.may(*permission))
                    .map(|(href, name, _)| {
                        let current = (*href == here).then_some("page");
                        view! { <a href=org_href(frame.here.slug.as_str(), href) aria-current=current>{*name}</a> }
                    })
                    .collect();
                Some(view! { <nav class="tabs" aria-label=label>{tabs}</nav> })
            })}
        </Transition>
    }
    .into_any()
}

/// The frame; the page is its outlet.
#[component]
pub(crate) fn OrganisationFrame() -> impl IntoView {
    let org = use_org();
    let live = Live::new();
    provide_context(live);
    let frame = Resource::new(move || (org.get(), live.rights()), |(org, _)| frame(org));
    provide_context(frame);
    keep_keyboard_and_menus();

    view! {
        <a class="skip" href="#main" rel="external">"Skip to content"</a>
        <div class="app">
            <Side frame org/>
            <div class="page"><div class="inner">
                <div class="top">
                    <Transition>
                        {move || Suspend::new(async move {
                            frame.await.ok().map(|frame| view! { <SearchField org/> {notice(&frame)} })
                        })}
                    </Transition>
                    <Pulse live/>
                    <div class="account"><AccountMenu frame class="menu account"/></div>
                </div>
                <main id="main" tabindex="-1"><Outlet/></main>
            </div></div>
        </div>
        <Transition>
            {move || Suspend::new(async move {
                frame.await.ok().map(|frame| view! {
                    <nav class="tabbar" aria-label="Main, at the bottom"><Places org here=frame.here class=""/></nav>
                })
            })}
        </Transition>
    }
}

/// What members are told on every page: that all of it will be deleted, or, those who pay, what is owed.
fn notice(frame: &Frame) -> AnyView {
    let Some(notice) = frame.notice.clone() else { return ().into_any() };
    view! {
        <section class="bill" aria-label="Notice">
            <a class="tag crit" href=frame.notice_page.clone()>{notice}</a>
        </section>
    }
    .into_any()
}

/// The side navigation. Without an organisation that one may see, it has only the way home.
#[component]
fn Side(frame: FrameResource, org: Memo<String>) -> impl IntoView {
    let live = expect_context::<Live>();
    view! {
        <nav class="side" aria-label="Main">
            <a class="brand" href="/"><Logo/>"Kubewise"</a>
            <Transition>
                {move || Suspend::new(async move {
                    frame.await.ok().map(|frame| {
                        live.open(frame.here.slug.to_string());
                        view! { {switcher(&frame)} <Places org here=frame.here class="item"/> }
                    })
                })}
            </Transition>
            <AccountMenu frame class="menu foot"/>
        </nav>
    }
    .into_any()
}

/// The organisation; a menu when there are several.
fn switcher(frame: &Frame) -> AnyView {
    let here = &frame.here;
    let organisations = &frame.viewer.organisations;
    if organisations.len() < 2 {
        return view! { <div class="org"><div class="name">{here.name.clone()}</div></div> }.into_any();
    }
    let entries: Vec<_> = organisations
        .iter()
        .map(|o| {
            let current = (o.slug == here.slug).then_some("true");
            view! { <li><a class="entry" href=org_href(o.slug.as_str(), "/") aria-current=current>{o.name.clone()}</a></li> }
        })
        .collect();
    view! {
        <details class="menu org">
            <summary>
                <span><span class="visually-hidden">"Organisation: "</span>{here.name.clone()}</span>{Icon::UpDown.show()}
            </summary>
            <ul class="list">{entries}</ul>
        </details>
    }
    .into_any()
}

/// The pages of an organisation. Only what exists, and is of use to this role.
#[component]
fn Places(org: Memo<String>, here: OrganisationRef, class: &'static str) -> impl IntoView {
    let path = use_location().pathname;
    let places = [
        ("/", Icon::Dashboard, "Overview"),
        ("/clusters", Icon::Boxes, "Clusters"),
        ("/audits", Icon::Shield, "Audits"),
        ("/search", Icon::Search, "Search"),
    ];
    let inventory = here.may(Permission::ViewInventory);
    let team = here.may(Permission::ViewTeam).then_some(("/team", Icon::Users, "Team"));
    let billing = here.may(Permission::ManageBilling).then_some(("/billing", Icon::Card, "Billing"));
    let settings = settings::first(&here).map(|rest| (rest, Icon::Settings, "Settings"));
    places
        .into_iter()
        .filter(|_| inventory)
        .chain(team)
        .chain(billing)
        .chain(settings)
        .map(|(rest, icon, name)| {
            let current = move || {
                let here = path.get();
                // All pages of the settings belong to the one entry.
                let at = org_href(&org.get(), if rest.starts_with("/settings") { "/settings" } else { rest });
                let current = match rest {
                    "/" => here.trim_end_matches('/') == at.trim_end_matches('/'),
                    _ => here == at || here.strip_prefix(&at).is_some_and(|below| below.starts_with('/')),
                };
                current.then_some("page")
            };
            view! {
                <a class=class href=move || org_href(&org.get(), rest) aria-current=current>{icon.show()}{name}</a>
            }
        })
        .collect_view()
        .into_any()
}

/// Who is looking, and the way out. The way out is a plain form: the browser forgets everything with the page.
#[component]
fn AccountMenu(frame: FrameResource, class: &'static str) -> impl IntoView {
    view! {
        <Transition>
            {move || Suspend::new(async move {
                frame.await.ok().map(|frame| {
                    let (viewer, here) = (frame.viewer, frame.here);
                    view! {
                        <details class=class>
                            <summary>
                                <span class="avatar" aria-hidden="true">{initials(&viewer.name)}</span>
                                <span class="name">{viewer.name.clone()}</span>
                            </summary>
                            <div class="list">
                                <div class="who"><b>{viewer.name}</b>{viewer.email}<div class="muted">
                                    {format!("{} of {}", here.role, here.name)}
                                </div></div>
                                <a class="entry" href="/account">{Icon::User.show()}"Your account"</a>
                                <a class="entry" href="/docs" rel="external">{Icon::Book.show()}"Documentation"</a>
                                <form method="post" action="/api/log_out">
                                    <button type="submit" class="entry">{Icon::LogOut.show()}"Sign out"</button>
                                </form>
                            </div>
                        </details>
                    }
                })
            })}
        </Transition>
    }
    .into_any()
}

/// Search, always at the top. `/`, Ctrl K and ⌘ K lead to it.
#[component]
fn SearchField(org: Memo<String>) -> impl IntoView {
    let navigate = use_navigate();
    let path = use_location().pathname;
    let query = use_query_map();
    let value = Memo::new(move |_| {
        let searching = path.with(|p| p.ends_with("/search"));
        query.with(|q| q.get("q")).filter(|_| searching).unwrap_or_default()
    });
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let input = event_target::<Element>(&event).query_selector("input").ok().flatten();
        if let Some(input) = input.and_then(|i| i.dyn_into::<HtmlInputElement>().ok()) {
            let wanted = input.value();
            let rest = format!("/search?q={}", encode(wanted.trim()));
            navigate(&org_href(&org.get_untracked(), &rest), NavigateOptions::default());
        }
    };
    view! {
        <form class="find" role="search" aria-label="Everything" method="get"
            action=move || org_href(&org.get(), "/search") on:submit=submit>
            {Icon::Search.show()}
            <input id="find" type="search" name="q" maxlength="253" placeholder="Search all clusters…" aria-label="Search all clusters"
                aria-keyshortcuts="/ Control+K Meta+K" autocomplete="off" spellcheck="false"
                value=move || value.get() prop:value=move || value.get()/>
            <kbd class="kbd needs-script" aria-hidden="true">"/"</kbd>
        </form>
    }
    .into_any()
}

/// Whether what is shown updates by itself.
#[component]
fn Pulse(live: Live) -> impl IntoView {
    view! {
        <div class="pulse" role="status">
            {move || match live.stream() {
                Stream::Closed => ().into_any(),
                Stream::Open => view! {
                    <span class="tag ok" title="This page updates by itself"><span class="dot" aria-hidden="true"></span>"live"</span>
                }
                .into_any(),
                Stream::Lost => view! {
                    <span class="tag med" title="What is shown may be old; updates go on when the server is back">
                        <span class="dot sync" aria-hidden="true"></span>"reconnecting"
                    </span>
                }
                .into_any(),
            }}
        </div>
    }
    .into_any()
}

/// In the browser: shortcuts to the search, menus that close, and the keyboard at the new page after following a link.
fn keep_keyboard_and_menus() {
    let path = use_location().pathname;
    Effect::new(move |last: Option<String>| {
        let path = path.get();
        if last.is_some_and(|last| last != path) {
            close_menus(None);
            if let Some(main) = document().get_element_by_id("main").and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
                let options = web_sys::FocusOptions::new();
                options.set_prevent_scroll(true);
                let _ = main.focus_with_options(&options);
            }
        }
        path
    });
    Effect::new(move |_| {
        let keys = window_event_listener(ev::keydown, |event| {
            if event.key() == "Escape" {
                close_menus(None);
            } else if is_search_shortcut(&event)
                && let Some(find) =
                    document().get_element_by_id("find").and_then(|e| e.dyn_into::<HtmlInputElement>().ok())
            {
                event.prevent_default();
                let _ = find.focus();
                find.select();
            }
        });
        let clicks = window_event_listener(ev::click, |event| {
            close_menus(event.target().and_then(|t| t.dyn_into::<Node>().ok()).as_ref());
        });
        on_cleanup(move || {
            keys.remove();
            clicks.remove();
        });
    });
}

fn is_search_shortcut(event: &KeyboardEvent) -> bool {
    let writing =
        document().active_element().is_some_and(|e| ["INPUT", "TEXTAREA", "SELECT"].contains(&e.tag_name().as_str()));
    let command = (event.ctrl_key() || event.meta_key()) && !event.alt_key() && event.key().eq_ignore_ascii_case("k");
    let slash = event.key() == "/" && !writing && !event.ctrl_key() && !event.meta_key() && !event.alt_key();
    command || slash
}

/// Closes every open menu but the one that `inside` is in.
fn close_menus(inside: Option<&Node>) {
    let Ok(open) = document().query_selector_all("details.menu[open]") else { return };
    for menu in (0..open.length()).filter_map(|i| open.item(i)) {
        if !menu.contains(inside)
            && let Some(menu) = menu.dyn_ref::<Element>()
        {
            let _ = menu.remove_attribute("open");
        }
    }
}
