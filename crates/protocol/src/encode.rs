//! Writing a batch.

use std::io::{self, Write};

use serde::Serialize;
use uuid::Uuid;

use crate::Header;

/// Writes one batch into memory, compressed as it grows.
pub struct Encoder {
    zstd: zstd::stream::write::Encoder<'static, Vec<u8>>,
    operations: usize,
    uncompressed: usize,
}

#[derive(Serialize)]
struct Upsert<'a, T> {
    op: &'static str,
    resource: &'a T,
}

#[derive(Serialize)]
struct Delete {
    op: &'static str,
    uid: Uuid,
}

impl Encoder {
    /// Begins a batch. `level` is zstd's: 1 is fast, 3 its default.
    pub fn new(header: &Header, level: i32) -> io::Result<Self> {
        let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), level)?;
        zstd.include_checksum(true)?;
        let mut encoder = Self { zstd, operations: 0, uncompressed: 0 };
        encoder.line(header)?;
        Ok(encoder)
    }

    /// Adds an object (anything that serialises as one, already stripped).
    pub fn upsert(&mut self, resource: &impl Serialize) -> io::Result<()> {
        self.operations += 1;
        self.line(&Upsert { op: "upsert", resource })
    }

    /// Adds a deletion.
    pub fn delete(&mut self, uid: Uuid) -> io::Result<()> {
        self.operations += 1;
        self.line(&Delete { op: "delete", uid })
    }

    /// Operations so far.
    pub const fn operations(&self) -> usize {
        self.operations
    }

    /// Bytes so far, before compression.
    pub const fn uncompressed_len(&self) -> usize {
        self.uncompressed
    }

    /// Ends the batch: the body to send.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.zstd.finish()
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.uncompressed += line.len();
        self.zstd.write_all(&line)
    }
}
