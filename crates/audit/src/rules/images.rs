//! Where containers come from.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
