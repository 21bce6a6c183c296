//! Versions and settings of the cluster and its nodes.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
