//! Reading a batch in a thread of its own: decompressing, parsing and compressing again are work, and happen beside
//! the writing to PostgreSQL, not before it.

use std::{collections::HashMap, io::Read};

use kubewise_protocol::{DecodeError, Decoder, Header, Limits, Operation};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{extract::Extractor, record::Record};

/// Operations in one write to PostgreSQL.
const CHUNK_OPERATIONS: usize = 1_000;
/// Compressed manifests in one write to PostgreSQL.
const CHUNK_BYTES: usize = 2 << 20;

/// Operations that are written together. At most one per UID: the latest.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Objects that are there.
    pub upserts: Vec<Record>,
    /// Objects that are gone.
    pub deletes: Vec<Uuid>,
}

/// What reading a batch gives, in this order: a header, chunks, the end; or a failure at any point.
#[derive(Debug)]
pub enum Item {
    /// The first line.
    Header(Box<Header>),
    /// Some operations.
    Chunk(Chunk),
    /// The batch was read whole.
    End,
    /// The batch cannot be used.
    Failed(DecodeError),
}

/// Reads a batch to its end or until nobody takes what it gives. Blocks: for a thread of its own.
pub fn read(body: impl Read, limits: Limits, items: &mpsc::Sender<Item>) {
    let result = (|| {
        let mut decoder = Decoder::new(body, limits)?;
        if items.blocking_send(Item::Header(Box::new(decoder.header().clone()))).is_err() {
            return Ok(());
        }
        let mut extractor = Extractor::new().map_err(|_| DecodeError::Disconnected)?;
        let mut gathered = Gathered::default();
        while let Some(operation) = decoder.next_operation()? {
            match operation {
                Operation::Upsert(json) => {
                    let record = extractor
                        .extract(&json)
                        .map_err(|unfit| DecodeError::Malformed { line: decoder.line(), what: unfit.to_string() })?;
                    gathered.upsert(record);
                }
                Operation::Delete(uid) => gathered.delete(uid),
            }
            if gathered.is_full() && items.blocking_send(Item::Chunk(gathered.take())).is_err() {
                return Ok(());
            }
        }
        let rest = gathered.take();
        if !(rest.upserts.is_empty() && rest.deletes.is_empty()) && items.blocking_send(Item::Chunk(rest)).is_err() {
            return Ok(());
        }
        drop(items.blocking_send(Item::End));
        Ok(())
    })();
    if let Err(error) = result {
        drop(items.blocking_send(Item::Failed(error)));
    }
}

#[derive(Default)]
struct Gathered {
    latest: HashMap<Uuid, Option<Record>>,
    bytes: usize,
}

impl Gathered {
    fn upsert(&mut self, record: Record) {
        self.bytes += record.manifest.len();
        self.latest.insert(record.uid, Some(record));
    }

    fn delete(&mut self, uid: Uuid) {
        self.latest.insert(uid, None);
    }

    fn is_full(&self) -> bool {
        self.latest.len() >= CHUNK_OPERATIONS || self.bytes >= CHUNK_BYTES
    }

    fn take(&mut self) -> Chunk {
        let mut chunk = Chunk::default();
        for (uid, record) in std::mem::take(&mut self.latest) {
            match record {
                Some(record) => chunk.upserts.push(record),
                None => chunk.deletes.push(uid),
            }
        }
        self.bytes = 0;
        chunk
    }
}
