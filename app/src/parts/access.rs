//! What somebody is given: a role, and which clusters they see. Plain radio buttons and boxes; what does not belong to
//! the choice is hidden by the stylesheet, so that it works without JavaScript too.

use kubewise_contract::{ClusterChoice, ClusterId, Field, FieldError, Role};
use leptos::prelude::*;

use super::{Icon, field::Trouble};

/// A role to choose, and for those that can be limited the clusters.
#[component]
pub(crate) fn AccessFields(
    /// Roles to choose from.
    roles: Vec<Role>,
    /// The one that is chosen at first.
    role: Role,
    clusters: Vec<ClusterChoice>,
    /// The clusters that are chosen at first; none: all.
    chosen: Option<Vec<ClusterId>>,
    trouble: Trouble,
) -> impl IntoView {
    let roles: Vec<_> = roles
        .into_iter()
        .map(|offered| {
            view! {
                <label class="option">
                    <input type="radio" name="role" value=offered.as_str() checked=offered == role required/>
                    <span><b>{offered.to_string()}</b><span class="muted">{offered.sentence()}</span></span>
                </label>
            }
        })
        .collect();
    view! {
        <fieldset class="options">
            <legend>"Role"</legend>
            {roles}
            <FieldWrong field=Field::Role trouble/>
        </fieldset>
        <ClusterFields all="All clusters, also those to come" clusters chosen trouble/>
    }
    .into_any()
}

/// All clusters, or chosen ones.
#[component]
pub(crate) fn ClusterFields(
    all: &'static str,
    clusters: Vec<ClusterChoice>,
    chosen: Option<Vec<ClusterId>>,
    trouble: Trouble,
) -> impl IntoView {
    let limited = chosen.is_some();
    let chosen = chosen.unwrap_or_default();
    let none = clusters.is_empty();
    let boxes: Vec<_> = clusters
        .into_iter()
        .map(|cluster| {
            let checked = chosen.contains(&cluster.id);
            view! {
                <label class="choice">
                    <input type="checkbox" name="clusters[]" value=cluster.id.to_string() checked=checked/>
                    <code>{cluster.name}</code>
                </label>
            }
        })
        .collect();
    view! {
        <fieldset class="options limits">
            <legend>"Sees"</legend>
            <label class="option">
                <input type="radio" name="sees" value="all" checked=!limited/><span><b>{all}</b></span>
            </label>
            <label class="option">
                <input type="radio" name="sees" value="chosen" checked=limited/>
                <span><b>"Only chosen clusters"</b><span class="muted">"The others are invisible: lists, counts, search, live updates."</span></span>
            </label>
            <div class="boxes" role="group" aria-label="Clusters">
                {boxes}
                {none.then(|| view! { <span class="muted">"There is no cluster to choose yet."</span> })}
            </div>
            <FieldWrong field=Field::Clusters trouble/>
        </fieldset>
    }
    .into_any()
}

/// What is wrong with a choice.
#[component]
pub(crate) fn FieldWrong(field: Field, trouble: Trouble) -> impl IntoView {
    let wrong = move || {
        trouble.with(|t| {
            let problem = t.as_ref()?.of_field(field)?;
            Some(FieldError { field, problem }.to_string())
        })
    };
    view! {
        <div role="alert">
            {move || wrong().map(|wrong| view! { <div class="wrong">{Icon::Alert.show()}<span>{wrong}</span></div> })}
        </div>
    }
    .into_any()
}
