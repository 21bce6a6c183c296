//! What the install page shows: the token, once, and how far the agent is.

use kubewise_contract::{InstallInfo, UiError};
use leptos::prelude::*;

use super::{InstallStatus, read::Read};

/// What is needed to install the agent. The token is in it the first time only.
#[server(name = GetInstall, prefix = "/api", endpoint = "install", protocol = Read)]
pub(crate) async fn install(org: String, cluster: String) -> Result<InstallInfo, UiError> {
    use kubewise_backend::permission::ManageClusters;

    use crate::server::{ServerInfo, answer, cluster_in, take_over, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        let mut info = web.install_info(&cluster).await?;
        info.token = take_over(info.id)?;
        info.server_url = expect_context::<ServerInfo>().public_url;
        Ok(info)
    })
    .await
}

/// How far the installation is; asked again whenever the cluster changes.
#[server(name = GetInstallStatus, prefix = "/api", endpoint = "install_status", protocol = Read)]
pub(crate) async fn install_status(org: String, cluster: String) -> Result<InstallStatus, UiError> {
    use kubewise_backend::permission::ManageClusters;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ManageClusters>(&web, &actor, &org, &cluster).await?;
        let info = web.install_info(&cluster).await?;
        Ok(InstallStatus { status: info.status, has_token: info.has_token, resources: info.resources })
    })
    .await
}
