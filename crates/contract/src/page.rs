//! Lists: what a list is asked for and what it answers. Every list is paginated by key, never by offset.

use serde::{Deserialize, Serialize};

/// Rows on a page.
pub const PAGE_SIZE: usize = 50;

/// Where the next page begins. Opaque: made by the server, kept in the URL, checked by the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows, at most [`PAGE_SIZE`].
    pub rows: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page with nothing on it.
    pub const fn empty() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}

/// Filters and position of a list: the query string of its page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Only this kind, spelled as Kubernetes spells a group-kind: `Pod`, `Deployment.apps`.
    pub kind: Option<String>,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only names that contain this text. With capitals in it, whatever the case.
    pub q: Option<String>,
    /// Only this application: workloads that carry its name.
    pub app: Option<String>,
    /// Only what runs this image: the whole reference, as written.
    pub image: Option<String>,
    /// Begin after this place.
    pub after: Option<Cursor>,
}

impl ListQuery {
    /// True when no filter is set (the position does not count).
    pub fn is_unfiltered(&self) -> bool {
        self.kind.is_none()
            && self.namespace.is_none()
            && self.q.is_none()
            && self.app.is_none()
            && self.image.is_none()
    }
}

/// Whether search finds names with this text in their middle, and not only names that begin with it: the index is made of
/// three letters or digits in a row.
pub fn is_found_anywhere(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().count() >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_are_found_by_beginnings_only() {
        for none in ["a", "ab", "a-b", "x.y-z0", "--", "%%%"] {
            assert!(!is_found_anywhere(none), "{none:?}");
        }
        for some in ["api", "a-b-123", "ünï"] {
            assert!(is_found_anywhere(some), "{some:?}");
        }
    }
}
