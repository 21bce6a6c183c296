//! What an organisation pays for.
#![expect(clippy::too_many_arguments, reason = "a server function's arguments are the fields of its form")]

use kubewise_contract::{BillingOverview, UiError};
use leptos::prelude::*;

use super::{At, read::Read};

/// The plan, what is used of it, and what is paid.
#[server(name = GetBilling, prefix = "/api", endpoint = "billing", protocol = Read)]
pub(crate) async fn billing(org: String) -> Result<At<BillingOverview>, UiError> {
    use kubewise_backend::permission::ManageBilling;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageBilling>(&web, &actor, &org).await?;
        Ok(At { now: web.now(), body: web.billing(&organisation).await? })
    })
    .await
}

/// Says who is billed.
#[server(prefix = "/api", endpoint = "set_billing_details")]
pub(crate) async fn set_billing_details(
    org: String,
    email: String,
    line1: String,
    line2: String,
    city: String,
    postal_code: String,
    state: String,
    country: String,
) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageBilling;
    use kubewise_contract::BillingDetails;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageBilling>(&web, &actor, &org).await?;
        let typed = BillingDetails { email, line1, line2, city, postal_code, state, country };
        // All that is wrong is said at once.
        let details = typed.checked().map_err(UiError::Invalid)?;
        web.set_billing_details(&organisation, details).await?;
        leptos_axum::redirect(&org_href(&org, "/billing?done=details"));
        Ok(())
    })
    .await
}

/// Has Stripe asked now.
#[server(prefix = "/api", endpoint = "ask_stripe")]
pub(crate) async fn ask_stripe(org: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageBilling;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageBilling>(&web, &actor, &org).await?;
        web.ask_stripe(&organisation).await?;
        leptos_axum::redirect(&org_href(&org, "/billing?done=asked"));
        Ok(())
    })
    .await
}
