//! `/admin/billing`: an organisation says that it paid and has nothing of it. Shortest way: what Stripe told stands here,
//! whether it was looked at, and one button to look again.

use kubewise_contract::{BillingDifference, InstallationBilling, StripeEventRow, Timestamp};
use leptos::prelude::*;

use crate::{
    api::{At, ReplayStripeEvent, installation_billing},
    parts::{Age, FormError, Post, Skeleton, count, done_note, failure, number, row_button, ticking, use_done},
};

/// How the installation and Stripe get on.
#[component]
pub(crate) fn InstallationStripe() -> impl IntoView {
    let done = use_done();
    let action = Post::to::<ReplayStripeEvent>();
    let found = Resource::new(move || action.version(), |_| installation_billing());
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

fn page(billing: InstallationBilling, now: Timestamp, action: Post, done: Memo<String>) -> AnyView {
    if !billing.is_on {
        return view! {
            <div class="card empty">
                <h2>"This installation bills nobody"</h2>
                <p>"Stripe is not configured: every organisation has everything."</p>
            </div>
        }
        .into_any();
    }
    let now = ticking(now);
    let trouble = action.trouble();
    let plans: Vec<_> = billing
        .plans
        .into_iter()
        .map(|(plan, organisations)| {
            view! { <tr><th scope="row">{plan.to_string()}</th><td class="num">{number(organisations)}</td></tr> }
        })
        .collect();
    let failing = (billing.failing != 0).then(|| {
        let sentence = format!(
            "Stripe could not be asked about {}; it is tried again, and the log says why.",
            count(billing.failing, "organisation")
        );
        view! { <div class="note crit"><span>{sentence}</span></div> }
    });
    let differences: Vec<_> = billing.differences.into_iter().map(|one| difference(one, now)).collect();
    let differences = if differences.is_empty() {
        view! { <p class="pad">"None in the last 90 days. All organisations are compared with Stripe every day."</p> }
            .into_any()
    } else {
        view! {
            <table>
                <thead><tr>
                    <th scope="col">"Organisation"</th><th scope="col">"What"</th><th scope="col">"Known here"</th>
                    <th scope="col">"At Stripe"</th><th scope="col" class="num hide-s">"Found"</th>
                </tr></thead>
                <tbody>{differences}</tbody>
            </table>
        }
        .into_any()
    };
    let events: Vec<_> = billing.events.into_iter().map(|one| event(one, now, action)).collect();
    let events = if events.is_empty() {
        view! { <p class="pad">"None in the last 90 days. Stripe sends them to /webhooks/stripe once that is set there."</p> }
            .into_any()
    } else {
        view! {
            <table>
                <thead><tr>
                    <th scope="col">"Event"</th><th scope="col">"Organisation"</th><th scope="col">"State"</th>
                    <th scope="col" class="num hide-s">"Received"</th>
                    <th scope="col" class="num"><span class="visually-hidden">"What can be done"</span></th>
                </tr></thead>
                <tbody>{events}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <FormError trouble/>
        {done_note(done, "replayed", "Stripe is asked again.")}
        {failing}
        <section class="card list-card" aria-labelledby="plans">
            <header><h2 id="plans">"Plans"</h2></header>
            <table>
                <thead><tr><th scope="col">"Plan"</th><th scope="col" class="num">"Organisations"</th></tr></thead>
                <tbody>{plans}</tbody>
            </table>
        </section>
        <section class="card list-card next" aria-labelledby="differences">
            <header><h2 id="differences">"Found otherwise at Stripe"</h2></header>
            {differences}
        </section>
        <section class="card list-card next" aria-labelledby="events">
            <header><h2 id="events">"What Stripe told"</h2></header>
            {events}
        </section>
    }
    .into_any()
}

fn difference(one: BillingDifference, now: Signal<Timestamp>) -> AnyView {
    let at = one.found_at;
    view! {
        <tr>
            <td>{one.organisation}</td><td>{one.what}</td><td>{one.was}</td><td>{one.found}</td>
            <td class="num quiet hide-s"><Age at now after=" ago"/></td>
        </tr>
    }
    .into_any()
}

fn event(one: StripeEventRow, now: Signal<Timestamp>, action: Post) -> AnyView {
    let (class, state) = match (&one.organisation, one.is_done) {
        (None, _) => ("tag", "of nobody here"),
        (Some(_), true) => ("tag ok", "looked at"),
        (Some(_), false) => ("tag med", "waiting"),
    };
    let times = (one.deliveries > 1).then(|| format!(", {} times", one.deliveries));
    let label = format!("Replay {}", one.id);
    let again = one.organisation.is_some().then(|| row_button(action, &[("id", one.id.clone())], "Replay", label));
    let at = one.received_at;
    view! {
        <tr>
            <td><div class="first">{one.kind}</div><div class="second">{one.id}{times}</div></td>
            <td>{one.organisation.unwrap_or_default()}</td>
            <td><span class=class>{state}</span></td>
            <td class="num quiet hide-s"><Age at now after=" ago"/></td>
            <td class="num">{again}</td>
        </tr>
    }
    .into_any()
}
