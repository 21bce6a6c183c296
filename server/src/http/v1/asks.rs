//! Who asks, how often, and what they may: the token, its rate, and the permission that a route names in its arguments.

use axum::{
    extract::{FromRequestParts, Path, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use kubewise_app::ClientAddress;
use kubewise_backend::{
    Authorized, Bearer, Cluster, Error, Organisation, REQUESTS_PER_MINUTE, Rate, Visitor, Web,
    permission::{Grant, ViewInventory},
};
use kubewise_contract::ClusterId;
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use crate::http::bearer::bearer;

/// The layer of every route that needs a token. What is not a token is refused without a look at the database; what
/// could be one costs one look-up by its hash.
pub(super) async fn authenticate(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get().copied();
    let who = match who(&web, bearer(request.headers()), address).await {
        Ok(who) => who,
        Err(problem) => return problem.into_response(),
    };
    let (mut response, rate) = match web.count_request(&who).await {
        Ok(rate) => {
            request.extensions_mut().insert(who);
            (next.run(request).await, rate)
        }
        Err(cause) => {
            let rate = match &cause {
                Error::TooMany { seconds } => Rate { left: 0, seconds: *seconds },
                _ => return Problem::from(cause).into_response(),
            };
            (Problem::from(cause).into_response(), rate)
        }
    };
    announce(response.headers_mut(), rate);
    response
}

async fn who(web: &Web, token: Option<SecretString>, from: Option<ClientAddress>) -> Result<Bearer, Problem> {
    let token = token.ok_or_else(|| Problem::of(Kind::Unauthorized))?;
    let ClientAddress(address) = from.ok_or_else(|| Problem::of(Kind::Internal))?;
    let place = Visitor { address, browser: String::new(), kept: None }.place();
    web.bearer(&token, place).await?.ok_or_else(Problem::wrong_token)
}

/// Says how often the token may ask, as draft-ietf-httpapi-ratelimit-headers did up to version 07.
fn announce(headers: &mut HeaderMap, rate: Rate) {
    headers.insert(HeaderName::from_static("ratelimit-limit"), HeaderValue::from(REQUESTS_PER_MINUTE));
    headers.insert(HeaderName::from_static("ratelimit-remaining"), HeaderValue::from(rate.left));
    headers.insert(HeaderName::from_static("ratelimit-reset"), HeaderValue::from(rate.seconds));
}

/// The organisation of who asks, who has permission `P` in it.
pub(super) struct Asks<P>(pub(super) Authorized<Organisation, P>);

impl<P: Grant> FromRequestParts<Web> for Asks<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        organisation(parts, web).map(Self)
    }
}

fn organisation<P: Grant>(parts: &Parts, web: &Web) -> Result<Authorized<Organisation, P>, Problem> {
    let bearer = parts.extensions.get::<Bearer>().ok_or_else(|| Problem::of(Kind::Unauthorized))?;
    web.organisation_of(bearer).map_err(lacking::<P>)
}

/// The cluster that the address names, for who has permission `P` on it.
pub(super) struct AsksCluster<P>(pub(super) Authorized<Cluster, P>);

#[derive(Deserialize)]
struct Place {
    cluster: Uuid,
}

impl<P: Grant> FromRequestParts<Web> for AsksCluster<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        // Who may not see clusters at all is not told which exist.
        let organisation = organisation::<ViewInventory>(parts, web)?;
        let Path(Place { cluster }) = Path::from_request_parts(parts, web)
            .await
            .map_err(|_| Problem::new(Kind::BadRequest, "The cluster in the address is its id, not its name."))?;
        web.cluster_of(&organisation, ClusterId(cluster)).await.map(Self).map_err(lacking::<P>)
    }
}

fn lacking<P: Grant>(cause: Error) -> Problem {
    match cause {
        Error::Forbidden => Problem::lacks(P::PERMISSION),
        other => other.into(),
    }
}
