//! Positions in lists, and the text filter.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kubewise_contract::{Cursor, Field, FieldError, PAGE_SIZE, Page, Problem};
use uuid::Uuid;

use crate::Error;

/// What a list asks PostgreSQL for: a page and one row more, which tells whether there is a next page.
pub(crate) const ONE_MORE: i64 = 51;
const _: () = assert!(PAGE_SIZE == 50, "one less than ONE_MORE");

/// The key parts of a position; empty text, which sorts before everything, without one.
pub(crate) fn decode<const N: usize>(cursor: Option<&Cursor>) -> Result<[String; N], Error> {
    let Some(Cursor(text)) = cursor else { return Ok(std::array::from_fn(|_| String::new())) };
    let not_understood = || Error::Invalid(FieldError { field: Field::Query, problem: Problem::NotUnderstood });
    if text.len() > 2048 {
        return Err(not_understood());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_understood())?;
    let parts: Vec<String> = serde_json::from_slice(&bytes).map_err(|_| not_understood())?;
    // PostgreSQL has no text with NUL in it.
    if parts.iter().any(|part| part.contains('\0')) {
        return Err(not_understood());
    }
    parts.try_into().map_err(|_| not_understood())
}

/// A part that is a UID.
pub(crate) fn uid(part: &str) -> Uuid {
    part.parse().unwrap_or_default()
}

/// Cuts the extra row off, and says where the next page begins if there was one.
pub(crate) fn page<T>(mut rows: Vec<T>, key: impl Fn(&T) -> Vec<String>) -> Page<T> {
    let more = rows.len() > PAGE_SIZE;
    rows.truncate(PAGE_SIZE);
    let next = rows.last().filter(|_| more).map(|last| encode(key(last)));
    Page { rows, next }
}

/// A position from its key parts.
pub(crate) fn encode(key: Vec<String>) -> Cursor {
    Cursor(URL_SAFE_NO_PAD.encode(serde_json::Value::from(key).to_string()))
}

/// The `ILIKE` pattern for "contains this text"; none for an empty filter.
pub(crate) fn pattern(q: Option<&str>) -> Option<String> {
    let q: String = q?.trim().chars().filter(|c| *c != '\0').take(100).collect();
    if q.is_empty() {
        return None;
    }
    let escaped = q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Some(format!("%{escaped}%"))
}

/// A filter as PostgreSQL takes it; none when it is empty.
pub(crate) fn filter(value: Option<&String>) -> Option<String> {
    value.map(|v| v.replace('\0', "")).filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_continues_after_its_last_row() {
        let rows: Vec<u32> = (0..51).collect();
        let page = page(rows, |n| vec![n.to_string(), "x/y z".to_owned()]);
        assert_eq!(page.rows.len(), 50);
        assert_eq!(decode::<2>(page.next.as_ref()).unwrap(), ["49".to_owned(), "x/y z".to_owned()]);
    }

    #[test]
    fn the_last_page_has_no_next() {
        assert_eq!(page(vec![1, 2, 3], |n: &u32| vec![n.to_string()]).next, None);
    }

    proptest! {
        #[test]
        fn a_position_that_is_not_ours_is_refused_without_a_panic(text in ".{0,300}") {
            prop_assert!(decode::<3>(Some(&Cursor(text))).is_err());
        }
    }

    #[test]
    fn wildcards_are_taken_literally() {
        assert_eq!(pattern(Some(" 50%_a\\ ")).as_deref(), Some("%50\\%\\_a\\\\%"));
        assert_eq!(pattern(Some("  ")), None);
    }
}
