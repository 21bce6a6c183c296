//! What programs prove themselves with: `Authorization: Bearer …` (RFC 6750 §2.1).

use http::{HeaderMap, header};
use secrecy::SecretString;

/// The token that a request carries, if it carries one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned().into())
}
