//! `/invite`: somebody opened the link in an invitation. Shortest way: with an account, one button; without, a name and a
//! password. Opening the page alone joins nothing: mail servers open links too.

use kubewise_contract::{Field, Invited as Shown, PersonName, UiError, Ways};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::{outside::Outside, provider::continue_with, signup::agreed};
use crate::{
    api::{AcceptInvitation, SignUpInvited, invitation, ways},
    parts::{FormError, NewPassword, Post, PostForm, Skeleton, Submit, TextField, failure},
    place::encode,
};

#[derive(Clone, Copy)]
struct Forms {
    accept: Post,
    sign_up: Post,
}

/// Accepting an invitation.
#[component]
pub(crate) fn Invited() -> impl IntoView {
    let forms = Forms { accept: Post::to::<AcceptInvitation>(), sign_up: Post::to::<SignUpInvited>() };
    let query = use_query_map();
    let token = Memo::new(move |_| query.with(|q| q.get("token").unwrap_or_default()));
    let ways = Resource::new(|| (), |()| ways());
    let found = Resource::new(move || token.get(), invitation);
    view! {
        <Title text="Invitation"/>
        <Outside>
            <Transition fallback=Skeleton>
                {move || Suspend::new(async move {
                    match found.await {
                        Ok(shown) => page(shown, token.get_untracked(), forms, ways),
                        Err(UiError::LinkEnded) => ended(),
                        Err(error) => view! { <div class="door">{failure(&error)}</div> }.into_any(),
                    }
                })}
            </Transition>
        </Outside>
    }
}

fn page(shown: Shown, token: String, forms: Forms, ways: Resource<Result<Ways, UiError>>) -> AnyView {
    let title = format!("Join {}", shown.organisation);
    let who =
        shown.invited_by.as_ref().map_or_else(|| "You are invited".to_owned(), |name| format!("{name} invites you"));
    let limits = if shown.is_limited { ", to see chosen clusters" } else { "" };
    let sentence = format!("{who} as {}{limits}. {}", shown.role, shown.role.sentence());
    let next = format!("/invite?token={}", encode(&token));
    let body = match &shown.signed_in {
        Some(email) if email.eq_ignore_ascii_case(&shown.email) => accept(token, forms.accept),
        Some(email) => another(email, &shown.email, &next),
        None if shown.has_account => sign_in(&shown.email, &next),
        None => sign_up(&shown.email, token, &next, forms.sign_up, ways),
    };
    view! {
        <div class="door">
            <h1>{title}</h1>
            <div class="sub">{sentence}</div>
            {body}
        </div>
    }
    .into_any()
}

fn accept(token: String, action: Post) -> AnyView {
    let trouble = action.trouble();
    view! {
        <div class="card">
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="token" value=token/>
                    <Submit pending=action.pending()>"Join"</Submit>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

fn another(signed_in: &str, invited: &str, next: &str) -> AnyView {
    let sentence = format!("The invitation is for {invited}, and you are signed in as {signed_in}.");
    let href = format!("/login?next={}", encode(next));
    view! {
        <div class="card">
            <div class="form">
                <p>{sentence}</p>
                <p>"Sign out, then open the link in the mail again. Or have the address of your account changed to the one that was invited."</p>
                <form method="post" action="/api/log_out"><button type="submit" class="btn primary">"Sign out"</button></form>
                <a class="btn wide" href=href>"Sign in with another account"</a>
            </div>
        </div>
    }
    .into_any()
}

fn sign_in(email: &str, next: &str) -> AnyView {
    let sentence = format!("There is an account for {email}. Sign in to join with it.");
    let href = format!("/login?next={}", encode(next));
    view! {
        <div class="card"><div class="form">
            <p>{sentence}</p>
            <a class="btn primary" href=href>"Sign in"</a>
        </div></div>
    }
    .into_any()
}

fn sign_up(email: &str, token: String, next: &str, action: Post, ways: Resource<Result<Ways, UiError>>) -> AnyView {
    let trouble = action.trouble();
    let email = email.to_owned();
    view! {
        <div class="card">
            {continue_with(ways, Signal::stored(next.to_owned()))}
            <PostForm post=action>
                <div class="form">
                    <FormError trouble/>
                    <input type="hidden" name="token" value=token/>
                    <div class="known">"Your account will be known by "<b>{email}</b>"."</div>
                    <TextField name="name" label="Your name".into_any() field=Field::Name trouble
                        autocomplete="name" max=PersonName::MAX focus=true/>
                    <NewPassword label="Password" trouble/>
                    <Submit pending=action.pending()>"Create account and join"</Submit>
                </div>
            </PostForm>
        </div>
        {agreed()}
    }
    .into_any()
}

fn ended() -> AnyView {
    view! {
        <div class="door">
            <h1>"This invitation has ended"</h1>
            <div class="card">
                <div class="form">
                    <p>"It was accepted or revoked, a newer mail replaced it, or it is older than a week. Ask whoever invited you to send it again."</p>
                    <a class="btn primary" href="/account/organisations">"Go to your organisations"</a>
                </div>
            </div>
        </div>
    }
    .into_any()
}
