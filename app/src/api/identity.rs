//! What a person does with their own account.

use kubewise_contract::{Account, SessionRow, UiError};
use leptos::prelude::*;

use super::{At, read::Read};

/// The account of who looks.
#[server(name = GetAccount, prefix = "/api", endpoint = "account", protocol = Read)]
pub(crate) async fn account() -> Result<Account, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        Ok(web.account(&actor).await?)
    })
    .await
}

/// Changes what the person is called.
#[server(prefix = "/api", endpoint = "change_name")]
pub(crate) async fn change_name(name: String) -> Result<(), UiError> {
    use kubewise_contract::PersonName;

    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        web.change_name(&actor, &PersonName::parse(&name)?).await?;
        leptos_axum::redirect("/account?done=name");
        Ok(())
    })
    .await
}

/// Sends the mail that proves the account's address once more.
#[server(prefix = "/api", endpoint = "resend_verification")]
pub(crate) async fn resend_verification() -> Result<(), UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        web.resend_verification(&actor).await?;
        leptos_axum::redirect("/account?done=sent");
        Ok(())
    })
    .await
}

/// Sends a mail to the address that the account shall be known by.
#[server(prefix = "/api", endpoint = "change_address")]
pub(crate) async fn change_address(email: String, current_password: Option<String>) -> Result<(), UiError> {
    use kubewise_contract::EmailAddress;

    use crate::server::{answer, who, who_lately};
    answer(async {
        // Who has no password must have proved lately who they are.
        let (web, actor) = if current_password.is_some() { who().await? } else { who_lately().await? };
        let password = current_password.map(Into::into);
        web.request_address(&actor, password.as_ref(), &EmailAddress::parse(&email)?).await?;
        leptos_axum::redirect("/account?done=address");
        Ok(())
    })
    .await
}

/// Opens the link that proves an address.
#[server(prefix = "/api", endpoint = "verify_address")]
pub(crate) async fn verify_address(token: String) -> Result<(), UiError> {
    use kubewise_backend::Web;

    use crate::server::answer;
    answer(async {
        expect_context::<Web>().verify_address(&token.into()).await?;
        leptos_axum::redirect("/verify?done=1");
        Ok(())
    })
    .await
}

/// Sends a link to choose a new password, if the address has an account.
#[server(prefix = "/api", endpoint = "request_reset")]
pub(crate) async fn request_reset(email: String) -> Result<(), UiError> {
    use kubewise_backend::Web;
    use kubewise_contract::EmailAddress;

    use crate::server::{answer, visitor};
    answer(async {
        expect_context::<Web>().request_reset(&EmailAddress::parse(&email)?, &visitor()?).await?;
        leptos_axum::redirect("/reset?sent=1");
        Ok(())
    })
    .await
}

/// Chooses a new password by a link.
#[server(prefix = "/api", endpoint = "reset_password")]
pub(crate) async fn reset_password(token: String, password: String) -> Result<(), UiError> {
    use kubewise_backend::Web;

    use crate::server::{answer, end_session, keep, visitor};
    answer(async {
        keep(expect_context::<Web>().reset_password(&token.into(), &password.into(), &visitor()?).await?)?;
        // Whoever is signed in here may be somebody else.
        end_session().await?;
        leptos_axum::redirect("/login?reset=1");
        Ok(())
    })
    .await
}

/// Changes the password of the person, who is signed out everywhere else.
#[server(prefix = "/api", endpoint = "change_password")]
pub(crate) async fn change_password(current_password: String, password: String) -> Result<(), UiError> {
    use crate::server::{answer, session, session_id, sign_in::renew_session, who};
    answer(async {
        let (web, actor) = who().await?;
        web.change_password(&actor, session_id().await?, &current_password.into(), &password.into()).await?;
        renew_session(&session().await?).await?;
        leptos_axum::redirect("/account/security?done=password");
        Ok(())
    })
    .await
}

/// Where the person is signed in.
#[server(name = GetSessions, prefix = "/api", endpoint = "sessions", protocol = Read)]
pub(crate) async fn sessions() -> Result<At<Vec<SessionRow>>, UiError> {
    use crate::server::{answer, session_id, who};
    answer(async {
        let (web, actor) = who().await?;
        let body = web.own_sessions(&actor, session_id().await?).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Signs the person out in one other place.
#[server(name = EndSession, prefix = "/api", endpoint = "end_session")]
pub(crate) async fn end_one_session(id: String) -> Result<(), UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        web.end_session(&actor, &id).await?;
        leptos_axum::redirect("/account/sessions?done=ended");
        Ok(())
    })
    .await
}

/// Signs the person out everywhere else.
#[server(prefix = "/api", endpoint = "end_other_sessions")]
pub(crate) async fn end_other_sessions() -> Result<(), UiError> {
    use crate::server::{answer, session_id, who};
    answer(async {
        let (web, actor) = who().await?;
        web.end_other_sessions(&actor, session_id().await?).await?;
        leptos_axum::redirect("/account/sessions?done=ended");
        Ok(())
    })
    .await
}
