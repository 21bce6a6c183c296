//! From the text of an address to what it names: the second step of a server function. What does not parse is not there.

use std::str::FromStr;

use kubewise_backend::{Actor, Authorized, Cluster, Organisation, Web};
use kubewise_contract::{Access, ClusterId, Field, FieldError, OrgSlug, Problem, Role, UiError};

use super::answer::Refusal;

/// An id, or whatever else stands in an address.
pub(crate) fn parsed<T: FromStr>(text: &str) -> Result<T, UiError> {
    text.parse().map_err(|_| UiError::NotFound)
}

/// The number of an audit; none: the last one. What is not a number is not that of an audit either.
pub(crate) fn audit_number(text: Option<&str>) -> Result<Option<i64>, Refusal> {
    let wrong = FieldError { field: Field::Audit, problem: Problem::NoSuchAudit };
    Ok(text.map(|text| text.parse().map_err(|_| wrong)).transpose()?)
}

/// What a form gives somebody: a role, and either all clusters or those that are chosen.
pub(crate) fn access(role: &str, sees: Option<&str>, clusters: &[String]) -> Result<Access, Refusal> {
    let role = Role::parse(role).ok_or(FieldError { field: Field::Role, problem: Problem::NotUnderstood })?;
    // For a role that cannot be limited the choice is not shown: what the form says of it means nothing.
    let clusters = if role.can_be_limited() { chosen_clusters(sees, clusters)? } else { None };
    Ok(Access { role, clusters })
}

/// The clusters that a form chooses; none: all.
pub(crate) fn chosen_clusters(sees: Option<&str>, clusters: &[String]) -> Result<Option<Vec<ClusterId>>, Refusal> {
    if sees != Some("chosen") {
        return Ok(None);
    }
    let wrong = FieldError { field: Field::Clusters, problem: Problem::NotUnderstood };
    let clusters: Result<_, _> = clusters.iter().map(|id| id.parse()).collect();
    Ok(Some(clusters.map_err(|_| wrong)?))
}

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
