//! A new version of a policy, as mail.

use askama::Template;

use super::publish::About;
use crate::{Error, mail::Composed};

struct Letter<'a> {
    subject: &'a str,
    name: &'a str,
    /// `Privacy policy`
    policy: &'a str,
    /// `28 November 2026`
    day: String,
    summary: &'a str,
    /// The version, and how it differs from the one before.
    url: String,
    changes: String,
    end: &'a str,
    site: &'a str,
}

#[derive(Template)]
#[template(path = "policy.txt")]
struct PlainText<'a> {
    letter: &'a Letter<'a>,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct Html<'a> {
    letter: &'a Letter<'a>,
}

/// Writes it.
pub(super) fn write(about: &About<'_>) -> Result<Composed, Error> {
    let version = about.version;
    let subject = format!("{}: a new version", version.title);
    let url = format!("{}/policies/{}/{}", about.site, about.policy, version.date);
    let letter = Letter {
        subject: &subject,
        name: about.name,
        policy: &version.title,
        day: version.day(),
        summary: &version.summary,
        changes: format!("{url}/changes"),
        url,
        end: &about.end,
        site: about.site,
    };
    let broken = |e: askama::Error| Error::Internal(format!("mail: {e}"));
    let text = PlainText { letter: &letter }.render().map_err(broken)?;
    let html = Html { letter: &letter }.render().map_err(broken)?;
    Ok(Composed {
        subject: subject.clone(),
        text,
        html,
        id: Some(about.id.clone()),
        unsubscribe: Some(about.end.clone()),
        about: None,
    })
}
