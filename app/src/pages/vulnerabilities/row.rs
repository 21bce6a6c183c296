//! A vulnerability as lists show it.

use kubewise_contract::{Cursor, VulnerabilityRow};
use leptos::prelude::*;

use crate::parts::{Icon, number, vulnerability_tag};

/// How bad it is: the word, and the score if there is one.
pub(super) fn severity(found: &VulnerabilityRow) -> AnyView {
    let score = found.score.map(|tenths| {
        view! { <div class="second" title="CVSS, of 10">{format!("{}.{}", tenths / 10, tenths % 10)}</div> }
    });
    view! { {vulnerability_tag(found.severity)}{score} }.into_any()
}

/// Its id, which leads to where one reads on, and what it is. The other side is not told where from.
pub(super) fn name(found: &VulnerabilityRow) -> AnyView {
    let id = match &found.link {
        Some(link) => {
            view! { <a class="link first mono" href=link.clone() rel="noopener noreferrer external">{found.id.clone()}</a> }
                .into_any()
        }
        None => view! { <span class="first mono">{found.id.clone()}</span> }.into_any(),
    };
    view! { {id}<div class="second">{found.title.clone()}</div> }.into_any()
}

/// The package, and from which version to which one gets out of it.
pub(super) fn package(found: &VulnerabilityRow) -> AnyView {
    let versions = match &found.fixed {
        Some(fixed) => view! {
            <code>{found.installed.clone()}</code>
            <span aria-hidden="true">" → "</span><span class="visually-hidden">", mended in "</span>
            <code>{fixed.clone()}</code>
        }
        .into_any(),
        None => view! { <code>{found.installed.clone()}</code>", no fix yet" }.into_any(),
    };
    view! { <code class="line">{found.package.clone()}</code><div class="second">{versions}</div> }.into_any()
}

/// The list's foot; nothing where the list fits on one page. `to` is the address of a page that begins there.
pub(super) fn foot(
    rows: usize,
    is_first: bool,
    next: Option<Cursor>,
    to: impl Fn(Option<Cursor>) -> String,
) -> AnyView {
    if next.is_none() && is_first {
        return ().into_any();
    }
    let first = (!is_first).then(|| to(None));
    let next = next.map(|after| to(Some(after)));
    view! {
        <nav class="pager" aria-label="Pages">
            <span>{number(i64::try_from(rows).unwrap_or(i64::MAX))}" on this page"</span>
            {first.map(|href| view! { <a class="btn" href=href>"First page"</a> })}
            {next.map(|href| view! { <a class="btn" href=href>"Next page"{Icon::ArrowRight.show()}</a> })}
        </nav>
    }
    .into_any()
}
