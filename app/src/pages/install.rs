//! `/o/{org}/clusters/{id}/install`: somebody has a terminal at their cluster and wants the agent to run there. Shortest
//! way: copy, paste, twice; the page says by itself when the agent is heard.

use kubewise_contract::{ClusterStatus, InstallInfo, UiError};
use leptos::prelude::*;

use crate::{
    api::{InstallStatus, RotateToken, install, install_status},
    live::{Interest, Live},
    parts::{Copy, FormError, Head, Icon, Post, PostForm, Skeleton, Submit, count, failure},
    place::{ClusterPlace, org_href, use_cluster_place},
};

/// How to install the agent, and whether it has arrived.
#[component]
pub(crate) fn Install() -> impl IntoView {
    let place = use_cluster_place();
    // Asked once: the token is in the first answer only. What changes is asked for apart from it.
    let info = Resource::new(move || place.get(), |place| install(place.org, place.cluster));
    let version = expect_context::<Live>().version(Interest::Status, move || Some(place.get().cluster));
    let status =
        Resource::new(move || (place.get(), version.get()), |(place, _)| install_status(place.org, place.cluster));
    let rotate = Post::to::<RotateToken>();
    // A token made on this very page: the address stays the same, so it has to be asked for.
    Effect::new(move |_| {
        if rotate.is_done() {
            info.refetch();
            status.refetch();
        }
    });
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match info.await {
                    Ok(info) => page(place.get_untracked(), info, rotate, status),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(
    place: ClusterPlace,
    info: InstallInfo,
    rotate: Post,
    status: Resource<Result<InstallStatus, UiError>>,
) -> AnyView {
    let crumbs = vec![(org_href(&place.org, "/clusters"), "Clusters".to_owned()), (place.href(""), info.name.clone())];
    let known = info.token.is_some();
    let token = info.token.clone().unwrap_or_else(|| "YOUR_TOKEN".to_owned());
    let secret = format!(
        "kubectl create namespace kubewise\nkubectl -n kubewise create secret generic kubewise-agent \\\n  --from-literal=token={token}"
    );
    let helm = format!(
        "helm install kubewise-agent deploy/helm/kubewise-agent \\\n  --namespace kubewise \\\n  --set server={}",
        info.server_url
    );
    let manifest = format!("kubectl apply -f {}/install/agent.yaml", info.server_url);
    let about_token = if known {
        view! {
            <div class="note ok">{Icon::Key.show()}<span>
                <b>"The token is shown this once."</b>" Kubewise keeps only a hash of it. It is in the command below; keep a copy if \
                 you install later."
            </span></div>
        }
        .into_any()
    } else {
        no_token(&place, info.has_token, rotate)
    };
    view! {
        <Head
            title=format!("Install the agent in {}", info.name)
            crumbs
            sentence="Two steps in a terminal that can reach the cluster. The agent only reads, and never secrets.".into_any()
        />
        <div class="grid g21">
            <div class="card pad">
                <ol class="steps">
                    <li>
                        <h2>"Give the token to the cluster"</h2>
                        {about_token}
                        <Copy text=secret label="Commands that store the token"/>
                    </li>
                    <li>
                        <h2>"Install the agent"</h2>
                        <p>"With Helm, from a copy of the Kubewise repository:"</p>
                        <Copy text=helm label="Command that installs the agent with Helm"/>
                        <details class="either">
                            <summary>"Without Helm"</summary>
                            <Copy text=manifest label="Command that installs the agent without Helm"/>
                        </details>
                    </li>
                </ol>
            </div>
            <div class="card pad" role="status">
                <Transition>
                    {
                        let place = place.clone();
                        move || {
                            let place = place.clone();
                            Suspend::new(async move {
                                match status.await {
                                    Ok(status) => arrival(&place, &status),
                                    Err(error) => view! { <p>{error.to_string()}</p> }.into_any(),
                                }
                            })
                        }
                    }
                </Transition>
            </div>
        </div>
    }
    .into_any()
}

/// The token was shown before, or there is none: the way to a new one.
fn no_token(place: &ClusterPlace, has_token: bool, rotate: Post) -> AnyView {
    let trouble = rotate.trouble();
    let (sentence, button) = if has_token {
        (
            "The token was shown when it was made and is not kept. If you do not have it, make a new one; the old one ends \
             at once.",
            "Make a new token",
        )
    } else {
        ("This cluster has no token that is accepted, so no agent can report for it.", "Make a token")
    };
    let (org, cluster) = (place.org.clone(), place.cluster.clone());
    view! {
        <p>{sentence}</p>
        <PostForm post=rotate>
            <FormError trouble/>
            <input type="hidden" name="org" value=org/>
            <input type="hidden" name="cluster" value=cluster/>
            <Submit pending=rotate.pending() class="btn">{Icon::Refresh.show()}{button}</Submit>
        </PostForm>
    }
    .into_any()
}

/// Whether the agent has been heard.
fn arrival(place: &ClusterPlace, status: &InstallStatus) -> AnyView {
    let objects = count(status.resources, "object");
    match status.status {
        ClusterStatus::Waiting => view! {
            <div class="waiting">
                <span class="dot wait" aria-hidden="true"></span>
                <div>
                    <b>"Waiting for the agent…"</b>
                    <span class="muted">"This changes by itself as soon as it is heard, usually within a minute."</span>
                    <p class="needs-no-script"><a class="btn small" href="">"Check again"</a></p>
                </div>
            </div>
            <details class="either">
                <summary>"It does not arrive"</summary>
                <p class="muted">"What the agent says about it:"</p>
                <Copy text="kubectl -n kubewise logs deployment/kubewise-agent" label="Command that shows the agent's log"/>
            </details>
        }
        .into_any(),
        ClusterStatus::Syncing => view! {
            <div class="waiting">
                <span class="dot sync" aria-hidden="true"></span>
                <div>
                    <b>"Connected"</b>
                    <span class="muted">"The agent is sending its first inventory. It appears all at once, when it is complete."</span>
                    <p class="needs-no-script"><a class="btn small" href="">"Check again"</a></p>
                </div>
            </div>
        }
        .into_any(),
        ClusterStatus::Live => view! {
            <div class="waiting">
                <span class="dot" aria-hidden="true"></span>
                <div>
                    <b>"Connected"</b>
                    <span class="muted">{format!("{objects} received. From now on changes arrive within seconds.")}</span>
                </div>
            </div>
            <p class="next"><a class="btn primary" href=place.href("")>"Open the cluster"{Icon::ArrowRight.show()}</a></p>
        }
        .into_any(),
        ClusterStatus::Silent => view! {
            <div class="waiting">
                <span class="dot gone" aria-hidden="true"></span>
                <div>
                    <b>"Silent"</b>
                    <span class="muted">"The agent was heard before, but is not now. Its log says why:"</span>
                </div>
            </div>
            <Copy text="kubectl -n kubewise logs deployment/kubewise-agent" label="Command that shows the agent's log"/>
        }
        .into_any(),
    }
}
