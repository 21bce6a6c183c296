//! What newer versions of Kubernetes no longer have.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
