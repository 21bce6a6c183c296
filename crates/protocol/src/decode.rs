//! Reading a batch: a stream with a bound on everything, since whoever has a token can send anything.

use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{BatchKind, Header, PROTOCOL_VERSION};

/// The most that a server takes in one batch.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest line, in bytes. etcd refuses objects over 1.5 MiB, so no real object is longer.
    pub line_bytes: usize,
    /// All lines together, uncompressed, in bytes.
    pub batch_bytes: u64,
    /// Lines after the header.
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: 2 << 20, batch_bytes: 128 << 20, operations: 20_000 }
    }
}

/// log2 of the largest window a frame may ask the decoder to keep: 8 MiB, what zstd's levels up to 19 use.
const WINDOW_LOG_MAX: u32 = 23;

/// One line after the header.
#[derive(Debug)]
pub enum Operation {
    /// The object is there, and looks like this.
    Upsert(Box<RawValue>),
    /// The object with this UID is gone.
    Delete(Uuid),
}

/// Why a batch could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The agent speaks a version that this server no longer (or does not yet) understands.
    #[error(
        "this server speaks ingest protocol {PROTOCOL_VERSION}, the agent speaks {0}; use an agent of the server's own version"
    )]
    Version(u32),
    /// More than [`Limits`] allow.
    #[error("line {line}: {what}")]
    TooLarge {
        /// Where, counted from 1 (the header).
        line: usize,
        /// What is too large, and the limit.
        what: String,
    },
    /// Not a batch.
    #[error("line {line}: {what}")]
    Malformed {
        /// Where, counted from 1 (the header).
        line: usize,
        /// What is wrong. Says nothing of the content but where it is wrong.
        what: String,
    },
    /// The connection broke while the batch was read.
    #[error("the connection broke while the batch was read")]
    Disconnected,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Upsert,
    Delete,
}

#[derive(Deserialize)]
struct Line {
    op: Op,
    resource: Option<Box<RawValue>>,
    uid: Option<Uuid>,
}

/// Reads a batch line by line. Holds one line and one decompression window, whatever is sent.
pub struct Decoder<R: Read> {
    lines: BufReader<io::Take<zstd::stream::read::Decoder<'static, BufReader<R>>>>,
    header: Header,
    limits: Limits,
    line: usize,
    buffer: Vec<u8>,
}

impl<R: Read> Decoder<R> {
    /// Begins to read: the header is read and its version checked.
    pub fn new(body: R, limits: Limits) -> Result<Self, DecodeError> {
        let mut zstd = zstd::stream::read::Decoder::new(body).map_err(|e| malformed(1, e.to_string()))?;
        zstd.window_log_max(WINDOW_LOG_MAX).map_err(|e| malformed(1, e.to_string()))?;
        // One byte more than allowed, so that the limit is told from the end.
        let lines = BufReader::with_capacity(64 << 10, zstd.take(limits.batch_bytes + 1));
        let header = Header {
            protocol: 0,
            agent_version: String::new(),
            cluster_uid: String::new(),
            kubernetes_version: String::new(),
            epoch: 0,
            seq: 0,
            kind: BatchKind::Heartbeat,
            last: true,
            unreadable: Vec::new(),
        };
        let mut decoder = Self { lines, header, limits, line: 0, buffer: Vec::new() };
        decoder.read_header()?;
        Ok(decoder)
    }

    /// The first line.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The number of the line that was read last, counted from 1 (the header).
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The next operation; none at the end of a whole batch.
    pub fn next_operation(&mut self) -> Result<Option<Operation>, DecodeError> {
        if !self.read_line()? {
            return Ok(None);
        }
        if self.line - 1 > self.limits.operations {
            return Err(self.too_large(format!("more than {} operations in one batch", self.limits.operations)));
        }
        let line: Line = serde_json::from_slice(&self.buffer).map_err(|e| self.not_json(&e))?;
        match (line.op, line.resource, line.uid, self.header.kind) {
            (_, _, _, BatchKind::Heartbeat) => Err(malformed(self.line, "a heartbeat has no operations".to_owned())),
            (Op::Upsert, Some(resource), None, _) => Ok(Some(Operation::Upsert(resource))),
            (Op::Delete, None, Some(_), BatchKind::Full) => {
                Err(malformed(self.line, "a full synchronisation has no deletions".to_owned()))
            }
            (Op::Delete, None, Some(uid), BatchKind::Delta) => Ok(Some(Operation::Delete(uid))),
            (Op::Upsert, ..) => Err(malformed(self.line, "an upsert has a resource and nothing else".to_owned())),
            (Op::Delete, ..) => Err(malformed(self.line, "a delete has a uid and nothing else".to_owned())),
        }
    }

    fn read_header(&mut self) -> Result<(), DecodeError> {
        #[derive(Deserialize)]
        struct Version {
            protocol: u32,
        }
        if !self.read_line()? {
            return Err(malformed(1, "the batch is empty; its first line must be the header".to_owned()));
        }
        // The version first: a header of another version may have other fields.
        let Version { protocol } = serde_json::from_slice(&self.buffer).map_err(|e| self.not_json(&e))?;
        if protocol != PROTOCOL_VERSION {
            return Err(DecodeError::Version(protocol));
        }
        self.header = serde_json::from_slice(&self.buffer).map_err(|e| self.not_json(&e))?;
        let header = &self.header;
        let short = |s: &str, max: usize| s.len() <= max && !s.chars().any(char::is_control);
        if !short(&header.agent_version, 64)
            || !short(&header.kubernetes_version, 64)
            || !short(&header.cluster_uid, 64)
        {
            return Err(malformed(
                1,
                "agent_version, kubernetes_version and cluster_uid are at most 64 characters".to_owned(),
            ));
        }
        if header.unreadable.len() > 256 || header.unreadable.iter().any(|u| !short(&u.kind, 320)) {
            return Err(malformed(1, "unreadable lists at most 256 kinds".to_owned()));
        }
        if header.kind != BatchKind::Full && !header.last {
            return Err(malformed(1, "only a full synchronisation has parts; last must be true".to_owned()));
        }
        Ok(())
    }

    /// Reads the next line into the buffer, without its line feed; false at the end.
    fn read_line(&mut self) -> Result<bool, DecodeError> {
        self.line += 1;
        self.buffer.clear();
        let limit = self.limits.line_bytes as u64 + 1;
        let read = (&mut self.lines).take(limit).read_until(b'\n', &mut self.buffer).map_err(|e| self.broken(&e))?;
        if self.lines.get_ref().limit() == 0 {
            let mib = self.limits.batch_bytes >> 20;
            return Err(self.too_large(format!("more than {mib} MiB in one batch; send several")));
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read as u64 == limit {
            let mib = self.limits.line_bytes >> 20;
            return Err(
                self.too_large(format!("longer than {mib} MiB, more than Kubernetes itself stores of one object"))
            );
        }
        Ok(read > 0)
    }

    fn broken(&self, error: &io::Error) -> DecodeError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                malformed(self.line, "the batch ends in the middle of a zstd frame".to_owned())
            }
            io::ErrorKind::Other | io::ErrorKind::InvalidData => {
                malformed(self.line, format!("not a zstd frame: {error}"))
            }
            // What the reader of the body says when it is larger than the server takes.
            io::ErrorKind::FileTooLarge => self.too_large("the compressed batch is too large; send several".to_owned()),
            _ => DecodeError::Disconnected,
        }
    }

    fn not_json(&self, error: &serde_json::Error) -> DecodeError {
        // serde_json quotes what it found ("invalid type: string \"…\""), which could be a secret: only the place is told.
        malformed(self.line, format!("not what the protocol says, at column {}", error.column()))
    }

    const fn too_large(&self, what: String) -> DecodeError {
        DecodeError::TooLarge { line: self.line, what }
    }
}

const fn malformed(line: usize, what: String) -> DecodeError {
    DecodeError::Malformed { line, what }
}
