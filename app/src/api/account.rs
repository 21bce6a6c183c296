//! Signing up, in and out, and who is looking.

use kubewise_contract::{Strength, UiError, Viewer};
use leptos::prelude::*;

use super::{Frame, read::Read};

/// The person who looks, if somebody is signed in.
#[server(name = GetHome, prefix = "/api", endpoint = "home", protocol = Read)]
pub(crate) async fn home() -> Result<Option<Viewer>, UiError> {
    use crate::server::{Refusal, answer, who};
    answer(async {
        match who().await {
            Ok((web, actor)) => Ok(Some(web.viewer(&actor).await?)),
            Err(Refusal::Said(UiError::SignedOut)) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    })
    .await
}

/// What surrounds every page of an organisation.
#[server(name = GetFrame, prefix = "/api", endpoint = "frame", protocol = Read)]
pub(crate) async fn frame(org: String) -> Result<Frame, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        let viewer = web.viewer(&actor).await?;
        let here = viewer.organisations.iter().find(|o| o.slug.as_str() == org).cloned().ok_or(UiError::NotFound)?;
        Ok(Frame { viewer, here })
    })
    .await
}

/// Makes an account and its organisation, and signs the person in.
#[server(name = CreateAccount, prefix = "/api", endpoint = "sign_up")]
pub(crate) async fn sign_up(
    name: String,
    email: String,
    organisation: String,
    password: String,
) -> Result<(), UiError> {
    use kubewise_backend::{SignUp, Web};
    use kubewise_contract::{EmailAddress, FieldError, OrganisationName, PersonName};

    use crate::{
        place::org_href,
        server::{answer, begin_session, keep, visitor},
    };
    answer(async {
        let web = expect_context::<Web>();
        let visitor = visitor()?;
        // All fields are judged before any is complained about.
        let (name, email, organisation) =
            (PersonName::parse(&name), EmailAddress::parse(&email), OrganisationName::parse(&organisation));
        let wrong: Vec<FieldError> =
            [name.clone().err(), email.clone().err(), organisation.clone().err()].into_iter().flatten().collect();
        if !wrong.is_empty() {
            return Err(UiError::Invalid(wrong).into());
        }
        let sign_up = SignUp { name: name?, email: email?, password: password.into(), organisation: organisation? };
        web.limit_sign_ups(&visitor).await?;
        let signed_up = web.sign_up(sign_up).await?;
        keep(web.remember_first(signed_up.user, &visitor).await?)?;
        begin_session(signed_up.user, false).await?;
        leptos_axum::redirect(&org_href(signed_up.slug.as_str(), "/"));
        Ok(())
    })
    .await
}

/// How hard a password is to guess that somebody is choosing. `about`: what else they wrote. Changes and keeps nothing.
#[server(name = GetPasswordStrength, prefix = "/api", endpoint = "password_strength", protocol = Read)]
pub(crate) async fn password_strength(password: String, about: String) -> Result<Strength, UiError> {
    use kubewise_backend::Web;

    use crate::server::{Refusal, answer, who};
    answer(async {
        let actor = match who().await {
            Ok((_, actor)) => Some(actor),
            Err(Refusal::Said(UiError::SignedOut)) => None,
            Err(refusal) => return Err(refusal),
        };
        Ok(expect_context::<Web>().strength(actor.as_ref(), &password.into(), &about).await?)
    })
    .await
}

/// Signs a person in and leads them to the page they asked for, or to their organisation.
#[server(prefix = "/api", endpoint = "log_in")]
pub(crate) async fn log_in(
    email: String,
    password: String,
    next: Option<String>,
    remember: Option<String>,
) -> Result<(), UiError> {
    use kubewise_backend::{LoggedIn, Web};

    use crate::{
        place::org_href,
        server::{answer, begin_session, keep, local_path, visitor},
    };
    answer(async {
        let web = expect_context::<Web>();
        let LoggedIn { user, keep: kept } = web.log_in(&email, &password.into(), &visitor()?).await?;
        keep(kept)?;
        begin_session(user, remember.is_some()).await?;
        let home = match web.actor(user).await? {
            Some(actor) => web.viewer(&actor).await?.organisations.first().map(|o| org_href(o.slug.as_str(), "/")),
            None => None,
        };
        let next = next.as_deref().and_then(local_path).map(ToOwned::to_owned).or(home);
        leptos_axum::redirect(next.as_deref().unwrap_or("/"));
        Ok(())
    })
    .await
}

/// Signs whoever is signed in out.
#[server(prefix = "/api", endpoint = "log_out")]
pub(crate) async fn log_out() -> Result<(), UiError> {
    use crate::server::{answer, end_session};
    answer(async {
        end_session().await?;
        leptos_axum::redirect("/");
        Ok(())
    })
    .await
}
