//! What is used of the plan, and the nodes of each day.

use kubewise_contract::{BillingOverview, Limit, NodeDay, Payment};
use leptos::prelude::*;

use crate::parts::{count, number};

pub(super) fn used(billing: &BillingOverview) -> AnyView {
    let has = billing.plan.entitlements();
    let rows: Vec<_> = billing
        .used
        .iter()
        .map(|(limit, used)| {
            let most = has.most(*limit);
            let is_over = most.is_some_and(|most| *used > i64::from(most));
            let of = most.map_or_else(|| "no limit".to_owned(), |most| format!("of {}", number(i64::from(most))));
            let over = is_over.then(|| view! { <span class="tag crit">"more than the plan has"</span> });
            view! {
                <tr>
                    <th scope="row">{name(*limit)}</th>
                    <td class="num">{number(*used)}</td>
                    <td class="quiet">{of}" "{over}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <section class="card list-card next" aria-labelledby="usage">
            <header><h2 id="usage">"What is used"</h2></header>
            <table>
                <thead><tr>
                    <th scope="col">"What"</th><th scope="col" class="num">"There are"</th><th scope="col">"The plan has"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

const fn name(limit: Limit) -> &'static str {
    match limit {
        Limit::Clusters => "Clusters",
        Limit::Nodes => "Nodes",
        Limit::Members => "Members, with those who are invited",
        Limit::Schedules => "Clusters that are audited by themselves",
        Limit::Notifications => "Notifications",
        Limit::SecondFactor => "Two steps for all members",
    }
}

pub(super) fn days(billing: &BillingOverview, payment: Option<&Payment>) -> AnyView {
    let billed = payment
        .and_then(|payment| payment.subscription.as_ref())
        .filter(|subscription| subscription.status.is_live())
        .map(|subscription| subscription.nodes);
    view! {
        <section class="card next" aria-labelledby="days">
            <header><h2 id="days">"Nodes by day"</h2></header>
            {chart(&billing.days, billed)}
        </section>
    }
    .into_any()
}

/// A bar for each day, and a line where what is billed stands. A table says the same to who does not see it.
fn chart(days: &[NodeDay], billed: Option<i64>) -> AnyView {
    const HEIGHT: i64 = 96;
    const WIDTH: usize = 10;
    const LEAST: usize = 31;
    let Some(most) = days.iter().map(|day| day.nodes).chain(billed).max().filter(|most| *most > 0 && !days.is_empty())
    else {
        return view! {
            <p class="pad">"No node was counted yet. They are counted once an agent has sent a cluster."</p>
        }
        .into_any();
    };
    // The last days stand at the right, also while there are few.
    let slots = days.len().max(LEAST);
    let first = slots - days.len();
    let bars: Vec<_> = days
        .iter()
        .enumerate()
        .map(|(at, day)| {
            let height = (day.nodes.saturating_mul(HEIGHT) / most).max(i64::from(day.nodes > 0));
            let title = format!("{}: {}", day.day, count(day.nodes, "node"));
            view! {
                <rect x=(first + at) * WIDTH y=HEIGHT - height width=WIDTH - 2 height=height rx="1"><title>{title}</title></rect>
            }
        })
        .collect();
    let width = slots * WIDTH;
    let line = billed.map(|billed| {
        let y = HEIGHT - billed.saturating_mul(HEIGHT) / most;
        view! { <line x1="0" x2=width y1=y y2=y/> }
    });
    let rows: Vec<_> = days
        .iter()
        .rev()
        .map(|day| view! { <tr><th scope="row">{day.day.clone()}</th><td class="num">{number(day.nodes)}</td></tr> })
        .collect();
    let said = billed.map(|billed| format!("; {} billed", count(billed, "node"))).unwrap_or_default();
    let number_of_days = count(i64::try_from(days.len()).unwrap_or(i64::MAX), "day");
    let label = format!("Nodes of {number_of_days}, at most {}{said}", number(most));
    let from = (days.len() >= LEAST).then(|| days.first().map(|day| day.day.clone()));
    let to = days.last().map(|day| day.day.clone());
    let key = billed.map(|billed| view! { <span class="billed">{format!("billed: {}", count(billed, "node"))}</span> });
    view! {
        <figure class="bars">
            <svg viewBox=format!("0 0 {width} {HEIGHT}") preserveAspectRatio="none" role="img" aria-label=label>{bars}{line}</svg>
            <figcaption><span>{from}</span>{key}<span>{to}</span></figcaption>
        </figure>
        <details class="pad">
            <summary>"As a table"</summary>
            <table>
                <thead><tr><th scope="col">"Day (UTC)"</th><th scope="col" class="num">"Nodes"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
    .into_any()
}
