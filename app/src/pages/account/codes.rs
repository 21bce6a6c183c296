//! `/account/security/codes`: somebody has just got recovery codes and must keep them. Shortest way: download, go on.

use leptos::prelude::*;

use crate::{
    api::recovery_codes,
    parts::{Copy, Icon, Skeleton, failure},
    place::encode,
};

/// The recovery codes, this once.
#[component]
pub(crate) fn Codes() -> impl IntoView {
    let codes = Resource::new(|| (), |()| recovery_codes());
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match codes.await {
                    Ok(codes) if codes.is_empty() => gone(),
                    Ok(codes) => page(&codes),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(codes: &[String]) -> AnyView {
    let text = codes.join("\n");
    let file = format!(
        "data:text/plain;charset=utf-8,{}",
        encode(&format!("Recovery codes of your account at Kubewise. Each works once.\n\n{text}\n"))
    );
    view! {
        <div class="card pad">
            <div class="form wide">
                <h2>"Your recovery codes"</h2>
                <div class="note ok">{Icon::Key.show()}<span>
                    <b>"They are shown this once."</b>" Each signs you in one time when your app or passkey is lost. Keep them where \
                     you keep your passwords, or print them."
                </span></div>
                <Copy text label="Recovery codes"/>
                <div class="act">
                    <a class="btn" href=file download="kubewise-recovery-codes.txt" rel="external">"Download"</a>
                    <a class="btn primary" href="/account/security">"I have kept them"</a>
                </div>
            </div>
        </div>
    }
    .into_any()
}

fn gone() -> AnyView {
    view! {
        <div class="card pad">
            <div class="form wide">
                <h2>"Your recovery codes were shown already"</h2>
                <p>"Kubewise keeps only hashes of them. If you have lost them, make new ones: those from before work no more then."</p>
                <div class="act"><a class="btn primary" href="/account/security">"Go to security"</a></div>
            </div>
        </div>
    }
    .into_any()
}
