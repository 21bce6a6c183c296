//! What is known to be wrong with images.

use kubewise_contract::{
    ListQuery, Page, Timestamp, UiError, VulnerabilitiesOf, VulnerabilitiesQuery, VulnerabilityRow, VulnerablePlace,
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Listing, read::Read};

/// What stands above a list of vulnerabilities, one page of them, and what filters offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) now: Timestamp,
    pub(crate) of: VulnerabilitiesOf,
    pub(crate) page: Page<VulnerabilityRow>,
    pub(crate) namespaces: Vec<String>,
}

/// What is known to be wrong with the images of a cluster, or with some of them.
#[server(name = GetVulnerabilities, prefix = "/api", endpoint = "vulnerabilities", protocol = Read)]
pub(crate) async fn vulnerabilities(
    org: String,
    cluster: String,
    query: VulnerabilitiesQuery,
) -> Result<Known, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let (of, page) = web.vulnerabilities(&cluster, &query).await?;
        Ok(Known { now: web.now(), of, page, namespaces: web.namespace_names(&cluster).await? })
    })
    .await
}

/// Where one vulnerability is, in all the organisation's clusters; nowhere as long as none is named.
#[server(name = GetVulnerable, prefix = "/api", endpoint = "vulnerable", protocol = Read)]
pub(crate) async fn vulnerable(org: String, query: ListQuery) -> Result<Listing<VulnerablePlace>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let page = web.vulnerable(&organisation, &query).await?;
        Ok(Listing { now: web.now(), page, namespaces: Vec::new() })
    })
    .await
}
