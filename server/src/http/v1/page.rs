//! What answers have in common: lists, moments, and how something is doing.

use kubewise_contract::{ClusterChoice, Cursor, Page, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct List<T> {
    /// At most 50.
    items: Vec<T>,
    /// What to send as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

impl<T> List<T> {
    /// A page of the backend.
    pub(super) fn of<R>(page: Page<R>, item: impl FnMut(R) -> T) -> Self {
        Self { items: page.rows.into_iter().map(item).collect(), next: page.next.map(|Cursor(next)| next) }
    }
}

/// A moment, UTC.
#[derive(Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-23T09:12:05Z")]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// A cluster, by id and name.
#[derive(Serialize, ToSchema)]
pub(super) struct ClusterRef {
    /// Its id.
    pub(super) id: Uuid,
    /// Its name.
    #[schema(example = "eu-prod")]
    pub(super) name: String,
}

impl From<ClusterChoice> for ClusterRef {
    fn from(cluster: ClusterChoice) -> Self {
        Self { id: cluster.id.0, name: cluster.name }
    }
}
