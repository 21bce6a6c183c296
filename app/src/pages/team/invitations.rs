//! `/o/{org}/team/invitations`: somebody waits for a colleague to come, or wants an invitation undone. Shortest way: one
//! button beside each.

use kubewise_contract::{InvitationRow, Team, Timestamp};
use leptos::prelude::*;

use super::{head, sees};
use crate::{
    api::{At, ResendInvitation, RevokeInvitation, invitations},
    live::Live,
    parts::{FormError, Post, Skeleton, done_note, failure, row_button, use_done},
    place::{org_href, use_org},
};

#[derive(Clone, Copy)]
struct Forms {
    resend: Post,
    revoke: Post,
}

/// Who was invited.
#[component]
pub(crate) fn Invitations() -> impl IntoView {
    let (org, done) = (use_org(), use_done());
    let forms = Forms { resend: Post::to::<ResendInvitation>(), revoke: Post::to::<RevokeInvitation>() };
    let live = expect_context::<Live>();
    let found = Resource::new(
        move || (org.get(), live.rights(), forms.resend.version(), forms.revoke.version()),
        |(org, ..)| invitations(org),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &body, now, forms, done),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, team: &Team, now: Timestamp, forms: Forms, done: Memo<String>) -> AnyView {
    let top = head(org, team, "/team/invitations");
    let trouble = Signal::derive(move || {
        let resend = forms.resend.error();
        resend.or_else(|| forms.revoke.error())
    });
    let rows: Vec<_> = team.invitations.iter().map(|invitation| row(org, invitation, now, forms)).collect();
    let list = if rows.is_empty() {
        view! {
            <div class="card empty">
                <h2>"No invitation is waiting"</h2>
                <p>"Whoever you invite stands here until they accept."</p>
                <div class="act"><a class="btn primary" href=org_href(org, "/team/invite")>"Invite somebody"</a></div>
            </div>
        }
        .into_any()
    } else {
        view! {
            <div class="card list-card">
                <table>
                    <thead><tr>
                        <th scope="col">"Address"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col" class="hide-s">"Will see"</th>
                        <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        {top}
        <FormError trouble/>
        {done_note(done, "invited", "The invitation is on its way.")}
        {done_note(done, "resent", "A new mail is on its way. The link of the one before works no more.")}
        {done_note(done, "revoked", "The invitation has ended.")}
        {list}
    }
    .into_any()
}

fn row(org: &str, invitation: &InvitationRow, now: Timestamp, forms: Forms) -> AnyView {
    let about = [("org", org.to_owned()), ("invitation", invitation.id.to_string())];
    let by = invitation.invited_by.as_ref().map(|name| format!("by {name}, ")).unwrap_or_default();
    let until = if invitation.is_expired {
        view! { {by}<span class="med-text">"the link is too old"</span> }.into_any()
    } else {
        // The span of time is the same seen from the other end.
        format!("{by}works for {}", now.age(invitation.expires_at)).into_any()
    };
    let email = &invitation.email;
    let again = row_button(forms.resend, &about, "Send again", format!("Send the invitation of {email} again"));
    let end = row_button(forms.revoke, &about, "Revoke", format!("Revoke the invitation of {email}"));
    view! {
        <tr>
            <td><div class="first">{invitation.email.clone()}</div><div class="second">{until}</div></td>
            <td>{invitation.role.to_string()}</td>
            <td class="hide-s">{sees(invitation.role, invitation.is_limited, &invitation.clusters)}</td>
            <td class="num">
                <div class="buttons">
                    {again}{end}
                </div>
            </td>
        </tr>
    }
    .into_any()
}
