//! When a page cannot be shown: what happened, what is safe, what to do.

use kubewise_contract::UiError;
use leptos::prelude::*;
use leptos_meta::Title;

/// See [`failure`].
#[component]
pub(crate) fn Failure(error: UiError) -> impl IntoView {
    failure(&error)
}

/// The error in place of the page.
pub(crate) fn failure(error: &UiError) -> AnyView {
    let title = match error {
        UiError::NotFound => "Nothing here",
        UiError::LinkEnded => "This link has ended",
        UiError::PasskeyRefused
        | UiError::PasskeyCancelled
        | UiError::NoPasskeys
        | UiError::Forbidden
        | UiError::InvitedAnother
        | UiError::AccountDisabled
        | UiError::ForeignOrigin
        | UiError::SignUpClosed => "Not allowed",
        UiError::ProofNeeded => "Confirm that it is you",
        UiError::SecondFactorNeeded => "Two-step sign-in needed",
        UiError::SignedOut | UiError::WrongCredentials => "Signed out",
        UiError::Invalid(_) => "This address cannot be understood",
        UiError::Provider(_) | UiError::LastOwner | UiError::AlreadySubscribed => "Not done",
        UiError::PlanLimit(_) => "More than the plan has",
        UiError::TooMany { .. } => "Too many at once",
        UiError::StripeAway => "Stripe cannot be reached",
        UiError::Unavailable | UiError::Transport => "Kubewise cannot answer right now",
        UiError::Internal => "Something went wrong",
    };
    let more = match error {
        UiError::NotFound => "It may have been deleted, or belong to an organisation that you are not a member of.",
        UiError::Unavailable | UiError::Internal | UiError::Transport => {
            "What the agents have sent is safe, and they go on sending."
        }
        _ => "",
    };
    let again =
        matches!(error, UiError::Unavailable | UiError::Internal | UiError::Transport | UiError::TooMany { .. });
    view! {
        <Title text=title/>
        <div class="failure" role="alert">
            <h1>{title}</h1>
            <p>{error.to_string()}</p>
            {(!more.is_empty()).then(|| view! { <p>{more}</p> })}
            <div class="act">
                // An empty address is this page's own; `external` makes the browser load it anew.
                {again.then(|| view! { <a class="btn primary" href="" rel="external">"Try again"</a> })}
                {(*error == UiError::SignedOut).then(|| view! { <a class="btn primary" href="/login">"Sign in"</a> })}
                <a class="btn" href="/">"Go to the start"</a>
            </div>
        </div>
    }
    .into_any()
}
