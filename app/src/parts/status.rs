//! How things are doing: always a word, the colour only repeats it.

use kubewise_contract::{ClusterStatus, Health};
use leptos::prelude::*;

/// A dot before a cluster's name; its meaning stands beside it in words.
#[component]
pub(crate) fn ClusterDot(status: ClusterStatus) -> impl IntoView {
    let class = match status {
        ClusterStatus::Waiting => "dot wait",
        ClusterStatus::Syncing => "dot sync",
        ClusterStatus::Live => "dot",
        ClusterStatus::Silent => "dot gone",
    };
    view! { <span class=class aria-hidden="true"></span> }.into_any()
}

/// An object's health as a word in its colour. Kinds without a status have none.
pub(crate) fn health_tag(health: Health) -> AnyView {
    let (class, word) = match health {
        Health::Healthy => ("tag ok", "healthy"),
        Health::Progressing => ("tag info", "progressing"),
        Health::Failing => ("tag crit", "failing"),
        Health::Idle => ("tag", "idle"),
        Health::Unknown => {
            return view! { <span class="muted" title="This kind has no status to judge by">"–"</span> }.into_any();
        }
    };
    view! { <span class=class>{word}</span> }.into_any()
}
