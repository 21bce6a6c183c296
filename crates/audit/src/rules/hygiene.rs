//! What is left over, leads nowhere or is not where it should be.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
