//! `/o/{org}/settings/notifications/{notification}`: somebody asks whether it arrives, or wants no more of it. Shortest way:
//! what was told stands with what came of it; a test is one button, and so is the end.

use kubewise_contract::{
    DeliveryEvent, DeliveryRow, DeliveryState, ListQuery, NotificationDetail, NotificationRow, Timestamp,
};
use leptos::prelude::*;

use super::{of, to, when};
use crate::{
    api::{At, RemoveNotification, ResumeNotification, ShownNotification, TestNotification, notification},
    parts::{
        Age, Copy, FormError, Head, Icon, Pager, Post, PostForm, Skeleton, Submit, count, done_note, failure, ticking,
        use_done,
    },
    place::{ClusterPlace, org_href, use_list_query, use_org, use_param},
};

#[derive(Clone, Copy)]
struct Forms {
    test: Post,
    resume: Post,
    remove: Post,
    done: Memo<String>,
}

/// One notification, and what was told.
#[component]
pub(crate) fn OneNotification() -> impl IntoView {
    let (org, id, query) = (use_org(), use_param("notification"), use_list_query());
    let forms = Forms {
        test: Post::to::<TestNotification>(),
        resume: Post::to::<ResumeNotification>(),
        remove: Post::to::<RemoveNotification>(),
        done: use_done(),
    };
    let found = Resource::new(
        move || (org.get(), id.get(), query.get(), forms.test.version(), forms.resume.version()),
        |(org, id, query, ..)| notification(org, id, query),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &query.get_untracked(), body, now, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &ListQuery, shown: ShownNotification, now: Timestamp, forms: Forms) -> AnyView {
    let ShownNotification { detail: NotificationDetail { row, deliveries }, secret } = shown;
    let crumbs = vec![(org_href(org, "/settings/notifications"), "Notifications".to_owned())];
    let sentence = format!("{}, {}: {}.", to(&row), when(&row), of(&row));
    let secret = secret.map(|secret| {
        view! {
            <div class="card pad made">
                <div class="form wide">
                    <h2>"The secret that it is signed with"</h2>
                    <div class="note ok">{Icon::Key.show()}<span><b>"It is shown this once."</b>" The receiver checks by it that what comes is from Kubewise."</span></div>
                    <Copy text=secret label="Signing secret"/>
                </div>
            </div>
        }
    });
    let base = org_href(org, &format!("/settings/notifications/{}", row.id));
    let ticking = ticking(now);
    let rows: Vec<_> = deliveries.rows.iter().map(|one| delivery(org, one, now, ticking)).collect();
    let n = rows.len();
    let list = if rows.is_empty() {
        view! {
            <div class="card empty">
                <h2>"Nothing was told yet"</h2>
                <p>"What is told stands here for 30 days, with what came of it. A test shows whether it arrives."</p>
            </div>
        }
        .into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Of"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="hide-s">"Tried"</th>
                        <th scope="col" class="num">"When"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                <Pager base query=query.clone() rows=n next=deliveries.next/>
            </div>
        }
        .into_any()
    };
    let (name, made) = (row.name.clone(), made_by(&row));
    view! {
        <Head title=name crumbs sentence=sentence.into_any()/>
        <div class="grid notes">
            {done_note(forms.done, "made", "It is made. What happens from now on is told.")}
            {done_note(forms.done, "test", "A test is on its way.")}
            {done_note(forms.done, "resumed", "It is switched on again.")}
        </div>
        {secret}
        {ended(org, &row, forms)}
        {list}
        <div class="card next">{test(org, &row, forms)}{end(org, &row, made, forms)}</div>
    }
    .into_any()
}

fn made_by(row: &NotificationRow) -> String {
    let who = row.made_by.clone().unwrap_or_else(|| "somebody who is no member any more".to_owned());
    format!("Made by {who}.")
}

/// What says which one a form is about.
fn about(org: &str, row: &NotificationRow) -> AnyView {
    let (org, id) = (org.to_owned(), row.id.to_string());
    view! { <input type="hidden" name="org" value=org/><input type="hidden" name="notification" value=id/> }.into_any()
}

fn ended(org: &str, row: &NotificationRow, forms: Forms) -> Option<AnyView> {
    let why = row.ended?;
    let (trouble, about) = (forms.resume.trouble(), about(org, row));
    Some(
        view! {
            <div class="card">
                <section class="setting">
                    <div><h2>"Switched off"</h2><p>{why.sentence()}" Nothing is told until somebody switches it on again."</p></div>
                    <PostForm post=forms.resume>
                        <div class="form">
                            <FormError trouble/>
                            {about}
                            <div class="act"><Submit pending=forms.resume.pending() class="btn">"Switch it on again"</Submit></div>
                        </div>
                    </PostForm>
                </section>
            </div>
        }
        .into_any(),
    )
}

fn test(org: &str, row: &NotificationRow, forms: Forms) -> Option<AnyView> {
    if row.ended.is_some() {
        return None;
    }
    let (trouble, about) = (forms.test.trouble(), about(org, row));
    Some(
        view! {
            <section class="setting">
                <div><h2>"Test"</h2><p>"Sends one that says that it is a test. What came of it stands in the list."</p></div>
                <PostForm post=forms.test>
                    <div class="form">
                        <FormError trouble/>
                        {about}
                        <div class="act"><Submit pending=forms.test.pending() class="btn">"Send a test"</Submit></div>
                    </div>
                </PostForm>
            </section>
        }
        .into_any(),
    )
}

fn end(org: &str, row: &NotificationRow, made: String, forms: Forms) -> AnyView {
    let (trouble, about) = (forms.remove.trouble(), about(org, row));
    view! {
        <section class="setting danger">
            <div><h2>"End it"</h2><p>{made}" Nothing is told by it any more, and what was told is forgotten."</p></div>
            <PostForm post=forms.remove>
                <div class="form">
                    <FormError trouble/>
                    {about}
                    <div class="act"><Submit pending=forms.remove.pending() class="btn danger">{Icon::Trash.show()}"End the notification"</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

fn delivery(org: &str, one: &DeliveryRow, now: Timestamp, ticking: Signal<Timestamp>) -> AnyView {
    let audit = one.audit.map(|audit| format!(", audit {audit}")).unwrap_or_default();
    let what = match &one.cluster {
        Some((cluster, name)) => {
            let place = ClusterPlace { org: org.to_owned(), cluster: cluster.to_string() };
            let rest = if one.event == DeliveryEvent::SilentCluster { "" } else { "/findings" };
            view! { {one.event.sentence()}" in "<a class="link" href=place.href(rest)><code>{name.clone()}</code></a>{audit} }
                .into_any()
        }
        None => one.event.sentence().into_any(),
    };
    let class = match one.state {
        DeliveryState::Sent => "tag ok",
        DeliveryState::Failed => "tag crit",
        DeliveryState::Waiting | DeliveryState::Nothing => "tag",
    };
    let answer = one.answer.clone().map(|answer| view! { <div class="second">{answer}</div> });
    let again = one.next_try_at.map(|at| {
        let text = if at <= now { "tried again now".to_owned() } else { format!("tried again {}", at.minute_utc()) };
        view! { <div class="second">{text}</div> }
    });
    let tried = (one.attempts > 0).then(|| count(i64::from(one.attempts), "time"));
    let (id, at) = (one.id.to_string(), one.made_at);
    view! {
        <tr>
            <td>{what}<div class="second hide-s"><code>{id}</code></div></td>
            <td><span class=class>{one.state.sentence()}</span>{answer}{again}</td>
            <td class="hide-s quiet">{tried}</td>
            <td class="num quiet"><Age at now=ticking after=" ago"/></td>
        </tr>
    }
    .into_any()
}
