//! `/account/privacy`: somebody wants to see all that is held about them, to hear when a policy changes, or to be forgotten.
//! Shortest way: a button each; the last one asks for the address once more, and says first what it does.

use std::time::Duration;

use kubewise_contract::{AcceptedPolicy, ExportRow, ExportState, Field, OrganisationRef, Privacy as Shown, Timestamp};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    api::{At, DeleteAccount, RequestExport, SetPolicyMails, privacy},
    parts::{Age, FormError, Icon, Post, PostForm, Skeleton, Submit, TextField, done_note, failure, ticking, use_done},
    place::org_href,
};

/// How often it is looked whether a download is ready, and how many times.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS: usize = 60;

#[derive(Clone, Copy)]
struct Forms {
    export: Post,
    mails: Post,
    delete: Post,
    done: Memo<String>,
}

/// What a person can do about what is held about them.
#[component]
pub(crate) fn Privacy() -> impl IntoView {
    let forms = Forms {
        export: Post::to::<RequestExport>(),
        mails: Post::to::<SetPolicyMails>(),
        delete: Post::to::<DeleteAccount>(),
        done: use_done(),
    };
    let found = Resource::new(move || (forms.export.version(), forms.mails.version()), |_| privacy());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(body, now, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(shown: Shown, now: Timestamp, forms: Forms) -> AnyView {
    view! {
        <div class="card">
            {download(shown.exports, now, forms)}
            {policies(shown.agreed, shown.policy_mails, forms)}
            {delete(shown.email, shown.only_owner_of, forms.delete)}
        </div>
    }
    .into_any()
}

/// Whether one is being made.
fn waits(exports: &[ExportRow]) -> bool {
    exports.iter().any(|export| export.state == ExportState::Making)
}

fn download(exports: Vec<ExportRow>, now: Timestamp, forms: Forms) -> AnyView {
    let exports = RwSignal::new(exports);
    let looks = StoredValue::new(0_usize);
    // It takes a moment: the list shows it when it is ready, and what is being typed below stays.
    Effect::new(move |_| {
        if !exports.with(|exports| waits(exports)) || looks.get_value() >= LOOKS {
            return;
        }
        let look = move || {
            spawn_local(async move {
                if let Ok(At { body, .. }) = privacy().await {
                    exports.try_set(body.exports);
                }
            });
        };
        looks.update_value(|looks| *looks += 1);
        if let Ok(timer) = set_timeout_with_handle(look, LOOK_EVERY) {
            on_cleanup(move || timer.clear());
        }
    });
    let (trouble, now) = (forms.export.trouble(), ticking(now));
    let lines = move || exports.with(|exports| exports.iter().map(|export| line(export, now)).collect::<Vec<_>>());
    let list = move || {
        let some = exports.with(|exports| !exports.is_empty());
        some.then(|| view! { <ul class="keys" aria-label="What you asked for">{lines}</ul> })
    };
    let ask = move || {
        if exports.with(|exports| waits(exports)) {
            view! {
                <div class="hint" role="status">
                    "It is being made. "<span class="needs-no-script">"Load this page anew to see whether it is ready."</span>
                </div>
            }
            .into_any()
        } else {
            view! {
                <PostForm post=forms.export>
                    <div class="act"><Submit pending=forms.export.pending() class="btn">"Gather my data"</Submit></div>
                </PostForm>
            }
            .into_any()
        }
    };
    view! {
        <section class="setting">
            <div>
                <h2>"Download my data"</h2>
                <p>
                    "Everything that is held about you, as JSON and as a page to read it by. The link comes by mail, and works once, \
                    for seven days. "
                    <a class="link" href="/docs/data" rel="external">"What is stored"</a>
                </p>
            </div>
            <div class="form">
                <FormError trouble/>
                {done_note(forms.done, "export", "It was asked for. A mail with the link comes when it is ready.")}
                {ask}
                {list}
            </div>
        </section>
    }
    .into_any()
}

fn line(export: &ExportRow, now: Signal<Timestamp>) -> AnyView {
    let (class, word, more) = match export.state {
        ExportState::Making => ("tag info", "being made", String::new()),
        ExportState::Ready { expires_at, .. } => {
            ("tag ok", "ready", format!(", the link was mailed and works until {}", expires_at.minute_utc()))
        }
        ExportState::Taken => ("tag", "downloaded", String::new()),
        ExportState::Ended => ("tag", "ended", ", nobody came for it".to_owned()),
    };
    view! {
        <li><div>
            <span class=class>{word}</span>
            <div class="muted"><Age at=export.requested_at now before="asked for " after=" ago"/>{more}</div>
        </div></li>
    }
    .into_any()
}

fn policies(agreed: Vec<AcceptedPolicy>, on: bool, forms: Forms) -> AnyView {
    let agreed: Vec<_> = agreed
        .into_iter()
        .map(|one| {
            let href = format!("/policies/{}/{}", one.policy, one.version);
            view! {
                <li><div>
                    <a class="link" href=href rel="external">{one.title}" of "{one.version}</a>
                    <div class="muted">"agreed to on "{one.at.minute_utc()}</div>
                </div></li>
            }
        })
        .collect();
    let agreed = (!agreed.is_empty()).then(|| view! { <ul class="keys" aria-label="What you agreed to">{agreed}</ul> });
    let trouble = forms.mails.trouble();
    let (state, label) = if on {
        (view! { <span class="tag ok">"you are mailed"</span> }.into_any(), "Mail me no more")
    } else {
        (view! { <span class="tag">"you are not mailed"</span> }.into_any(), "Mail me about changes")
    };
    let choice = (!on).then(|| view! { <input type="hidden" name="on" value="1"/> });
    view! {
        <section class="setting">
            <div>
                <h2>"Policies"</h2>
                <p>
                    "What Kubewise does with what it holds: "
                    <a class="link" href="/policies/privacy" rel="external">"privacy"</a>", "
                    <a class="link" href="/policies/security" rel="external">"security"</a>", "
                    <a class="link" href="/policies/cookies" rel="external">"cookies"</a>
                    ". You can be mailed when one of them changes significantly."
                </p>
            </div>
            <PostForm post=forms.mails>
                <div class="form">
                    {agreed}
                    <FormError trouble/>
                    {done_note(forms.done, "policies", "It is set.")}
                    {choice}
                    <div class="known">{state}</div>
                    <div class="act"><Submit pending=forms.mails.pending() class="btn">{label}</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

fn delete(email: String, only_owner_of: Vec<OrganisationRef>, action: Post) -> AnyView {
    let body = if only_owner_of.is_empty() { form(email, action) } else { first(only_owner_of) };
    view! {
        <section class="setting danger">
            <div>
                <h2>"Delete my account"</h2>
                <p>
                    "At once, and for good: your name and address, how you sign in, your sessions, memberships, API tokens and \
                    notifications, and mail that waits for you."
                </p>
                <p>
                    "What stays: what you did, in the activity logs of organisations, under a pseudonym that nothing connects with \
                    you any more. A signed certificate says what was deleted."
                </p>
            </div>
            {body}
        </section>
    }
    .into_any()
}

fn form(email: String, action: Post) -> AnyView {
    let trouble = action.trouble();
    let label = view! { "Type "<b class="known">{email}</b>" to confirm" };
    view! {
        <PostForm post=action>
            <div class="form">
                <FormError trouble/>
                <TextField name="email" label=label.into_any() field=Field::Email trouble kind="email" max=254/>
                <div class="act"><Submit pending=action.pending() class="btn danger">{Icon::Trash.show()}"Delete my account"</Submit></div>
            </div>
        </PostForm>
    }
    .into_any()
}

/// What has to be done before: an organisation needs an Owner.
fn first(only_owner_of: Vec<OrganisationRef>) -> AnyView {
    let organisations: Vec<_> = only_owner_of
        .into_iter()
        .map(|organisation| {
            let slug = organisation.slug.as_str();
            let (team, data) = (org_href(slug, "/team"), org_href(slug, "/settings/data"));
            let (hand_over, delete) =
                (format!("Hand over {}", organisation.name), format!("Delete {}", organisation.name));
            view! {
                <li>
                    <b class="known">{organisation.name}</b>
                    <div class="act">
                        <a class="btn" href=team aria-label=hand_over>"Hand over"</a>
                        <a class="btn" href=data aria-label=delete>"Delete"</a>
                    </div>
                </li>
            }
        })
        .collect();
    view! {
        <div class="form">
            <div class="note med">{Icon::Alert.show()}<span>
                "Nobody else is Owner of these. Make somebody else Owner, or delete them: until then your account cannot be deleted."
            </span></div>
            <ul class="keys" aria-label="Organisations that you are the only Owner of">{organisations}</ul>
        </div>
    }
    .into_any()
}
