//! All objects of a kind, page by page.

use kubewise_protocol::{VULNERABILITY_REPORT, WatchedKind};

use super::client::{Kubernetes, Parts};
use super::error::ApiError;
use super::splitter::Splitter;
use crate::object::{Read, Reader};

/// Objects per page. Small pages are kind to the API server, which holds each in memory as a whole.
const PAGE: u32 = 250;

/// Reports of scanners per page: each can be a megabyte.
const PAGE_OF_REPORTS: u32 = 25;

/// All objects of a kind, one after another, as they arrive.
pub(crate) struct Listing<'a> {
    kubernetes: &'a Kubernetes,
    reader: &'a Reader,
    kind: &'static WatchedKind,
    page: Option<(Parts, Splitter)>,
    next: String,
    resource_version: Option<String>,
}

impl<'a> Listing<'a> {
    /// Begins to list; nothing is asked before the first [`Listing::next`].
    pub(crate) const fn new(kubernetes: &'a Kubernetes, reader: &'a Reader, kind: &'static WatchedKind) -> Self {
        Self { kubernetes, reader, kind, page: None, next: String::new(), resource_version: None }
    }

    /// The next object; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Read>, ApiError> {
        loop {
            let Some((parts, splitter)) = &mut self.page else {
                if self.resource_version.is_some() && self.next.is_empty() {
                    return Ok(None);
                }
                let are_reports = self.kind.group_kind() == VULNERABILITY_REPORT;
                let limit = if are_reports { PAGE_OF_REPORTS } else { PAGE };
                let parts = self.kubernetes.list(self.kind, limit, &self.next).await?;
                self.page = Some((parts, Splitter::default()));
                continue;
            };
            if let Some(item) = splitter.next_item() {
                return Ok(Some(self.reader.read(self.kind, &item)));
            }
            if let Some(part) = parts.next().await? {
                splitter.push(&part).map_err(ApiError::unavailable)?;
                continue;
            }
            let metadata = splitter.finish().map_err(ApiError::unavailable)?;
            if !metadata.next.is_empty() && metadata.next == self.next {
                return Err(ApiError::unavailable("the API server answers with the same page again"));
            }
            self.resource_version = Some(metadata.resource_version);
            self.next = metadata.next;
            self.page = None;
        }
    }

    /// Where watching begins, once everything is listed.
    pub(crate) fn resource_version(self) -> String {
        self.resource_version.unwrap_or_default()
    }
}
