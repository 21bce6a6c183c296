//! Secrets in the wrong place.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
