//! `/admin/jobs`: a mail did not come, a deleted cluster is still there: somebody wants to know what hangs. Shortest way:
//! what is dead stands here with its reason, and one button.

use kubewise_contract::{DeadJobRow, JobHealth, QueueHealth, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, RetryJob, job_health},
    parts::{Age, FormError, Post, PostForm, Skeleton, done_note, failure, number, ticking, use_done},
};

/// How jobs are doing.
#[component]
pub(crate) fn Jobs() -> impl IntoView {
    let done = use_done();
    let action = Post::to::<RetryJob>();
    let found = Resource::new(move || action.version(), |_| job_health());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(body, now, action, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(health: JobHealth, now: Timestamp, action: Post, done: Memo<String>) -> AnyView {
    let now = ticking(now);
    let trouble = action.trouble();
    let queues: Vec<_> = health.queues.into_iter().map(|queue| queue_row(queue, now)).collect();
    let queues = if queues.is_empty() {
        view! { <div class="card empty"><h2>"No job was asked for lately"</h2></div> }.into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Queue"</th><th scope="col" class="num">"Waiting"</th><th scope="col" class="num">"Running"</th>
                        <th scope="col" class="num hide-s">"Done, last hour"</th><th scope="col" class="num">"Dead"</th>
                    </tr></thead>
                    <tbody>{queues}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let dead: Vec<_> = health.dead.into_iter().map(|job| dead_row(job, action)).collect();
    let dead = if dead.is_empty() {
        view! { <div class="card empty"><h2>"No job is dead"</h2><p>"A job that fails is tried again for hours before it is."</p></div> }.into_any()
    } else {
        view! { <div class="card"><ul class="sessions" aria-label="Dead jobs">{dead}</ul></div> }.into_any()
    };
    view! {
        <FormError trouble/>
        {done_note(done, "retried", "It is tried again.")}
        {queues}
        <div class="next">{dead}</div>
    }
    .into_any()
}

fn queue_row(queue: QueueHealth, now: Signal<Timestamp>) -> AnyView {
    let oldest =
        queue.oldest.map(|at| view! { <div class="second"><Age at now before="the oldest waits for "/></div> });
    view! {
        <tr>
            <td><div class="first">{queue.name}</div>{oldest}</td>
            <td class="num">{number(queue.waiting)}</td>
            <td class="num">{number(queue.running)}</td>
            <td class="num hide-s">{number(queue.done)}</td>
            <td class="num" class:crit-text=queue.dead != 0>{number(queue.dead)}</td>
        </tr>
    }
    .into_any()
}

fn dead_row(job: DeadJobRow, action: Post) -> AnyView {
    let label = format!("Try job {} again", job.id);
    view! {
        <li>
            <div>
                <b>{job.queue}</b>
                <div class="muted">{format!("tried {} times: {}", job.attempts, job.why)}</div>
            </div>
            <PostForm post=action>
                <input type="hidden" name="id" value=job.id/>
                <button type="submit" class="btn" aria-label=label disabled=action.pending()>"Try again"</button>
            </PostForm>
        </li>
    }
    .into_any()
}
