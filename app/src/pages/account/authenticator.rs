//! `/account/security/authenticator`: somebody has an app on their phone and wants signing in to ask for its codes.
//! Shortest way: scan, type the code that it shows.

use kubewise_contract::{AuthenticatorSetup, SecondProofs};
use leptos::prelude::*;

use crate::{
    api::{ConfirmAuthenticator, authenticator_setup},
    pages::mfa::code_field,
    parts::{Copy, FormError, Post, PostForm, Skeleton, Submit, failure},
};

/// Setting up an authenticator app.
#[component]
pub(crate) fn Authenticator() -> impl IntoView {
    let action = Post::to::<ConfirmAuthenticator>();
    let setup = Resource::new(|| (), |()| authenticator_setup());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match setup.await {
                    Ok(setup) => page(setup, action),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(setup: AuthenticatorSetup, action: Post) -> AnyView {
    let trouble = action.trouble();
    // Light around it, in the dark too: apps read dark on light.
    let view_box = format!("-4 -4 {0} {0}", setup.size + 8);
    let field = code_field(SecondProofs { app: true, passkey: false }, trouble, false);
    view! {
        <div class="card pad">
            <ol class="steps">
                <li>
                    <h2>"Scan this with your authenticator app"</h2>
                    <p>"Any app that shows six digits does: Aegis, 1Password, Google Authenticator and the like."</p>
                    <svg class="qr" viewBox=view_box role="img" aria-label="QR code for your authenticator app">
                        <path class="light" d=format!("M-4-4h{0}v{0}h-{0}z", setup.size + 8)/>
                        <path d=setup.dark/>
                    </svg>
                    <p>"The app is on this device? "<a class="link" href=setup.url rel="external">"Open it here"</a>
                        ". Or type this key:"</p>
                    <Copy text=setup.seed label="Key for the authenticator app"/>
                </li>
                <li>
                    <h2>"Type the code that it shows"</h2>
                    <p>"From then on signing in asks for one. Everywhere else you are signed out."</p>
                    <PostForm post=action>
                        <div class="form">
                            <FormError trouble/>
                            {field}
                            <div class="act">
                                <Submit pending=action.pending()>"Switch it on"</Submit>
                                <a class="btn" href="/account/security">"Not now"</a>
                            </div>
                        </div>
                    </PostForm>
                </li>
            </ol>
        </div>
    }
    .into_any()
}
