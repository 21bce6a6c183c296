//! One cluster's conversation with the server: a full synchronisation, then deltas and heartbeats, in order.

use anyhow::{Context, Result};
use bytes::Bytes;
use kubewise_protocol::{BatchKind, Encoder, Header, PROTOCOL_VERSION};
use serde_json::value::RawValue;

use super::{
    delivery::Delivery,
    objects::{self, Objects},
};

/// The most in a batch, as the agent has it.
const BATCH_OPERATIONS: usize = 2_000;
const BATCH_BYTES: usize = 4 << 20;
/// The agent's level of zstd.
const COMPRESSION: i32 = 3;

/// Where a cluster's conversation is.
pub(super) struct Conversation {
    token: String,
    cluster_uid: String,
    epoch: u64,
    next_seq: u64,
    pods: Vec<Box<RawValue>>,
    changes: u64,
}

impl Conversation {
    /// Sends all objects.
    pub(super) async fn begin(delivery: &Delivery, token: String, objects: Objects, epoch: u64) -> Result<Self> {
        let Objects { all, pods, cluster_uid } = objects;
        let mut this = Self { token, cluster_uid, epoch, next_seq: 0, pods, changes: 0 };
        let mut left = all.into_iter().peekable();
        while left.peek().is_some() {
            let mut batch = this.batch(BatchKind::Full, false)?;
            while batch.operations() < BATCH_OPERATIONS && batch.uncompressed_len() < BATCH_BYTES {
                let Some(object) = left.next() else { break };
                batch.upsert(&object)?;
            }
            this.send(delivery, batch).await?;
        }
        let last = this.batch(BatchKind::Full, true)?;
        this.send(delivery, last).await?;
        Ok(this)
    }

    /// Says that the agent is alive.
    pub(super) async fn heartbeat(&mut self, delivery: &Delivery) -> Result<()> {
        let batch = self.batch(BatchKind::Heartbeat, true)?;
        self.send(delivery, batch).await
    }

    /// Sends a few pods that changed.
    pub(super) async fn change(&mut self, delivery: &Delivery) -> Result<()> {
        self.changes += 1;
        let mut batch = self.batch(BatchKind::Delta, true)?;
        for pod in &self.pods {
            batch.upsert(&objects::restarted(pod, self.changes)?)?;
        }
        self.send(delivery, batch).await
    }

    fn batch(&self, kind: BatchKind, last: bool) -> Result<Encoder> {
        let header = Header {
            protocol: PROTOCOL_VERSION,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_uid: self.cluster_uid.clone(),
            kubernetes_version: "1.35.4".to_owned(),
            epoch: self.epoch,
            seq: self.next_seq,
            kind,
            last,
            unreadable: Vec::new(),
        };
        Encoder::new(&header, COMPRESSION).context("a batch could not be begun")
    }

    async fn send(&mut self, delivery: &Delivery, batch: Encoder) -> Result<()> {
        delivery.send(&self.token, Bytes::from(batch.finish()?)).await?;
        self.next_seq += 1;
        Ok(())
    }
}
