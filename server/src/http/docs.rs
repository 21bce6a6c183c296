//! `/docs`: the documentation that is in the repository, as pages. Plain HTML: nothing of it needs a script.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use kubewise_app::document;
use kubewise_audit::rules;
use kubewise_backend::{register::Register, stated_times_as_markdown};
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::router::WebState;

/// The pages: address, name, text.
const PAGES: [(&str, &str, &str); 22] = [
    ("audits", "Audits", include_str!("../../../docs/audits.md")),
    ("notifications", "Notifications", include_str!("../../../docs/notifications.md")),
    ("cli", "Audits of manifests in pipelines", include_str!("../../../docs/audit/cli.md")),
    ("rules", "Rules of the audits", include_str!("../../../docs/audit/rules.md")),
    ("scores", "Scores of audits", include_str!("../../../docs/audit/scores.md")),
    (
        "pod-security-standards",
        "Pod Security Standards by version",
        include_str!("../../../docs/audit/pod-security-standards.md"),
    ),
    ("vulnerabilities", "Vulnerabilities", include_str!("../../../docs/vulnerabilities.md")),
    ("plans", "Plans", include_str!("../../../docs/billing/plans.md")),
    ("nodes", "Nodes that are billed", include_str!("../../../docs/billing/nodes.md")),
    ("stripe", "Stripe", include_str!("../../../docs/billing/stripe.md")),
    ("data-sent", "What Stripe is sent", include_str!("../../../docs/billing/data-sent.md")),
    ("api", "API", include_str!("../../../docs/api.md")),
    ("roles", "Roles and permissions", include_str!("../../../docs/roles.md")),
    ("configuration", "Configuration", include_str!("../../../docs/configuration.md")),
    ("encryption", "Encryption and keys", include_str!("../../../docs/security/encryption.md")),
    ("authentication", "Signing in", include_str!("../../../docs/security/authentication.md")),
    ("activity", "The activity log", include_str!("../../../docs/activity.md")),
    ("data", "What is stored, why and for how long", include_str!("../../../docs/privacy/data.md")),
    ("retention", "For how long things are kept", include_str!("../../../docs/retention.md")),
    ("export", "Taking an organisation's data out", include_str!("../../../docs/export.md")),
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
            "data" => rendered(&format!("{text}{}", registered())),
            "retention" => rendered(&format!("{text}{}", stated_times_as_markdown())),
            _ => rendered(text),
        });
        Self(pages.collect())
    }
}

/// What is stored, as Markdown. That it can be read is proven by the backend's tests.
fn registered() -> String {
    Register::get().map(Register::markdown).unwrap_or_default()
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
        None => nothing(&state),
    }
}

/// A rule of the audits.
pub(super) async fn rule(State(state): State<WebState>, Path(id): Path<String>) -> Response {
    let Some(rule) = rules::find(&id) else { return nothing(&state) };
    let back = "<p><a class=\"link\" href=\"/docs/rules\">Rules of the audits</a></p>";
    // Searched for by either.
    let title = format!("{} ({})", rule.title, rule.id);
    answer(&state, &title, &format!("{back}{}", rendered(&rule.page())))
}

fn nothing(state: &WebState) -> Response {
    let body = "<h1>Nothing here</h1><p><a class=\"link\" href=\"/docs\">Go to the documentation</a></p>";
    (StatusCode::NOT_FOUND, answer(state, "Nothing here", body)).into_response()
}

/// A page of text.
pub(super) fn answer(state: &WebState, title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document(state.leptos(), title, body)).into_response()
}

/// Markdown as HTML. Ours alone: what is in it is not asked to be harmless.
pub(super) fn rendered(text: &str) -> String {
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
    let events = lead_to_rules(events);
    let mut out = String::new();
    html::push_html(&mut out, events);
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

/// The id of a rule leads to its page; not in a link, and not in the head of a table, where the rule's own page says it.
fn lead_to_rules(events: Vec<Event<'_>>) -> impl Iterator<Item = Event<'_>> {
    let mut is_plain = true;
    events.into_iter().flat_map(move |event| {
        match &event {
            Event::Start(Tag::Link { .. } | Tag::TableHead) => is_plain = false,
            Event::End(TagEnd::Link | TagEnd::TableHead) => is_plain = true,
            _ => {}
        }
        let link = match &event {
            Event::Code(id) if is_plain => rules::find(id).map(|rule| Tag::Link {
                link_type: LinkType::Inline,
                dest_url: format!("/docs/rules/{}", rule.id).into(),
                title: CowStr::Borrowed(""),
                id: CowStr::Borrowed(""),
            }),
            _ => None,
        };
        let end = link.as_ref().map(|_| Event::End(TagEnd::Link));
        [link.map(Event::Start), Some(event), end].into_iter().flatten()
    })
}

/// Whether there is a page at this address.
#[cfg(test)]
pub(super) fn has(page: &str) -> bool {
    PAGES.iter().any(|(path, ..)| *path == page)
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

    #[test]
    fn rules_that_are_named_lead_to_their_pages() {
        let link = "<a href=\"/docs/rules/pss-host-ports\"><code>pss-host-ports</code></a>";
        assert_eq!(rendered("`pss-host-ports`, `none`").trim(), format!("<p>{link}, <code>none</code></p>"));
        assert!(!rendered("[`pss-host-ports`](roles.md)").contains("/docs/rules"));
        let own = rendered(&rules::find("pss-host-ports").unwrap().page());
        assert!(own.contains("<code>pss-host-ports</code>") && !own.contains("/docs/rules/pss-host-ports"));
        let [standards, list] = ["pod-security-standards", "rules"].map(|page| {
            let (.., text) = PAGES.iter().find(|(known, ..)| *known == page).unwrap();
            rendered(text)
        });
        assert!(standards.contains(link));
        for rule in rules::all() {
            assert!(list.contains(&format!("href=\"/docs/rules/{}\"", rule.id)), "{}", rule.id);
        }
    }

    #[test]
    fn what_is_stored_and_for_how_long_is_made_from_what_the_server_goes_by() {
        let [data, retention] = ["data", "retention"].map(|page| {
            let pages = Documentation::new("");
            pages.0[PAGES.iter().position(|(known, ..)| *known == page).unwrap()].clone()
        });
        assert!(
            data.contains("<h3 id=\"users\"><code>users</code></h3>") && data.contains("<code>password_hash</code>")
        );
        assert!(data.contains("<h2 id=\"about-a-person\">"));
        for time in kubewise_backend::stated_times() {
            assert!(retention.contains(&format!("<td>{}</td>", time.kept)), "{time:?}");
        }
    }

    #[test]
    fn links_within_the_documentation_are_of_this_site() {
        for (page, _, text) in PAGES {
            let html = rendered(text);
            for link in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let Some(path) = link.strip_prefix("/docs/") else { continue };
                let (path, part) = path.split_once('#').unwrap_or((path, ""));
                let rule = path.strip_prefix("rules/").is_some_and(|id| rules::find(id).is_some());
                let other = PAGES.iter().find(|(known, ..)| *known == path);
                assert!(rule || other.is_some(), "{page}: {link}");
                let is_there = |(.., text): &(_, _, &str)| rendered(text).contains(&format!("id=\"{part}\""));
                assert!(part.is_empty() || page == "api" || other.is_some_and(is_there), "{page}: {link}");
            }
        }
    }
}
