//! What is held about people and organisations: taking it out, having it deleted, and for how long it is kept.

use kubewise_contract::{Privacy, UiError};
use leptos::prelude::*;

use super::{At, KeptData, read::Read};

/// What a person can do about what is held about them.
#[server(name = GetPrivacy, prefix = "/api", endpoint = "privacy", protocol = Read)]
pub(crate) async fn privacy() -> Result<At<Privacy>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        Ok(At { now: web.now(), body: web.privacy(&actor).await? })
    })
    .await
}

/// Has everything gathered that is held about who asks. The link to it is mailed, so that a borrowed session gets nothing.
#[server(prefix = "/api", endpoint = "request_export")]
pub(crate) async fn request_export() -> Result<(), UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        web.request_export(&actor).await?;
        leptos_axum::redirect("/account/privacy?done=export");
        Ok(())
    })
    .await
}

/// Mails the person when a policy changes significantly (`on` is there), or no more.
#[server(prefix = "/api", endpoint = "set_policy_mails")]
pub(crate) async fn set_policy_mails(on: Option<String>) -> Result<(), UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        web.set_policy_mails(&actor, on.is_some()).await?;
        leptos_axum::redirect("/account/privacy?done=policies");
        Ok(())
    })
    .await
}

/// Deletes the account, once its address was typed again, and leads to the page that says how that is doing.
#[server(prefix = "/api", endpoint = "delete_account")]
pub(crate) async fn delete_account(email: String) -> Result<(), UiError> {
    use secrecy::ExposeSecret;

    use crate::server::{answer, end_session, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        let token = web.delete_account(&actor, &email).await?;
        end_session().await?;
        leptos_axum::redirect(&format!("/erasure?token={}", token.expose_secret()));
        Ok(())
    })
    .await
}

/// What an organisation does with its data.
#[server(name = GetOrganisationData, prefix = "/api", endpoint = "organisation_data", protocol = Read)]
pub(crate) async fn organisation_data(org: String) -> Result<KeptData, UiError> {
    use kubewise_backend::permission::{ManageOrganisation, ViewOrganisation};

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageOrganisation>(&web, &actor, &org).await?;
        let data = web.organisation_data(&organisation).await?;
        let retention = web.retention(&organisation_in::<ViewOrganisation>(&web, &actor, &org).await?).await?;
        let (plan, plan_days) = (retention.plan, retention.plan_days);
        Ok(KeptData { data, plan, plan_days, setting: retention.setting, effective: retention.effective })
    })
    .await
}

/// Says for how many days findings and audits of the past are kept; empty: as long as the plan has them.
#[server(prefix = "/api", endpoint = "set_history")]
pub(crate) async fn set_history(org: String, days: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOrganisation;
    use kubewise_contract::{Field, FieldError, HISTORY_DAYS, Problem};

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let organisation = organisation_in::<ManageOrganisation>(&web, &actor, &org).await?;
        let days = match days.trim() {
            "" => None,
            days => {
                let (min, max) = HISTORY_DAYS.into_inner();
                let wrong = FieldError { field: Field::History, problem: Problem::NotBetween { min, max } };
                Some(days.parse().map_err(|_| wrong)?)
            }
        };
        web.set_history(&organisation, days).await?;
        leptos_axum::redirect(&org_href(&org, "/settings/data?done=history"));
        Ok(())
    })
    .await
}

/// Deletes the organisation, once its name was typed again: at once (`when` is `now`), and then leads to the page that says
/// how that is doing; else in a week.
#[server(prefix = "/api", endpoint = "delete_organisation")]
pub(crate) async fn delete_organisation(
    org: String,
    organisation: String,
    when: Option<String>,
) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOwnership;
    use secrecy::ExposeSecret;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let found = organisation_in::<ManageOwnership>(&web, &actor, &org).await?;
        let at_once = when.as_deref() == Some("now");
        let token = web.delete_organisation(&found, &organisation, at_once).await?;
        let to = if at_once {
            format!("/erasure?token={}", token.expose_secret())
        } else {
            org_href(&org, "/settings/data?done=deletion")
        };
        leptos_axum::redirect(&to);
        Ok(())
    })
    .await
}

/// Takes back that the organisation is deleted.
#[server(prefix = "/api", endpoint = "keep_organisation")]
pub(crate) async fn keep_organisation(org: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOwnership;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageOwnership>(&web, &actor, &org).await?;
        web.keep_organisation(&organisation).await?;
        leptos_axum::redirect(&org_href(&org, "/settings/data?done=kept"));
        Ok(())
    })
    .await
}
