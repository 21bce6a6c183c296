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
    use kubewise_contract::Permission;

    use crate::{
        place::org_href,
        server::{answer, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let viewer = web.viewer(&actor).await?;
        let here = viewer.organisations.iter().find(|o| o.slug.as_str() == org).cloned().ok_or(UiError::NotFound)?;
        // That all of it will be gone comes before what it costs.
        let (notice, page) = match web.deletion_notice(&actor, &here).await? {
            // Who may not open the settings sees who can.
            Some(notice) if here.may(Permission::ManageOrganisation) => (Some(notice.to_string()), "/settings/data"),
            Some(notice) => (Some(notice.to_string()), "/team"),
            None => (web.billing_notice(&actor, &here).await?.map(|notice| notice.to_string()), "/billing"),
        };
        let notice_page = org_href(here.slug.as_str(), page);
        Ok(Frame { viewer, here, notice, notice_page })
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
    invitation: Option<String>,
) -> Result<(), UiError> {
    use kubewise_backend::{SignUp, Web};
    use kubewise_contract::{EmailAddress, FieldError, OrganisationName, PersonName};

    use crate::{
        place::org_href,
        server::{answer, keep, session, sign_in::begin_session, visitor},
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
        let sign_up = SignUp {
            name: name?,
            email: email?,
            password: password.into(),
            organisation: organisation?,
            place: visitor.place(),
        };
        web.limit_sign_ups(&visitor).await?;
        let signed_up = match invitation.filter(|invitation| !invitation.is_empty()) {
            Some(invitation) => web.sign_up_by_invitation(sign_up, &invitation.into()).await?,
            None => web.sign_up(sign_up).await?,
        };
        keep(web.remember(signed_up.user, &visitor, false).await?)?;
        begin_session(&web, &session().await?, &visitor, signed_up.user, false).await?;
        let to = signed_up.slug.map_or_else(|| "/".to_owned(), |slug| org_href(slug.as_str(), "/"));
        leptos_axum::redirect(&to);
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

/// Signs a person in and leads them to the page they asked for, or to their organisation; who has a second factor is
/// asked for it first.
#[server(prefix = "/api", endpoint = "log_in")]
pub(crate) async fn log_in(
    email: String,
    password: String,
    next: Option<String>,
    remember: Option<String>,
) -> Result<(), UiError> {
    use kubewise_backend::Web;

    use crate::server::{answer, keep, session, sign_in::first_proof, visitor};
    answer(async {
        let (web, visitor) = (expect_context::<Web>(), visitor()?);
        let user = web.log_in(&email, &password.into(), &visitor).await?;
        let step = first_proof(&web, &session().await?, &visitor, user, remember.is_some(), next.as_deref()).await?;
        keep(step.keep)?;
        leptos_axum::redirect(&step.to);
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
