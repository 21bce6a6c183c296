//! The routes.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode, StaticSegment,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

use crate::pages::{
    AccountFrame, Activity, AddCluster, Authenticator, ClusterFrame, ClusterOverview, Clusters, Codes, Confirm,
    Install, InstallationAccounts, InstallationFrame, InstallationJobs, InstallationOrganisations, Invitations, Invite,
    Invited, Landing, Login, Member, Members, Mfa, NewToken, NotFound, OrganisationFrame, OrganisationOverview,
    OrganisationSettings, Organisations, Profile, Reset, Search, Security, Sessions, SignUp, Tokens, Verify,
    cluster::{Applications, Images, Namespaces, Nodes, ResourcePage, Resources, Settings, Workloads},
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
                <Route path=path!("") view=Landing ssr=SsrMode::Async/>
                <Route path=path!("/signup") view=SignUp ssr=SsrMode::Async/>
                <Route path=path!("/login") view=Login ssr=SsrMode::Async/>
                <Route path=path!("/mfa") view=Mfa ssr=SsrMode::Async/>
                <Route path=path!("/reset") view=Reset ssr=SsrMode::Async/>
                <Route path=path!("/verify") view=Verify ssr=SsrMode::Async/>
                <Route path=path!("/invite") view=Invited ssr=SsrMode::Async/>
                <ParentRoute path=path!("/account") view=AccountFrame ssr=SsrMode::Async>
                    <Route path=path!("") view=Profile ssr=SsrMode::Async/>
                    <Route path=path!("/security") view=Security ssr=SsrMode::Async/>
                    <Route path=path!("/security/authenticator") view=Authenticator ssr=SsrMode::Async/>
                    <Route path=path!("/security/codes") view=Codes ssr=SsrMode::Async/>
                    <Route path=path!("/confirm") view=Confirm ssr=SsrMode::Async/>
                    <Route path=path!("/organisations") view=Organisations ssr=SsrMode::Async/>
                    <Route path=path!("/sessions") view=Sessions ssr=SsrMode::Async/>
                </ParentRoute>
                <ParentRoute path=path!("/admin") view=InstallationFrame ssr=SsrMode::Async>
                    <Route path=path!("") view=InstallationOrganisations ssr=SsrMode::Async/>
                    <Route path=path!("/accounts") view=InstallationAccounts ssr=SsrMode::Async/>
                    <Route path=path!("/jobs") view=InstallationJobs ssr=SsrMode::Async/>
                </ParentRoute>
                <ParentRoute path=path!("/o/:org") view=OrganisationFrame ssr=SsrMode::Async>
                    <Route path=path!("") view=OrganisationOverview ssr=SsrMode::Async/>
                    // The same page for the address that ends in a slash: the server matches addresses exactly.
                    <Route path=StaticSegment("/") view=OrganisationOverview ssr=SsrMode::Async/>
                    <Route path=path!("/clusters") view=Clusters ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/new") view=AddCluster ssr=SsrMode::Async/>
                    <Route path=path!("/settings") view=OrganisationSettings ssr=SsrMode::Async/>
                    <Route path=path!("/settings/tokens") view=Tokens ssr=SsrMode::Async/>
                    <Route path=path!("/settings/tokens/new") view=NewToken ssr=SsrMode::Async/>
                    <Route path=path!("/settings/activity") view=Activity ssr=SsrMode::Async/>
                    <Route path=path!("/team") view=Members ssr=SsrMode::Async/>
                    <Route path=path!("/team/invitations") view=Invitations ssr=SsrMode::Async/>
                    <Route path=path!("/team/invite") view=Invite ssr=SsrMode::Async/>
                    <Route path=path!("/team/members/:member") view=Member ssr=SsrMode::Async/>
                    <Route path=path!("/search") view=Search ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/install") view=Install ssr=SsrMode::Async/>
                    <Route path=path!("/clusters/:cluster/resources/:uid") view=ResourcePage ssr=SsrMode::Async/>
                    <ParentRoute path=path!("/clusters/:cluster") view=ClusterFrame ssr=SsrMode::Async>
                        <Route path=path!("") view=ClusterOverview ssr=SsrMode::Async/>
                        <Route path=path!("/applications") view=Applications ssr=SsrMode::Async/>
                        <Route path=path!("/workloads") view=Workloads ssr=SsrMode::Async/>
                        <Route path=path!("/images") view=Images ssr=SsrMode::Async/>
                        <Route path=path!("/nodes") view=Nodes ssr=SsrMode::Async/>
                        <Route path=path!("/namespaces") view=Namespaces ssr=SsrMode::Async/>
                        <Route path=path!("/resources") view=Resources ssr=SsrMode::Async/>
                        <Route path=path!("/settings") view=Settings ssr=SsrMode::Async/>
                    </ParentRoute>
                </ParentRoute>
            </Routes>
        </Router>
    }
}
