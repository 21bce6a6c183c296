//! The routes.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode, StaticSegment,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

use crate::{
    lazy::{
        Administration, AllAudits, Door, Everywhere, Manage, OneCluster, OwnAccount, Team, Telling, TwoAudits,
        WhatIsVulnerable, WhatWasFound, WholeOrganisation,
    },
    pages::{Clusters, Login, NotFound, OrganisationFrame, OrganisationOverview},
};

/// The whole app. Every route is rendered in `Async` mode: without JavaScript a page must be complete, and what it
/// found decides the status.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let (routing, set_routing) = signal(false);

    view! {
        <Title formatter=|text: String| {
            if text.is_empty() { "Kubewise".to_owned() } else { format!("{text} · Kubewise") }
        }/>
        <div class="routing" class:on=routing></div>
        <Router set_is_routing=set_routing>
            <Routes fallback=NotFound>
                <Route path=path!("") view=Door::Landing ssr=SsrMode::Async/>
                <Route path=path!("/signup") view=Door::SignUp ssr=SsrMode::Async/>
                <Route path=path!("/login") view=Login ssr=SsrMode::Async/>
                <Route path=path!("/mfa") view=Door::Mfa ssr=SsrMode::Async/>
                <Route path=path!("/reset") view=Door::Reset ssr=SsrMode::Async/>
                <Route path=path!("/verify") view=Door::Verify ssr=SsrMode::Async/>
                <Route path=path!("/invite") view=Door::Invited ssr=SsrMode::Async/>
                <ParentRoute path=path!("/account") view=OwnAccount::AccountFrame ssr=SsrMode::Async>
                    <Route path=path!("") view=OwnAccount::Profile ssr=SsrMode::Async/>
                    <Route path=path!("/security") view=OwnAccount::Security ssr=SsrMode::Async/>
                    <Route path=path!("/security/authenticator") view=OwnAccount::Authenticator ssr=SsrMode::Async/>
                    <Route path=path!("/security/codes") view=OwnAccount::Codes ssr=SsrMode::Async/>
                    <Route path=path!("/confirm") view=OwnAccount::Confirm ssr=SsrMode::Async/>
                    <Route path=path!("/organisations") view=OwnAccount::Organisations ssr=SsrMode::Async/>
                    <Route path=path!("/privacy") view=OwnAccount::Privacy ssr=SsrMode::Async/>
                    <Route path=path!("/sessions") view=OwnAccount::Sessions ssr=SsrMode::Async/>
                </ParentRoute>
                <ParentRoute path=path!("/admin") view=Administration::AdminFrame ssr=SsrMode::Async>
                    <Route path=path!("") view=Administration::AllOrganisations ssr=SsrMode::Async/>
                    <Route path=path!("/accounts") view=Administration::AllAccounts ssr=SsrMode::Async/>
                    <Route path=path!("/jobs") view=Administration::Jobs ssr=SsrMode::Async/>
                    <Route path=path!("/billing") view=Administration::InstallationStripe ssr=SsrMode::Async/>
                </ParentRoute>
                <ParentRoute path=path!("/o/:org") view=OrganisationFrame ssr=SsrMode::Async>
                    <Route path=path!("") view=OrganisationOverview ssr=SsrMode::Async/>
                    // The same page for the address that ends in a slash: the server matches addresses exactly.
                    <Route path=StaticSegment("/") view=OrganisationOverview ssr=SsrMode::Async/>
                    <Route path=path!("/clusters") view=Clusters ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/new") view=Manage::AddCluster ssr=SsrMode::Async/>
                    <Route path=path!("/settings") view=WholeOrganisation::OrganisationSettings ssr=SsrMode::Async/>
                    <Route path=path!("/settings/tokens") view=WholeOrganisation::Tokens ssr=SsrMode::Async/>
                    <Route path=path!("/settings/tokens/new") view=WholeOrganisation::NewToken ssr=SsrMode::Async/>
                    <Route path=path!("/settings/notifications") view=Telling::AllNotifications ssr=SsrMode::Async/>
                    <Route path=path!("/settings/notifications/new") view=Telling::NewNotification ssr=SsrMode::Async/>
                    <Route path=path!("/settings/notifications/:notification") view=Telling::OneNotification ssr=SsrMode::Async/>
                    <Route path=path!("/settings/activity") view=WholeOrganisation::Activity ssr=SsrMode::Async/>
                    <Route path=path!("/settings/data") view=WholeOrganisation::OrganisationData ssr=SsrMode::Async/>
                    <Route path=path!("/team") view=Team::Members ssr=SsrMode::Async/>
                    <Route path=path!("/team/invitations") view=Team::Invitations ssr=SsrMode::Async/>
                    <Route path=path!("/team/invite") view=Team::Invite ssr=SsrMode::Async/>
                    <Route path=path!("/team/members/:member") view=Team::Member ssr=SsrMode::Async/>
                    <Route path=path!("/billing") view=Team::Billing ssr=SsrMode::Async/>
                    <Route path=path!("/search") view=Everywhere::Search ssr=SsrMode::Async/>
                    <Route path=path!("/audits") view=AllAudits::AuditList ssr=SsrMode::Async/>
                    <Route path=path!("/audits/schedules") view=AllAudits::AuditSchedules ssr=SsrMode::Async/>
                    <Route path=path!("/audits/waivers") view=AllAudits::Waivers ssr=SsrMode::Async/>
                    <Route path=path!("/audits/waivers/new") view=AllAudits::NewWaiver ssr=SsrMode::Async/>
                    <Route path=path!("/audits/policy") view=AllAudits::AuditPolicy ssr=SsrMode::Async/>
                    <Route path=path!("/audits/compare") view=TwoAudits::Compare ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/findings") view=WhatWasFound::Findings ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/findings/:finding") view=WhatWasFound::FindingPage ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/vulnerabilities") view=WhatIsVulnerable::Vulnerabilities ssr=SsrMode::Async/>
                    <Route path=path!("/vulnerabilities") view=WhatIsVulnerable::Vulnerable ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/install") view=Manage::Install ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/resources/:uid") view=WhatWasFound::ResourcePage ssr=SsrMode::Async/>
                    <ParentRoute path=path!("/clusters/:cluster") view=OneCluster::ClusterFrame ssr=SsrMode::Async>
                        <Route path=path!("") view=OneCluster::ClusterOverview ssr=SsrMode::Async/>
                        <Route path=path!("/applications") view=OneCluster::Applications ssr=SsrMode::Async/>
                        <Route path=path!("/workloads") view=OneCluster::Workloads ssr=SsrMode::Async/>
                        <Route path=path!("/images") view=OneCluster::Images ssr=SsrMode::Async/>
                        <Route path=path!("/nodes") view=OneCluster::Nodes ssr=SsrMode::Async/>
                        <Route path=path!("/namespaces") view=OneCluster::Namespaces ssr=SsrMode::Async/>
                        <Route path=path!("/resources") view=OneCluster::Resources ssr=SsrMode::Async/>
                        <Route path=path!("/settings") view=OneCluster::Settings ssr=SsrMode::Async/>
                    </ParentRoute>
                </ParentRoute>
            </Routes>
        </Router>
    }
}
