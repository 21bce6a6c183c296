//! From the text of an address to what it names: the second step of a server function. What does not parse is not there.

use kubewise_backend::{Actor, Authorized, Cluster, Organisation, Web};
use kubewise_contract::{ClusterId, OrgSlug, UiError};

use super::answer::Refusal;

/// The organisation, when the asker may do `P` in it.
pub(crate) async fn organisation_in<P: kubewise_backend::permission::Grant>(
    web: &Web,
    actor: &Actor,
    org: &str,
) -> Result<Authorized<Organisation, P>, Refusal> {
    let slug: OrgSlug = org.parse().map_err(|_| UiError::NotFound)?;
    Ok(web.organisation::<P>(actor, &slug).await?)
}

/// The cluster, when the asker may do `P` with it.
pub(crate) async fn cluster_in<P: kubewise_backend::permission::Grant>(
    web: &Web,
    actor: &Actor,
    org: &str,
    cluster: &str,
) -> Result<Authorized<Cluster, P>, Refusal> {
    let slug: OrgSlug = org.parse().map_err(|_| UiError::NotFound)?;
    let id: ClusterId = cluster.parse().map_err(|_| UiError::NotFound)?;
    Ok(web.cluster::<P>(actor, &slug, id).await?)
}
