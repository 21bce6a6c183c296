//! `/o/{org}/settings/notifications/new`: somebody wants to be told, or to have somebody told. Shortest way: a name, and for
//! mail to oneself of what is high or worse everything else is chosen already.

use kubewise_contract::{ClusterChoice, Every, Field, MemberChoice, NotificationName, Notifications, Severity};
use leptos::prelude::*;

use crate::{
    api::{At, MakeNotification, notifications},
    parts::{FieldWrong, FormError, Head, Post, PostForm, Skeleton, Submit, TextField, Trouble, failure},
    place::{org_href, use_org},
};

/// Making a notification.
#[component]
pub(crate) fn NewNotification() -> impl IntoView {
    let org = use_org();
    let action = Post::to::<MakeNotification>();
    let found = Resource::new(move || org.get(), notifications);
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { body, .. }) => page(org.get_untracked(), body, action),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: String, found: Notifications, action: Post) -> AnyView {
    let trouble = action.trouble();
    let crumbs = vec![(org_href(&org, "/settings/notifications"), "Notifications".to_owned())];
    let sentence = if found.manages {
        "By mail, or to a program or a chat. For the latter you are asked to confirm that it is you."
    } else {
        "By mail to you, of the clusters that you see."
    };
    view! {
        <Head title="Make a notification" crumbs sentence=sentence.into_any()/>
        <div class="card pad">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="org" value=org/>
                    <TextField name="wanted[name]" label="Name".into_any() field=Field::NotificationName trouble
                        max=NotificationName::MAX focus=true hint="For people to recognise it, such as “on call”."/>
                    {ways(found.manages, found.members, trouble)}
                    {occasions(trouble)}
                    {within(found.clusters, trouble)}
                    {clock(trouble)}
                    <div class="act"><Submit pending=action.pending()>"Make the notification"</Submit></div>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

/// By which way, and to whom. Who does not manage notifications has mail to themselves.
fn ways(manages: bool, members: Vec<MemberChoice>, trouble: Trouble) -> AnyView {
    if !manages {
        return view! { <input type="hidden" name="wanted[channel]" value="mail"/> }.into_any();
    }
    let members: Vec<_> = members
        .into_iter()
        .map(|member| view! { <option value=member.id.to_string() selected=member.is_viewer>{member.name}</option> })
        .collect();
    // Without scripts the form begins anew where it was refused: what is wrong with an address is to be seen.
    let by_url =
        trouble.with_untracked(|trouble| trouble.as_ref().and_then(|error| error.of_field(Field::Url)).is_some());
    view! {
        <fieldset class="options">
            <legend>"By"</legend>
            <label class="option">
                <input type="radio" name="wanted[channel]" value="mail" checked=!by_url/>
                <span><b>"Mail"</b><span class="muted">"To a member, who is told only of clusters that they see."</span></span>
            </label>
            <label class="option">
                <input type="radio" name="wanted[channel]" value="webhook" checked=by_url/>
                <span><b>"Webhook"</b><span class="muted">"To a program: signed JSON, as Standard Webhooks has it."</span></span>
            </label>
            <label class="option">
                <input type="radio" name="wanted[channel]" value="slack"/>
                <span><b>"Slack"</b><span class="muted">"To an incoming webhook of Slack, or of a chat that takes the same."</span></span>
            </label>
        </fieldset>
        <div class="field by-mail">
            <label for="member">"To"</label>
            <select id="member" name="wanted[member]">{members}</select>
            <FieldWrong field=Field::Recipient trouble/>
        </div>
        <div class="by-url">
            <TextField name="wanted[url]" label="To the address".into_any() field=Field::Url trouble kind="url" code=true
                spare=true max=2000 hint="Begins with https://. It is kept encrypted, and shown by its host alone."/>
        </div>
    }
    .into_any()
}

/// Of what.
fn occasions(trouble: Trouble) -> AnyView {
    let severities: Vec<_> = Severity::WORST_FIRST
        .into_iter()
        .map(|severity| {
            view! { <option value=severity.as_str() selected=severity == Severity::High>{severity.as_str()}</option> }
        })
        .collect();
    view! {
        <fieldset class="options">
            <legend>"Of"</legend>
            <label class="option">
                <input type="checkbox" name="wanted[findings]" value="1" checked/>
                <span><b>"New findings"</b><span class="muted">"That the audit before did not have."</span></span>
            </label>
            <label class="option">
                <input type="checkbox" name="wanted[runs]" value="1" checked/>
                <span><b>"Audits that fail or are missed"</b><span class="muted">"Missed: begun more than 15 minutes late."</span></span>
            </label>
            <label class="option">
                <input type="checkbox" name="wanted[silence]" value="1" checked/>
                <span><b>"Silent clusters"</b><span class="muted">"Whose agent is not heard any more. Once for each silence."</span></span>
            </label>
            <FieldWrong field=Field::Occasions trouble/>
        </fieldset>
        <div class="field">
            <label for="severity">"Findings at least"</label>
            <select id="severity" name="wanted[severity]">{severities}</select>
        </div>
    }
    .into_any()
}

/// Of which clusters and namespaces.
fn within(clusters: Vec<ClusterChoice>, trouble: Trouble) -> AnyView {
    let clusters: Vec<_> = clusters
        .into_iter()
        .map(|cluster| view! { <option value=cluster.id.to_string()>{cluster.name}</option> })
        .collect();
    view! {
        <div class="field">
            <label for="cluster">"Of the cluster"</label>
            <select id="cluster" name="wanted[cluster]"><option value="">"Every cluster that the recipient sees"</option>{clusters}</select>
            <FieldWrong field=Field::Clusters trouble/>
        </div>
        <TextField name="wanted[namespaces]" label="Findings in the namespaces".into_any() field=Field::Namespaces trouble
            code=true spare=true hint="For who owns some of them, with commas between: shop, shop-api. Empty: all."/>
    }
    .into_any()
}

/// When, which is for mail alone.
fn clock(trouble: Trouble) -> AnyView {
    let every: Vec<_> =
        Every::ALL.into_iter().map(|(value, name, _)| view! { <option value=value>{name}</option> }).collect();
    view! {
        <div class="by-mail form">
            <div class="field">
                <label for="digest">"When"</label>
                <select id="digest" name="wanted[digest]"><option value="now" selected>"At once"</option>{every}</select>
            </div>
            <div class="by-clock form">
                <TextField name="wanted[at]" label="At".into_any() field=Field::At trouble kind="time" value="07:00" spare=true/>
                <TextField name="wanted[time_zone]" label="By the clocks of".into_any() field=Field::TimeZone trouble code=true
                    value="UTC" spare=true max=60 hint="A time zone, such as Europe/Paris. A digest is sent when there is something to tell."/>
                <div class="by-cron">
                    <TextField name="wanted[cron]" label="As cron says".into_any() field=Field::Cron trouble code=true max=100
                        spare=true hint="Minute, hour, day of the month, month, day of the week: 0 7 * * 1-5."/>
                </div>
            </div>
        </div>
    }
    .into_any()
}
