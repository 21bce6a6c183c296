//! The ways to Stripe's pages, which a browser opens and is sent on by, and `POST /webhooks/stripe`, which Stripe opens.

use axum::{
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use kubewise_backend::{Error, NotFromStripe, permission::ManageBilling};
use kubewise_contract::OrgSlug;

use super::{
    member::{Member, refused},
    oidc::{Asking, is_own_page},
    router::WebState,
};

/// Where Stripe tells of what happened.
pub(super) const WEBHOOK: &str = "/webhooks/stripe";
/// Largest event, in bytes: a customer's subscriptions and an invoice's lines stand in them.
pub(super) const EVENT_BYTES: usize = 512 << 10;

#[derive(Clone, Copy)]
enum Way {
    Checkout,
    Portal,
}

/// `GET /o/{org}/billing/checkout`: to where the plan Team is bought.
pub(super) async fn checkout(state: State<WebState>, slug: Path<String>, asking: Asking) -> Response {
    lead(state, slug, asking, Way::Checkout).await
}

/// `GET /o/{org}/billing/portal`: to where card, address and invoices are.
pub(super) async fn portal(state: State<WebState>, slug: Path<String>, asking: Asking) -> Response {
    lead(state, slug, asking, Way::Portal).await
}

async fn lead(State(state): State<WebState>, Path(slug): Path<String>, asking: Asking, way: Way) -> Response {
    let Ok(slug) = slug.parse::<OrgSlug>() else { return StatusCode::NOT_FOUND.into_response() };
    let page = format!("/o/{slug}/billing");
    let is_own = is_own_page(&asking.headers, &state.public_url);
    let member = Member { web: state.web, session: asking.session, slug, visitor: asking.visitor };
    match go(&member, way, is_own).await {
        Ok(Some(url)) => to(&url),
        // Another site led here: it is asked on our own page.
        Ok(None) => to(&page),
        Err(Error::AlreadySubscribed) => to(&format!("{page}?failed=subscribed")),
        Err(Error::Stripe(fault)) => {
            tracing::warn!(%fault, "somebody could not be sent to Stripe");
            to(&format!("{page}?failed=stripe"))
        }
        Err(error) => refused(&error).into_response(),
    }
}

async fn go(member: &Member, way: Way, is_own: bool) -> Result<Option<String>, Error> {
    let actor = member.actor().await?;
    let org = member.web.organisation::<ManageBilling>(&actor, &member.slug).await?;
    if !is_own {
        return Ok(None);
    }
    Ok(Some(match way {
        Way::Checkout => member.web.checkout(&org, &actor).await?,
        Way::Portal => member.web.portal(&org).await?,
    }))
}

fn to(url: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, url), (header::CACHE_CONTROL, "no-store")]).into_response()
}

/// Takes down an event. What is not Stripe's is refused with a sentence for whoever configures it; Stripe tries again what
/// is not answered with 2xx, for days.
pub(super) async fn receive(State(state): State<WebState>, headers: HeaderMap, body: Bytes) -> Response {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match state.web.receive_stripe_event(signature, &body).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(why)) => {
            let status = if why == NotFromStripe::Off { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
            tracing::warn!(%why, "something that claims to be Stripe was refused");
            (status, format!("{why}\n")).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an event of Stripe's could not be taken down; Stripe sends it again");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
