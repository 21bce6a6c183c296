//! Who listens to or reads something long: asked again and again who they are, since rights may have been taken since.

use http::StatusCode;
use kubewise_backend::{
    Actor, Authorized, Cluster, Error, Organisation, Visitor, Web, permission::Grant, session::USER_ID,
};
use kubewise_contract::{ClusterId, OrgSlug, UserId};
use tower_sessions::Session;

/// A member of an organisation, by their session.
pub(super) struct Member {
    pub(super) web: Web,
    pub(super) session: Session,
    pub(super) slug: OrgSlug,
    pub(super) visitor: Visitor,
}

impl Member {
    /// Asks again, from the session on.
    pub(super) async fn authorized<P: Grant>(&self) -> Result<Authorized<Organisation, P>, Error> {
        let actor = self.actor().await?;
        self.web.organisation(&actor, &self.slug).await
    }

    /// A cluster that they see; of any other they are told that there is none.
    pub(super) async fn cluster<P: Grant>(&self, id: ClusterId) -> Result<Authorized<Cluster, P>, Error> {
        let actor = self.actor().await?;
        self.web.cluster(&actor, &self.slug, id).await
    }

    pub(super) async fn actor(&self) -> Result<Actor, Error> {
        let broken = |e: tower_sessions::session::Error| Error::Internal(format!("session: {e}"));
        self.session.load().await.map_err(broken)?;
        let user: Option<UserId> = self.session.get(USER_ID).await.map_err(broken)?;
        let actor = self.web.actor(user.ok_or(Error::NotFound)?).await?.ok_or(Error::NotFound)?;
        Ok(actor.at(self.visitor.place()))
    }
}

/// The status of a refusal.
pub(super) fn refused(error: &Error) -> StatusCode {
    match error {
        Error::Forbidden | Error::SecondFactorNeeded => StatusCode::FORBIDDEN,
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        error => {
            tracing::error!(%error, "an organisation could not be looked up");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
