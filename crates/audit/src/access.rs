//! Who may do what: roles, bindings and their subjects, put together.

use crate::inventory::Inventory;

/// Who may do what.
#[derive(Debug)]
pub struct Access;

impl Access {
    pub(crate) fn new(_inventory: &Inventory) -> Self {
        Self
    }
}
