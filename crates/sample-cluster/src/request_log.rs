//! What was asked of the API: the evidence for what an agent does and does not read.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde::Serialize;

/// Most requests that are remembered; the oldest are forgotten first.
const MAX_REQUESTS: usize = 100_000;

/// One request of the Kubernetes API (requests of the control routes are not recorded).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    /// HTTP method.
    pub method: String,
    /// As RBAC sees it: `list`, `watch` or `get` of a resource, otherwise `other`.
    pub verb: &'static str,
    /// API group; empty for the core group and for `other`.
    pub group: String,
    /// Version within the group.
    pub version: String,
    /// The plural; with its subresource, if one was asked for: `pods/log`. Empty for what names no resource.
    pub resource: String,
    /// The namespace, if the path names one.
    pub namespace: Option<String>,
    /// Path and query as they were sent.
    pub path_and_query: String,
    /// HTTP status of the answer.
    pub status: u16,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    remembered: VecDeque<RecordedRequest>,
    file: Option<BufWriter<File>>,
}

impl RequestLog {
    pub(crate) fn record(&self, request: RecordedRequest) {
        let mut log = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut log.file {
            // Flushed line by line: who reads the file wants to see what was asked up to now.
            let written = serde_json::to_writer(&mut *file, &request)
                .map_err(std::io::Error::from)
                .and_then(|()| file.write_all(b"\n"))
                .and_then(|()| file.flush());
            if let Err(error) = written {
                tracing::warn!(%error, "requests can no longer be written to the file");
                log.file = None;
            }
        }
        if log.remembered.len() >= MAX_REQUESTS {
            log.remembered.pop_front();
        }
        log.remembered.push_back(request);
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).remembered.iter().cloned().collect()
    }

    /// From now on requests are also written to a file, a JSON object a line.
    pub(crate) fn write_to(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("cannot write requests to {}", path.display()))?;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).file = Some(BufWriter::new(file));
        Ok(())
    }
}
