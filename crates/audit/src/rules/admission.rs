//! Webhooks and policies that decide what is let in.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
