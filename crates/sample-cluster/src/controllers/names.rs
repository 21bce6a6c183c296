//! Names and numbers that look random and never change: derived from a text.

use sha2::{Digest, Sha256};

/// The letters that Kubernetes makes name suffixes of (`k8s.io/apimachinery/pkg/util/rand`): no vowels, so that no
/// words appear.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// FNV-1a, then a finaliser, so that similar texts give unrelated numbers.
pub(crate) fn number(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// A number below `below`.
pub(crate) fn pick(text: &str, below: usize) -> usize {
    usize::try_from(number(text) % (below.max(1) as u64)).unwrap_or(0)
}

/// A suffix for a generated name.
pub(crate) fn suffix(text: &str, length: usize) -> String {
    let mut rest = number(text);
    let mut out = String::with_capacity(length);
    for _ in 0..length {
        let letters = LETTERS.len() as u64;
        out.push(char::from(LETTERS[usize::try_from(rest % letters).unwrap_or(0)]));
        rest /= letters;
    }
    out
}

/// 64 hexadecimal digits: a digest or an id.
pub(crate) fn digest(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_gives_the_same_name() {
        assert_eq!(suffix("cart", 5), suffix("cart", 5));
        assert_ne!(suffix("cart", 5), suffix("carts", 5));
        assert_eq!(suffix("cart", 10).len(), 10);
        assert_eq!(digest("cart").len(), 64);
    }
}
