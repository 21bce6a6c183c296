//! An audit that is on its way or went wrong, and the button that asks for one.

use kubewise_contract::{AuditRun, AuditedCluster, RunState};
use leptos::prelude::*;

use super::{Icon, Post, PostForm, number};

/// How far the newest audit is, when it is not the one that is shown.
pub(crate) fn run_note(cluster: &AuditedCluster) -> AnyView {
    let Some(newer) = &cluster.newer else { return ().into_any() };
    match newer.state {
        RunState::Failed => view! {
            <div class="note crit">{Icon::Alert.show()}<span>
                <b>"The last audit could not be done."</b>" What is shown is from the one before. Run it again; if it fails again, the \
                log of the server says why."
            </span></div>
        }
        .into_any(),
        _ => view! { <div class="note">{Icon::Refresh.show()}<span>{progress(newer)}</span></div> }.into_any(),
    }
}

/// How far an audit is, in words and as a bar.
pub(crate) fn progress(run: &AuditRun) -> AnyView {
    let text = match run.state {
        RunState::Waiting => "An audit is about to begin.".to_owned(),
        _ => format!("An audit is on its way: {} of {} objects read.", number(run.read), number(run.objects)),
    };
    #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
    let (value, max) = (run.read as f64, run.objects.max(1) as f64);
    view! { <span role="status">{text}</span><progress value=value max=max aria-label="Objects read"></progress> }
        .into_any()
}

/// The button that has a cluster audited. What is on its way already is not asked for again.
pub(crate) fn run_button(
    post: Post,
    org: &str,
    cluster: &AuditedCluster,
    class: &'static str,
    word: &'static str,
) -> AnyView {
    let on_the_way = cluster.newer.as_ref().is_some_and(|run| run.state.is_on_the_way());
    let (org, id) = (org.to_owned(), cluster.id.to_string());
    let label = format!("{word}: {}", cluster.name);
    let disabled = Signal::derive(move || on_the_way || post.pending().get());
    view! {
        <PostForm post>
            <input type="hidden" name="org" value=org/>
            <input type="hidden" name="cluster" value=id/>
            <button type="submit" class=class disabled=disabled aria-label=label>
                {Icon::Shield.show()}{word}
            </button>
        </PostForm>
    }
    .into_any()
}
