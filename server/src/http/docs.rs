//! `/docs`: the documentation that is in the repository, as pages. Plain HTML: nothing of it needs a script.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use kubewise_app::document;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use super::router::WebState;

/// The pages: address, name, text.
const PAGES: [(&str, &str, &str); 7] = [
    ("api", "API", include_str!("../../../docs/api.md")),
    ("roles", "Roles and permissions", include_str!("../../../docs/roles.md")),
    ("configuration", "Configuration", include_str!("../../../docs/configuration.md")),
    ("authentication", "Signing in", include_str!("../../../docs/security/authentication.md")),
    ("activity", "The activity log", include_str!("../../../docs/activity.md")),
    ("protocol", "Ingest protocol", include_str!("../../../docs/protocol.md")),
    ("asvs", "OWASP ASVS, chapter by chapter", include_str!("../../../docs/security/asvs.md")),
];

/// Nothing but what a page of text needs.
const POLICY: &str = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The pages, as they are sent.
pub(super) struct Documentation(Vec<String>);

impl Documentation {
    /// `reference`: every route of the API, as Markdown.
    pub(super) fn new(reference: &str) -> Self {
        let pages = PAGES.iter().map(|(path, _, text)| match *path {
            "api" => rendered(&format!("{text}{reference}")),
            _ => rendered(text),
        });
        Self(pages.collect())
    }
}

/// The list of pages.
pub(super) async fn index(State(state): State<WebState>) -> Response {
    let links = PAGES.map(|(path, name, _)| format!("<li><a class=\"link\" href=\"/docs/{path}\">{name}</a></li>"));
    answer(&state, "Documentation", &format!("<h1>Documentation</h1><ul>{}</ul>", links.concat()))
}

/// One page.
pub(super) async fn page(State(state): State<WebState>, Path(path): Path<String>) -> Response {
    match PAGES.iter().position(|(known, ..)| *known == path) {
        Some(at) => answer(&state, PAGES[at].1, &state.documentation.0[at]),
        None => {
            let body = "<h1>Nothing here</h1><p><a class=\"link\" href=\"/docs\">Go to the documentation</a></p>";
            (StatusCode::NOT_FOUND, answer(&state, "Nothing here", body)).into_response()
        }
    }
}

fn answer(state: &WebState, title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document(state.leptos(), title, body)).into_response()
}

/// Markdown as HTML. Ours alone: what is in it is not asked to be harmless.
fn rendered(text: &str) -> String {
    let mut dropped = false;
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES)
        .filter_map(move |event| match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => match address(&dest_url) {
                Some(address) => Some(Event::Start(Tag::Link { link_type, dest_url: address.into(), title, id })),
                None => {
                    dropped = true;
                    None
                }
            },
            // Links hold no links.
            Event::End(TagEnd::Link) if std::mem::take(&mut dropped) => None,
            event => Some(event),
        })
        .collect();
    name_headings(&mut events);
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    // A wide table is scrolled by itself, also with the keyboard.
    out.replace("<table>", "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Table\"><table>")
        .replace("</table>", "</table></div>")
        .replace("<pre>", "<pre tabindex=\"0\">")
        // A column without a heading has none: an empty one would be read out.
        .replace("<th></th>", "<td></td>")
}

/// So that a link leads to a heading: its words, in lower case, with hyphens between.
fn name_headings(events: &mut [Event<'_>]) {
    let mut name = String::new();
    for event in events.iter_mut().rev() {
        match event {
            Event::End(TagEnd::Heading(_)) => name.clear(),
            Event::Text(text) | Event::Code(text) => name.insert_str(0, text),
            Event::Start(Tag::Heading { id, .. }) => {
                let words = name.to_lowercase();
                let words: Vec<_> =
                    words.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|w| !w.is_empty()).collect();
                *id = Some(words.join("-").into());
            }
            _ => {}
        }
    }
}

/// Where a link leads on the site; none for files that are in the repository alone.
fn address(link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with(['#', '/']) {
        return Some(link.to_owned());
    }
    let file = link.rsplit('/').next().unwrap_or(link);
    let (name, part) = file.split_once('#').map_or((file, String::new()), |(name, part)| (name, format!("#{part}")));
    let page = name.strip_suffix(".md")?;
    PAGES.iter().any(|(path, ..)| *path == page).then(|| format!("/docs/{page}{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_or_are_none() {
        assert_eq!(address("../security/authentication.md#links"), Some("/docs/authentication#links".to_owned()));
        assert_eq!(address("https://example.com/a.md"), Some("https://example.com/a.md".to_owned()));
        assert_eq!(address("../ARCHITECTURE.md"), None);
        assert_eq!(rendered("### Rate `limits`").trim(), "<h3 id=\"rate-limits\">Rate <code>limits</code></h3>");
        assert_eq!(
            rendered("see [the plan](../ARCHITECTURE.md) and [roles](roles.md)").trim(),
            "<p>see the plan and <a href=\"/docs/roles\">roles</a></p>"
        );
    }
}
