//! Audits: asking for them, and what they found.

use kubewise_contract::{
    Audits, ClusterAudit, ClusterChoice, CompareQuery, Comparison, FindingDetail, FindingRow, FindingsQuery, ListQuery,
    Page, Schedules, Timestamp, UiError,
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::{At, read::Read};

/// What stands above a cluster's findings, one page of them, and what filters offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) now: Timestamp,
    pub(crate) audit: ClusterAudit,
    pub(crate) page: Page<FindingRow>,
    pub(crate) namespaces: Vec<String>,
}

/// Two audits side by side, when two were chosen, and what can be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) now: Timestamp,
    pub(crate) clusters: Vec<ClusterChoice>,
    pub(crate) comparison: Option<Comparison>,
}

/// The organisation's clusters, and how their last audits ended.
#[server(name = GetAudits, prefix = "/api", endpoint = "audits", protocol = Read)]
pub(crate) async fn audits(org: String, query: ListQuery) -> Result<At<Audits>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let body = web.audits(&organisation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// What the last audit of a cluster found.
#[server(name = GetFindings, prefix = "/api", endpoint = "findings", protocol = Read)]
pub(crate) async fn findings(org: String, cluster: String, query: FindingsQuery) -> Result<Findings, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let audit = web.cluster_audit(&cluster).await?;
        let page = web.findings(&cluster, &query).await?;
        let namespaces = web.namespace_names(&cluster).await?;
        Ok(Findings { now: web.now(), audit, page, namespaces })
    })
    .await
}

/// One finding.
#[server(name = GetFinding, prefix = "/api", endpoint = "finding", protocol = Read)]
pub(crate) async fn finding(org: String, cluster: String, finding: String) -> Result<At<FindingDetail>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<ViewInventory>(&web, &actor, &org, &cluster).await?;
        let body = web.finding(&cluster, &finding).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Compares two audits of one cluster or of two.
#[server(name = GetComparison, prefix = "/api", endpoint = "compare_audits", protocol = Read)]
pub(crate) async fn comparison(org: String, query: CompareQuery) -> Result<Compared, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, audit_number, cluster_in, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let clusters = web.comparable(&organisation).await?;
        let comparison = match (&query.a, &query.b) {
            (Some(a), Some(b)) => {
                let a = cluster_in::<ViewInventory>(&web, &actor, &org, a).await?;
                let b = cluster_in::<ViewInventory>(&web, &actor, &org, b).await?;
                let (ra, rb) = (audit_number(query.ra.as_deref())?, audit_number(query.rb.as_deref())?);
                Some(web.compare((&a, ra), (&b, rb)).await?)
            }
            _ => None,
        };
        Ok(Compared { now: web.now(), clusters, comparison })
    })
    .await
}

/// Has a cluster audited.
#[server(prefix = "/api", endpoint = "run_audit")]
pub(crate) async fn run_audit(org: String, cluster: String) -> Result<(), UiError> {
    use kubewise_backend::permission::RunAudits;

    use crate::server::{answer, cluster_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<RunAudits>(&web, &actor, &org, &cluster).await?;
        web.run_audit(&cluster).await?;
        Ok(())
    })
    .await
}

/// Has every cluster audited that one sees and of which something is known. `which`: `chosen` for `clusters` alone.
#[server(prefix = "/api", endpoint = "run_audits")]
pub(crate) async fn run_audits(
    org: String,
    which: Option<String>,
    #[server(default)] clusters: Vec<String>,
) -> Result<(), UiError> {
    use kubewise_backend::permission::RunAudits;
    use kubewise_contract::ClusterId;

    use crate::server::{answer, cluster_in, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<RunAudits>(&web, &actor, &org).await?;
        let is_chosen = |cluster: &ClusterId| match which.as_deref() {
            Some("chosen") => clusters.contains(&cluster.to_string()),
            _ => true,
        };
        for (cluster, is_known) in web.clusters_to_audit(&organisation).await? {
            if is_known && is_chosen(&cluster) {
                // Each for itself: what was asked for is asked for, whatever becomes of the next.
                let cluster = cluster_in::<RunAudits>(&web, &actor, &org, &cluster.to_string()).await?;
                web.run_audit(&cluster).await?;
            }
        }
        Ok(())
    })
    .await
}

/// The organisation's clusters, and when they are audited by themselves.
#[server(name = GetSchedules, prefix = "/api", endpoint = "audit_schedules", protocol = Read)]
pub(crate) async fn schedules(org: String, query: ListQuery) -> Result<At<Schedules>, UiError> {
    use kubewise_backend::permission::ViewInventory;

    use crate::server::{answer, organisation_in, who};
    answer(async {
        let (web, actor) = who().await?;
        let organisation = organisation_in::<ViewInventory>(&web, &actor, &org).await?;
        let body = web.schedules(&organisation, &query).await?;
        Ok(At { now: web.now(), body })
    })
    .await
}

/// Has a cluster audited by itself, or, without one, every cluster that one sees. `every`: what [`Every::parse`] takes.
#[server(prefix = "/api", endpoint = "set_audit_schedule")]
pub(crate) async fn set_audit_schedule(
    org: String,
    cluster: Option<String>,
    every: String,
    at: Option<String>,
    cron: Option<String>,
    time_zone: String,
) -> Result<(), UiError> {
    use kubewise_backend::permission::RunAudits;
    use kubewise_contract::{Every, Schedule};

    use crate::{
        place::org_href,
        server::{answer, cluster_in, organisation_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let mut clusters = Vec::new();
        if let Some(cluster) = cluster.filter(|cluster| !cluster.is_empty()) {
            clusters.push(cluster_in::<RunAudits>(&web, &actor, &org, &cluster).await?);
        } else {
            let organisation = organisation_in::<RunAudits>(&web, &actor, &org).await?;
            for (cluster, _) in web.clusters_to_audit(&organisation).await? {
                clusters.push(cluster_in::<RunAudits>(&web, &actor, &org, &cluster.to_string()).await?);
            }
        }
        let cron =
            Every::parse(&every)?.cron(at.as_deref().unwrap_or_default(), cron.as_deref().unwrap_or_default())?;
        let schedule = Schedule { cron, time_zone };
        for cluster in clusters {
            web.set_schedule(&cluster, &schedule).await?;
        }
        leptos_axum::redirect(&org_href(&org, "/audits/schedules?done=set"));
        Ok(())
    })
    .await
}

/// Has a cluster audited by itself no more.
#[server(prefix = "/api", endpoint = "end_audit_schedule")]
pub(crate) async fn end_audit_schedule(org: String, cluster: String) -> Result<(), UiError> {
    use kubewise_backend::permission::RunAudits;

    use crate::{
        place::org_href,
        server::{answer, cluster_in, who},
    };
    answer(async {
        let (web, actor) = who().await?;
        let cluster = cluster_in::<RunAudits>(&web, &actor, &org, &cluster).await?;
        web.end_schedule(&cluster).await?;
        leptos_axum::redirect(&org_href(&org, "/audits/schedules?done=ended"));
        Ok(())
    })
    .await
}
