//! What an organisation decides about audits: waivers and policies.

use kubewise_contract::{
    ListQuery, ParametersInput, Policies, UiError, WaiverChoices, WaiverInput, Waivers, WaiversQuery,
};
use leptos::prelude::*;

use super::{At, read::Read};

/// The organisation's waivers.
#[server(name = GetWaivers, prefix = "/api", endpoint = "waivers", protocol = Read)]
pub(crate) async fn waivers(org: String, query: WaiversQuery) -> Result<At<Waivers>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let body = web.waivers(&organisation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// What the form of a waiver offers.
#[server(name = GetWaiverChoices, prefix = "/api", endpoint = "waiver_choices", protocol = Read)]
pub(crate) async fn waiver_choices(org: String) -> Result<WaiverChoices, UiError> {
    use kubewise_backend::permission::WaiveFindings;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<WaiveFindings>(&web, &actor, &org).await?;
        Ok(web.waiver_choices(&organisation).await?)
    })
    .await
}

/// Waives findings, or asks for it.
#[server(prefix = "/api", endpoint = "add_waiver")]
pub(crate) async fn add_waiver(org: String, waiver: WaiverInput) -> Result<(), UiError> {
    use kubewise_backend::permission::WaiveFindings;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<WaiveFindings>(&web, &actor, &org).await?;
        let holds = web.add_waiver(&organisation, &waiver).await?;
        let done = if holds { "/audits/waivers?done=added" } else { "/audits/waivers?done=asked" };
        leptos_axum::redirect(&org_href(&org, done));
        Ok(())
    })
    .await
}

/// Allows a waiver that somebody asked for.
#[server(prefix = "/api", endpoint = "allow_waiver")]
pub(crate) async fn allow_waiver(org: String, waiver: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManagePolicies;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManagePolicies>(&web, &actor, &org).await?;
        web.allow_waiver(&organisation, parsed(&waiver)?).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/waivers?done=allowed"));
        Ok(())
    })
    .await
}

/// Ends a waiver, or turns one down.
#[server(prefix = "/api", endpoint = "end_waiver")]
pub(crate) async fn end_waiver(org: String, waiver: String) -> Result<(), UiError> {
    use kubewise_backend::permission::WaiveFindings;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<WaiveFindings>(&web, &actor, &org).await?;
        web.end_waiver(&organisation, parsed(&waiver)?).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/waivers?done=ended"));
        Ok(())
    })
    .await
}

/// How the organisation's clusters are judged.
#[server(name = GetPolicies, prefix = "/api", endpoint = "policies", protocol = Read)]
pub(crate) async fn policies(org: String, query: ListQuery) -> Result<Policies, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        Ok(web.policies(&organisation, &query).await?)
    })
    .await
}

/// Decides about a rule. `decided`: what [`kubewise_contract::Decided::parse`] takes; anything else has the rule as the
/// catalogue has it.
#[server(prefix = "/api", endpoint = "decide_rule")]
pub(crate) async fn decide_rule(org: String, rule: String, decided: Option<String>) -> Result<(), UiError> {
    use kubewise_backend::permission::ManagePolicies;
    use kubewise_contract::Decided;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManagePolicies>(&web, &actor, &org).await?;
        web.decide_rule(&organisation, &rule, decided.as_deref().and_then(Decided::parse)).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/policy?done=rule"));
        Ok(())
    })
    .await
}

/// Sets what rules leave open.
#[server(prefix = "/api", endpoint = "set_audit_parameters")]
pub(crate) async fn set_audit_parameters(org: String, parameters: ParametersInput) -> Result<(), UiError> {
    use kubewise_backend::permission::ManagePolicies;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManagePolicies>(&web, &actor, &org).await?;
        web.set_parameters(&organisation, &parameters).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/policy?done=parameters"));
        Ok(())
    })
    .await
}

/// Sets who decides about waivers. What is not sent is off.
#[server(prefix = "/api", endpoint = "set_waiver_policy")]
pub(crate) async fn set_waiver_policy(
    org: String,
    asked: Option<String>,
    annotations: Option<String>,
) -> Result<(), UiError> {
    use kubewise_backend::permission::ManagePolicies;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManagePolicies>(&web, &actor, &org).await?;
        web.set_waiver_policy(&organisation, asked.is_some(), annotations.is_some()).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/policy?done=waivers"));
        Ok(())
    })
    .await
}

/// Sets how one cluster is judged. An empty version is the one that it runs.
#[server(prefix = "/api", endpoint = "set_cluster_policy")]
pub(crate) async fn set_cluster_policy(
    org: String,
    cluster: String,
    profile: String,
    version: Option<String>,
) -> Result<(), UiError> {
    use kubewise_backend::permission::ManagePolicies;

    use crate::{
        place::org_href,
        server::{answer, cluster_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ManagePolicies>(&web, &actor, &org, &cluster).await?;
        web.set_cluster_policy(&cluster, &profile, version.as_deref().filter(|version| !version.is_empty())).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/policy?done=cluster"));
        Ok(())
    })
    .await
}
