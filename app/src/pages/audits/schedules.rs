//! `/o/{org}/audits/schedules`: somebody wants audits to be run without being asked. Shortest way: which cluster, which days,
//! at what time, set.

use kubewise_contract::{Every, Field, ListQuery, ScheduleRow, Schedules as Found, Timestamp};
use leptos::prelude::*;

use super::tabs::tabs;
use crate::{
    api::{At, EndAuditSchedule, SetAuditSchedule, schedules},
    parts::{
        FormError, Head, Pager, Post, PostForm, Skeleton, Submit, TextField, done_note, failure, row_button, use_done,
    },
    place::{ClusterPlace, org_href, use_list_query, use_org},
};

/// When clusters are audited by themselves.
#[component]
pub(crate) fn AuditSchedules() -> impl IntoView {
    let (org, query, done) = (use_org(), use_list_query(), use_done());
    let (set, end) = (Post::to::<SetAuditSchedule>(), Post::to::<EndAuditSchedule>());
    let was_set = set.times_done();
    let found = Resource::new(
        move || (org.get(), query.get(), was_set.get(), end.version()),
        |(org, query, ..)| schedules(org, query),
    );
    view! {
        <Head title="Audits" tab="Schedules · Audits" sentence="Audits that nobody has to think of.".into_any()/>
        {tabs("/audits/schedules")}
        <div class="grid notes">
            {done_note(done, "set", "Set.")}
            {done_note(done, "ended", "Ended: the cluster is audited when somebody asks for it.")}
        </div>
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &query.get_untracked(), &body, now, set, end),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &ListQuery, found: &Found, now: Timestamp, set: Post, end: Post) -> AnyView {
    if found.clusters.is_empty() {
        return view! {
            <div class="card empty">
                <h2>"There is no cluster to audit"</h2>
                <p>"Add a cluster and install its agent first; then it can be audited every night."</p>
                <div class="act"><a class="btn" href=org_href(org, "/clusters")>"Clusters"</a></div>
            </div>
        }
        .into_any();
    }
    let rows: Vec<_> = found.clusters.iter().map(|cluster| row(org, cluster, now, end, found.can_set)).collect();
    let n = rows.len();
    let form = found.can_set.then(|| form(org, &found.clusters, set));
    let trouble = end.trouble();
    view! {
        <FormError trouble/>
        <div class="grid">
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Cluster"</th><th scope="col">"Audited"</th>
                        <th scope="col" class="hide-s">"Next"</th>
                        <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base=org_href(org, "/audits/schedules") query=query.clone() rows=n next=found.next.clone()/>
            </div>
            {form}
        </div>
    }
    .into_any()
}

fn row(org: &str, cluster: &ScheduleRow, now: Timestamp, end: Post, can_set: bool) -> AnyView {
    let place = ClusterPlace { org: org.to_owned(), cluster: cluster.id.to_string() };
    let when = match (&cluster.words, &cluster.schedule) {
        (Some(words), Some(schedule)) => view! {
            {words.clone()}<div class="second"><code>{schedule.cron.clone()}</code>" "{schedule.time_zone.clone()}</div>
        }
        .into_any(),
        _ => view! { <span class="muted">"when somebody asks"</span> }.into_any(),
    };
    let next = cluster.next_at.map(|at| {
        // What is due is being asked for.
        let text = if at <= now { "now".to_owned() } else { at.minute_utc() };
        view! { <time datetime=at.to_string()>{text}</time> }
    });
    let button = (can_set && cluster.schedule.is_some()).then(|| {
        let fields = [("org", org.to_owned()), ("cluster", cluster.id.to_string())];
        row_button(end, &fields, "End", format!("End the schedule of {}", cluster.name))
    });
    view! {
        <tr>
            <td><a class="first link" href=place.href("/findings")>{cluster.name.clone()}</a></td>
            <td>{when}</td>
            <td class="hide-s">{next}</td>
            <td class="num">{button}</td>
        </tr>
    }
    .into_any()
}

fn form(org: &str, clusters: &[ScheduleRow], post: Post) -> AnyView {
    let (org, trouble) = (org.to_owned(), post.trouble());
    let every: Vec<_> =
        Every::ALL.into_iter().map(|(value, name, _)| view! { <option value=value>{name}</option> }).collect();
    let clusters: Vec<_> = clusters
        .iter()
        .map(|cluster| view! { <option value=cluster.id.to_string()>{cluster.name.clone()}</option> })
        .collect();
    view! {
        <div class="card pad">
            <PostForm post>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="org" value=org/>
                    <div class="field">
                        <label for="cluster">"Audit"</label>
                        <select id="cluster" name="cluster"><option value="">"Every cluster"</option>{clusters}</select>
                    </div>
                    <div class="field">
                        <label for="every">"When"</label>
                        <select id="every" name="every">{every}</select>
                    </div>
                    <TextField name="at" label="At".into_any() field=Field::At trouble kind="time" value="06:00" spare=true/>
                    <TextField name="time_zone" label="By the clocks of".into_any() field=Field::TimeZone trouble code=true
                        value="UTC" max=60 hint="A time zone, such as Europe/Paris. What is due in an hour that the clocks leave out is done at its end."/>
                    <TextField name="cron" label="As cron says (only for that choice)".into_any() field=Field::Cron trouble
                        code=true max=100 spare=true hint="Minute, hour, day of the month, month, day of the week: 0 6 * * 1-5."/>
                    <div class="act"><Submit pending=post.pending()>"Set the schedule"</Submit></div>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
