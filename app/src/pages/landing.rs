//! `/`: somebody heard of Kubewise and wants to know in ten seconds what it is; or is signed in and wants to get on.
//! Shortest way: one sentence, one button; signed in, the button leads to the organisation.

use kubewise_contract::{OrganisationRef, Viewer};
use leptos::prelude::*;
use leptos_meta::Title;

use super::outside::Outside;
use crate::{
    api::home,
    parts::{Icon, failure},
    place::org_href,
};

/// The first page.
#[component]
pub(crate) fn Landing() -> impl IntoView {
    let viewer = Resource::new(|| (), |()| home());
    view! {
        <Title text=""/>
        <Transition>
            {move || Suspend::new(async move {
                match viewer.await {
                    Ok(viewer) => page(viewer.as_ref()),
                    Err(error) => view! { <Outside><div class="door">{failure(&error)}</div></Outside> }.into_any(),
                }
            })}
        </Transition>
    }
}

fn page(viewer: Option<&Viewer>) -> AnyView {
    let links = match viewer {
        Some(viewer) => view! { <a class="btn" href="/account">{viewer.name.clone()}</a> }.into_any(),
        None => view! { <a class="btn" href="/login">"Sign in"</a> }.into_any(),
    };
    let actions = actions(viewer);
    view! {
        <Outside links>
            <section class="hero">
                <div>
                    <h1>"Know what runs in every cluster"</h1>
                    <p class="lead">
                        "A small agent that can read but not write, and never reads a secret, tells Kubewise what runs in each \
                         of your Kubernetes clusters and in which version. Your team sees all of it in one place, as it is now."
                    </p>
                    <div class="act">{actions}</div>
                </div>
                {picture()}
            </section>
            <section class="promises" aria-label="What you can rely on">
                <div class="card pad">
                    <h2>{Icon::Eye.show()}"It cannot read your secrets"</h2>
                    <p>"The agent has no right to secrets or config maps, and removes values from what it reads before anything \
                        leaves the cluster."</p>
                </div>
                <div class="card pad">
                    <h2>{Icon::Refresh.show()}"It shows now, not last night"</h2>
                    <p>"Changes arrive within seconds. When a cluster falls silent, the page says so, and since when."</p>
                </div>
                <div class="card pad">
                    <h2>{Icon::Shield.show()}"Yours to run"</h2>
                    <p>"One server, one PostgreSQL. Each organisation's data is kept apart by the database itself."</p>
                </div>
            </section>
            <p class="more">
                <a class="link" href="/docs" rel="external">"Documentation"</a>" · "<a class="link" href="/policies" rel="external">"Policies"</a>
            </p>
        </Outside>
    }
    .into_any()
}

fn actions(viewer: Option<&Viewer>) -> AnyView {
    let Some(viewer) = viewer else {
        return view! {
            <a class="btn primary" href="/signup">"Create an account"</a>
            <a class="btn" href="/login">"Sign in"</a>
        }
        .into_any();
    };
    if viewer.organisations.is_empty() {
        return view! { <a class="btn primary" href="/account/organisations">"Your organisations"{Icon::ArrowRight.show()}</a> }
            .into_any();
    }
    viewer
        .organisations
        .iter()
        .enumerate()
        .map(|(i, organisation)| open(organisation, i == 0))
        .collect_view()
        .into_any()
}

fn open(organisation: &OrganisationRef, first: bool) -> AnyView {
    view! {
        <a class="btn" class:primary=first href=org_href(organisation.slug.as_str(), "/")>
            {format!("Open {}", organisation.name)}{Icon::ArrowRight.show()}
        </a>
    }
    .into_any()
}

/// What the product looks like: an example, drawn with the product's own parts.
fn picture() -> AnyView {
    use kubewise_contract::ClusterStatus::{Live, Silent};

    use crate::parts::ClusterDot;
    let rows = [
        ("eu-prod", Live, "heard 4 s ago", "1.35.4", "18", "1,204"),
        ("us-prod", Live, "heard 11 s ago", "1.34.9", "22", "1,388"),
        ("staging", Live, "heard 2 s ago", "1.35.4", "6", "412"),
        ("edge-lyon", Silent, "silent for 3 h", "1.31.2", "1", "38"),
    ];
    let rows = rows
        .into_iter()
        .map(|(name, status, heard, version, nodes, workloads)| {
            view! {
                <tr>
                    <td><div class="named"><ClusterDot status/><div><div class="first">{name}</div><div class="second">{heard}</div></div></div></td>
                    <td class="hide-s"><code>{version}</code></td>
                    <td class="num">{nodes}</td>
                    <td class="num">{workloads}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <figure class="card shot">
            <table>
                <caption class="visually-hidden">"An example of the list of clusters"</caption>
                <thead><tr>
                    <th scope="col">"Cluster"</th><th scope="col" class="hide-s">"Kubernetes"</th>
                    <th scope="col" class="num">"Nodes"</th><th scope="col" class="num">"Workloads"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </figure>
    }
    .into_any()
}
