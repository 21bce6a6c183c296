//! What runs in a cluster, and the search through all of them.

use kubewise_contract::{
    ApplicationRow, ImageRow, ListQuery, NamespaceRow, NodeRow, ResourceDetail, ResourceRow, SearchRow, UiError,
    WorkloadRow,
};
use leptos::prelude::*;

use super::{At, Listing, read::Read};

/// A cluster's applications.
#[server(name = GetApplications, prefix = "/api", endpoint = "applications", protocol = Read)]
pub(crate) async fn applications(
    org: String,
    cluster: String,
    query: ListQuery,
) -> Result<Listing<ApplicationRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let page = web.applications(&cluster, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: web.namespace_names(&cluster).await? })
    })
    .await
}

/// A cluster's workloads.
#[server(name = GetWorkloads, prefix = "/api", endpoint = "workloads", protocol = Read)]
pub(crate) async fn workloads(org: String, cluster: String, query: ListQuery) -> Result<Listing<WorkloadRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let page = web.workloads(&cluster, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: web.namespace_names(&cluster).await? })
    })
    .await
}

/// The images that a cluster runs.
#[server(name = GetImages, prefix = "/api", endpoint = "images", protocol = Read)]
pub(crate) async fn images(org: String, cluster: String, query: ListQuery) -> Result<Listing<ImageRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let page = web.images(&cluster, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: web.namespace_names(&cluster).await? })
    })
    .await
}

/// A cluster's nodes.
#[server(name = GetNodes, prefix = "/api", endpoint = "nodes", protocol = Read)]
pub(crate) async fn nodes(org: String, cluster: String, query: ListQuery) -> Result<Listing<NodeRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let page = web.nodes(&cluster, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: Vec::new() })
    })
    .await
}

/// A cluster's namespaces.
#[server(name = GetNamespaces, prefix = "/api", endpoint = "namespaces", protocol = Read)]
pub(crate) async fn namespaces(
    org: String,
    cluster: String,
    query: ListQuery,
) -> Result<Listing<NamespaceRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let page = web.namespaces(&cluster, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: Vec::new() })
    })
    .await
}

/// A cluster's objects of all kinds.
#[server(name = GetResources, prefix = "/api", endpoint = "resources", protocol = Read)]
pub(crate) async fn resources(org: String, cluster: String, query: ListQuery) -> Result<Listing<ResourceRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let page = web.resources(&cluster, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: web.namespace_names(&cluster).await? })
    })
    .await
}

/// One object.
#[server(name = GetResource, prefix = "/api", endpoint = "resource", protocol = Read)]
pub(crate) async fn resource(org: String, cluster: String, uid: String) -> Result<At<ResourceDetail>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let uid = uid.parse().map_err(|_| UiError::NotFound)?;
        let body = web.resource(&cluster, uid).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Objects of all the organisation's clusters; none as long as nothing is searched for.
#[server(name = GetSearch, prefix = "/api", endpoint = "search", protocol = Read)]
pub(crate) async fn search(org: String, query: ListQuery) -> Result<Listing<SearchRow>, UiError> {
    use kubewise_backend::permission::ViewInventory;
    use kubewise_contract::Page;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        // Everything is no answer to nothing.
        let page = if query.is_unfiltered() { Page::empty() } else { web.search(&organisation, &query).await? };
        Ok(Listing { now: web.now(), page, namespaces: Vec::new() })
    })
    .await
}
