//! What is reached from where.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
