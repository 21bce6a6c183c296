//! Notifications: what is told to whom, and what became of it.

use kubewise_contract::{ListQuery, NotificationDetail, Notifications, UiError};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::{At, read::Read};

/// A notification, and the secret of a webhook that was made a moment ago, once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShownNotification {
    pub(crate) detail: NotificationDetail,
    pub(crate) secret: Option<String>,
}

impl std::fmt::Debug for ShownNotification {
    // A secret must not get into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownNotification").field("detail", &self.detail).finish_non_exhaustive()
    }
}

/// What the form for a new notification sends: what is not chosen is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotificationForm {
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) member: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) findings: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) runs: Option<String>,
    pub(crate) silence: Option<String>,
    pub(crate) cluster: Option<String>,
    pub(crate) namespaces: Option<String>,
    /// `now`, or what `Every::parse` takes.
    pub(crate) digest: Option<String>,
    pub(crate) at: Option<String>,
    pub(crate) cron: Option<String>,
    pub(crate) time_zone: Option<String>,
}

/// The notifications, and what a new one can be given.
#[server(name = GetNotifications, prefix = "/api", endpoint = "notifications", protocol = Read)]
pub(crate) async fn notifications(org: String) -> Result<At<Notifications>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let body = web.notifications(&organisation).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// One of them, and what was told.
#[server(name = GetNotification, prefix = "/api", endpoint = "notification", protocol = Read)]
pub(crate) async fn notification(
    org: String,
    notification: String,
    query: ListQuery,
) -> Result<At<ShownNotification>, UiError> {
    use kubewise_backend::permission::ViewInventory;
    use kubewise_contract::NotificationId;

    use crate::server::{answer, organisation_in, parsed, take_over, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let id: NotificationId = parsed(&notification)?;
        let detail = web.notification(&organisation, id, &query).await?;
        let secret = take_over(id)?.map(|secret| secret.replace('-', "+").replace('.', "/"));
        Ok(At { now: web.now(), body: ShownNotification { detail, secret } })
    })
    .await
}

/// Makes a notification and leads to its page.
#[server(prefix = "/api", endpoint = "make_notification")]
pub(crate) async fn make_notification(org: String, wanted: NotificationForm) -> Result<(), UiError> {
    use kubewise_backend::{NewNotification, Receiver, permission::ViewInventory};
    use kubewise_contract::{
        Channel, Every, Field, FieldError, NotificationName, Occasions, Permission, Problem, Schedule, Severity,
        parse_namespaces,
    };
    use secrecy::ExposeSecret;

    use crate::{
        place::org_href,
        server::{answer, hand_over, organisation_in, who_and_when},
    };
    let given = |value: Option<String>| value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    answer(async {
        let (web, actor, lately) = who_and_when().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let wrong = |field| FieldError { field, problem: Problem::NotUnderstood };
        let channel = Channel::parse(&wanted.channel).ok_or(wrong(Field::Query))?;
        if channel != Channel::Mail {
            if !organisation.may(Permission::ManageNotifications) {
                return Err(UiError::Forbidden.into());
            }
            // What is told leaves the organisation from now on: not for a session that was borrowed.
            if !lately {
                return Err(UiError::ProofNeeded.into());
            }
        }
        let digest = match given(wanted.digest).filter(|digest| channel == Channel::Mail && digest != "now") {
            None => None,
            Some(every) => {
                let (at, fields) = (wanted.at.unwrap_or_default(), wanted.cron.unwrap_or_default());
                let cron = Every::parse(&every)?.cron(&at, &fields)?;
                Some(Schedule { cron, time_zone: wanted.time_zone.unwrap_or_default() })
            }
        };
        let NotificationForm { name, member, url, findings, severity, runs, silence, cluster, namespaces, .. } = wanted;
        let to = match channel {
            Channel::Mail => {
                let member = given(member).map(|id| id.parse()).transpose();
                Receiver::Member(member.map_err(|_| wrong(Field::Recipient))?)
            }
            Channel::Webhook => Receiver::Webhook(url.unwrap_or_default().into()),
            Channel::Slack => Receiver::Slack(url.unwrap_or_default().into()),
        };
        let severity = given(severity).map_or(Some(Severity::High), |text| Severity::parse(&text));
        let severity = severity.ok_or(wrong(Field::Occasions))?;
        let new = NewNotification {
            name: NotificationName::parse(&name)?,
            to,
            occasions: Occasions {
                new_findings: findings.is_some().then_some(severity),
                failed_runs: runs.is_some(),
                silent_clusters: silence.is_some(),
            },
            cluster: given(cluster).map(|id| id.parse()).transpose().map_err(|_| wrong(Field::Clusters))?,
            namespaces: parse_namespaces(&namespaces.unwrap_or_default())?,
            digest,
        };
        let (id, secret) = web.make_notification(&organisation, &new).await?;
        if let Some(secret) = secret {
            // In the letters that a cookie may hold.
            hand_over(id, &secret.expose_secret().replace('+', "-").replace('/', ".").into())?;
        }
        leptos_axum::redirect(&org_href(&org, &format!("/settings/notifications/{id}?done=made")));
        Ok(())
    })
    .await
}

/// Ends a notification.
#[server(prefix = "/api", endpoint = "remove_notification")]
pub(crate) async fn remove_notification(org: String, notification: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        web.remove_notification(&organisation, parsed(&notification)?).await?;
        leptos_axum::redirect(&org_href(&org, "/settings/notifications?done=removed"));
        Ok(())
    })
    .await
}

/// Switches one on again that has ended by itself.
#[server(prefix = "/api", endpoint = "resume_notification")]
pub(crate) async fn resume_notification(org: String, notification: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ViewInventory;
    use kubewise_contract::NotificationId;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let id: NotificationId = parsed(&notification)?;
        web.resume_notification(&organisation, id).await?;
        leptos_axum::redirect(&org_href(&org, &format!("/settings/notifications/{id}?done=resumed")));
        Ok(())
    })
    .await
}

/// Sends a test.
#[server(prefix = "/api", endpoint = "test_notification")]
pub(crate) async fn test_notification(org: String, notification: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ViewInventory;
    use kubewise_contract::NotificationId;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let id: NotificationId = parsed(&notification)?;
        web.test_notification(&organisation, id).await?;
        leptos_axum::redirect(&org_href(&org, &format!("/settings/notifications/{id}?done=test")));
        Ok(())
    })
    .await
}
