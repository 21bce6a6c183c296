//! Clusters that live: from each a heartbeat a minute and a few changed pods every half minute, no two clusters at the
//! same moment.

use std::time::Duration;

use anyhow::Error;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    conversation::Conversation,
    delivery::Delivery,
    figures::{Steady, quantile},
};

/// How often an agent says that it is alive.
const HEARTBEATS: Duration = Duration::from_mins(1);
/// How often something changes.
const CHANGES: Duration = Duration::from_secs(30);
/// Heartbeats fall between two changes.
const AFTER_CHANGE: Duration = Duration::from_secs(15);

struct Lived {
    latencies: Vec<Duration>,
    error: Option<Error>,
}

pub(super) async fn run(delivery: &Delivery, conversations: Vec<Conversation>, length: Duration) -> Steady {
    let clusters = conversations.len();
    let (started, retries) = (Instant::now(), delivery.retries());
    let mut living: FuturesUnordered<_> = conversations
        .into_iter()
        .enumerate()
        .map(|(index, conversation)| {
            // A cluster's part of the way from 0 to 1.
            let phase = f64::from(u32::try_from(index).unwrap_or(u32::MAX))
                / f64::from(u32::try_from(clusters).unwrap_or(u32::MAX));
            live(delivery, conversation, started, phase, length)
        })
        .collect();
    let (mut latencies, mut errors, mut first_error) = (Vec::new(), 0, None);
    while let Some(lived) = living.next().await {
        latencies.extend(lived.latencies);
        if let Some(error) = lived.error {
            errors += 1;
            first_error.get_or_insert_with(|| format!("{error:#}"));
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let batches = latencies.len();
    Steady {
        clusters,
        seconds,
        batches,
        batches_per_second: f64::from(u32::try_from(batches).unwrap_or(u32::MAX)) / seconds,
        errors,
        first_error,
        retries: delivery.retries() - retries,
        p50_ms: quantile(&latencies, 50),
        p99_ms: quantile(&latencies, 99),
        most_ms: quantile(&latencies, 100),
    }
}

async fn live(
    delivery: &Delivery,
    mut conversation: Conversation,
    started: Instant,
    phase: f64,
    length: Duration,
) -> Lived {
    let mut lived = Lived { latencies: Vec::new(), error: None };
    let mut change_due = CHANGES.mul_f64(phase);
    let mut heartbeat_due = HEARTBEATS.mul_f64(phase) + AFTER_CHANGE;
    loop {
        let is_change = change_due <= heartbeat_due;
        let due = change_due.min(heartbeat_due);
        if due >= length {
            return lived;
        }
        tokio::time::sleep_until(started + due).await;
        let sent = if is_change {
            change_due += CHANGES;
            conversation.change(delivery).await
        } else {
            heartbeat_due += HEARTBEATS;
            conversation.heartbeat(delivery).await
        };
        match sent {
            Ok(()) => lived.latencies.push((started + due).elapsed()),
            Err(error) => {
                lived.error = Some(error);
                return lived;
            }
        }
    }
}
