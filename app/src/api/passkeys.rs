//! Passkeys: each ceremony has two halves, between which the browser asks the person. Without JavaScript there are none.

use kubewise_contract::UiError;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::read::Read;

/// What a passkey is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To sign in; who it is, the passkey tells.
    SignIn,
    /// As the second proof.
    Second,
    /// To prove once more who is signed in.
    Confirm,
}

/// What the browser shall ask, as JSON.
#[server(name = AskPasskey, prefix = "/api", endpoint = "ask_passkey", protocol = Read)]
pub(crate) async fn ask_passkey(purpose: Purpose) -> Result<String, UiError> {
    use kubewise_backend::Web;

    use crate::server::{answer, session, sign_in, visitor, who};
    answer(async {
        let (web, session) = (expect_context::<Web>(), session().await?);
        let ceremony = match purpose {
            Purpose::SignIn => web.ask_any_passkey(&visitor()?).await?,
            Purpose::Second => {
                let pending = sign_in::pending(&web, &session).await?.ok_or(UiError::SignedOut)?;
                web.ask_passkey(pending.user).await?
            }
            Purpose::Confirm => web.ask_passkey(who().await?.1.user_id()).await?,
        };
        sign_in::keep_ceremony(&web, &session, ceremony.state).await?;
        Ok(ceremony.options)
    })
    .await
}

/// Judges what the browser answered, and leads on.
#[server(name = AnswerPasskey, prefix = "/api", endpoint = "answer_passkey", protocol = Read)]
pub(crate) async fn answer_passkey(purpose: Purpose, answer: String, next: String) -> Result<(), UiError> {
    use kubewise_backend::Web;

    use crate::server::{answer as answering, keep, local_path, session, sign_in, visitor, who};
    answering(async {
        let (web, session, visitor) = (expect_context::<Web>(), session().await?, visitor()?);
        let state = sign_in::take_ceremony(&web, &session).await?;
        let step = match purpose {
            Purpose::SignIn => {
                let user = web.identify_passkey(state, &answer, &visitor).await?;
                sign_in::whole_proof(&web, &session, &visitor, user, Some(&next)).await?
            }
            Purpose::Second => {
                let pending = sign_in::pending(&web, &session).await?.ok_or(UiError::SignedOut)?;
                web.check_passkey(pending.user, state, &answer).await?;
                sign_in::second_proof(&web, &session, &visitor, pending).await?
            }
            Purpose::Confirm => {
                web.check_passkey(who().await?.1.user_id(), state, &answer).await?;
                sign_in::prove(&web, &session).await?;
                leptos_axum::redirect(local_path(&next).unwrap_or("/account/security"));
                return Ok(());
            }
        };
        keep(step.keep)?;
        leptos_axum::redirect(&step.to);
        Ok(())
    })
    .await
}

/// What the browser shall be asked to make.
#[server(name = BeginPasskey, prefix = "/api", endpoint = "begin_passkey", protocol = Read)]
pub(crate) async fn begin_passkey(name: String) -> Result<String, UiError> {
    use kubewise_contract::PasskeyName;

    use crate::server::{answer, session, sign_in, who_lately};
    answer(async {
        // Before anybody is asked for a finger.
        PasskeyName::parse(&name)?;
        let (web, actor) = who_lately().await?;
        let ceremony = web.begin_passkey(&actor).await?;
        sign_in::keep_ceremony(&web, &session().await?, ceremony.state).await?;
        Ok(ceremony.options)
    })
    .await
}

/// Adds the passkey that the browser made.
#[server(name = AddPasskey, prefix = "/api", endpoint = "add_passkey", protocol = Read)]
pub(crate) async fn add_passkey(name: String, answer: String) -> Result<(), UiError> {
    use kubewise_contract::PasskeyName;

    use crate::server::{answer as answering, factor_added, session, session_id, sign_in, who_lately};
    answering(async {
        let (web, actor) = who_lately().await?;
        let state = sign_in::take_ceremony(&web, &session().await?).await?;
        let codes = web.add_passkey(&actor, session_id().await?, state, &answer, &PasskeyName::parse(&name)?).await?;
        leptos_axum::redirect(factor_added(codes, "/account/security?done=passkey").await?);
        Ok(())
    })
    .await
}

/// Removes a passkey.
#[server(prefix = "/api", endpoint = "remove_passkey")]
pub(crate) async fn remove_passkey(id: String) -> Result<(), UiError> {
    use crate::server::{answer, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        web.remove_passkey(&actor, &id).await?;
        leptos_axum::redirect("/account/security?done=passkey-removed");
        Ok(())
    })
    .await
}
