//! `/policies`: the policies of docs/policies, all their versions, and what is different between them. Plain HTML, as the
//! documentation.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use kubewise_backend::{CONTACT, PolicyVersion, PublicPolicy, parse_date};

use super::{differences, differences::escaped, docs, router::WebState};

/// The policy below whose text it says who of those it names is in use.
const SUB_PROCESSORS: &str = "sub-processors";

/// The list of policies.
pub(super) async fn index(State(state): State<WebState>) -> Response {
    let links = state.web.public_policies().iter().map(|policy| {
        let current = policy.current();
        format!("<li><a href=\"/policies/{}\">{}</a> of {}</li>", policy.name, escaped(&current.title), day(current))
    });
    let links: String = links.collect();
    let body = format!(
        "<h1>Policies</h1><ul>{links}</ul><p>Whoever has an account can be mailed when one of them changes significantly: \
         <i>Account › Privacy</i>. Questions: {}</p>",
        mail_to(&state.contact)
    );
    docs::answer(&state, "Policies", &body)
}

/// The current version.
pub(super) async fn current(State(state): State<WebState>, Path(policy): Path<String>) -> Response {
    match state.web.public_policies().find(&policy) {
        Some(policy) => text(&state, policy, policy.current()),
        None => nothing(&state),
    }
}

/// A version.
pub(super) async fn version(State(state): State<WebState>, Path((policy, date)): Path<(String, String)>) -> Response {
    match find(&state, &policy, &date) {
        Some((policy, version, _)) => text(&state, policy, version),
        None => nothing(&state),
    }
}

/// All versions, latest first.
pub(super) async fn history(State(state): State<WebState>, Path(policy): Path<String>) -> Response {
    let Some(policy) = state.web.public_policies().find(&policy) else { return nothing(&state) };
    let name = &policy.name;
    let versions = policy.versions().iter().enumerate().rev().map(|(at, version)| {
        let date = version.date;
        let flag = if version.is_significant { " <span class=\"tag info\">significant</span>" } else { "" };
        let changes = if at == 0 {
            String::new()
        } else {
            format!("<p><a href=\"/policies/{name}/{date}/changes\">What is different from the version before</a></p>")
        };
        format!(
            "<h2><a href=\"/policies/{name}/{date}\">{}</a>{flag}</h2><p>{}</p>{changes}",
            day(version),
            escaped(&version.summary)
        )
    });
    let versions: String = versions.collect();
    let title = format!("{}: all versions", policy.current().title);
    let back = format!("<p><a href=\"/policies/{name}\">The current version</a></p>");
    docs::answer(&state, &title, &format!("<h1>{}</h1>{back}{versions}", escaped(&title)))
}

/// What is different between a version and the one before it.
pub(super) async fn changes(State(state): State<WebState>, Path((policy, date)): Path<(String, String)>) -> Response {
    let Some((policy, version, before)) = find(&state, &policy, &date) else { return nothing(&state) };
    let title = format!("{}: what changed on {}", version.title, version.day());
    let differences = match before {
        None => "<p>It is the first version.</p>".to_owned(),
        Some(before) => {
            let differences = differences::between(&before.text, &version.text);
            let how = match &differences {
                Some(_) => "What was removed is <del>struck out</del>, what was added is <ins>underlined</ins>.",
                None => "They read the same.",
            };
            format!(
                "<p>Compared with <a href=\"/policies/{}/{}\">the version of {}</a>. {how}</p><div class=\"differences\">{}</div>",
                policy.name,
                before.date,
                day(before),
                differences.unwrap_or_default().replace(CONTACT, &escaped(&state.contact))
            )
        }
    };
    let body = format!(
        "<h1>{}</h1><p>{}</p><p><a href=\"/policies/{name}/{}\">The version itself</a> · <a href=\"/policies/{name}/history\">All versions</a></p>{differences}",
        escaped(&title),
        escaped(&version.summary),
        version.date,
        name = policy.name,
    );
    docs::answer(&state, &title, &body)
}

fn find<'a>(
    state: &'a WebState,
    policy: &str,
    date: &str,
) -> Option<(&'a PublicPolicy, &'a PolicyVersion, Option<&'a PolicyVersion>)> {
    let policy = state.web.public_policies().find(policy)?;
    let (version, before) = policy.version(parse_date(date)?)?;
    Some((policy, version, before))
}

fn text(state: &WebState, policy: &PublicPolicy, version: &PolicyVersion) -> Response {
    let current = policy.current();
    let name = &policy.name;
    let is_current = version.date == current.date;
    let holds = if is_current {
        format!("Version of {}.", day(version))
    } else {
        format!(
            "Version of {}. It was replaced: <a href=\"/policies/{name}\">the current version</a> is of {}.",
            day(version),
            day(current)
        )
    };
    // The heading stands above what is said of the version.
    let (_, rest) = version.text.split_once('\n').unwrap_or_default();
    let rest = docs::rendered(rest).replace(CONTACT, &mail_to(&state.contact));
    let used = if is_current && name == SUB_PROCESSORS { in_use(state) } else { String::new() };
    let body = format!(
        "<h1>{}</h1><p>{holds} <a href=\"/policies/{name}/history\">All versions</a> · Contact: {}</p>{rest}{used}",
        escaped(&version.title),
        mail_to(&state.contact),
    );
    let title = if is_current { version.title.clone() } else { format!("{} of {}", version.title, version.day()) };
    docs::answer(state, &title, &body)
}

/// Which of those that are there only where they are configured are.
fn in_use(state: &WebState) -> String {
    let stripe =
        if state.web.is_paid_through_stripe() { "is used: organisations pay through it" } else { "is not used" };
    let issuer = match state.web.provider() {
        Some(name) => format!("{} is used: people can sign in through it", escaped(&name)),
        None => "none is used".to_owned(),
    };
    format!(
        "<h2>What this installation uses</h2><p>By its configuration, as it is now:</p><ul><li>Stripe {stripe}.</li>\
         <li>Google, or another OpenID Connect issuer: {issuer}.</li></ul>"
    )
}

fn day(version: &PolicyVersion) -> String {
    format!("<time datetime=\"{}\">{}</time>", version.date, version.day())
}

/// RFC 6068 §2: what means something in an address is written in its code.
fn mail_to(address: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+".contains(&byte);
    let to =
        address.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    format!("<a href=\"mailto:{}\">{}</a>", to.collect::<String>(), escaped(address))
}

fn nothing(state: &WebState) -> Response {
    let body = "<h1>Nothing here</h1><p><a href=\"/policies\">Go to the policies</a></p>";
    (StatusCode::NOT_FOUND, docs::answer(state, "Nothing here", body)).into_response()
}

#[cfg(test)]
mod tests {
    use kubewise_backend::PublicPolicies;

    use super::*;

    #[test]
    fn links_of_policies_lead_to_pages() {
        let policies = PublicPolicies::built_in();
        for policy in policies.iter() {
            for version in policy.versions() {
                let html = docs::rendered(&version.text);
                for link in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    let place = format!("{} of {}: {link}", policy.name, version.date);
                    let Some(path) = link.strip_prefix("/policies/") else {
                        let page = link.strip_prefix("/docs/").unwrap_or_else(|| panic!("{place}"));
                        assert!(docs::has(page), "{place}");
                        continue;
                    };
                    let (name, rest) = path.split_once('/').unwrap_or((path, "history"));
                    assert!(policies.find(name).is_some() && rest == "history", "{place}");
                }
                // What is dropped, since it leads nowhere, would be gone without a word.
                let links = version.text.matches("](").count();
                assert_eq!(html.matches("href=\"").count(), links, "{} of {}", policy.name, version.date);
            }
        }
    }

    #[test]
    fn an_address_is_a_link_and_nothing_else() {
        assert_eq!(mail_to("a@example.com"), "<a href=\"mailto:a@example.com\">a@example.com</a>");
        let odd = mail_to("a?cc=b&c'd@example.com");
        assert_eq!(odd, "<a href=\"mailto:a%3Fcc%3Db%26c%27d@example.com\">a?cc=b&amp;c'd@example.com</a>");
    }
}
