//! `/o/{org}/billing`: whoever pays wants to know what for, whether it is about to be more, and where a card is changed or a
//! plan ended. Shortest way: the plan and the bill to come stand first, with one button to Stripe.

mod details;
mod invoices;
mod usage;

use std::time::Duration;

use kubewise_contract::{BillingOverview, Payment, Plan, Subscription, SubscriptionStatus, Timestamp, UiError};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    api::{AskStripe, At, SetBillingDetails, billing},
    parts::{
        Age, FormError, Head, Icon, Post, Skeleton, count, done_note, failure, number, row_button, ticking, use_done,
    },
    place::{org_href, use_org},
};

/// How often it is looked whether Stripe has answered, and how many times.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS: usize = 60;

#[derive(Clone, Copy)]
struct Forms {
    details: Post,
    ask: Post,
    done: Memo<String>,
}

/// Plan, usage and bills.
#[component]
pub(crate) fn Billing() -> impl IntoView {
    let org = use_org();
    let forms = Forms { details: Post::to::<SetBillingDetails>(), ask: Post::to::<AskStripe>(), done: use_done() };
    let failed = use_query_map();
    let failed = Memo::new(move |_| failed.with(|q| q.get("failed").unwrap_or_default()));
    let looks = RwSignal::new(0_usize);
    let found = Resource::new(
        move || (org.get(), forms.details.version(), forms.ask.version(), looks.get()),
        |(org, ..)| billing(org),
    );
    // Stripe answers in a moment: the page shows it when it has.
    Effect::new(move |_| {
        let waits = found.with(|found| {
            let Some(Ok(At { body, .. })) = found else { return false };
            body.payment.as_ref().is_some_and(|payment| waits(payment, &forms.done.get_untracked()))
        });
        if waits && looks.get_untracked() < LOOKS {
            set_timeout(
                move || {
                    looks.try_update(|looks| *looks += 1);
                },
                LOOK_EVERY,
            );
        }
    });
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(At { now, body }) => page(&org.get_untracked(), &body, now, forms, failed),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

/// Whether Stripe is about to say something.
fn waits(payment: &Payment, done: &str) -> bool {
    payment.is_asking || (done == "subscribed" && !is_live(payment.subscription.as_ref()))
}

fn is_live(subscription: Option<&Subscription>) -> bool {
    subscription.is_some_and(|subscription| subscription.status.is_live())
}

fn page(org: &str, billing: &BillingOverview, now: Timestamp, forms: Forms, failed: Memo<String>) -> AnyView {
    let sentence = match billing.plan {
        Plan::SelfHosted => {
            "This installation bills nobody: every organisation has everything, and Stripe is not configured."
                .to_owned()
        }
        plan => format!("The plan is {plan}. {}", plan.sentence()),
    };
    let Some(payment) = &billing.payment else {
        return view! {
            <Head title="Billing" sentence=sentence.into_any()/>
            {usage::used(billing)}
            {usage::days(billing, None)}
        }
        .into_any();
    };
    let trouble = forms.ask.trouble();
    view! {
        <Head title="Billing" sentence=sentence.into_any() actions=ways(org, payment, billing.plan)/>
        <FormError trouble/>
        {failed_note(failed)}
        {done_note(forms.done, "asked", "Stripe is asked; what it says is shown here in a moment.")}
        {notes(billing, payment, forms.done)}
        {plan(org, billing, payment, now, forms)}
        {usage::used(billing)}
        {usage::days(billing, Some(payment))}
        {invoices::list(payment)}
        {details::form(org, payment, forms)}
    }
    .into_any()
}

/// The ways to Stripe. No page of ours: the browser goes there.
fn ways(org: &str, payment: &Payment, plan: Plan) -> AnyView {
    let live = is_live(payment.subscription.as_ref());
    let buy = (!live && plan != Plan::Enterprise).then(|| {
        let label = if payment.has_trial { "Try the plan Team" } else { "Choose the plan Team" };
        view! { <a class="btn primary" href=org_href(org, "/billing/checkout") rel="external">{label}</a> }
    });
    let portal = payment.subscription.is_some().then(|| {
        let label = if live { "Card, address, cancelling" } else { "Card, address" };
        view! { <a class="btn" href=org_href(org, "/billing/portal") rel="external">{label}</a> }
    });
    view! { {portal}{buy} }.into_any()
}

fn failed_note(failed: Memo<String>) -> AnyView {
    view! {
        <div role="alert">
            {move || {
                let error = match failed.get().as_str() {
                    "stripe" => UiError::StripeAway,
                    "subscribed" => UiError::AlreadySubscribed,
                    _ => return None,
                };
                Some(view! { <div class="note crit">{Icon::Alert.show()}<span>{error.to_string()}</span></div> })
            }}
        </div>
    }
    .into_any()
}

fn note(class: &'static str, sentence: String) -> AnyView {
    view! { <div class=class>{Icon::Alert.show()}<span>{sentence}</span></div> }.into_any()
}

/// What matters now, worst first.
fn notes(billing: &BillingOverview, payment: &Payment, done: Memo<String>) -> AnyView {
    let mut notes = Vec::new();
    if let Some(subscription) = &payment.subscription {
        if let Some(since) = subscription.past_due_since {
            let sentence = format!(
                "A payment failed on {}. Stripe tries it again during the next days, and everything works meanwhile: see to it \
                 that the card is good.",
                day(since)
            );
            notes.push(note("note crit", sentence));
        }
        if let Some(end) = subscription.ends_at {
            let sentence = format!(
                "The plan was cancelled, and ends on {}. Until then it can be taken up again at Stripe.",
                day(end)
            );
            notes.push(note("note med", sentence));
        }
    }
    if let Some(until) = billing.grace_until {
        let sentence = format!(
            "The plan before had more. What is there is served until {}; after that the agents of clusters that the plan {} is \
             too small for are refused. Nothing is removed.",
            day(until),
            billing.plan
        );
        notes.push(note("note med", sentence));
    }
    if payment.is_away {
        notes.push(note("note", UiError::StripeAway.to_string()));
    }
    let live = is_live(payment.subscription.as_ref());
    let arrived = done_note(done, "subscribed", "Thank you. The plan Team is yours.");
    let waiting = view! {
        <div role="status">
            {move || (done.get() == "subscribed").then(|| view! {
                <div class="note"><span class="dot sync" aria-hidden="true"></span><span>
                    "Stripe is telling us of the plan. This page shows it when it has."
                </span></div>
            })}
        </div>
    };
    let came = if live { arrived } else { waiting.into_any() };
    view! { {came}{notes} }.into_any()
}

/// What is paid for, and the bill to come.
fn plan(org: &str, billing: &BillingOverview, payment: &Payment, now: Timestamp, forms: Forms) -> AnyView {
    let mut facts = vec![("Plan", billing.plan.to_string().into_any())];
    let price = payment.price.as_ref();
    if let Some(price) = price {
        facts.push(("Team costs", format!("{price} for each node and month, without taxes").into_any()));
    }
    match payment.subscription.as_ref().filter(|subscription| subscription.status.is_live()) {
        Some(subscription) => {
            let class = match subscription.status {
                SubscriptionStatus::PastDue => "tag crit",
                SubscriptionStatus::Trialing => "tag info",
                _ => "tag ok",
            };
            facts.push(("State", view! { <span class=class>{subscription.status.said()}</span> }.into_any()));
            facts.push(("Nodes that are billed", number(subscription.nodes).into_any()));
            if subscription.status == SubscriptionStatus::Trialing
                && let Some(end) = subscription.trial_end
            {
                facts.push(("Trial until", day(end).into_any()));
            } else if let Some(end) = subscription.period_end {
                let is_owed = subscription.past_due_since.is_some();
                facts.push((if is_owed { "Period until" } else { "Paid until" }, day(end).into_any()));
            }
            match &subscription.next {
                Some((amount, at)) => {
                    facts.push(("Next invoice", format!("{amount} on {}, as it stands now", day(*at)).into_any()));
                }
                None if subscription.ends_at.is_some() => facts.push(("Next invoice", "none".into_any())),
                None => {}
            }
        }
        None if billing.plan == Plan::Free => {
            let bill = price.map(|price| {
                let month =
                    kubewise_contract::Money { amount: price.amount.saturating_mul(payment.nodes), ..price.clone() };
                format!("{month} a month for {}, without taxes", count(payment.nodes, "node"))
            });
            if let Some(bill) = bill {
                facts.push(("Team would cost", bill.into_any()));
            }
            if payment.has_trial {
                facts.push(("Trial", "14 days for nothing, without a card".into_any()));
            }
        }
        None => {}
    }
    let facts: Vec<_> = facts.into_iter().map(|(name, is)| view! { <dt>{name}</dt><dd>{is}</dd> }).collect();
    let asked = payment.asked_at.map(|at| {
        let now = ticking(now);
        let button = row_button(
            forms.ask,
            &[("org", org.to_owned())],
            "Ask Stripe now",
            "Ask Stripe now what the organisation pays".to_owned(),
        );
        view! { <span class="right"><Age at now before="as Stripe had it " after=" ago"/></span>{button} }
    });
    view! {
        <section class="card" aria-labelledby="plan">
            <header><h2 id="plan">"Plan"</h2>{asked}</header>
            <dl class="facts pad">{facts}</dl>
            <p class="pad">
                "Nodes are averaged over 30 days: "<a class="link" href="/docs/nodes" rel="external">"how they are counted"</a>
                ". What a plan has: "<a class="link" href="/docs/plans" rel="external">"plans"</a>"."
            </p>
        </section>
    }
    .into_any()
}

/// `2026-11-28`
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
