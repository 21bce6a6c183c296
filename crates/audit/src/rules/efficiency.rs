//! Requests, limits, and what nodes are promised.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
