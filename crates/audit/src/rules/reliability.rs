//! Whether workloads go on when something fails.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
