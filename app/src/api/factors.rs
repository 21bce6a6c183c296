//! The second factor: asked for at sign-in, and set up in one's own account.

use kubewise_contract::{AuthenticatorSetup, SecondFactors, SecondProofs, UiError};
use leptos::prelude::*;

use super::{At, read::Read};

/// What can be given as the second proof by who gave the first.
#[server(name = GetPending, prefix = "/api", endpoint = "pending", protocol = Read)]
pub(crate) async fn pending() -> Result<SecondProofs, UiError> {
    use kubewise_backend::Web;

    use crate::server::{answer, session, sign_in};
    answer(async {
        let web = expect_context::<Web>();
        let pending = sign_in::pending(&web, &session().await?).await?.ok_or(UiError::SignedOut)?;
        Ok(web.second_proofs(pending.user).await?)
    })
    .await
}

/// Signs in who gave the first proof, by a code.
#[server(prefix = "/api", endpoint = "enter_code")]
pub(crate) async fn enter_code(code: String) -> Result<(), UiError> {
    use kubewise_backend::Web;

    use crate::server::{answer, keep, session, sign_in, visitor};
    answer(async {
        let (web, session, visitor) = (expect_context::<Web>(), session().await?, visitor()?);
        let pending = sign_in::pending(&web, &session).await?.ok_or(UiError::SignedOut)?;
        web.check_code(pending.user, &code, &visitor).await?;
        let step = sign_in::second_proof(&web, &session, &visitor, pending).await?;
        keep(step.keep)?;
        leptos_axum::redirect(&step.to);
        Ok(())
    })
    .await
}

/// Proves once more that it is them, before something that a borrowed session must not do. Who gave the first half at the
/// provider gives the code alone.
#[server(prefix = "/api", endpoint = "confirm_identity")]
pub(crate) async fn confirm_identity(
    current_password: Option<String>,
    code: Option<String>,
    next: Option<String>,
) -> Result<(), UiError> {
    use kubewise_contract::ProviderRefusal;

    use crate::server::{answer, local_path, session, sign_in, visitor, who};
    answer(async {
        let (web, actor) = who().await?;
        let (session, visitor, code) = (session().await?, visitor()?, code.unwrap_or_default());
        match current_password {
            Some(password) => web.prove_again(&actor, &password.into(), &code, &visitor).await?,
            None if sign_in::is_half_proven(&web, &session).await? => {
                web.check_code(actor.user_id(), &code, &visitor).await?;
            }
            None => return Err(UiError::Provider(ProviderRefusal::Failed).into()),
        }
        sign_in::prove(&web, &session).await?;
        leptos_axum::redirect(next.as_deref().and_then(local_path).unwrap_or("/account/security"));
        Ok(())
    })
    .await
}

/// What the person has besides the password.
#[server(name = GetSecondFactors, prefix = "/api", endpoint = "second_factors", protocol = Read)]
pub(crate) async fn second_factors() -> Result<At<SecondFactors>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let body = web.second_factors(&actor).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Begins to set up an authenticator app.
#[server(prefix = "/api", endpoint = "begin_authenticator")]
pub(crate) async fn begin_authenticator() -> Result<(), UiError> {
    use crate::server::{answer, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        web.begin_authenticator(&actor).await?;
        leptos_axum::redirect("/account/security/authenticator");
        Ok(())
    })
    .await
}

/// What the app needs to know.
#[server(name = GetAuthenticatorSetup, prefix = "/api", endpoint = "authenticator_setup", protocol = Read)]
pub(crate) async fn authenticator_setup() -> Result<AuthenticatorSetup, UiError> {
    use crate::server::{answer, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        Ok(web.authenticator_setup(&actor).await?)
    })
    .await
}

/// Shows by a code that the app is set up.
#[server(prefix = "/api", endpoint = "confirm_authenticator")]
pub(crate) async fn confirm_authenticator(code: String) -> Result<(), UiError> {
    use crate::server::{answer, factor_added, session_id, visitor, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        let codes = web.confirm_authenticator(&actor, session_id().await?, &code, &visitor()?).await?;
        leptos_axum::redirect(factor_added(codes, "/account/security?done=app").await?);
        Ok(())
    })
    .await
}

/// Removes the authenticator app.
#[server(prefix = "/api", endpoint = "remove_authenticator")]
pub(crate) async fn remove_authenticator() -> Result<(), UiError> {
    use crate::server::{answer, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        web.remove_authenticator(&actor).await?;
        leptos_axum::redirect("/account/security?done=removed");
        Ok(())
    })
    .await
}

/// Makes fresh recovery codes.
#[server(prefix = "/api", endpoint = "new_recovery_codes")]
pub(crate) async fn new_recovery_codes() -> Result<(), UiError> {
    use crate::server::{answer, factor_added, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        let codes = web.new_recovery_codes(&actor).await?;
        leptos_axum::redirect(factor_added(Some(codes), "/account/security").await?);
        Ok(())
    })
    .await
}

/// The recovery codes that were made a moment ago; empty when they were shown already.
#[server(name = GetRecoveryCodes, prefix = "/api", endpoint = "recovery_codes", protocol = Read)]
pub(crate) async fn recovery_codes() -> Result<Vec<String>, UiError> {
    use crate::server::{answer, take_codes, who};
    answer(async {
        who().await?;
        take_codes()
    })
    .await
}
