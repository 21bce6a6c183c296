//! How people sign in and up, and one's own link to another provider. Going there is no server function but a link
//! (`/login/google`): a page may not send a form to another site.

use kubewise_contract::{UiError, Ways};
use leptos::prelude::*;

use super::read::Read;

/// How people sign in and up here.
#[server(name = GetWays, prefix = "/api", endpoint = "ways", protocol = Read)]
pub(crate) async fn ways() -> Result<Ways, UiError> {
    use kubewise_backend::Web;

    use crate::server::answer;
    answer(async { Ok(expect_context::<Web>().ways()) }).await
}

/// Has the person sign in through the provider no more.
#[server(prefix = "/api", endpoint = "unlink_google")]
pub(crate) async fn unlink_google() -> Result<(), UiError> {
    use crate::server::{answer, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        web.unlink_identity(&actor).await?;
        leptos_axum::redirect("/account/security?done=unlinked");
        Ok(())
    })
    .await
}

/// Gives who has no password a first one; they are signed out everywhere else.
#[server(prefix = "/api", endpoint = "set_password")]
pub(crate) async fn set_password(password: String) -> Result<(), UiError> {
    use crate::server::{answer, session, session_id, sign_in::renew_session, who_lately};
    answer(async {
        let (web, actor) = who_lately().await?;
        web.set_password(&actor, session_id().await?, &password.into()).await?;
        renew_session(&session().await?).await?;
        leptos_axum::redirect("/account/security?done=password");
        Ok(())
    })
    .await
}
