//! Load for a server: many generated clusters that speak the ingest protocol themselves, without an agent each.

mod conversation;
mod delivery;
mod figures;
mod objects;
mod steady;

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use http::Uri;
use tokio::time::Instant;

pub use figures::{Steady, Synchronised};

use conversation::Conversation;
use delivery::Delivery;
use objects::Objects;

/// Clusters that are generated and synchronised at once: enough to keep a server of two cores busy.
const AT_ONCE: usize = 3;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What to load a server with.
#[derive(Debug)]
pub struct LoadSettings {
    /// The server's address: `http://127.0.0.1:3000`.
    pub server: Uri,
    /// An agent's token for each cluster.
    pub tokens: Vec<String>,
    /// Pods of each cluster.
    pub pods: usize,
    /// The number of the conversations' epoch: one that these clusters did not use before.
    pub epoch: u64,
}

/// Clusters that were synchronised and can go on.
pub struct Load {
    delivery: Delivery,
    conversations: Vec<Conversation>,
    synchronised: Synchronised,
}

impl Load {
    /// Sends one full synchronisation for each token; `tell` is told from time to time how many are done.
    pub async fn synchronise(settings: LoadSettings, tell: impl Fn(usize, u64)) -> Result<Self> {
        let delivery = Delivery::new(&settings.server)?;
        let started = Instant::now();
        let LoadSettings { tokens, pods, epoch, .. } = settings;
        let (mut conversations, mut resources, mut told) = (Vec::with_capacity(tokens.len()), 0, Instant::now());
        let mut done = stream::iter(tokens.into_iter().enumerate())
            .map(|(index, token)| synchronise_one(&delivery, index, token, pods, epoch))
            .buffer_unordered(AT_ONCE);
        while let Some((conversation, sent)) = done.try_next().await? {
            conversations.push(conversation);
            resources += sent;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell(conversations.len(), resources);
            }
        }
        drop(done);
        let synchronised =
            Synchronised { clusters: conversations.len(), resources, seconds: started.elapsed().as_secs_f64() };
        Ok(Self { delivery, conversations, synchronised })
    }

    /// What was synchronised.
    pub const fn synchronised(&self) -> &Synchronised {
        &self.synchronised
    }

    /// Goes on as agents do in clusters that live: heartbeats and changed pods, spread evenly over time.
    pub async fn steady(self, length: Duration) -> Steady {
        steady::run(&self.delivery, self.conversations, length).await
    }
}

async fn synchronise_one(
    delivery: &Delivery,
    index: usize,
    token: String,
    pods: usize,
    epoch: u64,
) -> Result<(Conversation, u64)> {
    let objects = tokio::task::spawn_blocking(move || Objects::generate(pods, index as u64 + 1))
        .await
        .context("a cluster could not be generated")??;
    let sent = objects.len() as u64;
    let conversation = Conversation::begin(delivery, token, objects, epoch)
        .await
        .with_context(|| format!("the synchronisation of cluster {}", index + 1))?;
    Ok((conversation, sent))
}
