//! An organisation's clusters: seeing, adding, renaming, deleting them; their tokens.

use kubewise_contract::{ClusterDetail, ClusterSummary, ListQuery, Overview, UiError};
use leptos::prelude::*;

use super::{At, Listing, read::Read};

/// The organisation's first page.
#[server(name = GetOverview, prefix = "/api", endpoint = "overview", protocol = Read)]
pub(crate) async fn overview(org: String) -> Result<At<Overview>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let body = web.overview(&organisation).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// The organisation's clusters.
#[server(name = GetClusters, prefix = "/api", endpoint = "clusters", protocol = Read)]
pub(crate) async fn clusters(org: String, query: ListQuery) -> Result<Listing<ClusterSummary>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let page = web.clusters(&organisation, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: Vec::new() })
    })
    .await
}

/// One cluster.
#[server(name = GetCluster, prefix = "/api", endpoint = "cluster", protocol = Read)]
pub(crate) async fn cluster_detail(org: String, cluster: String) -> Result<At<ClusterDetail>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let body = web.cluster_detail(&cluster).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Whether the person may add clusters here: pages that are of no use to others ask before they show a form.
#[server(name = GetMayManage, prefix = "/api", endpoint = "may_manage", protocol = Read)]
pub(crate) async fn may_manage(org: String) -> Result<(), UiError> {
    use kubewise_backend::permission::AddClusters;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        organisation_in::<AddClusters>(&web, &actor, &org).await?;
        Ok(())
    })
    .await
}

/// Whether the person may manage this cluster: the same for its settings.
#[server(name = GetMayManageCluster, prefix = "/api", endpoint = "may_manage_cluster", protocol = Read)]
pub(crate) async fn may_manage_cluster(org: String, cluster: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageClusters;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        Ok(())
    })
    .await
}

/// Adds a cluster and leads to the page that shows its token.
#[server(name = CreateCluster, prefix = "/api", endpoint = "add_cluster")]
pub(crate) async fn add_cluster(org: String, name: String) -> Result<(), UiError> {
    use kubewise_backend::permission::AddClusters;
    use kubewise_contract::ClusterName;

    use crate::{
        place::ClusterPlace,
        server::{answer, hand_over, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<AddClusters>(&web, &actor, &org).await?;
        let (cluster, token) = web.add_cluster(&organisation, &ClusterName::parse(&name)?).await?;
        hand_over(cluster, &token)?;
        leptos_axum::redirect(&ClusterPlace { org, cluster: cluster.to_string() }.href("/install"));
        Ok(())
    })
    .await
}

/// Gives a cluster another name.
#[server(prefix = "/api", endpoint = "rename_cluster")]
pub(crate) async fn rename_cluster(org: String, cluster: String, name: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageClusters;
    use kubewise_contract::ClusterName;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        web.rename_cluster(&cluster, &ClusterName::parse(&name)?).await?;
        Ok(())
    })
    .await
}

/// Makes a new token, ends the old one, and leads to the page that shows the new one.
#[server(prefix = "/api", endpoint = "rotate_token")]
pub(crate) async fn rotate_token(org: String, cluster: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageClusters;

    use crate::{
        place::ClusterPlace,
        server::{answer, cluster_in, hand_over, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let found = cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        let token = web.rotate_token(&found).await?;
        hand_over(found.id, &token)?;
        leptos_axum::redirect(&ClusterPlace { org, cluster }.href("/install"));
        Ok(())
    })
    .await
}

/// Ends a cluster's token: its agent is refused from now on.
#[server(prefix = "/api", endpoint = "revoke_token")]
pub(crate) async fn revoke_token(org: String, cluster: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageClusters;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        web.revoke_token(&cluster).await?;
        Ok(())
    })
    .await
}

/// Deletes a cluster and all that is known of it, once its name was typed again.
#[server(prefix = "/api", endpoint = "delete_cluster")]
pub(crate) async fn delete_cluster(org: String, cluster: String, confirmation: String) -> Result<(), UiError> {
    use kubewise_backend::permission::ManageClusters;
    use kubewise_contract::{Field, FieldError, Problem};

    use crate::{
        place::org_href,
        server::{answer, cluster_in, who_lately},
    };
    answer(async {
        let (web, actor) = who_lately().await?;
        let cluster = cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        if confirmation.trim() != cluster.name {
            return Err(FieldError { field: Field::Confirmation, problem: Problem::DoesNotMatch }.into());
        }
        web.delete_cluster(&cluster).await?;
        leptos_axum::redirect(&org_href(&org, "/clusters"));
        Ok(())
    })
    .await
}
