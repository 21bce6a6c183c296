//! Who is in an organisation: seeing, inviting, changing, removing; joining and leaving.

use kubewise_contract::{Invited, Joinable, ListQuery, Member, Team, UiError};
use leptos::prelude::*;

use super::{At, read::Read};

/// The members, and for who may invite those who were.
#[server(name = GetTeam, prefix = "/api", endpoint = "team", protocol = Read)]
pub(crate) async fn team(org: String, query: ListQuery) -> Result<At<Team>, UiError> {
    use kubewise_backend::permission::ViewTeam;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewTeam>(&web, &actor, &org).await?;
        let body = web.team(&organisation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// The same for who may invite.
#[server(name = GetInvitations, prefix = "/api", endpoint = "invitations", protocol = Read)]
pub(crate) async fn invitations(org: String) -> Result<At<Team>, UiError> {
    use kubewise_backend::permission::{ManageTeam, ViewTeam};

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?.also::<ViewTeam>()?;
        let body = web.team(&organisation, &ListQuery::default()).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// One member, for who may change what they may do.
#[server(name = GetMember, prefix = "/api", endpoint = "member", protocol = Read)]
pub(crate) async fn member(org: String, member: String) -> Result<Member, UiError> {
    use kubewise_backend::permission::ManageTeam;

    use crate::server::{answer, organisation_in, parsed, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?;
        Ok(web.member(&organisation, parsed(&member)?).await?)
    })
    .await
}

/// Invites somebody by mail. `sees`: `chosen` limits them to `clusters`.
#[server(prefix = "/api", endpoint = "invite")]
pub(crate) async fn invite(
    org: String,
    email: String,
    role: String,
    sees: Option<String>,
    #[server(default)] clusters: Vec<String>,
) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageTeam;
    use kubewise_contract::EmailAddress;

    use crate::{
        place::org_href,
        server::{access, answer, organisation_in, who_and_when},
    };
    answer(async {
        let (web, actor, lately) = who_and_when().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?;
        let (email, access) = (EmailAddress::parse(&email)?, access(&role, sees.as_deref(), &clusters)?);
        web.invite(&organisation, &actor, &email, &access, lately).await?;
        leptos_axum::redirect(&org_href(&org, "/team/invitations?done=invited"));
        Ok(())
    })
    .await
}

/// Sends an invitation again, with a new link.
#[server(prefix = "/api", endpoint = "resend_invitation")]
pub(crate) async fn resend_invitation(org: String, invitation: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageTeam;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?;
        web.resend_invitation(&organisation, &actor, parsed(&invitation)?).await?;
        leptos_axum::redirect(&org_href(&org, "/team/invitations?done=resent"));
        Ok(())
    })
    .await
}

/// Ends an invitation.
#[server(prefix = "/api", endpoint = "revoke_invitation")]
pub(crate) async fn revoke_invitation(org: String, invitation: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageTeam;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?;
        web.revoke_invitation(&organisation, parsed(&invitation)?).await?;
        leptos_axum::redirect(&org_href(&org, "/team/invitations?done=revoked"));
        Ok(())
    })
    .await
}

/// Changes what a member may do.
#[server(prefix = "/api", endpoint = "change_member")]
pub(crate) async fn change_member(
    org: String,
    member: String,
    role: String,
    sees: Option<String>,
    #[server(default)] clusters: Vec<String>,
) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageTeam;

    use crate::{
        place::org_href,
        server::{access, answer, organisation_in, parsed, who_and_when},
    };
    answer(async {
        let (web, actor, lately) = who_and_when().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?;
        let access = access(&role, sees.as_deref(), &clusters)?;
        web.change_member(&organisation, parsed(&member)?, &access, lately).await?;
        leptos_axum::redirect(&org_href(&org, "/team?done=changed"));
        Ok(())
    })
    .await
}

/// Ends a membership.
#[server(prefix = "/api", endpoint = "remove_member")]
pub(crate) async fn remove_member(org: String, member: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageTeam;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who_and_when},
    };
    answer(async {
        let (web, actor, lately) = who_and_when().await?;
        let organisation = organisation_in::<ManageTeam>(&web, &actor, &org).await?;
        web.remove_member(&organisation, parsed(&member)?, lately).await?;
        leptos_axum::redirect(&org_href(&org, "/team?done=removed"));
        Ok(())
    })
    .await
}

/// Makes another member Owner, and who asks an Admin.
#[server(prefix = "/api", endpoint = "transfer_ownership")]
pub(crate) async fn transfer_ownership(org: String, member: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageOwnership;

    use crate::{
        place::org_href,
        server::{answer, organisation_in, parsed, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let organisation = organisation_in::<ManageOwnership>(&web, &actor, &org).await?;
        web.transfer_ownership(&organisation, &actor, parsed(&member)?).await?;
        leptos_axum::redirect(&org_href(&org, "/team?done=transferred"));
        Ok(())
    })
    .await
}

/// Ends one's own membership.
#[server(prefix = "/api", endpoint = "leave_organisation")]
pub(crate) async fn leave_organisation(org: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ViewOrganisation;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewOrganisation>(&web, &actor, &org).await?;
        web.leave(&organisation, &actor).await?;
        leptos_axum::redirect("/account/organisations?done=left");
        Ok(())
    })
    .await
}

/// What the link of an invitation leads to.
#[server(name = GetInvitation, prefix = "/api", endpoint = "invitation", protocol = Read)]
pub(crate) async fn invitation(token: String) -> Result<Invited, UiError> {
    use kubewise_backend::Web;

    use crate::server::{Refusal, answer, who};
    answer(async {
        let actor = match who().await {
            Ok((_, actor)) => Some(actor),
            Err(Refusal::Said(UiError::SignedOut)) => None,
            Err(refusal) => return Err(refusal),
        };
        Ok(expect_context::<Web>().invitation(&token.into(), actor.as_ref()).await?)
    })
    .await
}

/// Makes who asks a member, as the invitation says.
#[server(prefix = "/api", endpoint = "accept_invitation")]
pub(crate) async fn accept_invitation(token: String) -> Result<(), UiError> {
    use crate::{
        place::org_href,
        server::{answer, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let slug = web.accept_invitation(&actor, &token.into()).await?;
        leptos_axum::redirect(&org_href(slug.as_str(), "/"));
        Ok(())
    })
    .await
}

/// Makes an account for who was invited, as a member, and signs them in.
#[server(prefix = "/api", endpoint = "sign_up_invited")]
pub(crate) async fn sign_up_invited(token: String, name: String, password: String) -> Result<(), UiError> {
    use kubewise_backend::{SignUpInvited, Web};
    use kubewise_contract::PersonName;

    use crate::{
        place::org_href,
        server::{answer, keep, session, sign_in::begin_session, visitor},
    };
    answer(async {
        let (web, visitor) = (expect_context::<Web>(), visitor()?);
        let name = PersonName::parse(&name)?;
        web.limit_sign_ups(&visitor).await?;
        let request = SignUpInvited { name, password: password.into(), link: token.into(), place: visitor.place() };
        let signed_up = web.sign_up_invited(request).await?;
        keep(web.remember(signed_up.user, &visitor, false).await?)?;
        begin_session(&web, &session().await?, &visitor, signed_up.user, false).await?;
        let to = signed_up.slug.map_or_else(|| "/".to_owned(), |slug| org_href(slug.as_str(), "/"));
        leptos_axum::redirect(&to);
        Ok(())
    })
    .await
}

/// The organisations that who asks may join by their address.
#[server(name = GetJoinable, prefix = "/api", endpoint = "joinable", protocol = Read)]
pub(crate) async fn joinable() -> Result<Vec<Joinable>, UiError> {
    use crate::server::{answer, who};
    answer(async {
        let (web, actor) = who().await?;
        Ok(web.joinable(&actor).await?)
    })
    .await
}

/// Makes who asks a member by their address.
#[server(prefix = "/api", endpoint = "join_organisation")]
pub(crate) async fn join_organisation(org: String) -> Result<(), UiError> {
    use crate::{
        place::org_href,
        server::{answer, parsed, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        web.join_by_domain(&actor, &parsed(&org)?).await?;
        leptos_axum::redirect(&org_href(&org, "/"));
        Ok(())
    })
    .await
}

/// Makes another organisation, which who asks owns.
#[server(prefix = "/api", endpoint = "create_organisation")]
pub(crate) async fn create_organisation(organisation: String) -> Result<(), UiError> {
    use kubewise_contract::OrganisationName;

    use crate::{
        place::org_href,
        server::{answer, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let slug = web.create_organisation(&actor, &OrganisationName::parse(&organisation)?).await?;
        leptos_axum::redirect(&org_href(slug.as_str(), "/"));
        Ok(())
    })
    .await
}
