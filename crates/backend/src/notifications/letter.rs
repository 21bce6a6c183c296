//! What is told, as mail.

use askama::Template;

use super::{
    found::FoundRow,
    told::Told,
    webhook::{cluster_page, finding_page, notification_page, organisation_page},
    words,
};
use crate::{Error, mail::Composed};

/// A finding of the list.
struct Item {
    severity: &'static str,
    title: String,
    /// Where, and what of it.
    object: String,
    message: String,
    url: String,
}

struct Letter<'a> {
    subject: &'a str,
    name: &'a str,
    sentences: Vec<String>,
    items: Vec<Item>,
    more: i64,
    /// Where there is more to see.
    url: String,
    /// Who made it, and how to end it.
    why: String,
    end: String,
    site: &'a str,
}

#[derive(Template)]
#[template(path = "notification.txt")]
struct PlainText<'a> {
    letter: &'a Letter<'a>,
}

#[derive(Template)]
#[template(path = "notification.html")]
struct Html<'a> {
    letter: &'a Letter<'a>,
}

/// Writes it. `name`: whom it is to; `unsubscribe`: where one POST ends it.
pub(super) fn write(told: &Told, site: &str, name: &str, unsubscribe: String) -> Result<Composed, Error> {
    let subject = words::subject(told);
    let only =
        told.found.worst.first().filter(|first| told.found.worst.iter().all(|row| row.cluster_id == first.cluster_id));
    let url = match (only, told.runs.first(), told.silences.first()) {
        (Some(row), ..) => format!("{}/findings?state=new", cluster_page(site, told, row.cluster_id)),
        (None, Some(run), None) => format!("{}/findings", cluster_page(site, told, run.cluster_id)),
        (None, None, Some(silence)) => cluster_page(site, told, silence.cluster_id),
        _ => organisation_page(site, told),
    };
    let why = match &told.made_by {
        Some(maker) => {
            format!("You get this mail because {maker} made the notification {} in {}.", told.name, told.organisation)
        }
        None => format!("You get this mail because of the notification {} in {}.", told.name, told.organisation),
    };
    let letter = Letter {
        subject: &subject,
        name,
        sentences: words::sentences(told),
        items: told.found.worst.iter().map(|row| item(told, site, row)).collect(),
        more: words::more(told),
        url,
        why,
        end: notification_page(site, told),
        site,
    };
    let broken = |e: askama::Error| Error::Internal(format!("mail: {e}"));
    let text = PlainText { letter: &letter }.render().map_err(broken)?;
    let html = Html { letter: &letter }.render().map_err(broken)?;
    Ok(Composed {
        subject: subject.clone(),
        text,
        html,
        id: Some(told.delivery.to_string()),
        unsubscribe: Some(unsubscribe),
        about: None,
    })
}

fn item(told: &Told, site: &str, row: &FoundRow) -> Item {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Item {
        severity: row.severity().as_str(),
        title: plain(row.title()),
        object: format!("{} in {}", plain(&row.object()), row.cluster),
        message: plain(&row.message),
        url: finding_page(site, told, row),
    }
}
