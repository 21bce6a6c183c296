//! Moments: relative for the eye, exact on hover and for machines.

use std::time::Duration;

use kubewise_contract::Timestamp;
use leptos::prelude::*;

/// How often ages are said anew.
const TICK: Duration = Duration::from_secs(10);

/// The server's time, going on in the browser. The first value is the server's own, so that what the browser renders
/// first is what the server rendered.
pub(crate) fn ticking(now: Timestamp) -> Signal<Timestamp> {
    let shown = RwSignal::new(now);
    Effect::new(move |_| {
        // Counted from here: the browser's own clock may be wrong.
        let Some(performance) = window().performance() else { return };
        let start = performance.now();
        let tick = move || {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds since a page was opened")]
            let passed = (performance.now() - start) as i64;
            shown.try_set(Timestamp(now.0 + passed));
        };
        if let Ok(timer) = set_interval_with_handle(tick, TICK) {
            on_cleanup(move || timer.clear());
        }
    });
    shown.into()
}

/// How long ago something was: `12 min`, with `before` and `after` around it.
#[component]
pub(crate) fn Age(
    at: Timestamp,
    now: Signal<Timestamp>,
    #[prop(default = "")] before: &'static str,
    #[prop(default = "")] after: &'static str,
) -> impl IntoView {
    view! {
        <time datetime=at.to_string() title=at.minute_utc()>
            {move || format!("{before}{}{after}", at.age(now.get()))}
        </time>
    }
    .into_any()
}
