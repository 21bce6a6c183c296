//! A list's filters: a plain GET form, so that they live in the address. With JavaScript a choice takes effect at once.

use kubewise_contract::ListQuery;
use leptos::{ev::SubmitEvent, form::FromFormData, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use wasm_bindgen::JsCast;
use web_sys::{Event, FormData, HtmlFormElement, HtmlSelectElement, UrlSearchParams};

use super::{Icon, kind_name};
use crate::place::list_href;

/// What a list can be filtered by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    /// What the text field searches, such as `workloads`; empty: there is none.
    pub(crate) text: &'static str,
    /// Group-kinds to choose from.
    pub(crate) kinds: Vec<String>,
    /// Namespaces to choose from.
    pub(crate) namespaces: Vec<String>,
}

/// The filters of the list at `base`.
#[component]
pub(crate) fn FilterBar(base: String, query: ListQuery, offers: Offers) -> impl IntoView {
    let navigate = use_navigate();
    let action = base.clone();
    let submit = move |event: SubmitEvent| {
        if let Ok(mut query) = ListQuery::from_event(&event) {
            event.prevent_default();
            for value in [&mut query.kind, &mut query.namespace, &mut query.q, &mut query.app, &mut query.image] {
                *value = value.take().filter(|v| !v.trim().is_empty());
            }
            navigate(&list_href(&base, &query), NavigateOptions { scroll: false, ..NavigateOptions::default() });
        }
    };
    let without = {
        let (base, query) = (action.clone(), query.clone());
        move |change: fn(&mut ListQuery)| {
            let mut query = ListQuery { after: None, ..query.clone() };
            change(&mut query);
            list_href(&base, &query)
        }
    };
    let text = (!offers.text.is_empty()).then(|| {
        let off = query.q.is_some().then(|| without(|q| q.q = None));
        searched(&action, format!("Filter {} by name", offers.text), "name contains", 253, query.q.clone(), off)
    });
    // The text is searched from elsewhere: here it can only be removed.
    let fixed_text =
        if offers.text.is_empty() { fixed("q", "name", query.q.clone(), without(|q| q.q = None)) } else { None };
    let kinds: Vec<_> = offers.kinds.iter().map(|k| (k.clone(), kind_name(k).to_owned())).collect();
    let kind = chooser("kind", kinds, query.kind.clone(), without(|q| q.kind = None));
    let namespaces: Vec<_> = offers.namespaces.iter().map(|n| (n.clone(), n.clone())).collect();
    let namespace = chooser("namespace", namespaces, query.namespace.clone(), without(|q| q.namespace = None));
    let app = fixed("app", "application", query.app.clone(), without(|q| q.app = None));
    let image = fixed("image", "image", query.image, without(|q| q.image = None));
    view! {
        <form class="filters" method="get" action=action role="search" aria-label="Filters" on:submit=submit>
            {text}{fixed_text}{kind}{namespace}{app}{image}
            <button type="submit" class="btn small needs-no-script">"Filter"</button>
        </form>
    }
    .into_any()
}

/// The text that the list at `base` is filtered by. What is being typed stays while the list is shown anew, because
/// something in it changed: only what the address asks for replaces it. At most so many characters.
pub(crate) fn searched(
    base: &str,
    label: String,
    placeholder: &'static str,
    most: u16,
    set: Option<String>,
    off: Option<String>,
) -> AnyView {
    const ASKED: &str = "data-asked";
    let on = set.is_some();
    let set = set.unwrap_or_default();
    let asked = (format!("{base}?{set}"), set.clone());
    let field = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| {
        let Some(field) = field.get() else { return };
        let (asked, text) = &asked;
        // None: it was just made, or somebody typed before scripts ran.
        if field.get_attribute(ASKED).is_some_and(|before| before != *asked) {
            field.set_value(text);
        }
        // Fails only for names that are none.
        let _ = field.set_attribute(ASKED, asked);
    });
    view! {
        <label class="chip" class:on=on>
            {Icon::Search.show()}
            <span class="visually-hidden">{label}</span>
            <input node_ref=field type="text" name="q" maxlength=most placeholder=placeholder autocomplete="off" spellcheck="false"
                value=set/>
            {off.map(|href| remove("name", href))}
        </label>
    }
    .into_any()
}

/// A filter with values to choose from; also shows a value that is set but no longer offered.
pub(crate) fn chooser(
    name: &'static str,
    mut offered: Vec<(String, String)>,
    set: Option<String>,
    off: String,
) -> Option<AnyView> {
    if let Some(value) = &set
        && !offered.iter().any(|(v, _)| v == value)
    {
        offered.push((value.clone(), value.clone()));
    }
    if offered.is_empty() {
        return None;
    }
    let on = set.is_some();
    let options: Vec<_> = std::iter::once((String::new(), "all".to_owned()))
        .chain(offered)
        .map(|(value, label)| {
            let selected = set.as_deref().unwrap_or_default() == value;
            view! { <option value=value selected=selected prop:selected=selected>{label}</option> }
        })
        .collect();
    Some(
        view! {
            <span class="chip" class:on=on>
                <label for=format!("filter-{name}")>{name}</label>
                <select id=format!("filter-{name}") name=name on:change=submit_form>{options}</select>
                {on.then(|| remove(name, off))}
            </span>
        }
        .into_any(),
    )
}

/// A filter that a link has set: it can only be removed.
pub(crate) fn fixed(name: &'static str, label: &'static str, set: Option<String>, off: String) -> Option<AnyView> {
    set.map(|value| {
        view! {
            <span class="chip on">
                {label}" "<span class="value">{value.clone()}</span>
                <input type="hidden" name=name value=value/>
                {remove(label, off)}
            </span>
        }
        .into_any()
    })
}

fn remove(name: &str, href: String) -> AnyView {
    view! {
        <a class="off" href=href data-noscroll="" aria-label=format!("Remove the filter {name}")>{Icon::Close.show()}</a>
    }
    .into_any()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of an event handler")]
fn submit_form(event: Event) {
    let select = event.target().and_then(|t| t.dyn_into::<HtmlSelectElement>().ok());
    if let Some(form) = select.and_then(|s| s.form()) {
        // Fails only for a form that is not in the page.
        let _ = form.request_submit();
    }
}

/// What a form sends; none where the browser does not let it be read: then it goes on by itself.
pub(crate) fn sent(event: &SubmitEvent) -> Option<UrlSearchParams> {
    let form = event.target()?.dyn_into::<HtmlFormElement>().ok()?;
    let data = FormData::new_with_form(&form).ok()?;
    UrlSearchParams::new_with_str_sequence_sequence(&data).ok()
}
