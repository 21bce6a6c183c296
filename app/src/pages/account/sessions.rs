//! `/account/sessions`: where somebody is signed in, and the end of what they do not recognise.

use kubewise_contract::{SessionRow, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, EndOtherSessions, EndSession, sessions},
    parts::{Age, FormError, Post, PostForm, Skeleton, Submit, done_note, failure, ticking, use_done},
};

#[derive(Clone, Copy)]
struct Forms {
    one: Post,
    others: Post,
    done: Memo<String>,
}

/// The sessions of who looks.
#[component]
pub(crate) fn Sessions() -> impl IntoView {
    let forms = Forms { one: Post::to::<EndSession>(), others: Post::to::<EndOtherSessions>(), done: use_done() };
    let found = Resource::new(move || (forms.one.version(), forms.others.version()), |_| sessions());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&body, now, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(rows: &[SessionRow], now: Timestamp, forms: Forms) -> AnyView {
    let trouble = Signal::derive(move || {
        let one = forms.one.error();
        one.or_else(|| forms.others.error())
    });
    let now = ticking(now);
    let several = rows.len() > 1;
    let rows: Vec<_> = rows.iter().map(|row| line(row, now, forms.one)).collect();
    let others = several.then(|| {
        view! {
            <PostForm post=forms.others>
                <Submit pending=forms.others.pending() class="btn danger">"Sign out everywhere else"</Submit>
            </PostForm>
        }
    });
    view! {
        <FormError trouble/>
        {done_note(forms.done, "ended", "Signed out there.")}
        <div class="card">
            <ul class="sessions" aria-label="Where you are signed in">{rows}</ul>
        </div>
        <div class="next">{others}</div>
    }
    .into_any()
}

fn line(row: &SessionRow, now: Signal<Timestamp>, action: Post) -> AnyView {
    let browser =
        if row.browser.is_empty() { "A browser that does not say what it is".to_owned() } else { row.browser.clone() };
    let end = if row.is_current {
        view! { <span class="tag ok">"this one"</span> }.into_any()
    } else {
        let (label, id) = (format!("Sign out {browser}"), row.id.clone());
        view! {
            <PostForm post=action>
                <input type="hidden" name="id" value=id/>
                <button type="submit" class="btn" aria-label=label disabled=action.pending()>"Sign out"</button>
            </PostForm>
        }
        .into_any()
    };
    let (seen, created) = (row.last_seen_at, row.created_at);
    let place = (!row.place.is_empty()).then(|| format!(" from {}", row.place));
    view! {
        <li>
            <div>
                <b>{browser}</b>
                <div class="muted">
                    <Age at=seen now before="used " after=" ago"/>", "<Age at=created now before="signed in " after=" ago"/>{place}
                </div>
            </div>
            {end}
        </li>
    }
    .into_any()
}
