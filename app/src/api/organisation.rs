//! An organisation: its name, and what it asks of its members.

use kubewise_contract::{OrganisationSettings, UiError};
use leptos::prelude::*;

use super::read::Read;

/// What is set.
#[server(name = GetOrganisationSettings, prefix = "/api", endpoint = "organisation_settings", protocol = Read)]
pub(crate) async fn organisation_settings(org: String) -> Result<OrganisationSettings, UiError> {
    use kubewise_backend::permission::ManageOrganisation;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageOrganisation>(&web, &actor, &org).await?;
        Ok(web.organisation_settings(&organisation, &actor).await?)
    })
    .await
}

/// Asks all members for a second factor (`required` is there), or no more.
#[server(prefix = "/api", endpoint = "require_second_factor")]
pub(crate) async fn require_second_factor(org: String, required: Option<String>) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOrganisation;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let organisation = organisation_in::<ManageOrganisation>(&web, &actor, &org).await?;
        web.require_second_factor(&organisation, &actor, required.is_some()).await?;
        leptos_axum::redirect(&org_href(&org, "/settings?done=second-factor"));
        Ok(())
    })
    .await
}

/// Gives the organisation another name.
#[server(prefix = "/api", endpoint = "rename_organisation")]
pub(crate) async fn rename_organisation(org: String, organisation: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOrganisation;
    use kubewise_contract::OrganisationName;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let found = organisation_in::<ManageOrganisation>(&web, &actor, &org).await?;
        web.rename_organisation(&found, &OrganisationName::parse(&organisation)?).await?;
        leptos_axum::redirect(&org_href(&org, "/settings?done=name"));
        Ok(())
    })
    .await
}

/// Has people join by the domain of their address, in this role; without one, no more.
#[server(prefix = "/api", endpoint = "set_join_rule")]
pub(crate) async fn set_join_rule(org: String, role: Option<String>) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOrganisation;
    use kubewise_contract::Role;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let organisation = organisation_in::<ManageOrganisation>(&web, &actor, &org).await?;
        web.set_join_rule(&organisation, &actor, role.as_deref().and_then(Role::parse)).await?;
        leptos_axum::redirect(&org_href(&org, "/settings?done=joining"));
        Ok(())
    })
    .await
}
