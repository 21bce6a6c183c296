//! How ids stand in logs, which are kept by others and for longer than what the ids are of: who has an id finds its lines,
//! and who has the lines learns no id.

use std::fmt::Display;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Characters of an id, as `8-4-4-4-12`.
const ID: usize = 36;

/// The beginning of the SHA-256 of an id, in hexadecimal: `printf %s ID | sha256sum | cut -c 1-12`.
pub(crate) fn logged(id: impl Display) -> String {
    hex::encode(&Sha256::digest(id.to_string())[..6])
}

/// What a store of objects answered, without the ids in the names of objects: errors stand in logs. What went wrong, and
/// where the store is, stays.
pub(crate) fn without_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((id, after)) = rest.split_at_checked(ID)
            && id.as_bytes()[8] == b'-'
            && let Ok(id) = Uuid::try_parse(id)
        {
            out.push_str(&logged(id));
            rest = after;
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_in_a_text_are_digests() {
        let id = "00000000-0000-0000-0000-000000000001";
        let text = format!("GET http://127.0.0.1:9/b/people/{id}/{id}.zip: 500 …, as 7f{id}7f");
        let wanted = "GET http://127.0.0.1:9/b/people/7ac1b8d7010b/7ac1b8d7010b.zip: 500 …, as 7f7ac1b8d7010b7f";
        assert_eq!(without_ids(&text), wanted);
        for text in
            ["", "é", "a store that is not there", "00000000-0000-0000-0000-00000000000", "-".repeat(40).as_str()]
        {
            assert_eq!(without_ids(text), text);
        }
    }

    #[test]
    fn an_id_is_found_by_its_digest() {
        // printf %s 00000000-0000-0000-0000-000000000001 | sha256sum
        assert_eq!(logged(uuid::Uuid::from_u128(1)), "7ac1b8d7010b");
    }
}
