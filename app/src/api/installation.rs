//! For whoever administers the installation. For anybody else nothing of it is there.

use kubewise_contract::{
    InstallationAccount, InstallationBilling, InstallationOrganisation, JobHealth, ListQuery, Page, UiError,
};
use leptos::prelude::*;

use super::{At, read::Read};

/// The organisations.
#[server(name = GetInstallationOrganisations, prefix = "/api", endpoint = "installation_organisations", protocol = Read)]
pub(crate) async fn installation_organisations(
    query: ListQuery,
) -> Result<At<Page<InstallationOrganisation>>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let installation = web.installation(&actor).await?;
        let body = web.installation_organisations(&installation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// The accounts.
#[server(name = GetInstallationAccounts, prefix = "/api", endpoint = "installation_accounts", protocol = Read)]
pub(crate) async fn installation_accounts(query: ListQuery) -> Result<At<Page<InstallationAccount>>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let installation = web.installation(&actor).await?;
        let body = web.installation_accounts(&installation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Shuts an account out (`disabled` is there), or lets it in again.
#[server(prefix = "/api", endpoint = "disable_account")]
pub(crate) async fn disable_account(account: String, disabled: Option<String>) -> Result<(), UiError> {
    use crate::server::{answer, parsed, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        let installation = web.installation(&actor).await?;
        web.disable_account(&installation, parsed(&account)?, disabled.is_some()).await?;
        leptos_axum::redirect("/admin/accounts?done=changed");
        Ok(())
    })
    .await
}

/// How jobs are doing.
#[server(name = GetJobHealth, prefix = "/api", endpoint = "job_health", protocol = Read)]
pub(crate) async fn job_health() -> Result<At<JobHealth>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let installation = web.installation(&actor).await?;
        let body = web.job_health(&installation).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Has a job that failed for good tried again.
#[server(prefix = "/api", endpoint = "retry_job")]
pub(crate) async fn retry_job(id: String) -> Result<(), UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let installation = web.installation(&actor).await?;
        web.retry_job(&installation, &id).await?;
        leptos_axum::redirect("/admin/jobs?done=retried");
        Ok(())
    })
    .await
}

/// How the installation and Stripe get on.
#[server(name = GetInstallationBilling, prefix = "/api", endpoint = "installation_billing", protocol = Read)]
pub(crate) async fn installation_billing() -> Result<At<InstallationBilling>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let installation = web.installation(&actor).await?;
        let body = web.installation_billing(&installation).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Has Stripe asked again about what an event told of.
#[server(prefix = "/api", endpoint = "replay_stripe_event")]
pub(crate) async fn replay_stripe_event(id: String) -> Result<(), UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let installation = web.installation(&actor).await?;
        web.replay_stripe_event(&installation, &id).await?;
        leptos_axum::redirect("/admin/billing?done=replayed");
        Ok(())
    })
    .await
}
