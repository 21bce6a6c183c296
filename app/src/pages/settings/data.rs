//! `/o/{org}/settings/data`: whoever answers for an organisation wants to know how long things are kept, to have all of it as
//! a file, to prove that a cluster's data is gone, or to have the organisation deleted. Shortest way: a section each; the
//! last one asks for the name, and says first what it does.

use kubewise_contract::{DeletionRow, Field, HISTORY_DAYS, Most, OrganisationName, Timestamp};
use leptos::prelude::*;

use super::SettingsHead;
use crate::{
    api::{DeleteOrganisation, KeepOrganisation, KeptData, SetHistory, organisation_data},
    parts::{FormError, Icon, Post, PostForm, Skeleton, Submit, TextField, count, done_note, failure, use_done},
    place::{org_href, use_org},
};

#[derive(Clone, Copy)]
struct Forms {
    history: Post,
    delete: Post,
    keep: Post,
    done: Memo<String>,
}

/// The organisation's data.
#[component]
pub(crate) fn OrganisationData() -> impl IntoView {
    let org = use_org();
    let forms = Forms {
        history: Post::to::<SetHistory>(),
        delete: Post::to::<DeleteOrganisation>(),
        keep: Post::to::<KeepOrganisation>(),
        done: use_done(),
    };
    // What was done changes what is shown. Not how often the organisation was deleted: at once, it is there no more.
    let found = Resource::new(
        move || (org.get(), forms.done.get(), forms.history.version(), forms.keep.version()),
        |(org, ..)| organisation_data(org),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(shown) => page(&org.get_untracked(), &shown, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, shown: &KeptData, forms: Forms) -> AnyView {
    view! {
        <SettingsHead here="/settings/data" sentence="How long things are kept, and how they are taken out or deleted."/>
        <div class="card">
            {history(org, shown, forms)}
            {out(org, shown.data.is_owner)}
            {deleted(org, &shown.data.deletions)}
            {delete(org, shown, forms)}
        </div>
    }
    .into_any()
}

/// The hidden field that says which organisation a form is about.
fn about(org: &str) -> AnyView {
    view! { <input type="hidden" name="org" value=org.to_owned()/> }.into_any()
}

fn long(days: Most) -> String {
    days.map_or_else(|| "for ever".to_owned(), |days| format!("for {}", count(days.into(), "day")))
}

fn history(org: &str, shown: &KeptData, forms: Forms) -> AnyView {
    let trouble = forms.history.trouble();
    let (min, max) = HISTORY_DAYS.into_inner();
    let label = format!("Days, {min} to {}", shown.plan_days.map_or(max, |days| days.min(max)));
    let plan = format!("The plan {} has them {}.", shown.plan, long(shown.plan_days));
    let value = shown.setting.map(|days| days.to_string()).unwrap_or_default();
    let (which, holds) = (about(org), long(shown.effective));
    view! {
        <section class="setting">
            <div>
                <h2>"How long things are kept"</h2>
                <p>
                    "Findings that are over and audits of the past. What is open, and the last audit of each cluster, always stay. "
                    <a class="link" href="/docs/retention" rel="external">"All times"</a>
                </p>
            </div>
            <PostForm post=forms.history>
                <div class="form">
                    <FormError trouble/>
                    {done_note(forms.done, "history", "It is set.")}
                    {which}
                    <div class="known">"Kept "<b>{holds}</b>". "{plan}</div>
                    <TextField name="days" label=label.into_any() field=Field::History trouble spare=true max=4 value
                        hint="Empty: as long as the plan has them. What is older is removed within the hour, for good."/>
                    <div class="act"><Submit pending=forms.history.pending() class="btn">"Set"</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

fn out(org: &str, is_owner: bool) -> AnyView {
    let body = if is_owner {
        // No page of ours answers: the browser keeps the file.
        view! {
            <form method="post" action=org_href(org, "/export") class="form">
                <div class="act"><button type="submit" class="btn">"Download everything"</button></div>
                <div class="hint">"You are asked to confirm that it is you. That it was taken is written in the activity log."</div>
            </form>
        }
        .into_any()
    } else {
        view! { <div class="form">{owners(org)}</div> }.into_any()
    };
    view! {
        <section class="setting">
            <div>
                <h2>"Take everything out"</h2>
                <p>
                    "Members, clusters with what runs in them, findings, audits, decisions and the activity log, as one file. "
                    <a class="link" href="/docs/export" rel="external">"What is in it"</a>
                </p>
            </div>
            {body}
        </section>
    }
    .into_any()
}

/// For who is none.
fn owners(org: &str) -> AnyView {
    view! {
        <div class="hint">"Owners can do this. "<a class="link" href=org_href(org, "/team")>"The team"</a>" shows who they are."</div>
    }
    .into_any()
}

fn moment(at: Timestamp) -> AnyView {
    view! { <time datetime=at.to_string()>{at.minute_utc()}</time> }.into_any()
}

fn deleted(org: &str, deletions: &[DeletionRow]) -> AnyView {
    let rows: Vec<_> = deletions
        .iter()
        .map(|deletion| {
            let asked = deletion.requested_at;
            let state = match deletion.ended_at {
                Some(_) => {
                    let href = org_href(org, &format!("/settings/data/certificates/{}", deletion.id));
                    let label = format!("Certificate of the deletion of {}", asked.minute_utc());
                    view! { <a class="btn" href=href rel="external" aria-label=label>"Certificate"</a> }.into_any()
                }
                None => view! { <span class="tag info">"being removed"</span> }.into_any(),
            };
            let ended = deletion.ended_at.map(|at| view! { <div class="muted">"all was gone "{moment(at)}</div> });
            view! { <li><div>"A cluster, deleted "{moment(asked)}{ended}</div>{state}</li> }
        })
        .collect();
    let list = if rows.is_empty() {
        view! { <div class="form"><div class="hint">"None was deleted."</div></div> }.into_any()
    } else {
        view! { <ul class="keys" aria-label="Deleted clusters">{rows}</ul> }.into_any()
    };
    view! {
        <section class="setting">
            <div>
                <h2>"Deleted clusters"</h2>
                <p>"Their names are forgotten with them. A signed certificate says what was held, and that nothing of it is left."</p>
            </div>
            {list}
        </section>
    }
    .into_any()
}

fn delete(org: &str, shown: &KeptData, forms: Forms) -> AnyView {
    let body = match (shown.data.is_owner, shown.data.deleted_at) {
        (is_owner, Some(at)) => waiting(org, is_owner, at, forms),
        (true, None) => form(org, shown.data.name.clone(), forms),
        (false, None) => view! { <div class="form">{owners(org)}</div> }.into_any(),
    };
    view! {
        <section class="setting danger">
            <div>
                <h2>"Delete this organisation"</h2>
                <p>
                    "Everything in it, for everybody: clusters, findings, tokens, the activity log; the subscription ends. Its key is \
                    destroyed, so that backups cannot be read either. People keep their accounts."
                </p>
            </div>
            {body}
        </section>
    }
    .into_any()
}

/// It will be deleted.
fn waiting(org: &str, is_owner: bool, at: Timestamp, forms: Forms) -> AnyView {
    let trouble = forms.keep.trouble();
    let keep = if is_owner {
        let which = about(org);
        view! {
            <PostForm post=forms.keep>
                {which}
                <div class="act"><Submit pending=forms.keep.pending() class="btn">"Keep the organisation"</Submit></div>
            </PostForm>
        }
        .into_any()
    } else {
        owners(org)
    };
    view! {
        <div class="form">
            <FormError trouble/>
            {done_note(forms.done, "deletion", "It was asked for. Nothing is deleted yet.")}
            <div class="note med">{Icon::Alert.show()}<span>
                "It will be deleted "{moment(at)}". Until then each Owner can take that back."
            </span></div>
            {keep}
        </div>
    }
    .into_any()
}

fn form(org: &str, name: String, forms: Forms) -> AnyView {
    let trouble = forms.delete.trouble();
    let label = view! { "Type "<b class="known">{name}</b>" to confirm" };
    let which = about(org);
    view! {
        <PostForm post=forms.delete>
            <div class="form">
                <FormError trouble/>
                {done_note(forms.done, "kept", "The organisation stays.")}
                {which}
                <TextField name="organisation" label=label.into_any() field=Field::Organisation trouble max=OrganisationName::MAX/>
                <fieldset class="options">
                    <legend>"When"</legend>
                    <label class="option">
                        <input type="radio" name="when" value="week" checked/>
                        <span><b>"In seven days"</b><span class="muted">"Until then each Owner can take it back, here."</span></span>
                    </label>
                    <label class="option">
                        <input type="radio" name="when" value="now"/>
                        <span><b>"At once"</b><span class="muted">"This cannot be undone."</span></span>
                    </label>
                </fieldset>
                <div class="act"><Submit pending=forms.delete.pending() class="btn danger">{Icon::Trash.show()}"Delete the organisation"</Submit></div>
            </div>
        </PostForm>
    }
    .into_any()
}
