//! Who may do what: roles, bindings, service accounts.

use crate::rule::Rule;

/// The rules.
pub static RULES: &[Rule] = &[];
