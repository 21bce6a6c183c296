//! `/o/{org}/settings/notifications`: what is told to people and programs that do not look at pages.

mod list;
mod new;
mod one;

use kubewise_contract::{Channel, NotificationRow};

pub(crate) use list::AllNotifications;
pub(crate) use new::NewNotification;
pub(crate) use one::OneNotification;

/// By which way, to whom: "Mail to Maya Duran".
fn to(row: &NotificationRow) -> String {
    match row.channel {
        Channel::Mail if row.is_own => "Mail to you".to_owned(),
        channel => format!("{} to {}", channel.sentence(), row.to),
    }
}

/// Of what: "new findings, high or worse; silent clusters".
fn of(row: &NotificationRow) -> String {
    let findings = row.occasions.new_findings.map(|least| {
        let within =
            if row.namespaces.is_empty() { String::new() } else { format!(" in {}", row.namespaces.join(", ")) };
        format!("new findings{within}, {least} or worse")
    });
    let runs = row.occasions.failed_runs.then(|| "audits that fail or are missed".to_owned());
    let silence = row.occasions.silent_clusters.then(|| "silent clusters".to_owned());
    [findings, runs, silence].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// When: "at once", or when a digest is sent.
fn when(row: &NotificationRow) -> String {
    row.digest.clone().unwrap_or_else(|| "at once".to_owned())
}
