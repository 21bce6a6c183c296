//! Pages that the browser loads when somebody goes to one of them: it is not to carry what few need. Those of a chunk come
//! together, and what only they use comes with them. The server has them all.

use std::future::pending;

use leptos::{
    prelude::*,
    wasm_split::{SplitLoaderError, wasm_split},
};
use leptos_router::{ChooseView, hooks::use_url};

use crate::pages::{
    AccountFrame, Activity, AddCluster, AdminFrame, AllAccounts, AllNotifications, AllOrganisations, AuditList,
    AuditPolicy, AuditSchedules, Authenticator, Billing, ClusterFrame, ClusterOverview, Codes, Compare, Confirm,
    FindingPage, Findings, Install, InstallationStripe, Invitations, Invite, Invited, Jobs, Landing, Member, Members,
    Mfa, NewNotification, NewToken, NewWaiver, OneNotification, OrganisationData, OrganisationSettings, Organisations,
    Privacy, Profile, Reset, Search, Security, Sessions, SignUp, Tokens, Verify, Vulnerabilities, Vulnerable, Waivers,
    cluster::{Applications, Images, Namespaces, Nodes, ResourcePage, Resources, Settings, Workloads},
};

/// Makes an enum of some pages, each of which can stand as the `view` of a route. The first name is that of the file.
/// A route takes its page, and the frames around it, from one chunk or from none: each is one more request.
macro_rules! chunk {
    ($(#[$doc:meta])* $chunk:ident $pages:ident { $($page:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum $pages { $($page),+ }

        const _: () = {
            #[wasm_split($chunk, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
            fn show(page: $pages) -> Result<AnyView, SplitLoaderError> {
                Ok(match page { $($pages::$page => $page().into_any()),+ })
            }

            impl ChooseView for $pages {
                async fn preload(&self) {
                    if load().await.is_err() {
                        leave().await;
                    }
                }

                async fn choose(self) -> AnyView {
                    announce(stringify!($chunk));
                    match show(self).await {
                        Ok(view) => view,
                        Err(_) => leave().await,
                    }
                }
            }
        };
    };
}

chunk! {
    /// Who is not signed in, and does more than sign in.
    door Door { Landing, SignUp, Mfa, Reset, Verify, Invited }
}

chunk! {
    /// A person's own account.
    account OwnAccount {
        AccountFrame, Profile, Security, Authenticator, Codes, Confirm, Organisations, Privacy, Sessions,
    }
}

chunk! {
    /// Looking for something in all clusters.
    search Everywhere { Search }
}

chunk! {
    /// What is set up once for each cluster.
    manage Manage { AddCluster, Install }
}

chunk! {
    /// Who is in an organisation, and what it pays.
    team Team { Members, Member, Invitations, Invite, Billing }
}

chunk! {
    /// How an organisation works.
    settings WholeOrganisation { OrganisationSettings, Tokens, NewToken, Activity, OrganisationData }
}

chunk! {
    /// What is told to whom.
    notifications Telling { AllNotifications, NewNotification, OneNotification }
}

chunk! {
    /// For who administers the installation.
    installation Administration {
        AdminFrame, AllOrganisations, AllAccounts, InstallationStripe, Jobs,
    }
}

chunk! {
    /// What audits found, and what they found it in.
    findings WhatWasFound { FindingPage, Findings, ResourcePage }
}

chunk! {
    /// What is known to be wrong with images.
    vulnerabilities WhatIsVulnerable { Vulnerabilities, Vulnerable }
}

chunk! {
    /// How clusters are audited.
    audits AllAudits { AuditList, AuditPolicy, AuditSchedules, NewWaiver, Waivers }
}

chunk! {
    /// What is different between two audits.
    comparison TwoAudits { Compare }
}

chunk! {
    /// One cluster.
    cluster OneCluster {
        ClusterFrame, ClusterOverview, Applications, Workloads, Images, Nodes, Namespaces, Resources, Settings,
    }
}

/// Told of the chunks that a page needs, so that the browser can ask for them before it has read any of it.
/// Provided where there is somebody to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement(pub(crate) fn(&'static str));

fn announce(chunk: &'static str) {
    if let Some(Announcement(to)) = use_context() {
        to(chunk);
    }
}

/// A chunk could not be had: the network is gone, or the server has been replaced by one whose files have other names.
/// The server can always show the page, so it is asked for it; what waits for the chunk waits until then.
async fn leave() -> AnyView {
    if is_taking_over() {
        stay_as_served();
    } else {
        let wanted = use_url().with_untracked(|url| {
            let search = if url.search().is_empty() { String::new() } else { format!("?{}", url.search()) };
            format!("{}{}{search}{}", url.origin(), url.path(), url.hash())
        });
        let location = window().location();
        // Whoever went back is there already; and to go where one is does nothing if the address has a fragment.
        let left = if location.href().is_ok_and(|here| here == wanted) {
            location.reload()
        } else {
            location.set_href(&wanted)
        };
        if let Err(error) = left {
            leptos::logging::error!("{error:?}");
        }
    }
    pending().await
}

/// Whether the page is one that the server just showed, and the browser is about to take over.
pub(crate) fn is_taking_over() -> bool {
    Owner::current_shared_context().is_some_and(|shared| shared.during_hydration())
}

/// The server just showed the page: asking again would lead here again. It works as it does without scripts, once nothing
/// listens for clicks any more: the router would keep them from the browser.
fn stay_as_served() {
    let ancestors = std::iter::successors(Owner::current(), Owner::parent);
    if let Some(root) = ancestors.last() {
        root.cleanup();
    }
}
