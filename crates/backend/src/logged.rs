//! How ids stand in logs, which are kept by others and for longer than what the ids are of: who has an id finds its lines,
//! and who has the lines learns no id.

use std::fmt::Display;

use sha2::{Digest, Sha256};

/// The beginning of the SHA-256 of an id, in hexadecimal: `printf %s ID | sha256sum | cut -c 1-12`.
pub(crate) fn logged(id: impl Display) -> String {
    hex::encode(&Sha256::digest(id.to_string())[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_by_its_digest() {
        // printf %s 00000000-0000-0000-0000-000000000001 | sha256sum
        assert_eq!(logged(uuid::Uuid::from_u128(1)), "7ac1b8d7010b");
    }
}
