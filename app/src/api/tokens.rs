//! API tokens: one's own, and the organisation's.

use kubewise_contract::UiError;
use leptos::prelude::*;

use super::{At, TokenChoices, Tokens, read::Read};

/// The tokens, and the one that was made a moment ago, once.
#[server(name = GetTokens, prefix = "/api", endpoint = "api_tokens", protocol = Read)]
pub(crate) async fn api_tokens(org: String, made: Option<String>) -> Result<At<Tokens>, UiError> {
    use kubewise_backend::permission::MakeTokens;
    use kubewise_contract::{Permission, TokenId};

    use super::answers::MadeToken;
    use crate::server::{answer, organisation_in, take_over, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<MakeTokens>(&web, &actor, &org).await?;
        let rows = web.api_tokens(&organisation).await?;
        let made = match made.and_then(|id| id.parse::<TokenId>().ok()) {
            Some(id) => take_over(id)?.map(|secret| MadeToken { id, secret }),
            None => None,
        };
        let manages = organisation.may(Permission::ManageTokens);
        Ok(At { now: web.now(), body: Tokens { rows, made, manages } })
    })
    .await
}

/// What a new token can be given.
#[server(name = GetTokenChoices, prefix = "/api", endpoint = "token_choices", protocol = Read)]
pub(crate) async fn token_choices(org: String) -> Result<TokenChoices, UiError> {
    use kubewise_backend::permission::MakeTokens;
    use kubewise_contract::Permission;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<MakeTokens>(&web, &actor, &org).await?;
        let permissions = Permission::FOR_TOKENS.iter().copied().filter(|p| organisation.may(*p)).collect();
        let clusters = web.token_choices(&organisation).await?;
        Ok(TokenChoices { permissions, clusters, manages: organisation.may(Permission::ManageTokens) })
    })
    .await
}

/// Makes a token and leads to the page that shows it.
#[server(prefix = "/api", endpoint = "make_api_token")]
pub(crate) async fn make_api_token(
    org: String,
    name: String,
    of: Option<String>,
    #[server(default)] permissions: Vec<String>,
    sees: Option<String>,
    #[server(default)] clusters: Vec<String>,
    days: String,
) -> Result<(), UiError> {
    use kubewise_backend::{NewToken, permission::MakeTokens};
    use kubewise_contract::{Permission, TokenName};

    use crate::{
        place::org_href,
        server::{answer, chosen_clusters, hand_over, organisation_in, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let organisation = organisation_in::<MakeTokens>(&web, &actor, &org).await?;
        let wanted = NewToken {
            name: TokenName::parse(&name)?,
            permissions: permissions.iter().filter_map(|p| Permission::parse(p)).collect(),
            clusters: chosen_clusters(sees.as_deref(), &clusters)?,
            days: days.parse().unwrap_or_default(),
            of_organisation: of.as_deref() == Some("organisation"),
        };
        let (id, secret) = web.make_api_token(&organisation, &wanted).await?;
        hand_over(id, &secret)?;
        leptos_axum::redirect(&org_href(&org, &format!("/settings/tokens?made={id}")));
        Ok(())
    })
    .await
}

/// Refuses a token from now on.
#[server(prefix = "/api", endpoint = "revoke_api_token")]
pub(crate) async fn revoke_api_token(org: String, token: String) -> Result<(), UiError> {
    use kubewise_backend::permission::MakeTokens;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<MakeTokens>(&web, &actor, &org).await?;
        web.revoke_api_token(&organisation, parsed(&token)?).await?;
        leptos_axum::redirect(&org_href(&org, "/settings/tokens?done=revoked"));
        Ok(())
    })
    .await
}
