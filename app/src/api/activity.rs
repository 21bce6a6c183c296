//! The activity log.

use kubewise_contract::{ActivityQuery, ActivityRow, Page, UiError, Verdict};
use leptos::prelude::*;

use super::{At, read::Read};

/// One page of the log, latest first.
#[server(name = GetActivity, prefix = "/api", endpoint = "activity", protocol = Read)]
pub(crate) async fn activity(org: String, query: ActivityQuery) -> Result<At<Page<ActivityRow>>, UiError> {
    use kubewise_backend::permission::ViewActivity;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewActivity>(&web, &actor, &org).await?;
        let body = web.activity(&organisation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Whether the log is as it was written.
#[server(name = GetVerdict, prefix = "/api", endpoint = "verify_activity", protocol = Read)]
pub(crate) async fn verify_activity(org: String) -> Result<Verdict, UiError> {
    use kubewise_backend::permission::ViewActivity;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewActivity>(&web, &actor, &org).await?;
        Ok(web.verify_activity(&organisation).await?)
    })
    .await
}
