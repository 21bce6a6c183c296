//! What workloads may do beyond the Pod Security Standards.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
